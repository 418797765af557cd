"""Commands with a word in front that more than one room adds to, such as ``andon env``."""

from __future__ import annotations

import typer


def group(cli: typer.Typer, name: str, words: str) -> typer.Typer:
    """The group of that name, made by whoever asks first; ``words`` are its help."""
    for one in cli.registered_groups:
        if one.name == name and one.typer_instance is not None:
            return one.typer_instance
    made = typer.Typer(no_args_is_help=True, help=words)
    cli.add_typer(made, name=name)
    return made
