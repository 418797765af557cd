"""What another process asks through the store's door is answered as in the process that owns the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from andon.feedback.telemetry.asking.logs import StoredLogs
from andon.feedback.telemetry.asking.measurements import StoredMeasurements
from andon.feedback.telemetry.asking.traces import StoredTraces
from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.contract.logs import LogLine, LogQuery, Term, TermKind
from andon.feedback.telemetry.contract.metrics import (
    Column,
    Comparison,
    Exemplar,
    Kind,
    Matcher,
    Resolution,
    Series,
    SeriesId,
    named,
)
from andon.feedback.telemetry.contract.traces import Span, TraceQuery
from andon.feedback.telemetry.store.door import Door
from andon.feedback.telemetry.store.engine import Engine, over_socket
from andon.feedback.telemetry.store.retention import Keep
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid
from tests.feedback.telemetry.asking.filling import DAY, NOW, InStore, series
from tests.feedback.telemetry.engine import the_engine


@pytest.fixture
def outside(in_store: InStore) -> Iterator[Engine]:
    with TemporaryDirectory(prefix="andon-") as folder:
        door = Door(the_engine(), Path(folder) / "door.sock")
        door.start()
        found = over_socket(Path(folder) / "door.sock")
        yield found
        found.close()
        door.stop()


def test_series_and_samples_are_the_same(in_store: InStore, outside: Engine) -> None:
    one = in_store.put(
        series("load", Kind.COUNTER, service="shop", path="/ü\n'"), [NOW, NOW, NOW + 61_000], [1, 2, 0.3]
    )
    in_store.now += 120_000
    in_store.rollups.roll()
    inside, through = in_store.measurements(), StoredMeasurements(outside, Keep())
    asked = (*named("load"), Matcher("path", Comparison.LIKE, "/.+'"))
    sight = frozenset({Service("shop")})
    assert through.select(asked, NOW, NOW, sight=sight) == (one,)
    assert through.names(NOW, NOW, sight=sight) == inside.names(NOW, NOW, sight=sight)
    assert through.label_values("path", (), NOW, NOW, sight=None) == ("/ü\n'",)
    for resolution in Resolution:
        for column in Column:
            here = inside.samples([one], NOW, NOW + DAY, resolution=resolution, column=column)
            there = through.samples([one], NOW, NOW + DAY, resolution=resolution, column=column)
            assert [part.tolist() for part in there.of(0)] == [part.tolist() for part in here.of(0)]
            assert there.times.size
    with pytest.raises(Invalid, match="pattern"):
        through.select((Matcher("path", Comparison.LIKE, "("),), NOW, NOW, sight=None)


def test_exemplars_are_the_same(in_store: InStore, outside: Engine) -> None:
    one = in_store.put(series("latency", Kind.OBSERVATION), [NOW], [1])
    for number in range(4):
        exemplar = Exemplar(
            series=one.id, time=NOW + number, value=number / 4, trace=f"{number:032x}", labels=(("k", "v"),)
        )
        in_store.put_exemplar(exemplar)
    inside, through = in_store.measurements(), StoredMeasurements(outside, Keep())
    for every in (0, 2, 1000):
        found = through.exemplars([one], NOW, NOW + 9, every=every)
        assert found == inside.exemplars([one], NOW, NOW + 9, every=every)
        assert len(found) == (2 if every == 1000 else 4)
        assert found[0].labels == (("k", "v"),)


def test_thousands_of_series_are_no_longer_question_than_it_takes(in_store: InStore, outside: Engine) -> None:
    one = in_store.put(series("load"), [NOW], [1])
    many = [Series(id=SeriesId(2**63 + number), name="x", labels=(), kind=Kind.GAUGE) for number in range(12_000)]
    found = StoredMeasurements(outside, Keep()).samples([*many, one], NOW, NOW)
    assert found.of(12_000)[1].tolist() == [1]


def test_lines_and_spans_are_the_same(in_store: InStore, outside: Engine) -> None:
    line = LogLine(time=NOW * 1000, body="a line of\ttext\\ 'quoted'", fields={"user": "4'2"}, template=3)
    span = Span(trace="a" * 32, id="b" * 16, name="GET /", start=NOW * 10**6, duration=5, attributes={"k": "v"})
    in_store.writer.take(Batch(way=Way.OTLP, logs=[line], spans=[span])).result(30)
    terms = (Term(TermKind.PHRASE, "text\\ 'quo"), Term(TermKind.FIELD, "4'2", "user"))
    query = LogQuery(start=0, end=2 * NOW * 1000, terms=terms)
    assert StoredLogs(outside).search(query, sight=None).lines == (line,)
    found = StoredTraces(outside).find(
        TraceQuery(start=0, end=2 * NOW * 10**6, attributes={"k": "v"}), sight=frozenset({Service("x")})
    )
    assert [one.trace for one in found] == ["a" * 32]
    assert StoredTraces(outside).trace("a" * 32, sight=None) == (span,)


def test_values_that_are_too_long_for_an_address_pass_as_they_are(in_store: InStore, outside: Engine) -> None:
    odd = "ü\r\n--\r\n'\\ \t%20 \n" * 300
    spans = [
        Span(trace=f"{number:032x}", id="b" * 16, name="GET /", start=NOW * 10**6 + number, duration=5,
             service="shop", attributes={"k": odd})
        for number in range(1, 301)
    ]  # fmt: skip
    in_store.writer.take(Batch(way=Way.OTLP, spans=spans)).result(30)
    query = TraceQuery(start=0, end=2 * NOW * 10**6, attributes={"k": odd})
    found = StoredTraces(outside).find(query, sight=None, limit=300)
    assert [one.trace for one in found] == [one.trace for one in reversed(spans)]
    many = frozenset(Service(f"service-{number}") for number in range(500))
    assert StoredTraces(outside).find(query, sight=many) == ()
