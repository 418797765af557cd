"""What the writer has acknowledged can be read; what it refuses is counted and said."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from andon.feedback.telemetry.contract.intake import Batch, Dropped, Way
from andon.feedback.telemetry.contract.logs import LogLine, LogSource, Severity
from andon.feedback.telemetry.contract.metrics import Exemplar, Kind, Level, Series, canonical, series_id
from andon.feedback.telemetry.contract.traces import Span, SpanEvent
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.schema import DAY_MS
from andon.feedback.telemetry.store.tables import Tables, decode_events
from andon.feedback.telemetry.store.writer import DiskWatch, Writer
from andon.kernel.errors import TooMany, Unavailable

NOW = 1_790_000_000_000


def series(name: str, kind: Kind = Kind.GAUGE, level: Level = Level.APPLICATION, **labels: str) -> Series:
    kept = canonical(labels)
    return Series(id=series_id(name, kept), name=name, labels=kept, kind=kind, level=level)


class Store:
    def __init__(self, engine: Engine, folder: Path, *, limit: int = 1000, waiting: int = 100_000) -> None:
        self.engine, self.drops, self.free = engine, Drops(), 10**12
        self.now = NOW
        self.book = Book(limit=limit, total=10_000)
        disk = DiskWatch(folder, 1000, lambda: self.free)
        self.writer = Writer(Tables(engine, lambda: self.now), self.book, self.drops, disk, gather=0.01, limit=waiting)


@pytest.fixture
def store(engine: Engine, tmp_path: Path) -> Iterator[Store]:
    made = Store(engine, tmp_path)
    made.writer.start()
    yield made
    made.writer.stop()


def test_what_was_acknowledged_is_there_to_the_last_bit(store: Store) -> None:
    values = [0.0, -0.0, 1.0, 1.5, 0.1 + 0.2, 1e300, -7.25, 1 / 3, float(2**53), math.inf, math.nan, 123.456]
    one = series("load", service="shop")
    told = store.writer.take(
        Batch(way=Way.OTLP, series=[one], ids=[one.id] * 12, times=[NOW + n for n in range(12)], values=values)
    )
    assert told.result(30).samples == 12
    (found,) = store.engine.rows("SELECT groupArray(value) FROM (SELECT value FROM samples ORDER BY time)")
    assert np.array(found[0]).view(np.int64).tolist() == np.array(values).view(np.int64).tolist()


def test_a_batch_with_a_token_is_stored_once_however_often_it_is_sent(store: Store) -> None:
    one = series("jobs", Kind.DELTA)
    line = LogLine(time=NOW * 1000, body="built", source=LogSource.JOB, origin="job:1", position=7)
    batch = Batch(way=Way.ANDON, series=[one], ids=[one.id], times=[NOW], values=[3], logs=[line], token="job:1/0-8")
    for _ in range(3):
        assert store.writer.take(batch).result(30).logs == 1
    assert store.engine.rows("SELECT (SELECT count() FROM samples), (SELECT count() FROM logs)") == [(1, 1)]


def test_a_service_with_too_many_series_loses_the_newest_and_no_other_service_loses_any(
    engine: Engine, tmp_path: Path
) -> None:
    store = Store(engine, tmp_path, limit=3)
    store.writer.start()
    greedy = [series("basket", service="shop", user=str(number)) for number in range(5)]
    modest = series("basket", service="till")
    batch = Batch(
        way=Way.STATSD,
        series=[*greedy, modest],
        ids=[one.id for one in [*greedy, modest]],
        times=[NOW] * 6,
        values=range(6),
    )
    assert store.writer.take(batch).result(30).dropped == {Dropped.CARDINALITY: 2}
    again = Batch(way=Way.STATSD, ids=[greedy[4].id, modest.id], times=[NOW + 1] * 2, values=[1, 1])
    assert store.writer.knows(greedy[4].id)
    assert store.writer.take(again).result(30).dropped == {Dropped.CARDINALITY: 1}
    store.writer.stop()
    assert store.engine.rows("SELECT count() FROM samples") == [(5,)]
    counts = store.drops.counts()
    assert counts.samples[Way.STATSD] == 5
    assert counts.dropped[Way.STATSD, Dropped.CARDINALITY, "shop"] == 2


def test_a_new_day_gives_room_again_and_writes_known_series_down_once_more(store: Store) -> None:
    one = series("load")
    for _ in range(2):
        store.writer.take(Batch(way=Way.OTLP, series=[one], ids=[one.id], times=[store.now], values=[1])).result(30)
        store.now += 24 * 3600 * 1000
    assert store.engine.rows("SELECT count(), uniqExact(day) FROM series") == [(2, 2)]


def test_what_was_known_when_it_was_sent_is_stored_though_the_day_turned_on_the_way(store: Store) -> None:
    one = series("load", service="shop")
    store.writer.take(Batch(way=Way.OTLP, series=[one], ids=[one.id], times=[NOW], values=[1])).result(30)
    assert store.writer.knows(one.id)
    store.now += DAY_MS
    told = store.writer.take(Batch(way=Way.OTLP, ids=[one.id, 7], times=[store.now] * 2, values=[2.5, 1])).result(30)
    assert (told.samples, told.dropped) == (1, {Dropped.MALFORMED: 1})
    assert store.engine.rows("SELECT value FROM samples ORDER BY time") == [(1.0,), (2.5,)]
    days = "SELECT day, level, service FROM series ORDER BY day"
    today = store.now // DAY_MS
    assert store.engine.rows(days) == [(today - 1, "application", "shop"), (today, "application", "shop")]
    assert not store.writer.knows(one.id)  # named from now on, it may be of another level today


def test_a_process_that_begins_in_mid_day_knows_what_was_written_down(engine: Engine, tmp_path: Path) -> None:
    one = series("load", Kind.COUNTER, Level.BUSINESS)
    for life in range(2):
        store = Store(engine, tmp_path)
        store.writer.start()
        named = [one] if life == 0 else []
        store.writer.take(Batch(way=Way.OTLP, series=named, ids=[one.id], times=[NOW], values=[1])).result(30)
        store.writer.stop()
    assert engine.rows("SELECT count(), any(level) FROM samples") == [(2, "business")]


def test_two_that_disagree_about_what_a_name_means_are_not_mixed(store: Store) -> None:
    first = series("basket", Kind.GAUGE)
    other = Series(id=first.id ^ 1, name="basket", labels=(), kind=Kind.DELTA)  # type: ignore[arg-type]  # a bare number stands for an id here
    store.writer.take(Batch(way=Way.STATSD, series=[first], ids=[first.id], times=[NOW], values=[1])).result(30)
    told = store.writer.take(Batch(way=Way.STATSD, series=[other], ids=[other.id], times=[NOW], values=[1]))
    assert told.result(30).dropped == {Dropped.KIND: 1}


@pytest.mark.parametrize("anew", [False, True])
def test_labels_that_give_the_id_of_another_services_series_reach_nothing_of_it(
    store: Store, tmp_path: Path, *, anew: bool
) -> None:
    theirs = series("orders", service="shop")
    store.writer.take(Batch(way=Way.OTLP, series=[theirs], ids=[theirs.id], times=[NOW], values=[1])).result(30)
    writer = store.writer
    if anew:  # whose a series is, is known to the next process as well
        later = Store(store.engine, tmp_path)
        later.writer.start()
        writer = later.writer
    forged = replace(series("orders", service="rival", salt="2189"), id=theirs.id)
    own = series("orders", service="rival")
    told = writer.take(
        Batch(
            way=Way.OTLP,
            series=[forged, own],
            ids=[forged.id, own.id],
            times=[NOW + 1] * 2,
            values=[0, 2],
            exemplars=[Exemplar(series=forged.id, time=NOW + 1, value=0, trace="a" * 32)],
        )
    ).result(30)
    assert (told.samples, told.dropped) == (1, {Dropped.KIND: 1})
    assert told.disputed == {int(forged.id)}
    assert store.engine.rows("SELECT groupArray(value) FROM samples WHERE series = {id:UInt64}", {"id": theirs.id}) == [
        ([1],)
    ]
    assert store.engine.rows("SELECT count() FROM exemplars") == [(0,)]
    if anew:
        writer.stop()


def test_series_of_a_name_and_a_service_lie_side_by_side() -> None:
    ours = [series("load", service="shop", host=str(number)).id for number in range(50)]
    assert len({one >> 48 for one in ours}) == 1
    assert len(set(ours)) == 50
    others = {series("load", service="till").id >> 48, series("orders", service="shop").id >> 48}
    assert not others & {ours[0] >> 48}


def test_more_than_may_wait_is_refused_whole(engine: Engine, tmp_path: Path) -> None:
    store = Store(engine, tmp_path, waiting=10)  # not started: everything waits
    one = series("load")
    store.writer.take(Batch(way=Way.OTLP, ids=[one.id] * 8, times=[NOW] * 8, values=[1] * 8))
    with pytest.raises(TooMany) as refused:
        store.writer.take(Batch(way=Way.OTLP, ids=[one.id] * 3, times=[NOW] * 3, values=[1] * 3))
    assert refused.value.retry_after > 0
    store.writer.start()
    store.writer.stop()


def test_a_full_disk_is_said_and_over_when_there_is_room_again(engine: Engine, tmp_path: Path) -> None:
    store = Store(engine, tmp_path)
    store.free = 10
    store.writer.start()
    with pytest.raises(Unavailable, match="disk"):
        store.writer.take(Batch(way=Way.OTLP))
    store.writer.stop()


def test_a_batch_that_cannot_be_written_does_not_end_the_writing_of_others(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Batch(way=Way.ANDON, logs=[LogLine(time=NOW * 1000, body="half a pair: \ud800")])
    with pytest.raises(UnicodeEncodeError):
        store.writer.take(broken).result(30)
    line = LogLine(time=NOW * 1000, body="sound")
    assert store.writer.take(Batch(way=Way.ANDON, logs=[line])).result(30).logs == 1
    assert "1 batches were not stored" in caplog.text


def test_what_is_stored_is_acknowledged_though_what_was_written_with_it_is_not(engine: Engine, tmp_path: Path) -> None:
    store = Store(engine, tmp_path)
    one = series("sales", Kind.DELTA)
    sales = Batch(way=Way.OTLP, series=[one], ids=[one.id], times=[NOW], values=[3])
    lines = Batch(way=Way.OTLP, logs=[LogLine(time=NOW * 1000, body="sound")])
    both = replace(sales, ids=[one.id], logs=lines.logs)
    told = [store.writer.take(batch) for batch in (sales, lines, both)]  # gathered before the writing begins
    engine.command("RENAME TABLE logs TO elsewhere")
    store.writer.start()
    assert told[0].result(30).samples == 1
    for refused in told[1:]:
        with pytest.raises(Unavailable):
            refused.result(30)
    engine.command("RENAME TABLE elsewhere TO logs")
    assert store.writer.take(lines).result(30).logs == 1
    store.writer.stop()
    assert store.drops.counts().samples == {Way.OTLP: 1}
    assert engine.rows("SELECT count() FROM logs") == [(1,)]


def test_a_series_that_could_not_be_written_down_is_new_the_next_time(engine: Engine, tmp_path: Path) -> None:
    store = Store(engine, tmp_path)
    store.writer.start()
    first, second = series("load", service="shop"), series("load", service="till")
    store.writer.take(Batch(way=Way.OTLP, series=[first], ids=[first.id], times=[NOW], values=[1])).result(30)
    both = Batch(way=Way.OTLP, series=[first, second], ids=[second.id], times=[NOW], values=[2])
    engine.command("RENAME TABLE series TO elsewhere")
    with pytest.raises(Unavailable):
        store.writer.take(both).result(30)
    assert store.book.counts() == {"shop": 1, "till": 0}
    assert store.writer.knows(first.id)
    assert not store.writer.knows(second.id)
    engine.command("RENAME TABLE elsewhere TO series")
    store.writer.take(both).result(30)
    store.writer.stop()
    assert engine.rows("SELECT service, count() FROM series GROUP BY service ORDER BY service") == [
        ("shop", 1),
        ("till", 1),
    ]
    assert engine.rows("SELECT count() FROM samples") == [(2,)]


def test_lines_and_spans_keep_all_they_were_given(store: Store) -> None:
    line = LogLine(
        time=NOW * 1000,
        body="<script>alert(1)</script> \x1b[31mred\x00",
        severity=Severity.ERROR,
        service="shop",
        fields={"user": "42", "ü": "ö"},
        trace="a" * 32,
    )
    span = Span(
        trace="a" * 32,
        id="b" * 16,
        service="shop",
        name="GET /",
        start=NOW * 10**6,
        duration=1500,
        attributes={"http.method": "GET"},
        events=(SpanEvent(time=NOW * 10**6, name="retry", attributes={"n": "2"}),),
        links=(("c" * 32, "d" * 16),),
    )
    told = store.writer.take(Batch(way=Way.OTLP, logs=[line], spans=[span])).result(30)
    assert (told.logs, told.spans) == (1, 1)
    assert store.engine.rows("SELECT body, severity, fields, trace FROM logs") == [
        (line.body, 17, dict(line.fields), line.trace)
    ]
    ((events, links, attributes),) = store.engine.rows("SELECT events, links, attributes FROM spans")
    assert decode_events(str(events)) == span.events
    assert (links, attributes) == (f"{'c' * 32}:{'d' * 16}", {"http.method": "GET"})
