"""Showing answers: a table for people, JSON for programs; one switch for all commands.

A command builds its answer as a msgspec struct and says how a person sees it::

    show(runs, Table("run", "state", "age"), [(run.id, run.state, run.age) for run in runs.runs])
    say("Deployed.", value=deployment)

With ``--json`` the struct itself is printed, and nothing else, on standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import IO

import msgspec

_json = False


def set_json(wanted: bool) -> None:
    """Called once by the command line for ``--json``."""
    global _json  # noqa: PLW0603 - one process is one command; threading it through every call hides nothing
    _json = _json or wanted


def wants_json() -> bool:
    return _json


def is_colourful(stream: IO[str] | None = None) -> bool:
    """Whether to draw: a terminal that has not asked for plain text."""
    stream = stream or sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Table:
    """Column titles; a title that begins with ``>`` is set to the right."""

    def __init__(self, *columns: str, empty: str = "Nothing here yet.") -> None:
        self.columns = columns
        self.empty = empty


def show(value: object, table: Table, rows: Iterable[Sequence[object]]) -> None:
    """Print ``value`` as JSON or ``rows`` as a table (tab-separated where nobody looks)."""
    if _json:
        write_json(value)
        return
    cells = [[_text(cell) for cell in row] for row in rows]
    if not cells:
        _write(table.empty)
        return
    if not sys.stdout.isatty():
        for row in cells:
            _write("\t".join(row))
        return
    _draw(table, cells)


def say(sentence: str, *, value: object = None) -> None:
    """Print a sentence for people; with ``--json`` ``value`` instead."""
    if _json:
        write_json(value)
    else:
        _write(sentence)


def write_json(value: object) -> None:
    """One JSON document on a line of its own."""
    _write(msgspec.json.encode(value).decode())


def report(message: str, safe: str = "", remedy: str = "", *, code: str = "") -> None:
    """An error: what happened, what is safe, what to do next, on standard error."""
    if _json:
        document = {"code": code, "message": message, "safe": safe, "remedy": remedy}
        sys.stderr.write(msgspec.json.encode(document).decode() + "\n")
        return
    red, dim, plain = ("\x1b[31m", "\x1b[2m", "\x1b[0m") if is_colourful(sys.stderr) else ("", "", "")
    sys.stderr.write(f"{red}error:{plain} {printable(message)}\n")
    if safe:
        sys.stderr.write(f"{dim}  safe:{plain} {printable(safe)}\n")
    if remedy:
        sys.stderr.write(f"{dim}  next:{plain} {printable(remedy)}\n")


def printable(text: str) -> str:
    """Text that came from elsewhere, without what would steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def ago(at: datetime | None) -> str:
    """How long ago, in one unit; "never" for ``None``."""
    if at is None:
        return "never"
    seconds = (datetime.now(UTC) - at).total_seconds()
    word = "ago" if seconds >= 0 else "from now"
    size = abs(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if size >= length:
            return f"{int(size // length)} {unit} {word}"
    return f"{int(size)} s {word}"


def _text(cell: object) -> str:
    if cell is None:
        return "—" if sys.stdout.isatty() else ""
    return printable(str(cell)).replace("\n", " ").replace("\t", " ")


def _draw(table: Table, rows: list[list[str]]) -> None:
    from rich import box  # noqa: PLC0415 - 40 ms that programs and pipes need not pay
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table as Drawn  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    drawn = Drawn(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in table.columns:
        drawn.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console(no_color=not is_colourful()).print(drawn)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
