"""Events and a table of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from andon.kernel.db import Database, Transaction
from andon.kernel.events import ANDON, Actor, ActorKind, Event, append, event, model

PERSON = Actor(ActorKind.TOKEN, "tok_1", person="per_1")

metadata = sa.MetaData()
effects = sa.Table(
    "test_effects", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("what", sa.Text, nullable=False)
)


@event("test.thing.happened.v1", subject="thing")
@dataclass(frozen=True, slots=True, kw_only=True)
class Happened(Event):
    """Something happened to a thing."""

    thing: str
    service: str | None = None
    commit: str | None = None
    run: str | None = None


@event("test.thing.ended.v1", subject="thing", cdevents="dev.cdevents.pipelinerun.finished.0.2.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Event):
    """A thing came to its end."""

    thing: str
    number: int = 0
    note: str = ""


# The record of declared events is what the reference is written from: the tests' own must not be in it.
for _kind in (Happened, Ended):
    model._types.pop(_kind.type)


@contextmanager
def declared() -> Iterator[None]:
    """With the tests' events known to the record."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in (Happened, Ended):
            patch.setitem(model._types, kind.type, kind)
        yield


def happen(database: Database, *things: str, by: Actor = ANDON) -> list[str]:
    with database.transaction() as tx:
        return [append(tx, Happened(thing=thing), by=by) for thing in things]


def note(tx: Transaction, what: str) -> None:
    tx.connection.execute(effects.insert().values(what=what))


def noted(database: Database) -> list[str]:
    with database.reading() as reading:
        return list(reading.connection.execute(sa.select(effects.c.what).order_by(effects.c.id)).scalars())
