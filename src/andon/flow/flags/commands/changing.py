"""Commands that change flags: create, edit, set, kill, revive, restore, ramp, archive, approve, reject."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec
import typer

from andon.flow.flags.commands.places import (
    EnvironmentName,
    FlagNamed,
    Reason,
    ServiceName,
    flag_at,
    text_of,
    told,
)
from andon.flow.flags.commands.ramping import ramp_flag
from andon.flow.flags.views.answers import Done, FlagDetails, FlagShape, Proposals
from andon.flow.flags.views.asking import (
    HeadChange,
    NewFlag,
    Reasoned,
    SettingChange,
    ShareChange,
    VersionChosen,
)
from andon.flow.flags.views.settings import SettingShape
from andon.kernel.errors import Invalid, NotFound
from andon.web.terminal.client import connect
from andon.web.terminal.output import Table, ago, say, show
from andon_flags.document import Kind

_Variants = Annotated[
    list[str] | None,
    typer.Option("--variant", metavar="NAME=VALUE", help="A variant; its value as JSON, or a text. Repeatable."),
]
_Description = Annotated[str | None, typer.Option("--description", help="What it is for.")]
_Owner = Annotated[str | None, typer.Option("--owner", help="A team, a person, a channel.")]
_Ends = Annotated[str | None, typer.Option("--ends", metavar="DATE", help="When it is to be gone from the code.")]
_Permanent = Annotated[bool | None, typer.Option("--permanent/--temporary", help="An operational switch that stays.")]
_Card = Annotated[str | None, typer.Option("--card", help="Address of the card that it belongs to.")]
_Code = Annotated[str | None, typer.Option("--code", help="The code that it guards.")]
_Off = Annotated[str | None, typer.Option("--off", help="The variant that is served when it is off.")]


def add_changing(flags: typer.Typer) -> None:
    for name, command in (
        ("create", create_flag),
        ("edit", edit_flag),
        ("set", set_flag),
        ("kill", kill_flag),
        ("revive", revive_flag),
        ("restore", restore_flag),
        ("ramp", ramp_flag),
        ("archive", archive_flag),
        ("approve", approve_change),
        ("reject", reject_change),
    ):
        flags.command(name)(command)


def create_flag(
    service: ServiceName,
    flag: FlagNamed,
    kind: Annotated[Kind, typer.Option("--kind", help="What its variants are.")] = Kind.BOOLEAN,
    variant: _Variants = None,
    off: _Off = None,
    unit: Annotated[str, typer.Option("--unit", help="The attribute whose hash decides on shares.")] = "targetingKey",
    description: _Description = None,
    owner: _Owner = None,
    ends: _Ends = None,
    permanent: _Permanent = None,
    card: _Card = None,
    code: _Code = None,
) -> None:
    """A new flag. Nobody gets anything new by that."""
    wanted = NewFlag(
        name=flag,
        kind=kind,
        variants=dict(_variant(one, kind) for one in variant or []),
        off=off or "",
        unit=unit,
        description=description or "",
        owner=owner or "",
        ends=_date(ends),
        permanent=bool(permanent),
        card=card or "",
        code=code or "",
    )
    with connect() as andon:
        made = andon.post(flag_at(service), FlagShape, wanted)
    say(
        f"{made.name} exists; everybody gets what it serves when it is off. "
        f"Next: andon flags set {service} {made.name} production on=1",
        value=made,
    )


def edit_flag(
    service: ServiceName,
    flag: FlagNamed,
    variant: _Variants = None,
    off: _Off = None,
    description: _Description = None,
    owner: _Owner = None,
    ends: _Ends = None,
    permanent: _Permanent = None,
    card: _Card = None,
    code: _Code = None,
    why: Reason = "",
) -> None:
    """Change what holds in all environments; what is left out stays. --variant says all variants anew."""
    with connect() as andon:
        change = HeadChange(why=why)
        if variant:
            kind = andon.get(flag_at(service, flag), FlagDetails).flag.kind
            change.variants = dict(_variant(one, kind) for one in variant)
        for name, value in (
            ("off", off),
            ("description", description),
            ("owner", owner),
            ("card", card),
            ("code", code),
            ("permanent", permanent),
        ):
            if value is not None:
                setattr(change, name, value)
        if ends is not None:
            change.ends = _date(ends)
        told(flag, andon.put(flag_at(service, flag), Done, change))


def set_flag(
    service: ServiceName,
    flag: FlagNamed,
    environment: EnvironmentName,
    shares: Annotated[
        list[str] | None,
        typer.Argument(help="on=5: 5 % get on, the rest what they had; on=5 off=95 says all; on: everybody."),
    ] = None,
    rule: Annotated[str, typer.Option("--rule", help="Of this rule's audience instead of everybody else.")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="The whole setting, rules included, as JSON or YAML; - is stdin.")
    ] = None,
    why: Reason = "",
) -> None:
    """Say who gets what in an environment. Raising a share takes nobody out."""
    place = flag_at(service, flag, environment)
    with connect() as andon:
        if file is not None:
            setting = _setting(file)
            told(f"{flag} in {environment}", andon.put(place, Done, SettingChange(setting=setting, why=why)))
            return
        found = dict(_share(one) for one in shares or [])
        if not found:
            raise Invalid("Who gets what?", safe="Nothing was changed.", remedy="Write on=5, or --file setting.yaml")
        if len(found) == 1:
            name, percent = next(iter(found.items()))
            change = ShareChange(percent=percent, variant=name, rule=rule, why=why)
            told(f"{flag} in {environment}", andon.post(f"{place}/share", Done, change))
            return
        there = next(
            (
                one
                for one in andon.get(flag_at(service, flag), FlagDetails).flag.environments
                if one.environment == environment
            ),
            None,
        )
        if there is None:
            raise NotFound(f"{service} has no environment {environment!r}.", safe="Nothing was changed.")
        setting = there.setting
        if rule:
            wanted = [one for one in setting.rules if one.id == rule]
            if not wanted:
                raise NotFound(f"{flag} has no rule {rule!r} in {environment}.", safe="Nothing was changed.")
            wanted[0].serve = found
        else:
            setting.default = found
        change_all = SettingChange(setting=setting, base=there.version, why=why)
        told(f"{flag} in {environment}", andon.put(place, Done, change_all))


def kill_flag(service: ServiceName, flag: FlagNamed, environment: EnvironmentName, why: Reason = "") -> None:
    """The kill switch: everybody gets what the flag serves when it is off, at once."""
    with connect() as andon:
        told(
            f"{flag} in {environment}",
            andon.post(f"{flag_at(service, flag, environment)}/kill", Done, Reasoned(why=why)),
        )


def revive_flag(service: ServiceName, flag: FlagNamed, environment: EnvironmentName, why: Reason = "") -> None:
    """Release the kill switch: the flag serves what it did before."""
    with connect() as andon:
        told(
            f"{flag} in {environment}",
            andon.post(f"{flag_at(service, flag, environment)}/revive", Done, Reasoned(why=why)),
        )


def restore_flag(
    service: ServiceName,
    flag: FlagNamed,
    environment: Annotated[str, typer.Argument(help="The environment; without it the flag leaves the archive.")] = "",
    version: Annotated[int, typer.Argument(help="The version to restore; see: andon flags history")] = 0,
    why: Reason = "",
) -> None:
    """Restore a former version, to the last user, or a flag from the archive."""
    with connect() as andon:
        if not environment:
            made = andon.post(f"{flag_at(service, flag)}/unarchive", FlagShape)
            said = f"{made.name} is restored as it was."
            say(_waits(made) if made.proposal else said, value=made)
            return
        wanted = VersionChosen(version=version, why=why)
        told(f"{flag} in {environment}", andon.post(f"{flag_at(service, flag, environment)}/restore", Done, wanted))


def archive_flag(service: ServiceName, flag: FlagNamed, why: Reason = "") -> None:
    """Take a flag out of all documents: programs that still ask get the default in their code."""
    with connect() as andon:
        made = andon.post(f"{flag_at(service, flag)}/archive", FlagShape, Reasoned(why=why))
    said = f"{made.name} is archived. To restore it: andon flags restore {service} {flag}"
    say(_waits(made) if made.proposal else said, value=made)


def approve_change(
    proposal: Annotated[str, typer.Argument(help="The proposal; without it all that wait are listed.")] = "",
) -> None:
    """Say yes to somebody else's change, or list those that wait."""
    with connect() as andon:
        if not proposal:
            found = andon.get("/flags/proposals", Proposals)
            show(
                found,
                Table(
                    "proposal",
                    "service",
                    "environment",
                    "flag or segment",
                    "what",
                    "who",
                    "when",
                    empty="Nothing waits.",
                ),
                [
                    (one.id, one.service, ", ".join(one.places), one.flag, one.sentence, one.by, ago(one.at))
                    for one in found.proposals
                ]
                + [
                    (one.id, one.service, ", ".join(one.places), one.segment, one.sentence, one.by, ago(one.at))
                    for one in found.segments
                ],
            )
            return
        told("Approved", andon.post(f"/flags/proposals/{quote(proposal, safe='')}/approve", Done))


def reject_change(proposal: Annotated[str, typer.Argument(help="The proposal.")], why: Reason = "") -> None:
    """Say no to a change, or take your own back."""
    with connect() as andon:
        done = andon.post(f"/flags/proposals/{quote(proposal, safe='')}/reject", Done, Reasoned(why=why))
    say("Turned down; nothing has changed.", value=done)


def _waits(made: FlagShape) -> str:
    return f"{made.name} stays as it is. It waits for a second person: andon flags approve {made.proposal}"


def _variant(text: str, kind: Kind) -> tuple[str, object]:
    name, is_pair, value = text.partition("=")
    if not is_pair or not name:
        raise Invalid(f"{text!r} is no NAME=VALUE.", safe="Nothing was changed.", remedy="Write --variant small=10")
    if kind is Kind.STRING:
        return name, value
    try:
        return name, msgspec.json.decode(value.encode())
    except msgspec.DecodeError as error:
        raise Invalid(f"The value of {name} is no JSON: {error}.", safe="Nothing was changed.") from error


def _share(text: str) -> tuple[str, float]:
    name, is_pair, percent = text.partition("=")
    try:
        return name, float(percent.removesuffix("%")) if is_pair else 100.0
    except ValueError as error:
        raise Invalid(f"{text!r} is no share.", safe="Nothing was changed.", remedy="Write on=5 for 5 %.") from error


def _date(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is no date.", safe="Nothing was changed.", remedy="Write 2026-12-31.") from error


def _setting(file: Path) -> SettingShape:

    from ruamel.yaml import YAML  # noqa: PLC0415 - takes long to load, and only this needs it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 - as above

    source = sys.stdin.read() if str(file) == "-" else text_of(file)
    try:
        return msgspec.convert(YAML(typ="safe", pure=True).load(source), SettingShape)
    except (YAMLError, msgspec.ValidationError) as error:
        raise Invalid(f"{file} is no setting: {error}.", safe="Nothing was changed.") from error
