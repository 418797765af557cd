"""Ids, clocks, files and errors: what everything else leans on."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from andon.kernel.clock import SettableClock, SystemClock, seconds_between
from andon.kernel.errors import AndonError, Conflict, Forbidden, Invalid, Missing, NotAuthenticated, NotFound, TooMany
from andon.kernel.files import write_new, write_private, write_whole
from andon.kernel.ids import is_id, new_id


def test_ids_are_distinct_and_sort_by_the_moment_they_were_made() -> None:
    assert len({new_id("run") for _ in range(2000)}) == 2000
    first = new_id("run")
    time.sleep(0.002)
    assert first < new_id("run")


@pytest.mark.parametrize(
    "text",
    [
        "run_",
        "run_1",
        "job_" + "0" * 26,
        "run_" + "0" * 27,
        "run_" + "O" * 26,
        "run_" + "i" * 26,
        "run_" + "0" * 26 + "\n",
    ],
)
def test_what_only_looks_like_an_id_is_none(text: str) -> None:
    assert is_id("run_" + "0" * 26, "run")
    assert not is_id(text, "run")


def test_the_clock_never_runs_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([100.0, 90.0, 101.0])
    monkeypatch.setattr(time, "time", lambda: next(moments))
    clock = SystemClock()
    first, second, third = clock.now(), clock.now(), clock.now()
    assert (second, third - first) == (first, timedelta(seconds=1))


def test_time_between_is_never_negative_and_may_be_unknown() -> None:
    clock = SettableClock()
    start = clock.now()
    clock.advance(1.5)
    assert seconds_between(start, clock.now()) == 1.5
    assert seconds_between(clock.now(), start) == 0
    assert seconds_between(None, start) is None is seconds_between(start, None)


def test_a_file_is_replaced_whole_with_the_rights_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, b"one")
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    with pytest.raises(OSError, match="folder"):
        write_whole(tmp_path / "folder", b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_of_many_that_write_a_new_file_one_succeeds(tmp_path: Path) -> None:
    gate = threading.Barrier(8)
    wrote: list[bytes] = []

    def write(number: int) -> None:
        gate.wait()
        if write_new(tmp_path / "key", str(number).encode()):
            wrote.append(str(number).encode())

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrote == [(tmp_path / "key").read_bytes()]
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_an_error_reads_as_what_happened_what_is_safe_and_what_to_do() -> None:
    error = Conflict("It is taken.", safe="Nothing was changed.", remedy="Wait.")
    assert str(error) == "It is taken. Nothing was changed. Wait."
    assert str(NotFound("There is none.")) == "There is none."
    assert TooMany("Slowly.", retry_after=3).retry_after == 3


def test_every_kind_of_error_has_its_own_code_and_tells_the_terminal_apart() -> None:
    kinds: list[type[AndonError]] = [Invalid, NotAuthenticated, Forbidden, NotFound, Conflict, TooMany, Missing]
    assert len({AndonError.code, *(kind.code for kind in kinds)}) == len(kinds) + 1
    assert all(kind.exit_code > 0 for kind in kinds)
