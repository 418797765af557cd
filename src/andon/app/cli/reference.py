"""The reference of all commands, written from the commands themselves.

``python -m andon.app.cli.reference > docs/reference/commands.md`` brings the page up to date; a test fails while it
is not.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from andon.app.cli import build

_HEAD = """# Commands

<!-- Written by `python -m andon.app.cli.reference`; a test keeps it equal to the code. -->

Every command has `--help` and `--json`. With `--json` the answer goes to standard output as JSON, one object, or one a
line where the command follows something; an error goes to standard error in the same way. Without it, answers are text
and tables, without colour when they go to a file or a pipe.

Which Andon a command speaks to: `ANDON_URL` with `ANDON_TOKEN` if they are set; else the one that `andon login` signed
in to; else, with the operator's token, the one that keeps its data on this machine.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | what was asked for is not valid |
| 3 | not found |
| 4 | not signed in, or not allowed |
| 5 | in conflict with what is there |
| 6 | too many attempts |
| 7 | something Andon needs does not answer |
| 8 | the machine lacks something |

`andon --install-completion` teaches your shell to complete commands and options.
"""


def commands_reference() -> str:
    """The page ``docs/reference/commands.md``."""
    root = build()
    found = [(path, command) for path, command in walk(root) if path]
    lines = [_HEAD, "## All commands", "", "| command | what it does |", "|---|---|"]
    for path, command in found:
        if _runs(command):
            name = " ".join(path)
            lines.append(f"| [`andon {name}`](#andon-{'-'.join(path)}) | {_first_sentence(command)} |")
    for path, command in found:
        if _runs(command):
            lines += ["", *_section(path, command)]
    return "\n".join(lines) + "\n"


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that is not hidden, with the words that lead to it. Any: Typer has no public name for commands."""
    if getattr(command, "hidden", False):
        return
    yield path, command
    for name, one in sorted(getattr(command, "commands", {}).items()):
        yield from walk(one, (*path, name))


def options_of(command: Any) -> tuple[Any, ...]:
    """Its options, hidden ones left out."""
    return tuple(one for one in command.params if one.param_type_name == "option" and not getattr(one, "hidden", False))


def arguments_of(command: Any) -> tuple[Any, ...]:
    return tuple(one for one in command.params if one.param_type_name == "argument")


def _runs(command: Any) -> bool:
    return not hasattr(command, "commands") or bool(command.invoke_without_command)


def _section(path: tuple[str, ...], command: Any) -> Iterator[str]:
    words = ["andon", *path]
    words += [_placeholder(one) for one in arguments_of(command)]
    if _own_options(command):
        words.append("[options]")
    yield f"## `andon {' '.join(path)}`"
    yield ""
    yield from _paragraphs(command)
    yield ""
    yield f"    {' '.join(words)}"
    rows = [(_placeholder(one).strip("[]…"), one) for one in arguments_of(command)]
    rows += [(", ".join(f"`{name}`" for name in one.opts), one) for one in _own_options(command)]
    if not rows:
        return
    yield ""
    yield "| | takes | without it | |"
    yield "|---|---|---|---|"
    for name, one in rows:
        shown = name if name.startswith("`") else "`" + name.replace("|", "\\|") + "`"
        yield f"| {shown} | {_takes(one)} | {_without(one)} | {_cell(getattr(one, 'help', None) or '')} |"


def _own_options(command: Any) -> tuple[Any, ...]:
    return tuple(one for one in options_of(command) if one.name not in {"json", "help"})


def _paragraphs(command: Any) -> Iterator[str]:
    text = inspect.cleandoc(command.help or "")
    yield text.replace("\b\n", "")


def _first_sentence(command: Any) -> str:
    text = " ".join(inspect.cleandoc(command.help or "").split("\n\n", maxsplit=1)[0].split())
    end = text.find(". ")
    return _cell(text if end < 0 else text[: end + 1])


def _placeholder(argument: Any) -> str:
    name = str(argument.metavar or argument.name).upper().replace("_", "-").strip("[]…")
    if argument.nargs == -1:
        name += "…"
    return name if argument.required else f"[{name}]"


_KINDS = {str: "text", int: "a whole number", float: "a number", Path: "a path"}


def _takes(parameter: Any) -> str:
    if getattr(parameter, "is_flag", False):
        return ""
    described = parameter.type_descriptor
    if described.is_choice and described.choices:
        return ", ".join(f"`{getattr(one, 'value', one)}`" for one in described.choices)
    kinds = [kind for kind in _types(described.annotation) if kind in _KINDS]
    shown = _KINDS[kinds[0]] if kinds else "text"
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if low is not None and high is not None:
        shown += f" from {low:g} to {high:g}"
    return shown + (", repeatable" if parameter.multiple or parameter.nargs == -1 else "")


def _types(annotation: Any) -> Iterator[Any]:
    """The annotation itself, and what it is made of: ``list[str]`` is text."""
    yield annotation
    for one in get_args(annotation):
        yield from _types(one)


def _without(parameter: Any) -> str:
    if parameter.required:
        return "**needed**"
    default = parameter.default
    if getattr(parameter, "is_flag", False) or callable(default) or default in (None, "", (), []):
        return ""
    return f"`{getattr(default, 'value', default)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(commands_reference(), end="")  # noqa: T201 - this module's only output, for a file
