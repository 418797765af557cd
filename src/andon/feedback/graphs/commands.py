"""Commands of graphs: annotate, dashboards."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec
import typer

from andon.feedback.graphs.views import (
    AnnotationMade,
    AnnotationWanted,
    Dashboards,
    DashboardShape,
    DefinitionShape,
)
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.contract.ranges import moment_of
from andon.kernel.errors import Invalid
from andon.web.terminal.client import connect
from andon.web.terminal.output import Table, say, show

LARGEST = 1_000_000
"""Bytes of a definition."""


def add_to(cli: typer.Typer) -> None:
    cli.command()(annotate)
    dashboards = typer.Typer(no_args_is_help=True, help="Dashboards: graphs that somebody put together.")
    dashboards.command("list")(list_dashboards)
    dashboards.command("show")(show_dashboard)
    dashboards.command("apply")(apply_dashboard)
    dashboards.command("remove")(remove_dashboard)
    cli.add_typer(dashboards, name="dashboards")


def annotate(
    text: Annotated[str, typer.Argument(help="What happened, in one sentence.")],
    service: Annotated[str | None, typer.Option(help="The service that it concerns; all without it.")] = None,
    environment: Annotated[str | None, typer.Option(help="The environment that it concerns.")] = None,
    at: Annotated[
        str | None, typer.Option(help="When it was: 10m (ago), or 2026-11-23T14:00 (UTC); now without it.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Until when it lasts, such as a campaign.")] = None,
) -> None:
    """Mark a moment on every graph that it concerns."""
    wanted = AnnotationWanted(text=text, service=service, environment=environment, at=_moment(at), until=_moment(until))
    with connect() as andon:
        made = andon.post("/annotations", AnnotationMade, wanted)
    say("Annotated.", value=made)


def list_dashboards() -> None:
    """Every dashboard that you may see."""
    with connect() as andon:
        found = andon.get("/dashboards", Dashboards)
    show(
        found,
        Table("name", "title", "service", ">panels", ">version", empty="No dashboard has been made yet."),
        [(one.name, one.title, one.service or "", one.panels, one.version) for one in found.dashboards],
    )


def show_dashboard(name: Annotated[str, typer.Argument(help="The dashboard's name.")]) -> None:
    """A dashboard's definition, as `andon dashboards apply` takes it."""
    with connect() as andon:
        found = andon.get(f"/dashboards/{quote(name, safe='')}", DashboardShape)
    say(_definition_text(found), value=found)


def apply_dashboard(
    file: Annotated[Path, typer.Argument(help="A definition in YAML or JSON; - reads standard input.")],
) -> None:
    """Make a dashboard of a definition, or change it to that; the same again changes nothing."""
    name, definition = _read(file)
    with connect() as andon:
        made = andon.put(f"/dashboards/{quote(name, safe='')}", DashboardShape, definition)
    say(f"{made.name} is at version {made.version}: /graphs/dashboards/{made.name}", value=made)


def remove_dashboard(name: Annotated[str, typer.Argument(help="The dashboard's name.")]) -> None:
    """Offer a dashboard no longer; its versions are kept."""
    with connect() as andon:
        andon.delete(f"/dashboards/{quote(name, safe='')}")
    say(f"{name} is removed.", value={"name": name})


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = moment_of(text, now_ms())
    except Invalid as error:
        raise Invalid(error.message, safe="Nothing was annotated.", remedy=error.remedy) from None
    return datetime.fromtimestamp(at / 1000, UTC)


def _definition_text(found: DashboardShape) -> str:
    whole = {"name": found.name, **msgspec.to_builtins(found.definition)}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()


def _read(file: Path) -> tuple[str, DefinitionShape]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - every other command does without
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 - as above

    try:
        text = sys.stdin.read(LARGEST + 1) if str(file) == "-" else file.read_text(encoding="utf-8")[: LARGEST + 1]
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read: {error}.", safe="Nothing was changed.") from error
    if len(text) > LARGEST:
        raise Invalid(f"{file} is larger than a megabyte.", safe="Nothing was changed.")
    try:
        whole = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise Invalid(f"{file} is no YAML: {error}", safe="Nothing was changed.") from error
    if not isinstance(whole, dict) or not isinstance(whole.get("name"), str):
        raise Invalid(f"{file} says no name.", safe="Nothing was changed.", remedy="Begin it with name: checkout-day")
    name = whole.pop("name")
    try:
        return name, msgspec.convert(whole, DefinitionShape)
    except msgspec.ValidationError as error:
        raise Invalid(
            f"{file} does not fit: {error}.",
            safe="Nothing was changed.",
            remedy="See one that does: andon dashboards show NAME",
        ) from error
