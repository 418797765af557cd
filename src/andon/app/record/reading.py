"""What a person asks of the record, in the address of its page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from andon.kernel.access import Principal
from andon.kernel.access.contract import People
from andon.kernel.db import Reading
from andon.kernel.events import Envelope, Facets, event_types
from andon.kernel.events.record import places_and_persons
from andon.web.model import Choice, Facet

ADDRESS = "/record"
NAMES = ("type", "subject", "person", "service", "environment", "run", "deployment", "commit")
PERIODS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
_PERIOD_WORDS = {"day": "Last 24 hours", "week": "Last 7 days", "month": "Last 30 days"}
_WORDS = {
    "type": "Kind",
    "subject": "About",
    "person": "By",
    "service": "Service",
    "environment": "Environment",
    "run": "Run",
    "deployment": "Deployment",
    "commit": "Commit",
}
_COMMIT = re.compile(r"[0-9a-f]{4,64}")
_ID = re.compile(r"([a-z]{2,10})_[0-9a-z]{26}")


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
        sight=who.sight(),
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
    kept = {name: query[name] for name in (*NAMES, "when", "steps") if query.get(name)}
    for name, value in (changes or {}).items():
        kept.pop(name, None)
        if value:
            kept[name] = value
    return f"{path}?{urlencode(kept)}" if kept else path


@dataclass(frozen=True, slots=True)
class Known:
    """What the record can be narrowed down to: services, environments, and persons by their ids."""

    services: frozenset[str]
    environments: frozenset[str]
    persons: frozenset[str]


def known_in(reading: Reading, wanted: Facets) -> Known:
    """Of what the asker may see, and of the service they have chosen; whatever else is chosen narrows nothing down."""
    return Known(*places_and_persons(reading, Facets(sight=wanted.sight, service=wanted.service)))


def facets(query: Mapping[str, str], known: Known, names: Mapping[str, str]) -> tuple[Facet, ...]:
    """What can be narrowed down further, and what is."""
    kinds = sorted({_group(name) for name in event_types()})
    wanted = query.get("type", "")
    services = sorted(known.services | ({query["service"]} if query.get("service") else set()))
    environments = sorted(known.environments | ({query["environment"]} if query.get("environment") else set()))
    persons = {one: names.get(one, "") for one in known.persons}
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
            Facet("Environment", tuple(_choice(query, "environment", one, one) for one in environments)),
            Facet(
                "Who",
                tuple(
                    _choice(query, "person", one, name)
                    for one, name in sorted(persons.items(), key=lambda pair: pair[1])
                ),
            ),
            Facet("Small steps", (_choice(query, "steps", "all", "Each on its own line"),)),
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


def names_in(
    reading: Reading, found: Iterable[Envelope], known: Known, people: People, query: Mapping[str, str]
) -> Mapping[str, str]:
    """The names of everybody who acts, is acted upon, is asked for or could be."""
    wanted = {*known.persons, query["person"]} if query.get("person") else set(known.persons)
    kind, _, subject = query.get("subject", "").partition(":")
    wanted |= {subject} if kind == "person" and subject else set()
    for one in found:
        kind, _, subject = one.subject.partition(":")
        wanted |= {subject} if kind == "person" else set()
        wanted |= {one.actor.person} if one.actor.person else set()
    return {str(person): name for person, name in people.names(reading, wanted).items()}


def chosen(query: Mapping[str, str], names: Mapping[str, str]) -> tuple[Choice, ...]:
    """Every filter that is on, each with the address without it."""
    found = [
        Choice(f"{word} {told(query[name], names)}", address(query, {name: None}), current=True)
        for name, word in _WORDS.items()
        if query.get(name, "").strip()
    ]
    if query.get("when") in PERIODS:
        found.append(Choice(_PERIOD_WORDS[query["when"]], address(query, {"when": None}), current=True))
    return tuple(found)


def told(value: str, names: Mapping[str, str]) -> str:
    """A filter's value as people say it: a person's name, seven characters of a hash, an id's last ones."""
    if value in names:
        return names[value]
    if value.startswith("dev.andon."):
        return _what(value)
    kind, colon, named = value.partition(":")
    if colon:
        return names.get(named, f"{kind} {_short(named)}")
    return value[:7] if len(value) > 7 and _COMMIT.fullmatch(value) else _short(value)


def sentence(query: Mapping[str, str], names: Mapping[str, str]) -> str:
    """What the list is about: "What happened to 3f2c91a of store", "What Brent did"."""
    about = {name: told(query[name].strip(), names) for name in _WORDS if query.get(name, "").strip()}
    who, service, environment = about.get("person"), about.get("service"), about.get("environment")
    where = f"{environment} of {service}" if environment and service else environment or service
    first = f"What {who} did" if who else "What happened"
    if commit := about.get("commit"):
        return f"{first} {'with' if who else 'to'} {commit}" + (f" of {where}" if where else "")
    if where:
        return f"{first} in {where}"
    if thing := about.get("run") or about.get("deployment") or about.get("subject"):
        return f"{first} {'with' if who else 'to'} {thing}"
    if kind := about.get("type"):
        return f"{first}: {kind}"
    return first if who else "Everything that happened"


def _choice(query: Mapping[str, str], name: str, value: str, label: str) -> Choice:
    current = query.get(name) == value
    return Choice(label=label, href=address(query, {name: None if current else value}), current=current)


def _group(type: str) -> str:
    """ "run" out of "dev.andon.run.started.v1"."""
    parts = type.split(".")
    return parts[2] if len(parts) > 3 else type


def _what(type: str) -> str:
    """ "run started" out of "dev.andon.run.started.v1"."""
    bare = type.removeprefix("dev.andon.").removesuffix(".*")
    return " ".join(re.sub(r"\.v\d+$", "", bare).replace("-", " ").split("."))


def _short(subject: str) -> str:
    """An id's last letters tell it from its neighbours; its first ones are the time."""
    found = _ID.fullmatch(subject)
    return f"{found[1]} …{subject[-6:]}" if found else subject
