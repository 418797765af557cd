"""Whoever sends labels without end fills their own room and nobody else's, and it can be told of."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from andon.feedback.telemetry.contract.intake import Batch, Dropped, Way
from andon.feedback.telemetry.contract.metrics import Kind, Level, Series, SeriesId, canonical, series_id
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.own import names
from andon.feedback.telemetry.own.itself import TelemetryItself
from andon.feedback.telemetry.store import book as books
from andon.feedback.telemetry.store.book import Book, Entered
from andon.feedback.telemetry.store.drops import Counts, Drops
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.writer import DiskWatch, Writer

NOW = 1_790_000_000_000


def series(name: str, **labels: str) -> Series:
    kept = canonical(labels)
    return Series(id=series_id(name, kept), name=name, labels=kept, kind=Kind.GAUGE)


def opened(*, limit: int = 100, total: int = 1_000_000) -> Book:
    book = Book(limit=limit, total=total)
    book.open(1, np.empty(0, np.uint64), np.empty(0, np.uint8), ())
    return book


def refused(entered: Entered) -> Counter[Dropped]:
    found: Counter[Dropped] = Counter()
    for counts in entered.refused.values():
        found.update(counts)
    return found


def test_what_andon_says_of_a_service_has_room_however_much_the_service_says(engine: Engine, tmp_path: Path) -> None:
    drops = Drops()
    writer = Writer(
        Tables(engine, lambda: NOW),
        Book(limit=10, total=10),
        drops,
        DiskWatch(tmp_path, 0, lambda: 10**12),
        gather=0.01,
    )
    writer.start()
    flood = [series("visits", service="shop", user=str(user)) for user in range(20)]
    ids = [one.id for one in flood]
    told = writer.take(Batch(way=Way.OTLP, series=flood, ids=ids, times=[NOW] * 20, values=[1.0] * 20)).result(30)
    assert told.dropped == {Dropped.CARDINALITY: 10}
    itself = TelemetryItself(writer, drops.counts, dict, lambda: 0, dict, now=lambda: NOW + 10_000)
    itself.round()
    writer.stop()
    rows = engine.rows("SELECT labels['service'] FROM series WHERE name = {name:String}", {"name": names.DROPPED.name})
    assert rows == [("shop",)]
    assert drops.counts().dropped == {(Way.OTLP, Dropped.CARDINALITY, "shop"): 10}


def test_more_than_can_be_remembered_is_refused_for_its_number_too_and_has_to_be_named_again(
    engine: Engine, tmp_path: Path
) -> None:
    writer = Writer(
        Tables(engine, lambda: NOW), Book(limit=10, total=10), Drops(), DiskWatch(tmp_path, 0, lambda: 10**12)
    )
    writer.start()
    flood = [series("visits", service="shop", user=str(user)) for user in range(50)]
    ids = [one.id for one in flood]
    told = writer.take(Batch(way=Way.OTLP, series=flood, ids=ids, times=[NOW] * 50, values=[1.0] * 50)).result(30)
    writer.stop()
    assert (told.samples, told.dropped) == (10, {Dropped.CARDINALITY: 40})
    assert told.disputed == {one for one in ids if not writer.knows(one)}
    assert len(told.disputed) == 30


def test_made_up_services_end_somewhere_and_the_known_ones_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "MOST_SERVICES", 50)
    book = opened()
    assert book.enter([series("visits", service="shop")]).new
    flood = book.enter(series("visits", service=f"made-up-{number}") for number in range(1000))
    assert len(flood.new) == 49
    assert refused(flood) == {Dropped.CARDINALITY: 951}
    assert book.enter([series("baskets", service="shop")]).new
    assert len(book.counts()) == 50
    assert book.enter([series("andon_something", service="made-up-999")], ours=True).new


def test_only_so_many_services_are_told_of_one_by_one_and_the_fullest_are() -> None:
    intake = MemoryIntake()
    counts = {f"made-up-{number}": 1 for number in range(5000)} | {"greedy": 100_000}
    TelemetryItself(intake, Counts, lambda: counts, lambda: 0, dict, now=lambda: NOW).round()
    told = [one.label("service") for one in intake.series if one.name == names.SERIES_TODAY.name]
    assert len(told) == 1000
    assert "greedy" in told


def test_a_name_that_came_as_raw_text_first_is_written_down_when_it_comes_with_its_labels_apart() -> None:
    book = opened()
    apart = series("depth", service="shop")
    raw = replace(apart, id=SeriesId(77))
    assert book.enter([raw]).new == (raw,)
    assert not book.knows(apart.id)
    states, _ = book.look_up(np.array([apart.id], np.uint64), np.zeros(1))
    assert states.tolist() == [books.UNKNOWN]
    assert book.enter([apart]).new == (apart,)
    assert book.enter([apart]).new == ()
    assert book.knows(apart.id)
    assert book.counts() == {"shop": 2}


def test_a_name_that_came_as_raw_text_first_stays_of_its_kind_and_of_its_service() -> None:
    book = opened()
    apart = series("depth", service="shop")
    book.enter([replace(apart, id=SeriesId(77), kind=Kind.DELTA)])
    assert book.enter([replace(apart, labels=canonical({"service": "till"}))]).foreign == {apart.id}
    (entered,) = book.enter([apart]).new
    assert entered.kind is Kind.DELTA


def test_a_series_was_there_yesterday_only_if_its_level_was_the_one_of_today() -> None:
    book = opened()
    same, moved, gone = (series(name, service="shop") for name in ("same", "moved", "gone"))
    book.enter([same, moved, gone])
    book.open(book.day + 1, np.empty(0, np.uint64), np.empty(0, np.uint8), [])
    new = series("new", service="shop")
    book.enter([same, replace(moved, level=Level.BUSINESS), new])
    ids = np.sort(np.array([same.id, moved.id, new.id], np.uint64))
    assert ids[book.had(ids)].tolist() == [same.id]
