"""Appending, reading, filtering; and that nobody misses an event, on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import pytest
import sqlalchemy as sa

from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, Transaction
from andon.kernel.events import ANDON, Bell, Event, Facets, Sight, append, event, event_types, model, page
from andon.kernel.events.record import align_positions, at_position, find, latest_position
from andon.kernel.events.seal import Seal
from andon.kernel.events.storage import events, seals
from tests.databases import Databases
from tests.kernel.events.declared import PERSON, Ended, Happened, happen


def things(database: Database, facets: Facets | None = None, **where: int) -> list[str]:
    with database.reading() as reading:
        return [envelope.subject.partition(":")[2] for envelope in page(reading, facets, **where)]


def test_what_is_appended_is_read_back_whole(database: Database, clock: SettableClock) -> None:
    with database.transaction() as tx:
        identity = append(tx, Ended(thing="ünï", note="\0", number=7), by=PERSON)
    with database.reading() as reading:
        envelope = find(reading, identity)
        assert envelope is not None
        assert at_position(reading, envelope.position) == envelope
    assert envelope.decode() == Ended(thing="ünï", note="\0", number=7)
    assert (envelope.at, envelope.actor, envelope.type) == (clock.now(), PERSON, "test.thing.ended.v1")
    assert envelope.subject == "thing:ünï"


@pytest.mark.parametrize("what", [Happened(thing="a\0"), Happened(thing="a" * 200), Happened(thing="a", run="r" * 41)])
def test_what_does_not_fit_is_refused_alike_on_both(database: Database, what: Event) -> None:
    with pytest.raises(ValueError, match="too long or holds NUL"), database.transaction() as tx:
        append(tx, what, by=ANDON)
    assert things(database) == []


def test_a_page_is_newest_first_and_goes_on_before_a_position(database: Database) -> None:
    happen(database, "a", "b", "c")
    happen(database, "d", "e")
    assert things(database) == ["e", "d", "c", "b", "a"]
    with database.reading() as reading:
        first = page(reading, limit=2)
    assert things(database, before=first[-1].position, limit=2) == ["c", "b"]


def test_a_follower_reads_oldest_first_and_each_once(database: Database) -> None:
    seen: list[str] = []
    position = 0
    for names in ("ab", "c", "", "def"):
        happen(database, *names)
        with database.reading() as reading:
            for envelope in page(reading, after=position, limit=100):
                seen.append(envelope.subject)
                position = envelope.position
            assert latest_position(reading) == position
    assert seen == [f"thing:{name}" for name in "abcdef"]


def test_what_is_rolled_back_never_was(database: Database) -> None:
    happen(database, "a")

    def break_off() -> None:
        with database.transaction() as tx:
            append(tx, Happened(thing="b"), by=ANDON)
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    happen(database, "c")
    assert things(database) == ["c", "a"]


@pytest.mark.parametrize(
    ("facets", "wanted"),
    [
        (Facets(type="test.thing.happened.v1"), "ab"),
        (Facets(type="test.thing.*"), "abc"),
        (Facets(type="test.th_ng.*"), ""),
        (Facets(subject="thing:a"), "a"),
        (Facets(actor="token:tok_1"), "b"),
        (Facets(person="per_1"), "b"),
        (Facets(service="shop"), "a"),
        (Facets(run="run_1"), "b"),
        (Facets(commit="abc1"), "a"),
        (Facets(commit="abc1" + "0" * 36), "a"),
        (Facets(commit="abc2"), ""),
        (Facets(sight=Sight(services=frozenset({"shop"}))), "abc"),
        (Facets(sight=Sight(services=frozenset({"other"}))), "bc"),
        (Facets(sight=Sight(services=frozenset())), "bc"),
        (Facets(type="test.thing.*", person="per_1", service="shop"), ""),
    ],
)
def test_facets_filter(database: Database, facets: Facets, wanted: str) -> None:
    with database.transaction() as tx:
        append(tx, Happened(thing="a", service="shop", commit="abc1" + "0" * 36), by=ANDON)
        append(tx, Happened(thing="b", run="run_1"), by=PERSON)
        append(tx, Ended(thing="c"), by=ANDON)
    assert sorted(things(database, facets)) == list(wanted)


def test_a_span_of_time_includes_its_beginning_and_not_its_end(database: Database, clock: SettableClock) -> None:
    moments = []
    for name in "abc":
        moments.append(clock.now())
        happen(database, name)
        clock.advance(1)
    assert things(database, Facets(since=moments[1], until=moments[2])) == ["b"]


def test_an_unknown_type_stays_readable(database: Database) -> None:
    @event("test.passing.v1", subject="thing")
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Passing(Event):
        """Known while the test runs."""

        thing: str

    with database.transaction() as tx:
        append(tx, Passing(thing="a"), by=ANDON)
    del model._types["test.passing.v1"]
    with database.reading() as reading:
        (envelope,) = page(reading)
    assert envelope.decode() is None
    assert b'"thing":"a"' in envelope.data


@pytest.mark.parametrize("table", [events, seals])
@pytest.mark.parametrize("change", ["update", "delete"])
def test_the_database_itself_refuses_to_change_the_record(database: Database, table: sa.Table, change: str) -> None:
    happen(database, "a")
    with database.transaction() as tx:
        seal = Seal(number=1, first=1, last=1, count=1, at=tx.now, previous="", digest="1", key="", signature="")
        tx.connection.execute(seals.insert().values(asdict(seal)))
    statement = table.update().values({"digest": "0"}) if change == "update" else table.delete()
    with pytest.raises(sa.exc.IntegrityError, match=f"{table.name} is append-only"), database.transaction() as tx:
        tx.connection.execute(statement)
    assert things(database) == ["a"]


@pytest.mark.postgres
def test_postgresql_refuses_to_empty_the_record(databases: Databases, open_database: Callable[[str], Database]) -> None:
    database = open_database(databases.url("postgresql"))
    happen(database, "a")
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), database.transaction() as tx:
        tx.connection.execute(sa.text("TRUNCATE events"))
    assert things(database) == ["a"]


@pytest.mark.postgres
def test_a_transaction_that_ends_late_is_not_skipped(
    databases: Databases, open_database: Callable[[str], Database]
) -> None:
    """Every order in which two overlapping transactions can begin, append and end."""
    database = open_database(databases.url("postgresql"))
    opened = database.engine.connect
    for early_writes_first in (True, False):
        for early_ends_first in (True, False):
            with database.reading() as reading:
                position = latest_position(reading)
            seen: list[str] = []

            def follow(seen: list[str] = seen) -> None:
                nonlocal position
                with database.reading() as reading:
                    for envelope in page(reading, after=position, limit=10):
                        seen.append(envelope.subject)
                        position = envelope.position

            with opened() as early_connection, opened() as late_connection:
                both = {"early": early_connection, "late": late_connection}
                for connection in both.values():
                    connection.begin()
                    # Takes a transaction number, as any write of the same unit of work would.
                    connection.execute(sa.text("SELECT pg_current_xact_id()"))
                writes = ("early", "late") if early_writes_first else ("late", "early")
                for name in writes:
                    append_over(database, both[name], name)
                    follow()
                ends = ("early", "late") if early_ends_first else ("late", "early")
                for name in ends:
                    both[name].commit()
                    follow()
            assert sorted(seen) == ["thing:early", "thing:late"], (early_writes_first, early_ends_first)


def append_over(database: Database, connection: sa.Connection, name: str) -> None:
    append(Transaction(connection, database.clock.now()), Happened(thing=name), by=ANDON)


def test_a_follower_misses_nothing_while_many_write(database: Database) -> None:
    def write(number: int) -> None:
        for count in range(15):
            with database.transaction() as tx:
                append(tx, Happened(thing=f"{number}-{count}-first"), by=ANDON)
                if not database.is_sqlite:
                    time.sleep(0.001 * (number % 3))
                append(tx, Happened(thing=f"{number}-{count}-second"), by=ANDON)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    seen: list[str] = []
    position = 0
    deadline = time.monotonic() + 100
    while len(seen) < 180 and time.monotonic() < deadline:
        with database.reading() as reading:
            for envelope in page(reading, after=position, limit=7):
                seen.append(envelope.subject)
                position = envelope.position
    for writer in writers:
        writer.join()
    assert len(seen) == len(set(seen)) == 180


@pytest.mark.postgres
def test_positions_go_on_growing_on_another_server(
    databases: Databases, open_database: Callable[[str], Database]
) -> None:
    database = open_database(databases.url("postgresql"))
    happen(database, "here")
    # As a restored backup looks like: an event of a server whose transactions were counted much further.
    far = (1 << 41) << 16
    with database.transaction() as tx:
        row = dict(tx.connection.execute(sa.select(events)).mappings().one()) | {"position": far, "id": "ev_far"}
        tx.connection.execute(events.insert().values(row))
    with database.transaction() as tx:
        align_positions(tx)
    happen(database, "after")
    with database.reading() as reading:
        newest = page(reading, limit=1)[0]
        assert newest.subject == "thing:after"
        assert newest.position > far
        assert [one.subject for one in page(reading, after=far)] == ["thing:after"]
    with database.transaction() as tx:
        align_positions(tx)
    happen(database, "again")
    assert things(database)[:2] == ["again", "after"]


def test_the_bell_rings_for_what_another_process_wrote(
    database_url: str, open_database: Callable[[str], Database]
) -> None:
    here, there = open_database(database_url), open_database(database_url)
    bell = Bell(here)

    def fail(_position: int) -> None:
        raise KeyError("a listener that fails does not deafen the others")

    heard: list[int] = []
    end = bell.listen(heard.append)
    bell.listen(fail)
    bell.start()
    try:
        before = bell.position
        happen(there, "a")
        position = bell.wait(before, 60)
        assert position > before
        end()
        with there.transaction() as tx:
            append(tx, Happened(thing="b"), by=ANDON)
            tx.after_commit(bell.ring)
        assert bell.wait(position, 60) > position
        assert heard == [position]
    finally:
        bell.stop()
    assert bell.stopping
    assert bell.wait(10**18, 60) == bell.position


def test_declaring_twice_or_about_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no field 'nothing'"):
        event("test.wrong.v1", subject="nothing")(Happened)
    with pytest.raises(ValueError, match=r"two events are called test\.thing\.happened\.v1"):
        event("test.thing.happened.v1", subject="thing")(Ended)
    assert event_types()["test.thing.happened.v1"] is Happened
