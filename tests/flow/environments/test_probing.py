"""A probe believes little and never waits longer than it was told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from andon.flow.definition.contract import HealthDefinition
from andon.flow.environments.contract import Health
from andon.flow.environments.model import Watched
from andon.flow.environments.probing import ask


@contextmanager
def answering(path: Path, *pieces: bytes, pause: float = 0.0) -> Iterator[str]:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(4)
    over = threading.Event()

    def answer() -> None:
        # whoever asked may have heard enough and hung up before the last piece
        with listening.accept()[0] as asked, suppress(BrokenPipeError, ConnectionResetError):
            asked.recv(4096)
            for piece in pieces:
                asked.sendall(piece)
                if over.wait(pause):
                    return

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield f"unix:{path}"
    finally:
        over.set()
        thread.join()
        listening.close()


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", None),
        (b"HTTP/1.0 204 \r\n\r\n", None),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", None),
        (b"HTTP/1.1 399 X\r\n\r\n", None),
        (b"HTTP/1.1 400 X\r\n\r\n", "GET /h answered 400"),
        (b"HTTP/1.1 503 X\r\n\r\n", "GET /h answered 503"),
        (b"HTTP/1.1 102 X\r\n\r\n", "GET /h answered 102"),
        (b"SSH-2.0\r\n", "not HTTP"),
        (b"\x00" * 5000, "not HTTP"),
        (b"HTTP/1.1 2000\r\n", "not HTTP"),
        (b"", "nothing answers"),
    ],
)
def test_an_answer_is_judged_by_its_first_line(tmp_path: Path, said: bytes, problem: str | None) -> None:
    with answering(tmp_path / "s", said) as endpoint:
        found = ask(endpoint, "/h", 20)
    assert found is None if problem is None else found is not None and problem in found


def test_one_that_speaks_byte_by_byte_holds_nobody_up(tmp_path: Path) -> None:
    with answering(tmp_path / "s", *[b"x"] * 100, pause=0.1) as endpoint:
        assert ask(endpoint, "/h", 0.3) == "no answer to GET /h within 0.3 s"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    with answering(tmp_path / "s", b"HTTP/1.1 200 OK\r\n\r\n") as endpoint:
        (tmp_path / "link").symlink_to(tmp_path / "s")
        assert ask(f"unix:{tmp_path / 'link'}", "/h", 5) == "nothing answers GET /h"
        assert ask(endpoint, "/h", 20) is None


def test_health_changes_its_mind_slowly() -> None:
    health = HealthDefinition(within=10, failures=3)
    watched = Watched(since=0)

    def judged(before: Health, now: float, *answers: bool) -> list[Health | None]:
        return [watched.judge(before, answered=one, health=health, now=now) for one in answers]

    assert judged(Health.STARTING, 5, False, False, False, False) == [None] * 4
    assert judged(Health.STARTING, 11, False) == [Health.UNHEALTHY]
    assert judged(Health.UNHEALTHY, 12, True, False, True, True) == [None] * 4
    assert judged(Health.UNHEALTHY, 12, True) == [Health.HEALTHY]
    assert judged(Health.HEALTHY, 13, False, False, True, False, False) == [None] * 5
    assert judged(Health.HEALTHY, 13, False) == [Health.UNHEALTHY]
    assert judged(Health.STARTING, 13, True) == [Health.HEALTHY]


def test_mending_waits_longer_each_time_and_begins_anew_after_a_steady_while() -> None:
    watched = Watched(since=0)
    now, pauses = 100.0, []
    for _ in range(9):
        assert watched.may_mend(now)
        watched.mended(now)
        pauses.append(watched.mend_at - now)
        now = watched.mend_at
    assert pauses == [0, 5, 10, 20, 40, 80, 160, 300, 300]
    watched.judge(Health.HEALTHY, answered=True, health=HealthDefinition(), now=now + 601)
    watched.mended(now + 601)
    assert watched.may_mend(now + 601)
