"""The command of logs: lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer

from andon.feedback.logs.views import FoundLines, LogLineShape
from andon.kernel.errors import Unavailable
from andon.kernel.logs.text import plain
from andon.web.terminal.client import Client, connect
from andon.web.terminal.output import is_colourful, say, wants_json, write_json

_COLOURS = {"fatal": "1;31", "error": "31", "warn": "33", "debug": "2"}


def add_to(cli: typer.Typer) -> None:
    cli.command("lines")(lines)


def lines(
    query: Annotated[
        str, typer.Argument(help='Words, "a phrase", field:value; - before what must not be there.', metavar="QUERY")
    ] = "",
    service: Annotated[str, typer.Option(help="Lines of this service only.")] = "",
    since: Annotated[str, typer.Option(help="A length of time such as 6h, or a moment.")] = "1h",
    until: Annotated[str, typer.Option(help="A moment; now without it.")] = "",
    severity: Annotated[str, typer.Option(help="The least: debug, info, warn, error or fatal.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Lines at most.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
) -> None:
    """Search the logs of all services: newest lines last. With --json one JSON object a line."""
    asked = f'{query} service:"{_escaped(service)}"'.strip() if service else query
    with connect() as andon:
        found = andon.get("/logs/search", FoundLines, q=asked, since=since, until=until, severity=severity, limit=limit)
        for line in reversed(found.lines):
            _tell(line)
        if follow:
            _follow(andon, asked, severity, found.lines)
        elif not found.lines and not wants_json():
            say("No line fits. A longer time may help: --since 24h")
        elif found.older and not wants_json():
            sys.stderr.write(f"There are more: the newest {limit} are shown.\n")


def _follow(andon: Client, asked: str, severity: str, shown: list[LogLineShape]) -> None:
    since = shown[0].time if shown else 0
    known = [one for one in shown if one.time == since]
    try:
        with andon.lines("/logs/follow", q=asked, severity=severity, since=since) as told:
            for line in _read(told):
                if line.time == since and line in known:
                    continue
                _tell(line)
    except KeyboardInterrupt:
        return  # the way in which following ends
    raise Unavailable("The stream of lines has ended.", safe="The lines are kept.", remedy="Follow again.")


def _read(told: Iterator[str]) -> Iterator[LogLineShape]:
    for text in told:
        if text:
            yield msgspec.json.decode(text, type=LogLineShape)


def _tell(line: LogLineShape) -> None:
    if wants_json():
        write_json(line)
        return
    said = " ".join(plain(one) for one in line.body.splitlines()) or "(empty)"
    place = "/".join(one for one in (line.service, line.environment) if one)
    grave = "-" if line.severity == "unknown" else line.severity
    head = f"{line.at:%Y-%m-%d %H:%M:%S}.{line.at.microsecond // 1000:03} {grave:5}"
    colour = _COLOURS.get(line.severity, "")
    if colour and is_colourful():
        head = f"\x1b[{colour}m{head}\x1b[0m"
    say(f"{head} {plain(place)}{' ' if place else ''}{said}")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
