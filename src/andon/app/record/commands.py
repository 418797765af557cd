"""Commands of the record: reading it, following it, checking its chain, and what could not be delivered."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from andon.app.record.views import ChainState, CloudEvent, Deliveries, EventPage
from andon.kernel.errors import AndonError
from andon.web.terminal.client import Client, Value, connect
from andon.web.terminal.output import Table, ago, say, show, wants_json, write_json


class BrokenChain(AndonError):
    """The record is not what was sealed."""

    code = "andon.broken_chain"


def add_to(cli: typer.Typer) -> None:
    events = typer.Typer(invoke_without_command=True)
    events.callback()(list_events)
    events.command()(verify)
    events.command("dead-letters")(dead_letters)
    events.command()(retry)
    events.command()(discard)
    cli.add_typer(events, name="events")


def list_events(
    context: typer.Context,
    type: Annotated[str | None, typer.Option(help="A type, or how it begins with * at the end.")] = None,
    subject: Annotated[str | None, typer.Option(help="Such as run:run_01k….")] = None,
    person: Annotated[str | None, typer.Option(help="Who did it, by id.")] = None,
    service: Annotated[str | None, typer.Option("--service", "-s")] = None,
    environment: Annotated[str | None, typer.Option("--environment", "-e")] = None,
    run: Annotated[str | None, typer.Option()] = None,
    deployment: Annotated[str | None, typer.Option()] = None,
    commit: Annotated[str | None, typer.Option(help="At least four characters.")] = None,
    since: Annotated[str | None, typer.Option(help="A moment such as 2026-01-05T09:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="A moment, not included.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500)] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
) -> None:
    """The record: newest events last. With --json one CloudEvent a line."""
    if context.invoked_subcommand is not None:
        return
    wanted: dict[str, Value] = {
        "type": type,
        "subject": subject,
        "person": person,
        "service": service,
        "environment": environment,
        "run": run,
        "deployment": deployment,
        "commit": commit,
        "since": since,
        "until": until,
    }
    with connect() as andon:
        found = andon.get("/events", EventPage, **wanted, limit=limit).events[::-1]
        if follow:
            _follow(andon, wanted, found)
        elif wants_json():
            for one in found:
                write_json(one)
        else:
            show(found, Table("when", "what", "about", "by", empty="Nothing matches."), map(_row, found))


def _follow(andon: Client, wanted: dict[str, Value], found: list[CloudEvent]) -> None:
    last = 0
    while True:
        for one in found:
            last = max(last, one.andonposition)
            say("  ".join(_row(one)), value=one)
        found = andon.get("/events", EventPage, **wanted, after=last, wait=25, limit=500).events


def _row(one: CloudEvent) -> tuple[str, str, str, str]:
    return (
        one.time.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        one.type.removeprefix("dev.andon.").rpartition(".v")[0],
        one.subject,
        one.andonactor,
    )


def verify() -> None:
    """Check every event, seal and signature; leaves with 1 when something does not fit."""
    with connect() as andon:
        state = andon.get("/events/verify", ChainState)
    if not state.sound:
        if wants_json():
            write_json(state)
        raise BrokenChain(
            state.fault or "The record does not fit its seals.",
            safe=f"Up to position {state.sealed_to} the record is as it was sealed.",
            remedy="Compare with a backup and with seals that you kept elsewhere.",
        )
    say(
        f"The record is sound: {state.events} events in {state.seals} seals, up to position "
        f"{state.sealed_to}; {state.unsealed} not sealed yet.",
        value=state,
    )


_COLUMNS = Table("reaction", ">event", ">tries", "state", "since", "error", empty="Everything was delivered.")


def dead_letters() -> None:
    """What could not be delivered."""
    with connect() as andon:
        _show(andon.get("/dead-letters", Deliveries))


def retry(reaction: str, position: int) -> None:
    """Try a failed reaction again now."""
    with connect() as andon:
        _show(andon.post(f"/dead-letters/{quote(reaction, safe='')}/{position}/retry", Deliveries))


def discard(reaction: str, position: int) -> None:
    """Give a failed reaction up for good."""
    with connect() as andon:
        _show(andon.post(f"/dead-letters/{quote(reaction, safe='')}/{position}/discard", Deliveries))


def _show(found: Deliveries) -> None:
    show(
        found,
        _COLUMNS,
        [
            (one.reaction, one.position, one.attempts, "dead" if one.dead else "retried", ago(one.since), one.error)
            for one in found.deliveries
        ],
    )
