from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Sequence

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.metrics import Kind
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.ways.gathering import Window
from andon.feedback.telemetry.ways.known import Known
from andon.feedback.telemetry.ways.remote_write.decoding import Ids, Reading
from andon.feedback.telemetry.ways.remote_write.http import RemoteWrite
from andon.feedback.telemetry.ways.stale import STALE, STALE_BITS
from andon.kernel.errors import Invalid
from tests.feedback.telemetry.ways.places import DAY, NOW, opened, window
from tests.feedback.telemetry.ways.remote_write_messages import (
    HEADERS,
    SECOND,
    block,
    double,
    labelled,
    number,
    sample,
    series,
    snappy,
    varint,
)


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
def client(intake: MemoryIntake) -> Iterator[httpx.Client]:
    with opened(lambda to, window, executor: [RemoteWrite(to, window, executor).route()], intake) as client:
        yield client


def write(client: httpx.Client, *parts: bytes) -> httpx.Response:
    return client.post("/api/v1/write", content=snappy(b"".join(parts)), headers=HEADERS)


def test_series_are_stored_by_their_labels_the_second_time_without_being_named(
    client: httpx.Client, intake: MemoryIntake
) -> None:
    for value in (0.0, 1.5, 2.5):
        answer = write(
            client,
            series("http_requests_total", sample(value), job="shop", instance="a:80"),
            series("temperature", sample(value), sample(value + 1, NOW + 1)),
        )
        assert (answer.status_code, answer.content) == (204, b"")
    assert intake.samples("http_requests_total", job="shop") == [(NOW, 0.0), (NOW, 1.5), (NOW, 2.5)]
    assert intake.samples("temperature") == [
        (NOW, 0.0), (NOW + 1, 1.0), (NOW, 1.5), (NOW + 1, 2.5), (NOW, 2.5), (NOW + 1, 3.5)
    ]  # fmt: skip
    assert len(intake.batches[0].series) == 2
    assert [one.name for one in intake.batches[2].series] == ["temperature"]
    assert {one.name: one.kind for one in intake.series} == {
        "http_requests_total": Kind.COUNTER,
        "temperature": Kind.GAUGE,
    }


def test_marks_of_the_end_and_infinities_are_kept_bit_by_bit(client: httpx.Client, intake: MemoryIntake) -> None:
    for _ in range(2):
        write(client, series("a", sample(STALE)), series("b", sample(float("inf"))), series("c", sample(-0.0)))
    for batch in intake.batches:
        raw = np.asarray(batch.values, np.float64).tobytes()
        assert raw == struct.pack("<Q", STALE_BITS) + struct.pack("<2d", float("inf"), -0.0)


def test_metadata_say_what_a_name_means(client: httpx.Client, intake: MemoryIntake) -> None:
    metadata = [
        block(3, number(1, 1) + block(2, "hits") + block(4, "How many.")),
        block(3, number(1, 2) + block(2, "open_total")),
        block(3, number(1, 3) + block(2, "took")),
    ]
    assert write(client, *metadata).status_code == 204
    write(client, *(series(name, sample(1)) for name in ("hits", "open_total", "took_bucket", "other_sum", "other")))
    assert {one.name: one.kind for one in intake.series} == {
        "hits": Kind.COUNTER,
        "open_total": Kind.GAUGE,
        "took_bucket": Kind.COUNTER,
        "other_sum": Kind.COUNTER,
        "other": Kind.GAUGE,
    }
    assert intake.series[0].help == "How many."


def test_exemplars_carry_their_trace(client: httpx.Client, intake: MemoryIntake) -> None:
    label = block(1, block(1, "trace_id") + block(2, "ab" * 16))
    exemplar = block(3, label + double(2, 0.25) + number(3, NOW))
    write(client, series("took_bucket", sample(1), more=exemplar, le="1"))
    (found,) = intake.exemplars
    assert (found.trace, found.value, found.series) == ("ab" * 16, 0.25, intake.series[0].id)


def test_part_of_a_request_that_cannot_be_taken_in_is_told_and_the_rest_is_stored(
    client: httpx.Client, intake: MemoryIntake
) -> None:
    answer = write(
        client,
        series("fine", sample(1)),
        series("old", sample(1, 0)),
        series("older", sample(1, -5)),
        series("y2100", sample(1, 4_102_444_800_000)),
        series("n" * 10_000, sample(1)),
        series("", sample(1)),
        labelled({"__name__": "many"} | {f"label{index}": "x" for index in range(100)}, sample(1)),
        series("native", more=block(4, b"")),
    )
    assert answer.status_code == 400
    assert "older than raw data are kept" in answer.text
    assert "native histograms" in answer.text
    assert [series for series in intake.series if intake.samples(series.name)] == [
        one for one in intake.series if one.name == "fine"
    ]
    assert intake.count(Dropped.TIME) == 3
    assert intake.count(Dropped.NAME) == 3
    assert intake.count(Dropped.MALFORMED) == 1


def test_what_the_store_forgot_is_named_again(client: httpx.Client, intake: MemoryIntake) -> None:
    for forget in (False, False, True):
        if forget:
            intake.forget()
        assert write(client, series("a", sample(1)), series("b", sample(1))).status_code == 204
    assert [len(batch.series) for batch in intake.batches] == [2, 0, 2]


def test_at_the_end_of_a_day_everything_is_named() -> None:
    known: Known[Ids] = Known(lambda _: True)
    at_noon, before_midnight = (_at(NOW), _at(NOW // DAY * DAY + DAY - 1))
    for when, named in ((at_noon, 1), (at_noon, 0), (before_midnight, 1)):
        reading = Reading(known, when, {}, None)
        reading.first(series("a", sample(1)))
        known.learn(reading.named)
        assert len(reading.gathering.series) == named


def test_a_request_that_was_refused_names_its_series_when_it_is_sent_again(
    client: httpx.Client, intake: MemoryIntake
) -> None:
    intake.full = True
    answer = write(client, series("a", sample(1)))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    intake.full = False
    assert write(client, series("a", sample(1))).status_code == 204
    assert intake.samples("a") == [(NOW, 1.0)]


def request_two(symbols: Sequence[str], *parts: bytes) -> bytes:
    return snappy(b"".join(block(4, one) for one in symbols) + b"".join(block(5, part) for part in parts))


def test_the_second_version_has_symbols_and_says_what_was_written(client: httpx.Client, intake: MemoryIntake) -> None:
    symbols = ["", "__name__", "hits", "job", "shop", "How many.", "trace_id", "cd" * 16]
    references = block(1, b"".join(varint(one) for one in (1, 2, 3, 4)))
    metadata = block(5, number(1, 1) + number(3, 5))
    exemplar = block(4, block(1, varint(6) + varint(7)) + double(2, 1.0) + number(3, NOW))
    for value in (1, 2):
        body = request_two(symbols, references + block(2, sample(value)) + exemplar + metadata)
        answer = client.post("/api/v1/write", content=body, headers=SECOND)
        assert answer.status_code == 204
        assert answer.headers["x-prometheus-remote-write-samples-written"] == "1"
        assert answer.headers["x-prometheus-remote-write-histograms-written"] == "0"
        assert answer.headers["x-prometheus-remote-write-exemplars-written"] == "1"
    assert intake.samples("hits", job="shop") == [(NOW, 1.0), (NOW, 2.0)]
    (found,) = intake.series
    assert (found.kind, found.help) == (Kind.COUNTER, "How many.")
    assert intake.exemplars[0].trace == "cd" * 16


@pytest.mark.parametrize(
    "body",
    [
        b"not snappy at all",
        snappy(series("a", sample(1))[:-4]),
        snappy(b"\x0a\xff\xff\xff\xff\x0f"),
        snappy(block(1, block(1, block(1, b"\xff\xfe") + block(2, b"x")))),
        snappy(b"\x07"),
        snappy(b"\x00\x00"),
        snappy(b"\x80" * 20),
    ],
)
def test_what_is_malformed_is_refused_whole(client: httpx.Client, intake: MemoryIntake, body: bytes) -> None:
    answer = client.post("/api/v1/write", content=body, headers=HEADERS)
    assert answer.status_code == 400
    assert not intake.batches


def test_a_snappy_bomb_is_refused(client: httpx.Client) -> None:
    for bomb in (snappy(bytes(17 * 1024**2)), b"\xff\xff\xff\xff\x0f"):
        assert client.post("/api/v1/write", content=bomb, headers=HEADERS).status_code == 413


def test_a_great_many_empty_parts_are_refused(client: httpx.Client) -> None:
    for empty in (b"\x0a\x00", b"\x1a\x00", b"\x0a\x02\x12\x00"):
        assert client.post("/api/v1/write", content=snappy(empty * 600_000), headers=HEADERS).status_code == 413


def test_other_content_is_refused(client: httpx.Client) -> None:
    assert client.post("/api/v1/write", content=b"", headers={"content-type": "text/plain"}).status_code == 415
    assert (
        client.post("/api/v1/write", content=b"", headers={"content-type": HEADERS["content-type"]}).status_code == 415
    )


_WHOLE = (
    series("a_total", sample(1), sample(2), job="x")
    + series("b", sample(0), more=block(3, number(3, NOW)))
    + block(3, number(1, 1) + block(2, "hits"))
)


@given(st.data(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_bytes_do_worse_than_being_refused(data: st.DataObject, second: bool) -> None:
    body = bytearray(_WHOLE)
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(0, len(body))) :]
    reading = Reading(_known(), window(), {}, None)
    with contextlib.suppress(Invalid):
        (reading.second if second else reading.first)(bytes(body))
        batch = reading.gathering.batch()
        assert len(batch.ids) == len(batch.times) == len(batch.values)


_labels = st.dictionaries(st.text("abcxyz_", min_size=1, max_size=5), st.text(min_size=1, max_size=9), max_size=4)


@given(st.lists(st.tuples(_labels, st.lists(st.tuples(st.floats(), st.integers(0, 10)), max_size=3)), max_size=6))
@settings(max_examples=80, deadline=None)
def test_what_is_remembered_is_read_as_what_is_new(found: list[tuple[dict[str, str], list[tuple[float, int]]]]) -> None:
    body = b"".join(
        labelled({"__name__": "m", **labels}, *(sample(value, NOW + later) for value, later in samples))
        for labels, samples in found
    )
    known = _known()
    fresh = Reading(known, window(), {}, None)
    fresh.first(body)
    known.learn(fresh.named)
    again = Reading(known, window(), {}, None)
    again.first(body)
    assert again.gathering.ids == fresh.gathering.ids
    assert again.gathering.times == fresh.gathering.times
    assert again.gathering.packed == fresh.gathering.packed


def _known() -> Known[Ids]:
    return Known(lambda _: True)


def _at(moment: int) -> Window:
    return Window(lambda: 2 * DAY, lambda: moment)
