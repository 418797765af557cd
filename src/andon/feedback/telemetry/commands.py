"""Commands of telemetry itself: telemetry show, backup, backups, restore."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

import typer

from andon.feedback.telemetry.views import BackupList, BackupShape, BackupWanted, TelemetryShape
from andon.web.terminal.client import connect
from andon.web.terminal.groups import group
from andon.web.terminal.output import Table, ago, say, show


def add_to(cli: typer.Typer) -> None:
    telemetry = group(cli, "telemetry", "Telemetry itself: what comes in, and copies of what is kept.")
    telemetry.command("show")(show_telemetry)
    telemetry.command("backup")(backup)
    telemetry.command("backups")(list_backups)
    telemetry.command("restore")(restore)


def show_telemetry() -> None:
    """What comes in, what does not and why."""
    with connect() as andon:
        found = andon.get("/telemetry", TelemetryShape)
    if found.fault:
        say(found.fault)
    if found.trouble:
        say(found.trouble)
    for place in found.places:
        if place.fault:
            say(f"{place.what} does not listen: {place.fault}")
    show(
        found,
        Table("way", "samples", "lines", "spans", "not taken in", empty="No data of the last hour."),
        (
            (
                one.way,
                f"{one.samples:,.0f}",
                f"{one.logs:,.0f}",
                f"{one.spans:,.0f}",
                ", ".join(f"{count:,.0f} {why}" for why, count in one.dropped.items()) or "nothing",
            )
            for one in found.ways
        ),
    )


def backup(
    name: Annotated[str | None, typer.Argument(help="Its name; the present moment unless given.")] = None,
    since: Annotated[str, typer.Option("--since", help="Copy only what has come since this copy was made.")] = "",
) -> None:
    """Copy telemetry while it goes on."""
    wanted = BackupWanted(name=name or datetime.now(UTC).strftime("%Y%m%d-%H%M%S"), base=since)
    with connect() as andon:
        made = andon.post("/telemetry/backups", BackupShape, wanted)
    _tell([made], made)
    say(f"The copy {made.name} is in telemetry/backups of the data directory. To put it back: {_restoring(made.name)}")


def list_backups() -> None:
    """Copies of telemetry, the newest first."""
    with connect() as andon:
        found = andon.get("/telemetry/backups", BackupList)
    _tell(found.backups, found)


def restore(
    name: Annotated[str, typer.Argument(help="The copy, as `andon telemetry backups` lists it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Put a copy in the place of what is kept now. What came in since it was made is gone."""
    if not yes:
        typer.confirm(f"Everything that came in since {name} was made will be gone. Go on?", abort=True, err=True)
    with connect() as andon:
        put_back = andon.post(f"/telemetry/backups/{quote(name, safe='')}/restore", BackupShape)
    _tell([put_back], put_back)
    say("Telemetry begins anew with it, within a few seconds.")


def _restoring(name: str) -> str:
    return f"andon telemetry restore {name}"


def _tell(backups: list[BackupShape], whole: BackupShape | BackupList) -> None:
    show(
        whole,
        Table("name", "made", "size", "rows", "builds on", empty="No copy yet: andon telemetry backup"),
        (
            (
                one.name,
                ago(datetime.fromtimestamp(one.began / 1000, UTC)),
                f"{one.bytes / 1024**2:,.1f} MiB",
                f"{one.rows:,}",
                one.base or "nothing",
            )
            for one in backups
        ),
    )
