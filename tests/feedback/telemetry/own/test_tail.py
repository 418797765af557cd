"""A log that is followed gives every line once, whatever its writer does meanwhile."""

from __future__ import annotations

import random
from pathlib import Path

from andon.feedback.telemetry.own.tail import Tail
from andon.kernel.logs.reader import LineKind, LogReader
from andon.kernel.logs.writer import LogWriter


def all_of(tail: Tail, most: int = 1000) -> list[str]:
    found = []
    while lines := tail.read(most):
        found += [line.text for line in lines]
    return found


def test_lines_come_as_they_are_written_with_their_numbers_and_moments(tmp_path: Path) -> None:
    now = 100.0
    tail = Tail(tmp_path / "log")
    assert tail.read(10) == []
    writer = LogWriter(tmp_path / "log", clock=lambda: now)
    writer.write(b"one\ntwo\nthr")
    assert [(one.number, one.at, one.text) for one in tail.read(10)] == [
        (0, 100_000_000, "one"),
        (1, 100_000_000, "two"),
    ]
    assert tail.read(10) == []
    now = 105.5
    writer.write(b"ee\nfour\n")
    assert [(one.number, one.at, one.text) for one in tail.read(1)] == [(2, 100_000_000, "three")]
    assert [(one.number, one.at, one.text) for one in tail.read(1)] == [(3, 105_500_000, "four")]
    assert not tail.complete
    writer.write(b"unended")
    writer.close()
    assert [one.text for one in tail.read(10)] == ["unended"]
    assert tail.read(10) == []
    assert tail.complete


def test_reading_anywhere_between_writing_rolling_and_closing_gives_what_the_reader_gives(tmp_path: Path) -> None:
    chance = random.Random(7)
    now = 1000.0

    def clock() -> float:
        nonlocal now
        now += chance.choice((0.0, 0.0, 0.001, 1.0))
        return now

    writer = LogWriter(tmp_path / "log", segment=2000, clock=clock)
    tail = Tail(tmp_path / "log")
    found = []
    for number in range(400):
        writer.write(f"line {number} {'x' * chance.randrange(60)}".encode() + chance.choice((b"\n", b"\n\n", b"")))
        if chance.random() < 0.3:
            found += tail.read(chance.randrange(1, 30))
        if chance.random() < 0.02:  # another life of the follower
            tail = Tail(tmp_path / "log", tail.next)
    writer.close()
    while lines := tail.read(50):
        found += lines
    expected = LogReader(tmp_path / "log").lines(0, 10_000).lines
    assert [(one.number, one.at // 1000, one.text) for one in found] == [
        (one.number, one.at_ms, one.text) for one in expected
    ]
    assert len(expected) > 300
    assert tail.complete


def test_a_line_too_long_for_one_comes_as_several_and_says_so(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log")
    tail = Tail(tmp_path / "log")
    writer.write(b"a" * 150_000 + b"\nshort\n")
    first, second, third, short = tail.read(10)
    assert [len(one.text) for one in (first, second, third)] == [65536, 65536, 18928]
    assert [one.continues for one in (first, second, third, short)] == [False, True, True, False]
    writer.close()


def test_what_is_not_kept_any_more_is_told_with_its_number(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log", head=1000, tail=1000, segment=500)
    tail = Tail(tmp_path / "log")
    for number in range(1000):
        writer.write(f"line {number}\n".encode())
    found = []
    while lines := tail.read(100):
        found += lines
    gone = [one for one in found if one.gone]
    assert len(gone) == 1
    assert gone[0].gone + len(found) - 1 == 1000
    dropped = [one for one in LogReader(tmp_path / "log").lines(0, 2000).lines if one.kind is LineKind.DROPPED]
    assert len(dropped) == 1
    assert [one.number for one in found] == sorted(one.number for one in found)
    assert found[-1].text == "line 999"
    writer.close()


def test_a_log_that_is_opened_again_is_read_on(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "log")
    for life in range(3):
        writer = LogWriter(tmp_path / "log")
        writer.write(f"life {life}\n".encode())
        writer.close()
        assert all_of(tail) == [f"life {life}"]
        assert tail.complete
    writer = LogWriter(tmp_path / "log")
    writer.write(b"once more\n")
    assert all_of(tail) == ["once more"]
    assert not tail.complete
    writer.close()
