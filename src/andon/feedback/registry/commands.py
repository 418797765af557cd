"""Commands of the registry: which services there are, and who is affected by a sick machine."""

from __future__ import annotations

import socket
from typing import Annotated
from urllib.parse import quote

import typer

from andon.feedback.registry.views import AffectedShape, Services
from andon.web.terminal.client import connect
from andon.web.terminal.output import Table, printable, say, show, wants_json


def add_to(cli: typer.Typer) -> None:
    cli.command()(services)
    cli.command("who-is-affected")(who_is_affected)


def services() -> None:
    """Every service that you may see: where it runs, what it needs, and what is not measured of it."""
    with connect() as andon:
        found = andon.get("/registry", Services)
    show(
        found,
        Table(
            "service",
            "owner",
            "runs",
            "needs",
            "needed by",
            "silent on",
            ">available",
            empty="No service yet: `andon init` begins one.",
        ),
        [
            (
                one.name,
                one.owner or ("seen in telemetry only" if one.seen == "telemetry" else ""),
                ", ".join(f"{place.version} in {place.environment} ({place.health})" for place in one.running),
                ", ".join(one.needs),
                ", ".join(one.needed_by),
                ", ".join(one.silent),
                "no data" if one.availability is None else f"{int(one.availability * 100_000) / 1000:g} %",
            )
            for one in found.services
        ],
    )


def who_is_affected(
    host: Annotated[str, typer.Argument(help="The machine; this one without it.")] = "",
) -> None:
    """Who is affected when a machine is sick: what runs on it, and what needs that."""
    with connect() as andon:
        found = andon.get(f"/hosts/{quote(host or socket.gethostname(), safe='')}", AffectedShape)
    if wants_json():
        say("", value=found)
        return
    say(printable(found.sentence))
    if not found.measured:
        say("The telemetry store does not answer: who needs them is not known.")
    rows = [
        (one.service, one.environment, f"{len(one.instances)} here, {one.elsewhere} elsewhere", "runs on it")
        for one in found.host.placed
    ]
    rows += [(one.service, "", "", " → ".join(one.path)) for one in found.reached]
    if rows:
        show(found, Table("service", "environment", "instances", "why"), rows)
