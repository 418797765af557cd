"""Flags as pages show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from andon.flow.flags.contract import FLAGS_FILE, Origin
from andon.flow.flags.desk import Desk
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import Setting, StoredFlag, StoredSetting
from andon.flow.flags.model.pretending import pretends_words
from andon.flow.flags.model.wishes import percent_of
from andon.flow.flags.pages.ramping import Ramping, ramps_of
from andon.flow.flags.service.changing import doubts_of
from andon.flow.flags.views.answers import ProposalShape
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading
from andon.web.model import Fact, State
from andon.web.shell import Action
from andon_flags.explaining import Explanation

_MOST_TOPICS = 20


@dataclass(frozen=True, slots=True)
class Band:
    """A variant's part of those whom no rule serves; ``place`` and ``width`` in percent of the whole."""

    name: str
    place: float
    width: float
    percent: str
    colour: str
    """``v-1`` to ``v-6``, and ``flag-off`` for what is served when it is off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    who: str
    gets: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A flag in one environment."""

    environment: str
    state: State
    word: str
    sentence: str
    version: int
    changed_at: datetime | None
    audiences: tuple[Audience, ...]
    bands: tuple[Band, ...]
    topics: tuple[str, ...]
    """What the page listens to: the flag, its environment, and the segments that its rules name."""
    second_person: bool
    may: bool
    keep_in_code: bool
    variants: tuple[tuple[str, str], ...]
    """Name and present percent, for the form."""
    variant_choices: tuple[tuple[str, str], ...]
    """Those that a ramp may raise, what is served when it is off at last."""
    address: str
    switch: Action | None
    ramps: tuple[Ramping, ...]
    """Those that are under way: one at most of each audience."""
    rules: tuple[tuple[str, str], ...]
    """Id of each rule, and whom it serves, for the form."""
    pretends: str
    """What it serves instead, for now; empty for nothing."""
    doubts: tuple[str, ...]
    """What of it can have no effect, such as a rule that never matches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    href: str
    note: str
    places: tuple[tuple[str, State, str, str], ...]
    """Environment, state, its word, who gets what."""
    stale: str
    archived: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """The tester's answer."""

    explanation: Explanation
    value: str


_LINES = 30
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Waiting:
    proposal: ProposalShape
    lines: tuple[str, ...]
    """The first of its diff, the long ones shortened."""
    more: int
    approve: Action
    reject: Action


def flag_address(service: str, flag: str = "") -> str:
    found = f"/flags/{quote(service, safe='')}"
    return f"{found}/{quote(flag, safe='')}" if flag else found


def state_of(setting: StoredSetting) -> tuple[State, str]:
    """A colour for how far it is released, always with its word."""
    there = setting.setting
    if not there.enabled:
        return State.BAD, "killed"
    everybody, now = words.whole(there.default), datetime.now(UTC).timestamp()
    if there.begins is not None and now < there.begins:
        return State.HOLD, "not yet"
    if there.ends is not None and now >= there.ends:
        return State.NONE, "over"
    if everybody is None or there.rules or there.individuals:
        return State.RUN, "some get it"
    return (State.NONE, "off") if everybody == there.off else (State.OK, "on for everybody")


def standing(desk: Desk, reading: Reading, principal: Principal, flag: StoredFlag, one: StoredSetting) -> Standing:
    there, place = one.setting, one.environment
    state, word = state_of(one)
    address = f"{flag_address(flag.service, flag.name)}/{quote(place, safe='')}"
    may = principal.may(Permission.RELEASE, flag.service, place) and flag.archived_at is None
    may_kill = may or (principal.may(Permission.ROLL_BACK, flag.service, place) and flag.archived_at is None)
    if there.enabled:
        switch = Action(f"Kill in {place}", f"{address}/kill", kind="danger", icon="flag") if may_kill else None
    else:
        switch = Action(f"Revive in {place}", f"{address}/revive", kind="primary", icon="flag") if may else None
    audiences = [
        Audience(who=f"{count} named {'user' if count == 1 else 'users'}", gets=variant)
        for variant, count in _counted(there.individuals.values())
    ]
    audiences += [Audience(who=words.audience(rule.when), gets=words.serving(rule.serve)) for rule in there.rules]
    shares = percent_of(there.default)
    pretends = pretends_words(desk.flags.pretences(reading, flag.service).get(place))
    return Standing(
        environment=place,
        state=state,
        word=word,
        sentence=words.who_gets_what(there),
        version=one.version,
        changed_at=one.changed_at,
        audiences=tuple(audiences),
        topics=(
            f"flag:{flag.name}",
            f"environment:{flag.service}/{place}",
            *(f"segment:{name}" for name in _segments(there)),
        ),
        bands=_bands(shares, tuple(flag.head.variants), there.off),
        second_person=desk.flags.needs_second_person(reading, flag.service, place),
        may=may,
        keep_in_code=flag.origin is Origin.CODE,
        variants=tuple((name, f"{shares.get(name, 0.0):g}") for name in flag.head.variants),
        variant_choices=tuple((name, name) for name in sorted(flag.head.variants, key=lambda name: name == there.off)),
        address=address,
        switch=switch,
        ramps=ramps_of(desk, reading, principal, flag, place, may_end=may_kill),
        rules=tuple((rule.id, words.audience(rule.when)) for rule in there.rules),
        pretends=pretends,
        doubts=() if pretends else _doubts(desk, reading, flag, one),
    )


def _doubts(desk: Desk, reading: Reading, flag: StoredFlag, one: StoredSetting) -> tuple[str, ...]:
    if not one.version or flag.archived_at is not None:
        return ()
    return doubts_of(desk.flags.built(reading, flag.service, one.environment).document, flag.name)


def row(flag: StoredFlag, settings: tuple[StoredSetting, ...]) -> Row:
    about = [flag.head.description or flag.head.owner]
    if flag.origin is Origin.CODE:
        about.append(f"kept in {FLAGS_FILE}")
    if flag.head.ends is not None:
        about.append(f"to be gone by {flag.head.ends}")
    return Row(
        name=flag.name,
        href=flag_address(flag.service, flag.name),
        note=" · ".join(part for part in about if part),
        places=tuple((one.environment, *state_of(one), words.who_gets_what(one.setting)) for one in settings),
        stale="",
        archived=flag.archived_at is not None,
    )


def links_of(flag: StoredFlag) -> tuple[tuple[str, str, str], ...]:
    """Label, address and icon of where more is known of it: its card, its code."""
    given = (("Card", flag.head.card, "board"), ("Code", flag.head.code, "external"))
    return tuple(one for one in given if one[1].startswith(("https://", "http://")))


def facts_of(flag: StoredFlag, asked_by: frozenset[str], asked: dict[str, tuple[int, datetime]]) -> list[Fact]:
    head = flag.head
    found = [
        Fact("Kind", head.kind.value),
        Fact("Variants", ", ".join(head.variants)),
        Fact("Source of truth", FLAGS_FILE if flag.origin is Origin.CODE else "the console"),
        Fact("Owner", head.owner or "nobody said"),
        Fact("End of life", "permanent" if head.permanent else str(head.ends) if head.ends else "none said"),
        Fact("Decided by", head.unit, mono=True),
        Fact("Created", flag.created_at),
    ]
    if head.card:
        found.append(Fact("Card", head.card, href=head.card if head.card.startswith(("https://", "http://")) else ""))
    if head.code:
        found.append(Fact("Code", head.code, href=head.code if head.code.startswith(("https://", "http://")) else ""))
    if asked_by:
        found.append(Fact("Asked for by", ", ".join(sorted(asked_by))))
    for name, (times, last) in sorted(asked.items()):
        found.append(Fact(f"Asked over OFREP, {name}", f"{times:,} times, last {last:%Y-%m-%d %H:%M} UTC"))
    return found


def waiting(principal: Principal, found: list[ProposalShape], persons: dict[str, str | None]) -> list[Waiting]:
    listed = []
    for one in found:
        blocked = ""
        if not all(principal.may(Permission.RELEASE, one.service, place) for place in one.places):
            blocked = f"This needs the role developer on {', '.join(one.places)}."
        elif principal.person is None or principal.person == persons.get(one.id):
            blocked = "You proposed it: somebody else has to agree."
        approve = Action(
            "Approve and make it", f"/flags/proposals/{one.id}/approve", kind="primary", icon="ok", blocked=blocked
        )
        reject = Action("Turn down", f"/flags/proposals/{one.id}/reject", icon="cancel")
        lines = tuple(_shortened(line) for line in one.diff[:_LINES])
        listed.append(Waiting(one, lines, max(0, len(one.diff) - _LINES), approve, reject))
    return listed


def _shortened(line: str) -> str:
    more = len(line) - _LONGEST
    return f"{line[:_LONGEST]} … and {more:,} characters more, which the API tells" if more > 0 else line


def _bands(shares: dict[str, float], order: tuple[str, ...], off: str) -> tuple[Band, ...]:
    found: list[Band] = []
    place = 0.0
    shown = [*(name for name in order if name != off), off]
    for number, name in enumerate(shown):
        share = shares.get(name, 0.0)
        if share:
            colour = "flag-off" if name == off else f"v-{number % 6 + 1}"
            found.append(Band(name, round(place, 3), round(share, 3), words.percent(share), colour))
            place += share
    return tuple(found)


def _segments(setting: Setting) -> list[str]:
    named = {
        str(value)
        for rule in setting.rules
        for condition in rule.when
        if condition.operator.value.endswith("in-segment")
        for value in condition.values
    }
    return sorted(named)[:_MOST_TOPICS]


def _counted(values: Iterable[str]) -> list[tuple[str, int]]:
    return list(Counter(values).items())
