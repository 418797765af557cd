"""Asking before what cannot be undone. Where nobody is there to answer, nothing is done."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from andon.kernel.errors import Invalid


def ask(question: str) -> None:
    """Raises ``typer.Abort`` for a no, :class:`Invalid` where nobody answers."""
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        _unanswered()
    if not agreed:
        raise typer.Abort


def ask_name(warning: str, name: str) -> None:
    """Raises :class:`Invalid` for another word, and where nobody answers."""
    try:
        typed = typer.prompt(f"{warning}\nType {name} to go on", default="", show_default=False, err=True)
    except typer.Abort:
        _unanswered()
    if typed.strip() != name:
        raise Invalid("That was not its name.", safe="Nothing was changed.", remedy=f"Type {name}, or give --yes.")


def _unanswered() -> NoReturn:
    """Ctrl-C or the end of what can be read, which are told alike; the question's line is still open."""
    typer.echo(err=True)
    if sys.stdin.isatty():
        raise typer.Abort
    raise Invalid(
        "Nobody is there to answer.", safe="Nothing was changed.", remedy="Without a terminal, say it with --yes."
    )
