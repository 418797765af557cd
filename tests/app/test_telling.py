"""Every event has one sentence, and it is the same wherever the event is told."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import re
import types
import typing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TypeVar

import pytest

from andon.app.composition import compose
from andon.kernel.access.contract import PersonInvited
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.db import Database
from andon.kernel.events import ANDON, Actor, ActorKind, Envelope, event_types
from andon.web.model import EventLine, Fold, State
from andon.web.telling import Teller, Telling, folded, text_of
from tests.app.conftest import Terminal
from tests.serving import Serving, settings_for

_T = TypeVar("_T")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KINDS = sorted(name for name, kind in event_types().items() if kind.__module__.startswith("andon."))


class Strangers:
    """Names of things that nobody knows."""

    def person(self, id: str) -> str:
        return id

    def of(self, kind: str, id: str, otherwise: str) -> str:
        return otherwise

    def title(self, service: str, commit: str) -> str:
        return ""


def values(kind: object) -> list[object]:
    """Some of everything that a field may hold: each of an enumeration, with and without what may be missing."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, typing.NewType):
        return values(kind.__supertype__)
    if origin in {typing.Union, types.UnionType}:
        return [one for part in parts for one in values(part)]
    if origin is tuple:
        return [(), tuple(values(parts[0])[:1]) * 2]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return list(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return list(samples(kind))
    known: dict[object, list[object]] = {
        str: ["maxine"],
        int: [2],
        float: [3.5],
        bool: [True, False],
        datetime: [NOON],
        type(None): [None],
    }
    return known[kind]


def samples(kind: type[_T]) -> Iterator[_T]:
    hints = typing.get_type_hints(kind)
    names = list(inspect.signature(kind).parameters)
    for chosen in itertools.product(*(values(hints[name]) for name in names)):
        yield kind(**dict(zip(names, chosen, strict=True)))


@pytest.fixture(scope="module")
def tellings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Telling, ...]]:
    data: Path = tmp_path_factory.mktemp("told") / "data"
    data.mkdir(mode=0o700)
    installation = compose(settings_for(data, f"sqlite:///{data / 'andon.db'}"))
    yield tuple(room.telling for room in installation.rooms if room.telling is not None)
    installation.close()


@pytest.mark.parametrize("name", KINDS)
def test_every_event_has_one_sentence(name: str, tellings: tuple[Telling, ...]) -> None:
    for happened in samples(event_types()[name]):
        told = [one for room in tellings if (one := room.tell(happened, Strangers())) is not None]
        assert len(told) == 1, f"{name} is told by {len(told)} rooms: give it a case in its own room's telling.py"
        (sentence,) = told
        assert re.match(r"[a-z]", sentence.what), sentence
        for part in (sentence.what, sentence.about, sentence.then, sentence.detail):
            assert part == part.strip(), sentence
            assert "None" not in part, sentence
        assert sentence.state is not State.BAD or not sentence.minor, f"bad news is never folded away: {sentence}"


def test_what_no_room_knows_is_told_by_its_type(sqlite_database: Database) -> None:
    teller = Teller((), NoPeople())
    with sqlite_database.reading() as reading:
        (line,) = teller.lines(reading, [envelope("dev.other.thing.done.v3")])
    assert text_of(line) == "Andon recorded dev.other.thing.done.v3"
    assert line.href == line.event == "/record/ev_1"


def test_a_person_a_token_and_andon_are_told_apart(sqlite_database: Database, tellings: tuple[Telling, ...]) -> None:
    teller = Teller(tellings, NoPeople())
    said = []
    with sqlite_database.reading() as reading:
        for who in (
            Actor(ActorKind.PERSON, "brent", "brent"),
            Actor(ActorKind.TOKEN, "token_1", "brent"),
            Actor(ActorKind.SYSTEM, "andon", "brent"),
            ANDON,
        ):
            (line,) = teller.lines(reading, [envelope(PersonInvited.type, who, b'{"person":"patty"}')])
            said.append(text_of(line))
    assert said == [
        "Brent invited Patty",
        "Brent (by token) invited Patty",
        "Andon (for Brent) invited Patty",
        "Andon invited Patty",
    ]


def test_small_steps_in_a_row_become_one_line_that_holds_them_all() -> None:
    rows = [
        line(9),
        line(8, minor="step"),
        line(7, minor="job"),
        line(6, minor="step"),
        line(5, minor="step", place="store/acceptance"),
        line(4, minor="step", place="store/acceptance"),
        line(3, minor="push"),
        line(2, minor="push"),
        line(1, minor="push", days=1),
    ]
    found = folded(rows)
    assert [one.says if isinstance(one, Fold) else one.position for one in found] == [
        9,
        "3 smaller events: 2 steps, 1 job",
        5,
        4,
        3,
        2,
        1,
    ]
    assert [one for row in found for one in (row.lines if isinstance(row, Fold) else (row,))] == rows


def test_the_page_the_terminal_and_the_api_say_the_same(server: Serving, andon: Terminal) -> None:
    api = server.api()
    api.post("/people", json={"name": "Brent"})
    events = api.get("/events", params={"type": PersonInvited.type, "sentences": True}).json()["events"]
    said = events[0]["andonsentence"]
    assert said == "operator (by token) invited Brent"
    assert "andonsentence" not in api.get("/events").text, "names are not for copies that nobody asked for"
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", server.administrator().get("/record").text))
    assert "operator by token invited Brent" in text
    printed = andon("events", "--type", PersonInvited.type)
    assert said in printed.out
    assert "andonsentence" not in andon("events", "--json").out


def line(position: int, *, minor: str = "", place: str = "store/production", days: int = 0) -> EventLine:
    at = NOON - timedelta(days=days)
    return EventLine(position, at, "Andon", "did", "it", minor=minor, place=place)


def envelope(kind: str, who: Actor = ANDON, data: bytes = b"{}") -> Envelope:
    return Envelope(position=1, id="ev_1", type=kind, at=NOON, actor=who, subject="thing:1", data=data, digest="")


class NoPeople(PeopleDirectory):
    def names(self, reading, ids):  # type: ignore[no-untyped-def]  # as short as a test may be
        return {one: one.capitalize() for one in ids}
