"""Copies are whole or not there, and what was acknowledged before one began comes back from it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.contract.logs import LogLine
from andon.feedback.telemetry.store import backup as backups
from andon.feedback.telemetry.store.backup import BackupInfo, backup, clear, listed, recover, remove, restore
from andon.feedback.telemetry.store.engine import Engine, Value
from andon.feedback.telemetry.store.retention import Keep, sweep
from andon.feedback.telemetry.store.schema import UPGRADES
from andon.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from tests.feedback.telemetry.asking.filling import DAY, NOW, InStore, series
from tests.feedback.telemetry.engine import folder as root


@pytest.fixture
def folder() -> Iterator[Path]:
    """The engine may write to this one only."""
    found = root() / "backups"
    yield found
    for one in listed(found):
        (found / f"{one.name}.json").unlink()
    clear(found)


@pytest.fixture
def store(engine: Engine) -> Iterator[InStore]:
    made = InStore(engine)
    yield made
    made.close()


def count(engine: Engine, table: str = "samples") -> int:
    ((found,),) = engine.rows(f"SELECT count() FROM {table}")
    return int(str(found))


def test_what_was_acknowledged_before_a_copy_began_comes_back_though_writing_went_on(
    store: InStore, folder: Path
) -> None:
    one, stop, acknowledged = series("load"), threading.Event(), [0]

    def write() -> None:
        while not stop.is_set():
            at = acknowledged[0]
            line = LogLine(time=NOW * 1000 + at, body=str(at))
            told = store.writer.take(
                Batch(way=Way.OTLP, series=[one], ids=[one.id], times=[NOW + at], values=[at], logs=[line])
            )
            assert told.result(30).samples == 1
            acknowledged[0] += 1

    writing = threading.Thread(target=write)
    writing.start()
    while acknowledged[0] < 5:
        time.sleep(0.01)
    before = acknowledged[0]
    info = backup(store.engine, folder, "monday")
    after = acknowledged[0]
    while acknowledged[0] < after + 5:
        time.sleep(0.01)
    stop.set()
    writing.join()
    store.close()
    assert info.rows["samples"] >= before
    store.engine.command("TRUNCATE TABLE samples")
    store.engine.command("TRUNCATE TABLE logs")
    assert restore(store.engine, folder, "monday") == info
    found = store.engine.rows("SELECT toInt64(value) FROM samples ORDER BY time")
    assert [int(str(value)) for (value,) in found] == list(range(len(found)))
    assert before <= len(found) < acknowledged[0]
    assert count(store.engine, "logs") >= before


def test_a_copy_that_builds_on_another_holds_only_what_is_new_and_comes_back_whole(
    store: InStore, folder: Path
) -> None:
    lines = [LogLine(time=NOW * 1000 + at, body=f"{at} {at * 7919 % 10007}") for at in range(20_000)]
    store.writer.take(Batch(way=Way.JSON, logs=lines)).result(30)
    first = backup(store.engine, folder, "monday")
    store.put(series("load"), [NOW], [5])
    second = backup(store.engine, folder, "tuesday", base="monday")
    assert second.bytes < first.bytes / 2
    assert [one.name for one in listed(folder)] == ["tuesday", "monday"]
    with pytest.raises(Conflict, match="tuesday"):
        remove(folder, "monday")
    store.engine.command("TRUNCATE TABLE logs")
    restore(store.engine, folder, "tuesday")
    assert (count(store.engine), count(store.engine, "logs")) == (1, 20_000)
    remove(folder, "tuesday")
    remove(folder, "monday")
    assert listed(folder) == ()
    assert list(folder.iterdir()) == []


def test_a_restored_store_takes_in_again(store: InStore, folder: Path) -> None:
    one = store.put(series("load"), [NOW], [5])
    backup(store.engine, folder, "monday")
    restore(store.engine, folder, "monday")
    store.put(one, [NOW + 1], [6])
    found = store.measurements().samples([one], NOW, NOW + 1)
    assert found.values.tolist() == [5, 6]


def test_what_cannot_be_restored_leaves_everything_as_it_was(store: InStore, folder: Path) -> None:
    store.put(series("load"), [NOW], [5])
    info = backup(store.engine, folder, "monday")
    note = folder / "monday.json"
    with pytest.raises(NotFound):
        restore(store.engine, folder, "sunday")
    note.write_bytes(msgspec.json.encode(msgspec.structs.replace(info, upgrade=UPGRADES[-1].number + 1)))
    with pytest.raises(Conflict, match="newer"):
        restore(store.engine, folder, "monday")
    note.write_bytes(msgspec.json.encode(msgspec.structs.replace(info, rows={**info.rows, "samples": 2})))
    with pytest.raises(Unavailable, match="1 of 2"):
        restore(store.engine, folder, "monday")
    note.write_bytes(msgspec.json.encode(info))
    for part in (folder / "monday" / "data").rglob("*.bin"):
        part.write_bytes(b"rotten")
    with pytest.raises(Unavailable, match="cannot be read"):
        restore(store.engine, folder, "monday")
    assert count(store.engine) == 1
    assert store.engine.rows("SELECT name FROM system.databases WHERE name LIKE 'andon%'") == [("andon",)]


@pytest.mark.parametrize("renamed", [False, True])
def test_a_restoration_that_was_cut_short_is_finished_or_undone(store: InStore, folder: Path, renamed: bool) -> None:
    store.put(series("load"), [NOW], [5])
    backup(store.engine, folder, "monday")
    store.put(series("load"), [NOW + 1], [6])
    path = str(folder / "monday")
    store.engine.command(f"RESTORE DATABASE andon AS andon_restored FROM File('{path}')")
    if renamed:
        store.engine.command("RENAME DATABASE andon TO andon_before")
        store.engine.command("CREATE DATABASE andon")  # as the next start does
    recover(store.engine)
    assert count(store.engine) == (1 if renamed else 2)
    assert store.engine.rows("SELECT name FROM system.databases WHERE name LIKE 'andon%'") == [("andon",)]


def test_names_that_are_paths_or_taken_are_refused(engine: Engine, folder: Path) -> None:
    for name in ("../x", "a/b", "", ".hidden", "a'b", "x" * 65, "a.json"):
        with pytest.raises(Invalid):
            backup(engine, folder, name)
    backup(engine, folder, "monday")
    with pytest.raises(Conflict):
        backup(engine, folder, "monday")
    with pytest.raises(NotFound):
        backup(engine, folder, "tuesday", base="sunday")


def test_a_copy_without_the_one_it_builds_on_is_not_offered(engine: Engine, folder: Path) -> None:
    backup(engine, folder, "monday")
    backup(engine, folder, "tuesday", base="monday")
    (folder / "monday.json").unlink()
    assert listed(folder) == ()


KILLED = """
import sys
from pathlib import Path
from andon.feedback.telemetry.store import backup as backups
from andon.feedback.telemetry.store.engine import EmbeddedEngine
from andon.feedback.telemetry.store.schema import upgrade

data, folder = Path(sys.argv[1]), Path(sys.argv[2])
engine = EmbeddedEngine(data, backups=folder)
upgrade(engine)
engine.command("INSERT INTO logs (time, body) SELECT number, toString(number) FROM numbers(100)")
if sys.argv[3] == "first":
    def wait(*_paths):
        print("the database has written its part", flush=True)
        sys.stdin.read()
    backups._sync = wait
    backups.backup(engine, folder, "monday")
print([one.name for one in backups.listed(folder)], (folder / "monday").exists(), flush=True)
print(backups.backup(engine, folder, "monday").rows["logs"], flush=True)
backups.restore(engine, folder, "monday")
print(engine.rows("SELECT count() FROM logs")[0][0], flush=True)
"""


def test_a_copy_whose_process_was_killed_is_not_offered_and_can_be_made_again(tmp_path: Path) -> None:
    def life(which: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / "store"), str(tmp_path / "copies"), which],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with life("first") as first:
        assert first.stdout is not None
        assert "written" in first.stdout.readline()
        first.send_signal(signal.SIGKILL)
    with life("second") as second:
        told, _ = second.communicate()
    assert told.splitlines() == ["[] True", "200", "200"]


def test_what_is_told_of_a_copy_is_read_back_as_it_was_written() -> None:
    info = BackupInfo(name="a", began=1, ended=2, base="", upgrade=1, rows={"logs": 1}, bytes=5)
    assert msgspec.json.decode(msgspec.json.encode(info), type=BackupInfo) == info
    assert backups.listed(Path("/nowhere")) == ()


def test_while_one_copy_is_made_no_other_begins_that_would_clear_it_away(
    store: InStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(series("load"), [NOW, NOW + 1], [1, 2])
    begun, go_on, command = threading.Event(), threading.Event(), store.engine.command

    def slowly(sql: str, values: Mapping[str, Value] | None = None, **settings: str | int) -> None:
        begun.set()
        assert go_on.wait(30)
        command(sql, values, **settings)

    monkeypatch.setattr(store.engine, "command", slowly)
    first = threading.Thread(target=backup, args=(store.engine, folder, "first"))
    first.start()
    assert begun.wait(30)
    with pytest.raises(Conflict):
        backup(store.engine, folder, "second")
    with pytest.raises(Conflict):
        restore(store.engine, folder, "first")
    go_on.set()
    first.join()
    monkeypatch.undo()
    assert [one.name for one in listed(folder)] == ["first"]
    assert backup(store.engine, folder, "second", base="first").rows["samples"] == 2


def test_a_copy_during_which_something_grew_too_old_can_be_put_back(
    store: InStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(series("load"), [NOW - 40 * DAY, NOW], [1, 2])
    store.now = NOW + DAY
    store.rollups.roll()
    command = store.engine.command

    def sweeping(sql: str, values: Mapping[str, Value] | None = None, **settings: str | int) -> None:
        if sql.startswith("BACKUP"):
            sweep(store.engine, Keep(), lambda: NOW)
        command(sql, values, **settings)

    monkeypatch.setattr(store.engine, "command", sweeping)
    info = backup(store.engine, folder, "one")
    monkeypatch.undo()
    assert info.rows["samples"] == 1
    store.writer.stop()
    restore(store.engine, folder, "one")
    assert count(store.engine) == 1
