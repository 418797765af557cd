"""A store that hangs holds up nobody, whoever asks it and however many do."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from andon.feedback.telemetry.store import liveness
from andon.feedback.telemetry.store.door import Door
from andon.feedback.telemetry.store.engine import EmbeddedEngine, over_socket
from andon.feedback.telemetry.store.liveness import Liveness
from andon.kernel.errors import Unavailable


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="andon-door-") as folder:
        yield Path(folder) / "store.sock"


class Store:
    """One whose answers and clock a test sets."""

    def __init__(self) -> None:
        self.alive, self.now, self.pings = True, 0.0, 0

    def ping(self) -> bool:
        self.pings += 1
        return self.alive

    def clock(self) -> float:
        return self.now


def test_a_store_that_answers_is_pinged_once_in_a_while_only() -> None:
    store = Store()
    one = Liveness(store.ping, clock=store.clock)
    for _ in range(100):
        one.require()
    assert store.pings == 1
    store.now += 10
    one.answered()  # a question was: that says as much
    one.require()
    assert store.pings == 1
    store.now += 10
    one.require()
    assert store.pings == 2


def test_a_store_that_does_not_answer_is_tried_by_one_and_after_a_pause() -> None:
    store = Store()
    store.alive = False
    one = Liveness(store.ping, clock=store.clock)
    for _ in range(100):
        with pytest.raises(Unavailable):
            one.require()
    assert store.pings == 1
    store.now += 10
    with pytest.raises(Unavailable):
        one.require()
    assert store.pings == 2
    store.alive, store.now = True, store.now + 10
    one.require()


def test_while_one_tries_in_vain_the_others_are_told_at_once() -> None:
    store, go_on, began = Store(), threading.Event(), threading.Event()

    def slow() -> bool:
        began.set()
        go_on.wait(60)
        return store.ping()

    store.alive = False
    one = Liveness(slow, clock=store.clock)
    go_on.set()
    with pytest.raises(Unavailable):
        one.require()
    go_on.clear()
    began.clear()
    store.now += 10
    with ThreadPoolExecutor(1) as other:
        trying = other.submit(one.require)
        assert began.wait(60)
        with pytest.raises(Unavailable):
            one.require()  # would wait for `go_on`, which is set by nobody until then
        go_on.set()
        assert isinstance(trying.exception(60), Unavailable)


def test_a_crowd_that_asks_a_store_that_hangs_gives_up_and_is_answered_once_it_does_not(
    engine: EmbeddedEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "PING_SECONDS", 0.2)
    asker = over_socket(path)
    with socket.socket(socket.AF_UNIX) as hung, ThreadPoolExecutor(40) as crowd:
        hung.bind(str(path))
        hung.listen(64)  # whoever connects waits for ever
        asked = [crowd.submit(asker.rows, "SELECT 1") for _ in range(200)]
        assert all(isinstance(one.exception(60), Unavailable) for one in asked), "not one waited for an answer"
    path.unlink()
    monkeypatch.setattr(liveness, "PING_SECONDS", 60.0)  # this one answers, if on a busy machine not at once
    door = Door(engine, path)
    door.start()
    try:
        for _ in range(600):
            try:
                assert asker.rows("SELECT 1") == [(1,)]
                break
            except Unavailable:
                threading.Event().wait(0.1)
        else:
            pytest.fail("it was never asked again")
    finally:
        asker.close()
        door.stop()


def test_a_store_that_hangs_in_the_midst_of_questions_does_not_keep_those_that_wait_for_their_turn(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "PING_SECONDS", 0.2)
    store = Store()
    asker = over_socket(path)
    asker._liveness = Liveness(store.ping)
    for _ in range(8):  # those that have their turn
        asker._handles.acquire()
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(asker.rows, "SELECT 1")
        store.alive = False
        assert isinstance(waiting.exception(60), Unavailable)
