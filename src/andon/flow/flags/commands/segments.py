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

from andon.flow.flags.commands.places import Reason, text_of
from andon.flow.flags.views.segments import (
    MembersChange,
    MembersPart,
    SegmentDetails,
    SegmentDone,
    SegmentHistory,
    SegmentList,
    SegmentPut,
    Upload,
)
from andon.flow.flags.views.settings import ConditionShape
from andon.kernel.errors import Invalid
from andon.web.terminal.client import connect
from andon.web.terminal.output import Table, ago, printable, say, show

PART = 20_000
_SHOWN = 20

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
    history: Annotated[bool, typer.Option("--history", help="Show its versions, and what each changed.")] = False,
    why: Reason = "",
) -> None:
    """Show one segment, make it, or change it. A change waits for a second person where flags ask for one."""
    place = f"/segments/{quote(name, safe='')}"
    waits: list[str] = []
    with connect() as andon:
        if history:
            versions = andon.get(f"{place}/history", SegmentHistory)
            say(printable(_told(versions)), value=versions)
            return
        if delete:
            andon.delete(place)
            say(f"{name} is gone.", value={"segment": name})
            return
        if service:
            wanted = SegmentPut(service=service, description=description, when=_conditions(when), why=why)
            proposed = andon.put(place, SegmentDetails, wanted).proposal
            waits += [proposed] if proposed else []
        if add or remove:
            members = MembersChange(add=add or [], remove=remove or [], why=why)
            proposed = andon.post(f"{place}/members", SegmentDone, members).proposal
            waits += [proposed] if proposed else []
        found = andon.get(place, SegmentDetails)
    one = found.segment
    lines = [f"{one.name} of {one.service}: {one.size:,} members", *([one.description] if one.description else [])]
    for every in one.when:
        lines.append("or whoever has: " + msgspec.json.encode(every).decode())
    lines += [f"named by {use.flag} ({use.service}/{use.environment})" for use in found.uses]
    lines += [f"named by a release under way ({place})" for place in found.releases]
    lines += [f"doubtful: {warning}" for warning in found.warnings]
    for waiting in found.waiting:
        lines.append(f"waits for a second person ({waiting.id}): {waiting.sentence}, by {waiting.by or 'somebody'}")
        lines += [f"  {line}" for line in waiting.diff[:_SHOWN]]
    lines += [f"Your change waits for a second person: andon flags approve {proposal}" for proposal in waits]
    say(printable("\n".join(lines)), value=found)


def upload(
    name: _Name,
    file: Annotated[
        Path, typer.Argument(help="One member a line, or a CSV file whose first column counts; - is stdin.")
    ],
    why: Reason = "",
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
        done = andon.post(f"{place}/{begun.upload}/complete", SegmentDone, why=why or None)
    if done.proposal is not None:
        say(f"{name}: {done.sentence}. It waits for a second person: andon flags approve {done.proposal}", value=done)
        return
    say(f"{name} has {done.size:,} members.", value=done)


def _told(history: SegmentHistory) -> str:
    lines = []
    for one in history.versions:
        said = f" ({one.why})" if one.why else ""
        lines.append(f"version {one.number}, {one.by}, {ago(one.at)}: {one.sentence}{said}")
        lines += [f"  {line}" for line in one.diff[:_SHOWN]]
        if len(one.diff) > _SHOWN:
            lines.append(f"  and {len(one.diff) - _SHOWN} lines more: --json")
    return "\n".join(lines)


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
