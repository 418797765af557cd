"""Other processes ask the store through its door in the words they would use with a server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from andon.feedback.telemetry.store.door import Door
from andon.feedback.telemetry.store.engine import Column, EmbeddedEngine, Engine, StoreError, over_socket
from andon.kernel.errors import Unavailable


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="andon-door-") as folder:
        yield Path(folder) / "store.sock"


@pytest.fixture
def asking(engine: EmbeddedEngine, path: Path) -> Iterator[Engine]:
    door = Door(engine, path)
    door.start()
    asker = over_socket(path)
    yield asker
    asker.close()
    door.stop()


def test_the_same_answers_come_through_the_door(engine: EmbeddedEngine, asking: Engine) -> None:
    engine.insert("samples", [Column("series", "UInt64", [2**64 - 1, 7]), Column("m", "Int64", [5, -6])])
    question = "SELECT series, m FROM samples WHERE series IN {ids:Array(UInt64)} ORDER BY series"
    assert asking.rows(question, {"ids": [7, 2**64 - 1]}) == [(7, -6), (2**64 - 1, 5)]
    series, m = asking.arrays(question, {"ids": [7, 2**64 - 1]})
    assert (series.tolist(), m.tolist()) == ([7, 2**64 - 1], [-6, 5])


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE samples; --", "a\\'b", "tab\there", "new\nline", "ü \x1b[31m", "{x:Y}"]
)
def test_text_from_outside_stays_text(asking: Engine, text: str) -> None:
    assert asking.rows("SELECT {text:String}, {texts:Array(String)}", {"text": text, "texts": [text]}) == [
        (text, [text])
    ]


@pytest.mark.parametrize("statement", ["DROP TABLE samples", "INSERT INTO samples SELECT 1", "-- x\nTRUNCATE samples"])
def test_nothing_is_changed_through_the_door(engine: EmbeddedEngine, asking: Engine, statement: str) -> None:
    with pytest.raises(StoreError):
        asking.command(statement)
    assert engine.rows("EXISTS TABLE samples") == [(1,)]


def test_a_wrong_question_is_refused_and_the_next_one_answered(asking: Engine) -> None:
    with pytest.raises(StoreError, match="UNKNOWN_IDENTIFIER"):
        asking.rows("SELECT nothing_of_the_kind")
    assert asking.rows("SELECT 1") == [(1,)]


def test_many_ask_at_once(asking: Engine) -> None:
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda number: asking.rows("SELECT {n:UInt32} * 2", {"n": number}), range(60)))
    assert found == [[(2 * number,)] for number in range(60)]


def test_a_store_that_is_not_there_is_said_to_be_so_and_found_when_it_is(engine: EmbeddedEngine, path: Path) -> None:
    asker = over_socket(path)
    with pytest.raises(Unavailable, match="does not answer"):
        asker.rows("SELECT 1")
    door = Door(engine, path)
    door.start()
    assert asker.rows("SELECT 1") == [(1,)]
    door.stop()
    with pytest.raises(Unavailable):
        asker.rows("SELECT 1")
    asker.close()


def test_the_bounds_of_the_engine_have_arrived(engine: EmbeddedEngine) -> None:
    names = ["max_server_memory_usage", "mark_cache_size", "index_mark_cache_size", "primary_index_cache_size"]
    found = engine.rows(
        "SELECT name, toUInt64(value) FROM system.server_settings WHERE name IN {names:Array(String)}", {"names": names}
    )
    gib = 1024**3
    assert {str(name): value for name, value in found} == dict(
        zip(names, (2 * gib, gib // 4, gib // 8, gib // 4), strict=True)
    )


def test_a_refused_statement_opens_no_files(engine: EmbeddedEngine, asking: Engine) -> None:
    for asker in (engine, asking):
        asker.rows("SELECT 1")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(5):
            with pytest.raises(StoreError):
                asker.rows("SELECT nothing_of_the_kind")
        assert len(list(Path("/proc/self/fd").iterdir())) < before + 40
