"""Commands that only look: list, show, why, history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from andon.flow.flags.commands.places import FlagNamed, ServiceName, flag_at
from andon.flow.flags.model.words import rest
from andon.flow.flags.views.answers import FlagDetails, FlagList, History, RampShape, Why
from andon.flow.flags.views.asking import Whom
from andon.kernel.errors import Invalid
from andon.web.terminal.client import connect
from andon.web.terminal.output import Table, ago, printable, say, show


def add_looking(flags: typer.Typer) -> None:
    flags.command("list")(list_flags)
    flags.command("show")(show_flag)
    flags.command("why")(why_flag)
    flags.command("history")(flag_history)


def list_flags(
    service: ServiceName,
    environment: Annotated[str, typer.Option("--environment", "-e", help="Of this environment only.")] = "",
    archived: Annotated[bool, typer.Option("--archived", help="Those of the archive too.")] = False,
) -> None:
    """A service's flags, and who gets what."""
    with connect() as andon:
        found = andon.get(flag_at(service), FlagList, archived=archived or None)
    rows = [
        (
            one.name if not one.archived_at else f"{one.name} (archived)",
            there.environment,
            f"now {there.pretends}; else {there.sentence}" if there.pretends else there.sentence,
            one.owner,
        )
        for one in found.flags
        for there in one.environments
        if not environment or there.environment == environment
    ]
    empty = f"{service} has no flag yet: andon flags create {service} NAME"
    show(found, Table("flag", "environment", "who gets what", "owner", empty=empty), rows)


def show_flag(service: ServiceName, flag: FlagNamed) -> None:
    """One flag: who gets what, what waits, what is under way, who asks for it."""
    with connect() as andon:
        found = andon.get(flag_at(service, flag), FlagDetails)
    one = found.flag
    head = [f"{one.name}, {one.kind.value}, kept in {'flags.yaml' if one.origin.value == 'code' else 'the console'}"]
    head += [one.description] if one.description else []
    head += [f"owner: {one.owner}"] if one.owner else []
    head += [f"to be gone by {one.ends}"] if one.ends else ["permanent"] if one.permanent else []
    head += [f"card: {found.head.card}"] if found.head.card else []
    head += [f"code: {found.head.code}"] if found.head.code else []
    head += [f"archived {ago(one.archived_at)}"] if one.archived_at else []
    head += ["variants: " + ", ".join(f"{name} = {_json(value)}" for name, value in found.head.variants.items())]
    head += [f"asked for by {', '.join(found.asked_by)}"] if found.asked_by else []
    lines = [*head, ""]
    for there in one.environments:
        guard = " (a second person has to agree)" if there.second_person else ""
        lines.append(f"{there.environment}: {there.sentence}{guard}")
        lines += [f"  but now {there.pretends}"] if there.pretends else []
        lines += [
            f"  rule {rule.id}: {_json(msgspec.to_builtins(rule.when))} → {_json(rule.serve)}"
            for rule in there.setting.rules
        ]
    for ramp in found.ramps:
        if not ramp.state.ended:
            then = f", {_next(ramp.next_at)}" if ramp.next_at else ""
            lines.append(
                f"ramp {ramp.id} in {ramp.environment}: {ramp.variant} at {ramp.percent:g} %, "
                f"step {ramp.step} of {ramp.steps}{then}"
            )
            lines += [f"  {_paused(ramp)}"] if ramp.paused_at else []
            lines.append(f"  {ramp.said or 'judged'}" if ramp.judged else "  nobody watches it: it goes by time alone")
    lines += [f"waits in {one.environment}: {one.sentence} ({one.by or '?'}, {one.id})" for one in found.proposals]
    lines += [
        f"asked over OFREP in {one.environment}: {one.times:,} times, last {ago(one.last_at)}" for one in found.asked
    ]
    say(printable("\n".join(lines)), value=found)


def _next(at: datetime) -> str:
    """A ramp that is judged may wait beyond its time."""
    return f"the next step {ago(at)}" if at > datetime.now(UTC) else "the next step is due"


def _paused(ramp: RampShape) -> str:
    why = f": {ramp.paused_why}" if ramp.paused_why else ""
    left = f"; left of its step: {rest(ramp.remaining)}" if ramp.remaining else ""
    return f"paused {ago(ramp.paused_at)} by {ramp.paused_by or 'somebody'}{why}{left}"


def why_flag(
    service: ServiceName,
    flag: FlagNamed,
    environment: Annotated[str, typer.Argument(help="The environment.")] = "production",
    who: Annotated[
        list[str] | None,
        typer.Option(
            "--for", "-f", metavar="KEY=VALUE", help="An attribute; alone it is the targetingKey. Repeatable."
        ),
    ] = None,
) -> None:
    """Why somebody gets what they get, step by step."""
    context = dict(_attribute(one) for one in who or [])
    with connect() as andon:
        found = andon.post(f"{flag_at(service, flag)}/why", Why, Whom(environment=environment, attributes=context))
    lines = [f"{'    ' * one.deep}{'✓' if one.held else '✗'} {one.says}" for one in found.steps]
    if found.variant is None:
        lines.append(f"→ the default in the code ({found.error})")
    else:
        lines.append(f"→ {found.variant} = {_json(found.value)} ({found.reason}, revision {found.revision})")
    say(printable("\n".join(lines)), value=found)


def flag_history(
    service: ServiceName,
    flag: FlagNamed,
    environment: Annotated[str, typer.Option("--environment", "-e", help="Of this environment only.")] = "",
) -> None:
    """Every change of a flag: what, who, why."""
    with connect() as andon:
        found = andon.get(f"{flag_at(service, flag)}/history", History, environment=environment or None)
    show(
        found,
        Table("environment", ">version", "when", "who", "what", "why"),
        [
            (one.environment or "everywhere", one.number, ago(one.at), one.by, one.sentence, one.why)
            for one in found.versions
        ],
    )


def _attribute(text: str) -> tuple[str, object]:
    name, is_pair, value = text.partition("=")
    if not is_pair:
        return "targetingKey", text
    if not name:
        raise Invalid(f"{text!r} is no KEY=VALUE.", remedy="Write --for country=CH.")
    # a targeting key is always a text, as programs send it
    return name, value if name == "targetingKey" else _value(value)


def _value(text: str) -> object:
    """As JSON where it is such: 42 is a number, "42" a text."""
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return text


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
