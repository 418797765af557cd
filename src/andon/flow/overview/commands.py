"""The command of the value stream: status."""

from __future__ import annotations

import typer

from andon.flow.overview.views import PlaceStatus, ServiceStatus, Status
from andon.web.terminal.client import connect
from andon.web.terminal.output import Table, ago, is_colourful, say, show, wants_json

_LAMPS = {"ok": ("●", "32"), "warn": ("●", "33"), "bad": ("●", "31"), "none": ("○", "2")}


def add_to(cli: typer.Typer) -> None:
    cli.command()(status)


def status() -> None:
    """What runs where, how it is, and what is on its way: every service on one screen."""
    with connect() as andon:
        found = andon.get("/status", Status)
    if not wants_json():
        lamp, colour = _LAMPS.get(found.light, _LAMPS["none"])
        say(f"\x1b[{colour}m{lamp}\x1b[0m {found.sentence}" if is_colourful() else found.sentence)
    environments = list(dict.fromkeys(place.environment for one in found.services for place in one.places))
    show(
        found,
        Table(
            "service",
            "newest change",
            *environments,
            empty="`andon init` in a checkout brings the first one, `git push andon` begins its line.",
        ),
        ((one.service, _newest(one), *(_cell(one, name) for name in environments)) for one in found.services),
    )


def _newest(one: ServiceStatus) -> str:
    return one.newest_is if one.newest is None else f"{one.newest[:7]} {one.newest_is}"


def _cell(one: ServiceStatus, environment: str) -> str | None:
    place = next((place for place in one.places if place.environment == environment), None)
    if place is None:
        return None
    return _running(place) + (f" ← {place.coming[:7]}" if place.coming is not None else "")


def _running(place: PlaceStatus) -> str:
    if place.commit is None:
        return "nothing yet"
    return f"{place.commit[:7]} {place.health}, {ago(place.since)}"
