"""Commands of the record: reading it, following it, checking its chain, and what could not be delivered."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec
import typer

from andon.app.record.views import ChainState, CloudEvent, Deliveries, EventPage, KeptSeal, SealState
from andon.kernel.errors import AndonError, Conflict, Invalid, NotFound
from andon.kernel.files import write_new, write_whole
from andon.web.terminal.client import Client, Value, connect
from andon.web.terminal.durations import seconds_of
from andon.web.terminal.output import Table, ago, printable, say, show, wants_json, write_json

_LARGEST_CHECKPOINT = 16 * 1024


class BrokenChain(AndonError):
    """The record is not what was sealed."""

    code = "andon.broken_chain"


def add_to(cli: typer.Typer) -> None:
    events = typer.Typer(invoke_without_command=True)
    events.callback()(list_events)
    events.command()(verify)
    events.command("seal")(newest_seal)
    events.command("dead-letters")(dead_letters)
    events.command()(retry)
    events.command()(discard)
    cli.add_typer(events, name="events")


def list_events(
    context: typer.Context,
    type: Annotated[str | None, typer.Option(help="Such as deployment or deployment.finished.")] = None,
    subject: Annotated[str | None, typer.Option(help="Such as run:run_01k….")] = None,
    person: Annotated[str | None, typer.Option(help="Who did it, by id.")] = None,
    service: Annotated[str | None, typer.Option("--service", "-s")] = None,
    environment: Annotated[str | None, typer.Option("--environment", "-e")] = None,
    run: Annotated[str | None, typer.Option()] = None,
    deployment: Annotated[str | None, typer.Option()] = None,
    commit: Annotated[str | None, typer.Option(help="At least four characters.")] = None,
    since: Annotated[str | None, typer.Option(help="2026-01-05, 2026-01-05T09:00:00Z, or 2h (ago).")] = None,
    until: Annotated[str | None, typer.Option(help="As --since; not included.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500)] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
) -> None:
    """The record: newest events last. With --json one CloudEvent a line."""
    if context.invoked_subcommand is not None:
        return
    wanted: dict[str, Value] = {
        "type": _type(type),
        "subject": subject,
        "person": person,
        "service": service,
        "environment": environment,
        "run": run,
        "deployment": deployment,
        "commit": commit,
        "since": _since(since),
        "until": _since(until),
    }
    # Sentences name people: they are for whoever reads, not for what a program keeps.
    wanted["sentences"] = not wants_json()
    with connect() as andon:
        found = andon.get("/events", EventPage, **wanted, limit=limit).events[::-1]
        if follow:
            _follow(andon, wanted, found)
        elif wants_json():
            for one in found:
                write_json(one)
        else:
            show(found, Table("when", "what", "where", empty="Nothing matches."), map(_row, found))


def _type(text: str | None) -> str | None:
    """``deployment`` is every type that begins with ``dev.andon.deployment.``"""
    if not text or text.startswith("dev.") or text == "*":
        return text
    return f"dev.andon.{text}" if text.endswith("*") else f"dev.andon.{text}.*"


def _since(text: str | None) -> str | None:
    """A moment as the API takes it. Raises ``Invalid``."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError):
        pass
    try:
        return (datetime.now(UTC) - timedelta(seconds=seconds_of(text))).isoformat()
    except (Invalid, OverflowError):
        raise Invalid(
            f"{text!r} is no moment.",
            remedy="Write a day (2026-01-05), a moment (2026-01-05T09:00:00Z), or how long ago (30m, 2h, 1d).",
        ) from None


def _follow(andon: Client, wanted: dict[str, Value], found: list[CloudEvent]) -> None:
    last = 0
    while True:
        for one in found:
            last = max(last, one.andonposition)
            say(printable("  ".join(_row(one)).rstrip()).replace("\n", " "), value=one)
        found = andon.get("/events", EventPage, **wanted, after=last, wait=25, limit=500).events


def _row(one: CloudEvent) -> tuple[str, str, str]:
    return (
        one.time.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        one.andonsentence,
        "/".join(part for part in (one.andonservice, one.andonenvironment) if part),
    )


def verify(
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="A file from `andon events seal`: it must lie on the chain.")
    ] = None,
) -> None:
    """Check every event, seal and signature; leaves with 1 when something does not fit."""
    kept = None if checkpoint is None else read_checkpoint(checkpoint)
    with connect() as andon:
        if kept is None:
            state = andon.get("/events/verify", ChainState)
        else:
            state = andon.post("/events/verify", ChainState, kept)
    if not state.sound:
        if wants_json():
            write_json(state)
        raise _broken(state)
    said = (
        f"The record is sound: {state.events} events in {state.seals} seals, up to position "
        f"{state.sealed_to}; {state.unsealed} not sealed yet."
    )
    if kept is not None:
        said += (
            f"\nThe checkpoint lies on it: up to position {kept.last} the record is as it was "
            f"at {_moment(kept)}, when seal {kept.number} was made."
        )
    say(said, value=state)


def newest_seal(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it to this file instead.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if there is one.")] = False,
) -> None:
    """Print the newest seal, a small file to keep elsewhere; `events verify --checkpoint` takes it."""
    with connect() as andon:
        state = andon.get("/events/seal", SealState)
    found = state.seal
    if found is None:
        raise NotFound(
            f"Nothing has been sealed yet; {state.unsealed} events wait for it.",
            remedy="A worker seals every two seconds. Is one running? See: andon status",
        )
    told = (
        f"Seal {found.number} vouches for the record up to position {found.last}. It was made at {_moment(found)} "
        f"with the key {printable(found.fingerprint)}. Not sealed yet: {state.unsealed}."
    )
    if output is not None:
        _write(output, found.written(), force=force)
        told += f"\nIt is in {output}. Keep it where nobody who can write to this installation can."
        say(told, value=found)
    elif wants_json():
        write_json(found)
    else:
        sys.stdout.write(found.written().decode())
        sys.stdout.flush()
        sys.stderr.write(told + "\n")


def _broken(state: ChainState) -> BrokenChain:
    safe = f"Up to position {state.sealed_to} the record is as it was sealed."
    remedy = "Compare with a backup and with seals that you kept elsewhere."
    match state.checkpoint:
        case "rewritten" | "missing":
            safe = "Your checkpoint is whole, and was signed here."
            remedy = (
                "Only somebody with the database and the signing key can do this. Compare with a backup; "
                "an older checkpoint that still lies on the chain tells from where it was done."
            )
        case "foreign":
            safe = "The chain as it stands here is sound in itself."
            remedy = "Is it the right Andon (andon whoami), and the right file? If both are: compare with a backup."
        case "unknown-key":
            safe = "Every event, seal and signature fits."
            remedy = "Put keys/record.pub back from a backup of the data directory, then verify again."
        case "holds":
            safe += " Your checkpoint lies before the fault."
        case _:
            pass
    return BrokenChain(state.fault or "The record does not fit its seals.", safe=safe, remedy=remedy)


def read_checkpoint(path: Path) -> KeptSeal:
    """A kept seal as `andon events seal` wrote it. Raises ``NotFound`` and ``Invalid``."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_CHECKPOINT + 1)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror or error}.", remedy="Look at the path.") from error
    try:
        if len(content) > _LARGEST_CHECKPOINT:
            raise ValueError("it is far too large")
        return msgspec.json.decode(content, type=KeptSeal)
    except (ValueError, RecursionError) as error:  # what msgspec raises is one of them, too
        raise Invalid(
            f"{path} is no checkpoint, or is damaged: {error}.",
            safe="Nothing was verified.",
            remedy="Name a file that `andon events seal` wrote; take another copy if it is damaged.",
        ) from error


def _write(path: Path, content: bytes, *, force: bool) -> None:
    try:
        if force:
            write_whole(path, content)
        elif not write_new(path, content, mode=0o644):
            raise Conflict(
                f"{path} is there already.",
                safe="It was left as it is.",
                remedy="Choose another name, or overwrite it with --force.",
            )
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror or error}.", remedy="Choose another path.") from error


def _moment(kept: KeptSeal) -> str:
    return kept.at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


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
