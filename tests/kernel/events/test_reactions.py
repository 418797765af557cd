"""Reactions: once for what they write, retried when they fail, and never lost; on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, Transaction
from andon.kernel.errors import Conflict, NotFound
from andon.kernel.events import ANDON, Bell, Envelope, Reaction, append
from andon.kernel.events.reactions import (
    ATTEMPTS,
    Delivery,
    Reactor,
    discard_delivery,
    failed_deliveries,
    retry_delivery,
)
from tests.kernel.events.declared import Ended, Happened, happen, note, noted


@dataclass
class Handler:
    """Notes each event in the database; fails after it has written, as long as the subject is among ``fails``."""

    fails: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    def __call__(self, tx: Transaction, envelope: Envelope) -> None:
        self.calls.append(envelope.subject)
        note(tx, envelope.subject)
        if envelope.subject in self.fails:
            raise Conflict("It is not possible now.\0")


def reaction(handler: Callable[[Transaction, Envelope], None], name: str = "test.react") -> Reaction:
    return Reaction(name, (Happened,), handler)


def reactor(database: Database, *reactions: Reaction) -> Reactor:
    return Reactor(database, Bell(database), reactions)


def run(one: Reactor) -> None:
    while one.turn():
        pass


def waiting(database: Database) -> tuple[Delivery, ...]:
    with database.reading() as reading:
        return failed_deliveries(reading)


def test_each_event_is_handled_once_and_in_order(database: Database) -> None:
    handler = Handler()
    one = reactor(database, reaction(handler))
    happen(database, "a", "b")
    run(one)
    happen(database, "c")
    run(one)
    assert noted(database) == ["thing:a", "thing:b", "thing:c"] == handler.calls


def test_another_life_goes_on_where_the_last_one_was(database: Database) -> None:
    happen(database, "a")
    run(reactor(database, reaction(Handler())))
    happen(database, "b")
    handler = Handler()
    run(reactor(database, reaction(handler)))
    assert handler.calls == ["thing:b"]


def test_only_wanted_types_come(database: Database) -> None:
    handler = Handler()
    with database.transaction() as tx:
        append(tx, Ended(thing="other"), by=ANDON)
        append(tx, Happened(thing="a"), by=ANDON)
    run(reactor(database, reaction(handler)))
    assert handler.calls == ["thing:a"]


def test_a_new_reaction_begins_where_it_is_told_to(database: Database) -> None:
    happen(database, "before")
    old, new = Handler(), Handler()
    one = reactor(database, reaction(old, "test.old"), Reaction("test.new", (Happened,), new, from_beginning=False))
    run(one)
    happen(database, "after")
    run(one)
    assert old.calls == ["thing:before", "thing:after"]
    assert new.calls == ["thing:after"]


def test_a_crash_between_effect_and_commit_repeats_without_doubling(database: Database) -> None:
    class Died(BaseException):
        """As the process would: past everything that catches exceptions."""

    def die(tx: Transaction, envelope: Envelope) -> None:
        note(tx, envelope.subject)
        raise Died

    happen(database, "a")
    with pytest.raises(Died):
        run(reactor(database, reaction(die)))
    assert noted(database) == []
    run(reactor(database, reaction(Handler())))
    assert noted(database) == ["thing:a"]


def test_two_reactors_do_not_double_what_they_write(database: Database) -> None:
    happen(database, *map(str, range(20)))
    gate = threading.Barrier(2)

    def work() -> None:
        one = reactor(database, reaction(Handler()))
        gate.wait()
        run(one)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert noted(database) == [f"thing:{number}" for number in range(20)]


def test_a_failure_is_retried_later_while_others_go_on(database: Database, clock: SettableClock) -> None:
    handler = Handler(fails={"thing:a"})
    one = reactor(database, reaction(handler))
    happen(database, "a", "b")
    began = clock.now()
    run(one)
    assert noted(database) == ["thing:b"], "what the failed one wrote is taken back"
    (delivery,) = waiting(database)
    assert (delivery.reaction, delivery.attempts, delivery.since) == ("test.react", 1, began)
    assert delivery.error == "It is not possible now.�"
    assert delivery.next_at is not None

    clock.advance(1.9)
    run(one)
    assert handler.calls == ["thing:a", "thing:b"], "not before its time"
    clock.advance(0.2)
    run(one)
    (again,) = waiting(database)
    assert (again.attempts, again.since) == (2, began)
    assert again.next_at is not None
    assert (again.next_at - clock.now()).total_seconds() == 4

    handler.fails.clear()
    clock.advance(4)
    run(one)
    assert waiting(database) == ()
    assert noted(database) == ["thing:b", "thing:a"]


def test_a_clock_set_back_does_not_put_a_retry_off(database: Database, clock: SettableClock) -> None:
    handler = Handler(fails={"thing:a"})
    one = reactor(database, reaction(handler))
    happen(database, "a")
    run(one)
    handler.fails.clear()
    clock.advance(-3600)
    run(one)
    assert waiting(database) == ()
    assert noted(database) == ["thing:a"]


def dead(database: Database, clock: SettableClock, handler: Handler) -> Delivery:
    one = reactor(database, reaction(handler))
    happen(database, "a")
    run(one)
    for _ in range(ATTEMPTS):
        clock.advance(300)
        run(one)
    (delivery,) = waiting(database)
    return delivery


def test_after_enough_tries_it_becomes_a_dead_letter(database: Database, clock: SettableClock) -> None:
    handler = Handler(fails={"thing:a"})
    delivery = dead(database, clock, handler)
    assert (delivery.attempts, delivery.next_at) == (ATTEMPTS, None)
    assert len(handler.calls) == ATTEMPTS


def test_a_dead_letter_can_be_tried_again(database: Database, clock: SettableClock) -> None:
    handler = Handler(fails={"thing:a"})
    delivery = dead(database, clock, handler)
    handler.fails.clear()
    with database.transaction() as tx:
        retry_delivery(tx, delivery.reaction, delivery.position)
    run(reactor(database, reaction(handler)))
    assert (waiting(database), noted(database)) == ((), ["thing:a"])
    with pytest.raises(NotFound, match="no longer waiting"), database.transaction() as tx:
        retry_delivery(tx, delivery.reaction, delivery.position)


def test_a_dead_letter_can_be_given_up(database: Database, clock: SettableClock) -> None:
    handler = Handler(fails={"thing:a"})
    delivery = dead(database, clock, handler)
    with database.transaction() as tx:
        discard_delivery(tx, delivery.reaction, delivery.position)
    run(reactor(database, reaction(handler)))
    assert (waiting(database), noted(database)) == ((), [])
    with pytest.raises(NotFound, match="no longer waiting"), database.transaction() as tx:
        discard_delivery(tx, delivery.reaction, delivery.position)


def test_failures_of_a_reaction_that_is_gone_do_not_hold_up_the_others(
    database: Database, clock: SettableClock
) -> None:
    names = [str(number) for number in range(25)]
    gone = Handler(fails={f"thing:{name}" for name in names})
    happen(database, *names)
    run(reactor(database, reaction(gone, "test.gone")))
    clock.advance(1)
    handler = Handler(fails={"thing:0"})
    one = reactor(database, reaction(handler))
    run(one)
    handler.fails.clear()
    clock.advance(2)
    run(one)
    assert "thing:0" in noted(database)
    assert len(waiting(database)) == 25


def test_a_running_reactor_follows_the_record_and_ends(database: Database) -> None:
    bell = Bell(database)
    done = threading.Event()

    def handle(_tx: Transaction, envelope: Envelope) -> None:
        if envelope.subject == "thing:last":
            done.set()

    one = Reactor(database, bell, [reaction(handle)])
    bell.start()
    one.start()
    try:
        happen(database, "first")
        happen(database, "last")
        assert done.wait(60)
    finally:
        one.stop()
        bell.stop()


def test_a_long_record_that_nobody_waited_for_is_passed_only_once(database: Database) -> None:
    with database.transaction() as tx:
        for number in range(600):
            append(tx, Ended(thing=str(number)), by=ANDON)
    run(reactor(database, reaction(Handler())))
    happen(database, "a")
    handler = Handler()
    again = reactor(database, reaction(handler))
    again.turn()
    # One turn reads 200: without the stored cursor it would still be among the first.
    assert handler.calls == ["thing:a"]


def test_it_is_known_since_when_something_waits_to_be_handled(database: Database, clock: SettableClock) -> None:
    def since(one: Reactor) -> datetime | None:
        with database.reading() as reading:
            return one.waits_since(reading)

    one = reactor(database, reaction(Handler(fails={"thing:bad"})))
    assert since(one) is None
    first = clock.now()
    happen(database, "a")
    assert since(one) == first
    run(one)
    assert since(one) is None
    with database.transaction() as tx:
        append(tx, Ended(thing="of no interest"), by=ANDON)
    assert since(one) is None
    clock.advance(60)
    bad = clock.now()
    happen(database, "bad")
    for _ in range(ATTEMPTS + 1):
        run(one)
        clock.advance(600)
    happen(database, "b")
    run(one)
    assert [delivery.next_at for delivery in waiting(database)] == [None], "a dead letter"
    assert since(one) == bad
