"""Commands of segments: andon flags segments, segment, upload."""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec
import typer

from andon.flow.flags.commands.places import text_of
from andon.flow.flags.views.segments import (
    MembersChange,
    MembersPart,
    SegmentDetails,
    SegmentList,
    SegmentPut,
    SegmentShape,
    Upload,
)
from andon.flow.flags.views.settings import ConditionShape
from andon.kernel.errors import Invalid
from andon.web.terminal.client import connect
from andon.web.terminal.output import Table, ago, printable, say, show

PART = 20_000

_Name = Annotated[str, typer.Argument(help="The segment.")]


def add_segments(flags: typer.Typer) -> None:
    flags.command("segments")(list_segments)
    flags.command("segment")(segment)
    flags.command("upload")(upload)


def list_segments() -> None:
    """Segments: groups of users that flags name in their rules."""
    with connect() as andon:
        found = andon.get("/segments", SegmentList)
    show(
        found,
        Table("segment", "service", ">members", ">conditions", "changed", empty="No segment yet."),
        [
            (one.name, one.service, f"{one.size:,}", sum(len(every) for every in one.when), ago(one.changed_at))
            for one in found.segments
        ],
    )


def segment(
    name: _Name,
    service: Annotated[str, typer.Option("--service", help="Make or change it; whose people may do so again.")] = "",
    when: Annotated[
        Path | None, typer.Option("--when", help="Its conditions as JSON: a list of lists, any of which has to hold.")
    ] = None,
    description: Annotated[str, typer.Option("--description", help="Who they are.")] = "",
    add: Annotated[list[str] | None, typer.Option("--add", help="Add a member. Repeatable.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="Remove a member. Repeatable.")] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove the segment; no flag may name it.")] = False,
) -> None:
    """Show one segment, make it, or change it."""
    place = f"/segments/{quote(name, safe='')}"
    with connect() as andon:
        if delete:
            andon.delete(place)
            say(f"{name} is gone.", value={"segment": name})
            return
        if service:
            wanted = SegmentPut(service=service, description=description, when=_conditions(when))
            andon.put(place, SegmentDetails, wanted)
        if add or remove:
            andon.post(f"{place}/members", SegmentShape, MembersChange(add=add or [], remove=remove or []))
        found = andon.get(place, SegmentDetails)
    one = found.segment
    lines = [f"{one.name} of {one.service}: {one.size:,} members", *([one.description] if one.description else [])]
    for every in one.when:
        lines.append("or whoever has: " + msgspec.json.encode(every).decode())
    lines += [f"named by {use.flag} ({use.service}/{use.environment})" for use in found.uses]
    lines += [f"doubtful: {warning}" for warning in found.warnings]
    say(printable("\n".join(lines)), value=found)


def upload(
    name: _Name,
    file: Annotated[
        Path, typer.Argument(help="One member a line, or a CSV file whose first column counts; - is stdin.")
    ],
) -> None:
    """Exchange a segment's members for those in a file, up to a million; it counts once all have arrived."""
    place = f"/segments/{quote(name, safe='')}/uploads"
    found = _members(file)
    with connect() as andon:
        begun = andon.post(place, Upload)
        sent = 0
        while part := list(itertools.islice(found, PART)):
            sent = andon.post(f"{place}/{begun.upload}", Upload, MembersPart(members=part)).size
        if not sent:
            raise Invalid(f"{file} has no members.", safe="The segment is as it was.")
        done = andon.post(f"{place}/{begun.upload}/complete", SegmentShape)
    say(f"{name} has {done.size:,} members.", value=done)


def _members(file: Path) -> Iterator[str]:
    if str(file) == "-":
        yield from _column(sys.stdin)
        return
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            yield from _column(lines)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Invalid(f"{file} cannot be read: {error}.", safe="The segment is as it was.") from error


def _column(lines: Iterator[str]) -> Iterator[str]:
    for row in csv.reader(lines):
        if row and row[0].strip():
            yield row[0].strip()


def _conditions(file: Path | None) -> list[list[ConditionShape]]:
    if file is None:
        return []
    try:
        return msgspec.json.decode(text_of(file).encode(), type=list[list[ConditionShape]])
    except msgspec.DecodeError as error:
        raise Invalid(f"{file} holds no conditions: {error}.", safe="Nothing was changed.") from error
