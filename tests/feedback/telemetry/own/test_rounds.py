"""Rounds go on whatever one of them does."""

from __future__ import annotations

import logging
import threading

import pytest

from andon.feedback.telemetry.own.rounds import Round, Rounds
from andon.kernel.errors import Unavailable


def test_each_comes_again_and_again_and_one_that_fails_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    enough, failures = threading.Event(), threading.Event()
    count = {"good": 0, "bad": 0, "refused": 0}

    def good() -> None:
        count["good"] += 1
        if count["good"] >= 5 and failures.is_set():
            enough.set()

    def bad() -> None:
        count["bad"] += 1
        if count["bad"] >= 3:
            failures.set()
        raise ValueError("a fault")

    def refused() -> None:
        count["refused"] += 1
        raise Unavailable("The store does not answer.")

    with caplog.at_level(logging.WARNING):
        rounds = Rounds([Round("bad", 0.01, bad), Round("refused", 0.01, refused), Round("good", 0.01, good)])
        rounds.start()
        assert enough.wait(30)
        rounds.stop()
    ended = dict(count)
    assert [one.getMessage() for one in caplog.records if "bad" in one.getMessage()] == ["bad failed"]
    assert [one.getMessage() for one in caplog.records if "refused" in one.getMessage()] == [
        "refused: The store does not answer."
    ]
    assert count == ended


def test_one_that_recovers_and_fails_again_says_so_again(caplog: pytest.LogCaptureFixture) -> None:
    turns = iter([True, False, True])
    over = threading.Event()

    def sometimes() -> None:
        turn = next(turns, None)
        if turn is None:
            over.set()
        elif turn:
            raise ValueError("a fault")

    rounds = Rounds([Round("sometimes", 0.01, sometimes)])
    with caplog.at_level(logging.WARNING):
        rounds.start()
        assert over.wait(30)
        rounds.stop()
    assert len([one for one in caplog.records if one.getMessage() == "sometimes failed"]) == 2
