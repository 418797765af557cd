"""What a person asks of the record, in the address of its page; and how an event reads as a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode

from andon.kernel.access import Principal
from andon.kernel.access.contract import People
from andon.kernel.db import Reading
from andon.kernel.events import ActorKind, Envelope, Facets, event_types
from andon.web.model import Choice, EventLine, Facet, State

ADDRESS = "/record"
NAMES = ("type", "subject", "person", "service", "environment", "run", "deployment", "commit")
PERIODS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
_PERIOD_WORDS = {"day": "Last 24 hours", "week": "Last 7 days", "month": "Last 30 days"}
_COMMIT = re.compile(r"[0-9a-f]{4,64}")
_ID = re.compile(r"([a-z]{2,10})_[0-9a-z]{26}")
_ICONS = {
    "branch": "change",
    "push": "change",
    "repository": "change",
    "run": "pipeline",
    "stage": "pipeline",
    "job": "pipeline",
    "artifact": "artifact",
    "package": "artifact",
    "environment": "environment",
    "instance": "environment",
    "deployment": "deploy",
    "route": "route",
    "configuration": "settings",
    "secret": "lock",
    "person": "user",
    "role": "shield",
    "token": "lock",
}
_BAD = ("failed", "refused", "rejected", "unhealthy", "lost", "crashed")


def asked(query: Mapping[str, str], who: Principal, now: datetime) -> Facets:
    """The filter that an address asks for, cut to what the asker may see."""

    def chosen(name: str) -> str | None:
        return query.get(name, "").strip() or None

    period = PERIODS.get(query.get("when", ""))
    commit = chosen("commit")
    return Facets(
        type=chosen("type"),
        subject=chosen("subject"),
        person=chosen("person"),
        service=chosen("service"),
        environment=chosen("environment"),
        run=chosen("run"),
        deployment=chosen("deployment"),
        commit=commit if commit and len(commit) >= 4 else None,
        since=None if period is None else now - period,
        services=who.visible_services(),
    )


def understood(words: str, people: Mapping[str, str]) -> dict[str, str]:
    """What somebody typed into the search field, as a filter; ``people`` is folded name → id."""
    words = words.strip()
    if words.casefold() in people:
        return {"person": people[words.casefold()]}
    if found := _ID.fullmatch(words):
        kind = found[1]
        return {kind: words} if kind == "run" else {"subject": f"{kind}:{words}"}
    if _COMMIT.fullmatch(words):
        return {"commit": words}
    if ":" in words:
        return {"subject": words}
    folded = words.casefold().replace(" ", ".")
    kinds = sorted({_group(name) for name in event_types()})
    if folded in kinds:
        return {"type": f"dev.andon.{folded}.*"}
    return {"type": next((name for name in event_types() if folded in name), f"dev.andon.{folded}*")}


def address(query: Mapping[str, str], changes: Mapping[str, str | None] | None = None, path: str = ADDRESS) -> str:
    """The page's address with something else chosen; ``None`` unchooses."""
    kept = {name: query[name] for name in (*NAMES, "when") if query.get(name)}
    for name, value in (changes or {}).items():
        kept.pop(name, None)
        if value:
            kept[name] = value
    return f"{path}?{urlencode(kept)}" if kept else path


def facets(query: Mapping[str, str], found: Sequence[Envelope], names: Mapping[str, str]) -> tuple[Facet, ...]:
    """What can be narrowed down further: kinds that there are, and whoever and whatever stands on this page."""
    kinds = sorted({_group(name) for name in event_types()})
    wanted = query.get("type", "")
    services = sorted(
        {one.facets["service"] for one in found if "service" in one.facets}
        | ({query["service"]} if query.get("service") else set())
    )
    persons = {one.actor.person: names.get(one.actor.person, "") for one in found if one.actor.person}
    if query.get("person"):
        persons[query["person"]] = names.get(query["person"], query["person"])
    return tuple(
        facet
        for facet in (
            Facet(
                "When",
                tuple(_choice(query, "when", period, words) for period, words in _PERIOD_WORDS.items()),
            ),
            Facet("Service", tuple(_choice(query, "service", one, one) for one in services)),
            Facet(
                "Who",
                tuple(
                    _choice(query, "person", one, name)
                    for one, name in sorted(persons.items(), key=lambda pair: pair[1])
                ),
            ),
            Facet(
                "What",
                tuple(
                    Choice(
                        label=kind.replace("-", " ").capitalize(),
                        href=address(
                            query, {"type": None if wanted == f"dev.andon.{kind}.*" else f"dev.andon.{kind}.*"}
                        ),
                        current=wanted == f"dev.andon.{kind}.*",
                    )
                    for kind in kinds
                ),
            ),
        )
        if facet.choices
    )


def lines(reading: Reading, found: Sequence[Envelope], people: People) -> tuple[EventLine, ...]:
    names = names_in(reading, found, people)
    return tuple(line(one, names) for one in found)


def names_in(reading: Reading, found: Iterable[Envelope], people: People) -> Mapping[str, str]:
    """The names of everybody who acts or is acted upon."""
    wanted = set()
    for one in found:
        kind, _, subject = one.subject.partition(":")
        wanted |= {subject} if kind == "person" else set()
        wanted |= {one.actor.person} if one.actor.person else set()
    return {str(person): name for person, name in people.names(reading, wanted).items()}


def line(one: Envelope, names: Mapping[str, str]) -> EventLine:
    kind, _, subject = one.subject.partition(":")
    group, what = _group(one.type), _what(one.type)
    place = "/".join(one.facets[name] for name in ("service", "environment") if name in one.facets)
    if kind == "service":
        place = ""
    about = names.get(subject, subject) if kind == "person" else _short(subject)
    if kind == "person" and subject == one.actor.id:
        # what somebody did about themselves reads without saying their name twice
        what, about = "", what.removeprefix("person ")
    return EventLine(
        position=one.position,
        at=one.at,
        actor=actor(one, names),
        what=what,
        subject=about,
        href=f"{ADDRESS}/{one.id}",
        icon=_ICONS.get(group, "dot"),
        state=State.BAD if any(word in one.type for word in _BAD) else None,
        detail=place,
    )


def actor(one: Envelope, names: Mapping[str, str]) -> str:
    """Who did it, for people: a token bears its owner's name."""
    who = one.actor
    if who.kind is ActorKind.SYSTEM:
        return "Andon" if who.id == "andon" else who.id.capitalize()
    name = names.get(who.person or who.id, who.person or who.id)
    return f"{name} (token)" if who.kind is ActorKind.TOKEN else name


def _choice(query: Mapping[str, str], name: str, value: str, label: str) -> Choice:
    current = query.get(name) == value
    return Choice(label=label, href=address(query, {name: None if current else value}), current=current)


def _group(type: str) -> str:
    """ "run" out of "dev.andon.run.started.v1"."""
    parts = type.split(".")
    return parts[2] if len(parts) > 3 else type


def _what(type: str) -> str:
    """ "run started" out of "dev.andon.run.started.v1"."""
    return " ".join(type.removeprefix("dev.andon.").rpartition(".v")[0].replace("-", " ").split("."))


def _short(subject: str) -> str:
    """An id's last letters tell it from its neighbours; its first ones are the time."""
    found = _ID.fullmatch(subject)
    return f"{found[1]} …{subject[-6:]}" if found else subject
