"""How what happened is told: one sentence for each kind of event, the same on every page, in the terminal, in the API.

Each room tells its own events, in its ``telling.py``, and gives that to the application with its
:class:`~andon.web.room.Room`::

    def tell(happened: Event, names: Names) -> Sentence | None:
        match happened:
            case RunStarted():
                return Sentence("began", names.of("run", happened.run, "a run"), f"/runs/{happened.run}", minor="run")
        return None

    def name(reading: Reading, kind: str, id: str) -> str | None:
        "What people call a run; None for what is not this room's or is gone."

:class:`Teller` puts the rooms together. A list of events anywhere in the console is ``context.told(reading, found)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from andon.kernel.access.contract import People
from andon.kernel.db import Reading
from andon.kernel.events import Actor, ActorKind, Envelope, Event
from andon.web.model import EventLine, Fold, State

RECORD = "/record"
FEWEST = 3
"""Minor events in a row that become one line."""


class Names(Protocol):
    """What people call the things that an event names by id."""

    def person(self, id: str) -> str: ...

    def of(self, kind: str, id: str, otherwise: str) -> str:
        """The name of a thing, such as "run 12" for ``("run", "run_01k…")``; ``otherwise`` when nobody knows one."""
        ...

    def title(self, service: str, commit: str) -> str:
        """First line of a commit's message; empty when the commit is gone. Hostile text."""
        ...


@dataclass(frozen=True, slots=True)
class Sentence:
    """What somebody did, without who and where: "[Brent] rolled back to *3f2c91a* [in production]".

    ``what`` begins with a verb in the past tense, as somebody stands before it; ``about`` is linked to ``href``, and
    ``then`` goes on behind it. ``minor`` is the word for one of many such steps on the way ("job", "step"), which may
    be drawn as one line with their count; whatever is bad news or somebody's decision is told by itself. ``actor`` is
    given only where whoever stands in the record is not whom the sentence speaks of.
    """

    what: str
    about: str = ""
    href: str = ""
    then: str = ""
    detail: str = ""
    icon: str = "dot"
    state: State | None = None
    minor: str = ""
    actor: str = ""


Tell = Callable[[Event, Names], Sentence | None]
"""A room's sentences; ``None`` for an event of another room."""
Name = Callable[[Reading, str, str], str | None]
"""What a thing of the room is called, by the kind of it and its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What a room gives to the application to tell its events with."""

    tell: Tell
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class Teller:
    """All rooms' sentences. Safe to share between threads."""

    tellings: tuple[Telling, ...]
    people: People

    def lines(self, reading: Reading, found: Iterable[Envelope]) -> tuple[EventLine, ...]:
        """Events as lines, in the order given. Asks for each name once."""
        events = tuple(found)
        names = _Names(reading, self.people, self.tellings)
        names.meet(one.actor.person or one.actor.id for one in events if one.actor.kind is not ActorKind.SYSTEM)
        names.meet(one.actor.person for one in events if one.actor.person)
        return tuple(self._line(one, names) for one in events)

    def sentence(self, happened: Event, names: Names) -> Sentence | None:
        """``None`` when no room tells this kind of event."""
        return next((told for one in self.tellings if (told := one.tell(happened, names)) is not None), None)

    def _line(self, one: Envelope, names: _Names) -> EventLine:
        happened = one.decode()
        told = None if happened is None else self.sentence(happened, names)
        if told is None:
            # of a release that this one does not know: its type is all that can be said honestly
            told = Sentence("recorded", one.type, f"{RECORD}/{one.id}")
        return EventLine(
            position=one.position,
            at=one.at,
            actor=told.actor or _actor(one.actor, names),
            what=told.what,
            subject=told.about,
            href=told.href,
            icon=told.icon,
            state=told.state,
            detail=told.detail,
            then=told.then,
            place="/".join(one.facets[name] for name in ("service", "environment") if one.facets.get(name)),
            event=f"{RECORD}/{one.id}",
            minor=told.minor,
            how=_how(one.actor, names, told.actor),
        )


def _actor(who: Actor, names: Names) -> str:
    return "Andon" if who.kind is ActorKind.SYSTEM else names.person(who.person or who.id)


def _how(who: Actor, names: Names, instead: str) -> str:
    """For whom Andon acted, or that it was a program with somebody's token."""
    if instead or who.kind is ActorKind.SYSTEM:
        person = names.person(who.person) if who.person else instead
        return "" if person == instead else f"for {person}"
    return "by token" if who.kind is ActorKind.TOKEN else ""


def text_of(line: EventLine) -> str:
    """The whole sentence as plain text, without when: "Maxine deployed 3f2c91a — lead time 3 m 2 s"."""
    how = f"({line.how})" if line.how else ""
    said = " ".join(part for part in (line.actor, how, line.what, line.subject) if part)
    said += f" {line.then}" if line.then and not line.then.startswith(",") else line.then
    return f"{said} — {line.detail}" if line.detail else said


def folded(lines: Sequence[EventLine]) -> tuple[EventLine | Fold, ...]:
    """Minor events that follow on one another in one place and on one day, drawn together.

    None is left out: a fold holds its lines and says how many of what they are.
    """
    found: list[EventLine | Fold] = []
    run: list[EventLine] = []

    def close() -> None:
        found.extend([_fold(run)] if len(run) >= FEWEST else run)
        run.clear()

    for line in lines:
        if run and (not line.minor or line.place != run[-1].place or line.at.date() != run[-1].at.date()):
            close()
        if line.minor:
            run.append(line)
        else:
            found.append(line)
    close()
    return tuple(found)


def _fold(lines: Sequence[EventLine]) -> Fold:
    counts = Counter(one.minor for one in lines)
    told = ", ".join(f"{count} {word if count == 1 else _many(word)}" for word, count in counts.items())
    return Fold(tuple(lines), f"{len(lines)} smaller events: {told}")


def _many(word: str) -> str:
    return f"{word}es" if word.endswith(("s", "h", "x")) else f"{word}s"


@dataclass(slots=True)
class _Names:
    """Remembers what was asked: a page of events names the same few things again and again."""

    reading: Reading
    people: People
    tellings: tuple[Telling, ...]
    _known: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def meet(self, persons: Iterable[str | None]) -> None:
        """Ask for many people at once."""
        wanted = {one for one in persons if one and ("person", one) not in self._known}
        if wanted:
            for person, name in self.people.names(self.reading, wanted).items():
                self._known["person", str(person)] = name

    def person(self, id: str) -> str:
        self.meet([id])
        return self._known.get(("person", id)) or id

    def of(self, kind: str, id: str, otherwise: str) -> str:
        key = (kind, id)
        if key not in self._known:
            asked = (one.name(self.reading, kind, id) for one in self.tellings if one.name is not None)
            self._known[key] = next((name for name in asked if name is not None), None)
        return self._known[key] or otherwise

    def title(self, service: str, commit: str) -> str:
        return self.of("commit", f"{service}/{commit}", "")
