"""Commands of traces: find them, look at one."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

import typer

from andon.feedback.traces.model.ranges import said
from andon.feedback.traces.terminal import MOST_LINES, drawn
from andon.feedback.traces.views import Traces, TraceShape
from andon.web.terminal.client import connect
from andon.web.terminal.output import Table, ago, is_colourful, printable, say, show, wants_json

_WIDEST = 200


def add_to(cli: typer.Typer) -> None:
    cli.command()(traces)
    cli.command()(trace)


def traces(
    service: Annotated[str, typer.Option(help="A service that the request went through.")] = "",
    name: Annotated[str, typer.Option(help="An operation, such as 'GET /cart'.")] = "",
    environment: Annotated[str, typer.Option(help="The environment.")] = "",
    at_least: Annotated[str, typer.Option(help="How long it took at least: 250ms.")] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Only those with an error in them.")] = False,
    attributes: Annotated[str, typer.Option(help="As in http.route=/cart; several with a space between.")] = "",
    since: Annotated[str, typer.Option(help="From when on: 6h (ago), or a moment.")] = "1h",
    limit: Annotated[int, typer.Option(help="How many.")] = 30,
) -> None:
    """Find requests by where they went, how long they took and whether they failed."""
    asked = {
        "service": service,
        "name": name,
        "environment": environment,
        "at_least": at_least,
        "failed": "true" if failed else "",
        "attributes": attributes,
        "since": since,
        "limit": str(limit),
    }
    with connect() as andon:
        found = andon.get("/traces", Traces, **{name: value for name, value in asked.items() if value})
    show(
        found,
        Table("began", "trace", "request", ">took", ">spans", ">errors", empty="No traced request fits."),
        [
            (
                ago(datetime.fromtimestamp(one.start / 1e9, UTC)),
                one.trace,
                f"{one.service} {one.name}".strip(),
                said(one.duration),
                one.spans,
                one.errors or "",
            )
            for one in found.traces
        ],
    )


def trace(identity: Annotated[str, typer.Argument(metavar="ID", help="The trace: 32 hexadecimal digits.")]) -> None:
    """One request through services, as a waterfall."""
    with connect() as andon:
        found = andon.get(f"/traces/{quote(identity, safe='')}", TraceShape)
    if wants_json():
        say("", value=found)
        return
    width = min(shutil.get_terminal_size((100, 40)).columns, _WIDEST)
    colourful = is_colourful()
    began = datetime.fromtimestamp(found.start / 1e9, UTC)
    failed = f", {found.errors} failed" if found.errors else ""
    say(f"{found.trace}  {began:%Y-%m-%d %H:%M:%S} UTC  {said(found.duration)}  {len(found.spans)} spans{failed}")
    lines = drawn(found, width=width)
    for one in lines:
        label = printable(one.label)
        if not colourful:
            say(f"{label}  {one.bar} {one.took}".rstrip())
        else:
            begin = "\x1b[31m" if one.failed else ""
            say(f"{begin}{label}\x1b[0m  {_CODES[one.ink]}{one.bar}\x1b[0m {one.took}")
    if len(lines) < len(found.spans):
        say(
            f"{len(found.spans) - len(lines):,} shorter spans are not drawn (at most {MOST_LINES} are): --json has all."
        )
    if not found.complete:
        sys.stderr.write("Spans are missing: they were not sent, or you may not see them.\n")


_CODES = {
    "red": "\x1b[31m",
    "green": "\x1b[32m",
    "yellow": "\x1b[33m",
    "blue": "\x1b[34m",
    "magenta": "\x1b[35m",
    "cyan": "\x1b[36m",
}
