"""What comes in over the network, all the way to the disk."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import EmbeddedEngine
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.writer import DiskWatch, Writer
from andon.feedback.telemetry.ways.browser.beacons import Allowed
from andon.feedback.telemetry.ways.doors.listening import Tcp
from andon.feedback.telemetry.ways.gathering import Window
from andon.feedback.telemetry.ways.network import NetworkWays
from andon.feedback.telemetry.ways.stale import STALE, STALE_BITS
from tests.feedback.telemetry.ways.otlp_messages import counter, gauge, logs, metrics, traces
from tests.feedback.telemetry.ways.places import DAY, NOW
from tests.feedback.telemetry.ways.remote_write_messages import HEADERS, sample, series, snappy

PROTOBUF = {"content-type": "application/x-protobuf"}


class Running:
    def __init__(self, engine: EmbeddedEngine, folder: Path) -> None:
        self.engine, self.now = engine, NOW
        disk = DiskWatch(folder, 0, lambda: 10**12)
        tables = Tables(engine, lambda: self.now)
        self.writer = Writer(tables, Book(limit=1000, total=10_000), Drops(), disk, gather=0.01)
        window = Window(lambda: 7 * DAY, lambda: self.now)
        self.ways = NetworkWays(self.writer, window, Allowed(knows=lambda service, environment: True))
        self.writer.start()
        self.ways.start()
        where = self.ways.http.listen(Tcp(port=0, setting="telemetry.otlp_port"))
        self.client = httpx.Client(base_url=f"http://{where}", timeout=30, trust_env=False)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        return self.client.post(path, content=body, headers=headers).status_code

    def values(self, name: str) -> list[float]:
        rows = self.engine.rows(
            "SELECT value FROM samples WHERE series IN (SELECT id FROM series WHERE name = {name:String}) "
            "ORDER BY time",
            {"name": name},
        )
        return [float(str(value)) for (value,) in rows]


@pytest.fixture
def running(engine: EmbeddedEngine, tmp_path: Path) -> Iterator[Running]:
    made = Running(engine, tmp_path)
    yield made
    made.client.close()
    made.ways.stop()
    made.writer.stop()


def test_what_is_answered_can_be_read(running: Running) -> None:
    request = metrics(gauge("queue.length", 1.5), counter("jobs", 7, start=NOW - 5000))
    assert running.post("/v1/metrics", request.SerializeToString(), PROTOBUF) == 200
    assert running.values("queue_length") == [1.5]
    assert running.values("jobs_total") == [0.0, 7.0]
    line = LogRecord(time_unix_nano=NOW * 1_000_000, body=AnyValue(string_value="hello"))
    assert running.post("/v1/logs", logs(line).SerializeToString(), PROTOBUF) == 200
    assert running.engine.rows("SELECT body, service FROM logs") == [("hello", "shop")]
    span = Span(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, name="GET /", start_time_unix_nano=NOW * 1_000_000)
    assert running.post("/v1/traces", traces(span).SerializeToString(), PROTOBUF) == 200
    assert [tuple(map(str, row)) for row in running.engine.rows("SELECT name, service FROM spans")] == [
        ("GET /", "shop")
    ]


def test_a_mark_of_the_end_is_the_same_on_the_disk(running: Running) -> None:
    for value in (1.0, STALE):
        body = snappy(series("gone", sample(value, NOW + int(value != 1.0)), job="a"))
        assert running.post("/api/v1/write", body, HEADERS) == 204
    rows = running.engine.rows("SELECT reinterpretAsUInt64(value) FROM samples ORDER BY time")
    assert [int(str(bits)) for (bits,) in rows] == [struct.unpack("<Q", struct.pack("<d", 1.0))[0], STALE_BITS]


def test_the_turn_of_the_day_loses_nothing(running: Running) -> None:
    midnight = NOW + DAY // 2
    for moment in (NOW, NOW + 1, midnight - 1, midnight + 1, midnight + 2):
        running.now = moment
        assert running.post("/api/v1/write", snappy(series("load", sample(1, moment))), HEADERS) == 204
        request = metrics(gauge("queue", 1, time=moment))
        assert running.post("/v1/metrics", request.SerializeToString(), PROTOBUF) == 200
    assert running.values("load") == running.values("queue") == [1.0] * 5
    for name in ("load", "queue"):
        days = running.engine.rows(f"SELECT DISTINCT day FROM series WHERE name = '{name}'")
        assert len(days) == 2
