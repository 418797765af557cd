"""A breaker and a degrader, each bound to a flag."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from andon_flags import BreakerOpen, Flags
from andon_flags.breaker import Breaker
from tests.flags_client.documents import document, switch

NUMBER = {"kind": "number", "variants": {"on": 2, "off": 0, "never": -1}}


def flags_with(**flags: Any) -> Flags:
    return Flags(document=document(flags), variables={})


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def breaker(clock: Clock, flags: Flags | None = None, **more: Any) -> Breaker:
    asked = {"failures": 3, "within": 10.0, "rest": 30.0, **more}
    return Breaker(flags or flags_with(), "recommendations", clock=clock, **asked)


def fail(what: Breaker, error: type[BaseException] = ConnectionError) -> None:
    with pytest.raises(error), what:
        raise error


def work(what: Breaker) -> None:
    with what:
        pass


def state(what: Breaker) -> str:
    return what.state.value


def told(flags: Flags) -> dict[str, int]:
    return {key: next(count) for key, count in flags._exposures._others.items()}


def test_it_opens_after_failures_within_a_time_and_rests() -> None:
    clock, flags = Clock(), flags_with()
    tried = breaker(clock, flags)
    fail(tried)
    fail(tried)
    clock.now += 11  # the first two are too long ago
    fail(tried)
    assert state(tried) == "closed"
    fail(tried)
    fail(tried)
    assert state(tried) == "open"
    with pytest.raises(BreakerOpen, match="recommendations has failed too often and is left alone for 30 s more"):
        work(tried)
    clock.now += 29.9
    with pytest.raises(BreakerOpen):
        work(tried)
    assert told(flags) == {
        "flags.breaker.changed|breaker:recommendations,to:open": 1,
        "flags.breaker.refused|breaker:recommendations": 2,
    }


def test_after_its_rest_one_call_at_a_time_finds_out() -> None:
    clock = Clock()
    tried = breaker(clock)
    for _ in range(3):
        fail(tried)
    clock.now += 30
    assert state(tried) == "half-open"
    with tried, pytest.raises(BreakerOpen, match="is being tried by another call"):
        work(tried)
    assert state(tried) == "closed"
    for _ in range(3):
        fail(tried)
    clock.now += 30
    fail(tried)
    assert state(tried) == "open"
    clock.now += 30
    fail(tried, KeyboardInterrupt)  # says nothing about the dependency, and lets the next one find out
    work(tried)
    assert state(tried) == "closed"


def test_errors_that_say_nothing_about_the_dependency_do_not_count() -> None:
    tried = breaker(Clock(), errors=(ConnectionError,))
    for _ in range(10):
        fail(tried, KeyError)
    assert state(tried) == "closed"


def test_a_flag_that_is_off_forces_it_open_and_one_that_is_missing_does_not() -> None:
    off = breaker(Clock(), flags_with(recommend=switch()), flag="recommend")
    assert state(off) == "open"
    with pytest.raises(BreakerOpen, match="switched off by the flag recommend"):
        work(off)
    work(breaker(Clock(), flags_with(recommend=switch(default="on")), flag="recommend"))
    work(breaker(Clock(), flags_with(), flag="recommend"))


def test_it_goes_around_functions_with_a_fallback() -> None:
    flags = flags_with(recommend=switch())

    @flags.breaker("recommendations", flag="recommend", fallback=lambda user: [f"nothing for {user}"])
    def recommend(user: str) -> list[str]:
        raise AssertionError("it is switched off")

    @flags.breaker("recommendations", flag="recommend", fallback=lambda user: [f"nothing for {user}"])
    async def later(user: str) -> list[str]:
        raise AssertionError("it is switched off")

    assert recommend("u1") == ["nothing for u1"]
    assert asyncio.run(later("u1")) == ["nothing for u1"]
    assert recommend.__name__ == "recommend"


def test_functions_of_both_kinds_open_it() -> None:
    flags = flags_with()

    @flags.breaker("a", failures=2)
    def fails() -> None:
        raise ConnectionError

    @flags.breaker("b", failures=2)
    async def later() -> None:
        raise ConnectionError

    for _ in range(2):
        with pytest.raises(ConnectionError):
            fails()
        with pytest.raises(ConnectionError):
            asyncio.run(later())
    with pytest.raises(BreakerOpen):
        fails()
    with pytest.raises(BreakerOpen):
        asyncio.run(later())


def test_of_many_threads_one_finds_out() -> None:
    clock = Clock()
    tried = breaker(clock)
    for _ in range(3):
        fail(tried)
    clock.now += 31
    inside, over, refused = [], threading.Event(), []

    def call() -> None:
        try:
            with tried:
                inside.append(1)
                over.wait(60)
        except BreakerOpen:
            refused.append(1)

    threads = [threading.Thread(target=call) for _ in range(12)]
    for thread in threads:
        thread.start()
    while len(inside) + len(refused) < 12:
        over.wait(0.01)
    over.set()
    for thread in threads:
        thread.join()
    assert (len(inside), len(refused)) == (1, 11)


@pytest.mark.parametrize("wrong", [{"failures": 0}, {"within": 0}, {"rest": -1}, {"failures": 10**6}])
def test_a_breaker_that_makes_no_sense_is_refused_when_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="A breaker opens after"):
        flags_with().breaker("a", **wrong)


@pytest.mark.parametrize(
    ("variant", "seen"), [("on", [False, False, True]), ("off", [True, True, True]), ("never", [False, False, False])]
)
def test_above_a_level_that_a_flag_says_less_is_done(variant: str, seen: list[bool]) -> None:
    search = flags_with(level=switch(**NUMBER, default=variant)).degrade("search", flag="level", at=1)
    with search as one, search as two, search as three:
        assert [one, two, three] == seen
        assert search.in_flight == 3
    assert search.in_flight == 0
    assert [search.under(load) for load in (1, 2, 2.5)] == seen


def test_without_the_flag_the_level_of_the_code_counts() -> None:
    search = flags_with().degrade("search", flag="level", at=0.8)
    assert [search.under(load) for load in (0.5, 0.8, 0.9)] == [False, False, True]


def test_a_child_has_nobody_inside_and_may_find_out_itself() -> None:
    flags = flags_with()
    search, tried = flags.degrade("search", flag="level", at=10), flags.breaker("a", failures=1, rest=0)
    fail(tried)
    with search, tried:
        child = os.fork()
        if not child:
            code = search.in_flight
            try:
                work(tried)
            except BreakerOpen:
                code = 9
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
