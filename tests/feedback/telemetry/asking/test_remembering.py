"""What is remembered of selections, and when it is asked for anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from andon.feedback.telemetry.asking.measurements import StoredMeasurements
from andon.feedback.telemetry.asking.remembering import Question, Selection, Selections
from andon.feedback.telemetry.contract.metrics import Comparison, Kind, Level, Matcher, Series, named
from andon.feedback.telemetry.store.editions import Editions, EditionsRead
from andon.feedback.telemetry.store.engine import EmbeddedEngine, Engine
from andon.feedback.telemetry.store.retention import Keep
from andon.feedback.telemetry.store.schema import DAY_MS
from andon.feedback.telemetry.store.tables import Tables
from tests.feedback.telemetry.asking.filling import NOW, series

TODAY = NOW // DAY_MS
ANY = (Matcher("host", Comparison.EQUAL, "a"),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry" / "editions"


@pytest.fixture
def tables(engine: EmbeddedEngine, path: Path) -> Tables:
    return Tables(engine, lambda: NOW, editions=Editions(path))


class _Counted:
    """How often series were asked for."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        ask = engine.rows

        def rows(*words: object, **more: object) -> object:
            self.asked += 1
            return ask(*words, **more)  # type: ignore[arg-type]  # passed on as they are

        monkeypatch.setattr(engine, "rows", rows)


def test_a_selection_is_asked_for_once_until_a_series_of_its_name_is_written_down(
    engine: EmbeddedEngine, tables: Tables, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = series("load", Kind.GAUGE, host="a")
    tables.write_series([one], TODAY)
    asker, counted = StoredMeasurements(engine, Keep(), EditionsRead(path)), _Counted(engine, monkeypatch)
    for _ in range(3):
        assert asker.select(named("load"), NOW, NOW, sight=None) == (one,)
    assert counted.asked == 1
    another = series("load", Kind.GAUGE, host="b")
    tables.write_series([another], TODAY)
    assert asker.select(named("load"), NOW, NOW, sight=None) == (one, another)
    assert asker.select(named("load"), NOW + DAY_MS, NOW + DAY_MS, sight=None) == ()
    assert asker.select(named("load"), NOW, NOW, sight=frozenset(), limit=1) == (one,)
    assert counted.asked == 4


def test_a_selection_that_names_no_metric_is_asked_for_anew_whatever_is_written_down(
    engine: EmbeddedEngine, tables: Tables, path: Path
) -> None:
    asker = StoredMeasurements(engine, Keep(), EditionsRead(path))
    assert asker.select(ANY, NOW, NOW, sight=None) == ()
    one = series("load", Kind.GAUGE, host="a")
    tables.write_series([one], TODAY)
    assert asker.select(ANY, NOW, NOW, sight=None) == (one,)
    tables.repeat_series([one.id], TODAY - 1)
    assert asker.select(ANY, NOW - DAY_MS, NOW - DAY_MS, sight=None) == (one,)


def test_a_writer_that_begins_anew_lets_everything_be_asked_for_anew(
    engine: EmbeddedEngine, tables: Tables, path: Path
) -> None:
    read = EditionsRead(path)
    asker = StoredMeasurements(engine, Keep(), read)
    assert asker.select(named("load"), NOW, NOW, sight=None) == ()
    one = series("load", Kind.GAUGE)
    Tables(engine, lambda: NOW).write_series([one], TODAY)  # killed before it could count
    before = read.of("load")
    Editions(path)
    assert read.of("load") != before
    assert asker.select(named("load"), NOW, NOW, sight=None) == (one,)


def test_nothing_is_remembered_before_there_is_a_writer(engine: EmbeddedEngine, path: Path) -> None:
    read = EditionsRead(path)
    asker = StoredMeasurements(engine, Keep(), read)
    assert read.of("load") is None
    assert asker.select(named("load"), NOW, NOW, sight=None) == ()
    one = series("load", Kind.GAUGE)
    Tables(engine, lambda: NOW).write_series([one], TODAY)
    assert asker.select(named("load"), NOW, NOW, sight=None) == (one,)


def test_samples_of_a_remembered_series_are_found_at_every_level_it_was_declared_to_be_of(
    engine: EmbeddedEngine, tables: Tables, path: Path
) -> None:
    before = series("orders", Kind.GAUGE)
    now = replace(before, level=Level.BUSINESS)
    tables.write_series([before], TODAY - 1)
    tables.write_series([now], TODAY)
    for at, value in ((NOW - DAY_MS, 1), (NOW, 2)):
        level = (before if value == 1 else now).level
        ids = np.array([now.id], np.uint64)
        tables.write_samples(
            ids,
            np.array([at], np.int64),
            np.array([list(Level).index(level)], np.uint8),
            np.array([value], np.int64),
            np.zeros(1, np.int8),
        )
    asker = StoredMeasurements(engine, Keep(), EditionsRead(path))
    for _ in range(2):
        asker._sampler._levels.clear()  # as it forgets when it has learnt of too many
        found = asker.select(named("orders"), NOW - DAY_MS, NOW, sight=None)
        assert asker.samples(found, NOW - DAY_MS, NOW).values.tolist() == [1, 2]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.feedback.telemetry.asking.remembering._MOST_SERIES", 4)
    kept = Selections()
    questions = [Question(named(f"m{one}"), 1, 1, None, 10) for one in range(3)]
    some: tuple[Series, ...] = (series("m", Kind.GAUGE, host="a"), series("m", Kind.GAUGE, host="b"))
    for one in questions:
        kept.keep(one, Selection(1, some, {}))
    assert [kept.get(one, 1) is not None for one in questions] == [False, True, True]
    assert kept.get(questions[2], 2) is None
