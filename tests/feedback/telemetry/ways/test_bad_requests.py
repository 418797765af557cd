"""Requests that are bombs, cut, or in no form that is known, and lines that are no text, before one real store."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable

import cramjam
import grpc  # type: ignore[import-untyped]  # grpcio carries no types
import pytest
from google.protobuf.json_format import MessageToJson  # type: ignore[import-untyped]  # carries no types
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from andon.feedback.telemetry.contract.intake import Dropped, Way
from andon.feedback.telemetry.overview import REASONS, WAYS
from andon.feedback.telemetry.ways.otlp.answers import ExportRequest, Signal
from tests.feedback.telemetry.ways import everything
from tests.feedback.telemetry.ways.everything import (
    METRICS,
    PROTOBUF,
    Everything,
    Sending,
    Sent,
    stamp,
    stored,
    taken,
    zipped,
)
from tests.feedback.telemetry.ways.otlp_messages import gauge, logs, metrics, traces
from tests.feedback.telemetry.ways.places import NOW, until
from tests.feedback.telemetry.ways.remote_write_messages import HEADERS, sample, series, snappy

JSON = {"content-type": "application/json"}
POSTED = {
    "/v1/metrics": (PROTOBUF, Way.OTLP),
    "/v1/logs": (PROTOBUF, Way.OTLP),
    "/v1/traces": (PROTOBUF, Way.OTLP),
    "/api/v1/write": (PROTOBUF, Way.REMOTE_WRITE),
    "/v1/lines": ({"content-type": "application/x-ndjson"}, Way.JSON),
    "/beacon": ({"content-type": "text/plain"}, Way.BROWSER),
}
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": zipped,
    "deflate": zlib.compress,
    "zstd": lambda body: bytes(cramjam.zstd.compress(body)),
    "snappy": snappy,
}
BOMB = bytes(64 * 1024**2)


@pytest.mark.parametrize("path", POSTED)
@pytest.mark.parametrize("encoding", COMPRESSED)
def test_a_compressed_bomb_is_refused_and_counted(all_: Everything, path: str, encoding: str) -> None:
    headers, way = POSTED[path]
    headers = {**headers, "content-encoding": encoding}
    bomb = COMPRESSED[encoding](BOMB)
    with all_.dropping(way, Dropped.TOO_LARGE):
        assert all_.post(path, bomb, headers).status_code == 413


@pytest.mark.parametrize("path", POSTED)
def test_a_bomb_in_a_bomb_is_opened_once_and_is_no_request(all_: Everything, path: str) -> None:
    headers, way = POSTED[path]
    nested = zipped(zipped(BOMB))
    with all_.dropping(way, Dropped.MALFORMED):
        assert all_.post(path, nested, {**headers, "content-encoding": "gzip, gzip"}).status_code in {400, 415}
    if way is Way.JSON:  # bytes that are no JSON are text there
        return
    with all_.dropping(way, Dropped.MALFORMED):
        assert all_.post(path, nested, {**headers, "content-encoding": "gzip"}).status_code == 400


@pytest.mark.parametrize("path", POSTED)
@pytest.mark.parametrize("encoding", COMPRESSED)
def test_a_compressed_body_that_is_cut_is_refused_and_counted(all_: Everything, path: str, encoding: str) -> None:
    headers, way = POSTED[path]
    cut = COMPRESSED[encoding](bytes(range(256)) * 100)[:-20]
    with all_.dropping(way, Dropped.MALFORMED):
        assert all_.post(path, cut, {**headers, "content-encoding": encoding}).status_code in {400, 415}


def test_a_page_that_is_a_bomb_or_cut_is_counted_and_its_target_is_down(all_: Everything) -> None:
    with all_.dropping(Way.SCRAPE, Dropped.TOO_LARGE):
        assert not all_.scrape(zipped(BOMB), zipped=True)
    with all_.dropping(Way.SCRAPE, Dropped.MALFORMED):
        assert not all_.scrape(zipped(b"a 1\n")[:-4], zipped=True)
    assert all_.scrape(zipped(b"a 1\n"), zipped=True)


def test_a_bomb_over_grpc_is_refused_and_counted(all_: Everything) -> None:
    with all_.dropping(Way.OTLP, Dropped.TOO_LARGE):
        assert all_.call(Signal.METRICS, BOMB, gzip=True) is grpc.StatusCode.RESOURCE_EXHAUSTED
    with all_.dropping(Way.OTLP, Dropped.TOO_LARGE):
        assert all_.call(Signal.LOGS, BOMB[: 5 * 1024**2]) is grpc.StatusCode.RESOURCE_EXHAUSTED
    with all_.dropping(Way.OTLP, Dropped.MALFORMED):
        assert all_.call(Signal.METRICS, zipped(BOMB), gzip=True) is grpc.StatusCode.INVALID_ARGUMENT
    assert all_.call(Signal.METRICS, b"") is grpc.StatusCode.OK


_SPAN = Span(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, name="GET /", start_time_unix_nano=NOW * 1_000_000)
SOUND: dict[Signal, ExportRequest] = {
    Signal.METRICS: metrics(gauge("cut", 1)),
    Signal.LOGS: logs(LogRecord(body=AnyValue(string_value="cut"))),
    Signal.TRACES: traces(_SPAN),
}


@pytest.mark.parametrize("signal", Signal)
def test_truncated_protobuf_and_json_are_refused_and_counted_as_one_request(all_: Everything, signal: Signal) -> None:
    raw = SOUND[signal].SerializeToString()
    told = MessageToJson(SOUND[signal]).encode()
    for length in (1, len(raw) // 2, len(raw) - 1):
        with all_.dropping(Way.OTLP, Dropped.MALFORMED):
            assert all_.post(f"/v1/{signal}", raw[:length], PROTOBUF).status_code == 400
        with all_.dropping(Way.OTLP, Dropped.MALFORMED):
            assert all_.call(signal, raw[:length]) is grpc.StatusCode.INVALID_ARGUMENT
        with all_.dropping(Way.OTLP, Dropped.MALFORMED):
            assert all_.post(f"/v1/{signal}", told[:length], JSON).status_code == 400


def test_a_truncated_remote_write_request_and_beacon_are_refused_and_counted(all_: Everything) -> None:
    raw = series("cut", sample(1))
    for length in (1, len(raw) // 2, len(raw) - 1):
        with all_.dropping(Way.REMOTE_WRITE, Dropped.MALFORMED):
            assert all_.post("/api/v1/write", snappy(raw[:length]), HEADERS).status_code == 400
    with all_.dropping(Way.BROWSER, Dropped.MALFORMED):
        assert all_.post("/beacon", b'{"service": "shop", "vi', {}).status_code == 400


@pytest.mark.parametrize(
    ("path", "headers", "status", "way"),
    [
        ("/v1/metrics", {"content-type": "text/html"}, 415, Way.OTLP),
        ("/api/v1/write", {"content-type": "text/html"}, 415, Way.REMOTE_WRITE),
        ("/v1/metrics", {**PROTOBUF, "content-encoding": "br"}, 400, Way.OTLP),
        ("/beacon", {"content-encoding": "br"}, 400, Way.BROWSER),
    ],
)
def test_a_request_in_a_form_that_is_not_known_is_counted(
    all_: Everything, path: str, headers: dict[str, str], status: int, way: Way
) -> None:
    with all_.dropping(way, Dropped.MALFORMED):
        assert all_.post(path, b"x", headers).status_code == status


def test_a_beacon_of_what_there_is_not_or_with_numbers_that_are_none_is_counted(all_: Everything) -> None:
    def beacon(**more: object) -> int:
        return all_.post("/beacon", json.dumps({"service": "shop", **more}).encode(), {}).status_code

    with all_.dropping(Way.BROWSER, Dropped.NAME):
        assert beacon(service="nobody's") == 400
    with all_.dropping(Way.BROWSER, Dropped.NAME):
        assert beacon(metrics=[["m" * 10_000, 1]]) == 204
    with all_.dropping(Way.BROWSER, Dropped.MALFORMED):
        assert beacon(vitals={"LCP": math.nan}) == 400, "JSON has no NaN"
    with all_.dropping(Way.BROWSER, Dropped.NOT_A_NUMBER, 2):
        assert beacon(vitals={"LCP": 1e308, "CLS": -1}) == 204
    with all_.dropping(Way.BROWSER, None):
        assert beacon(view=1) == 204


# Lines

_BYTES = b"caf\xe9 \xff\xfe \x80 broken"
_READ = "caf\ufffd \ufffd\ufffd \ufffd broken"


def test_lines_that_are_not_utf_8_are_kept_with_what_could_be_read(all_: Everything) -> None:
    for form in (b"json %s", b'{"msg": "object %s", "caf\xe9": 1}', b'[{"msg": "list %s"}]'):
        taken(all_.post("/v1/lines", form.replace(b"%s", _BYTES), {}))
    all_.line(all_.messages, b"<14>1 - - app - - - tcp " + _BYTES)
    host, _, port = all_.datagrams.rpartition(":")
    all_.datagram((host, int(port)), b"<14>1 - - app - - - udp " + _BYTES)
    ways = ("json", "list", "object", "tcp", "udp")
    until(lambda: len(all_.bodies("%broken")) == len(ways))
    assert sorted(all_.bodies("%broken")) == [f"{way} {_READ}" for way in ways]


@pytest.mark.parametrize("json_", [False, True])
def test_otlp_that_is_not_utf_8_is_refused_whole_and_says_so(all_: Everything, json_: bool) -> None:
    raw = SOUND[Signal.LOGS].SerializeToString().replace(b"cut", b"\xff\xfe\xfd")
    if json_:
        raw = MessageToJson(SOUND[Signal.LOGS]).encode().replace(b"cut", b"\xff\xfe\xfd")
    with all_.dropping(Way.OTLP, Dropped.MALFORMED):
        assert all_.post("/v1/logs", raw, JSON if json_ else PROTOBUF).status_code == 400


def test_names_that_are_not_utf_8_are_refused_and_counted(all_: Everything) -> None:
    with all_.dropping(Way.STATSD, Dropped.NAME):
        all_.statsd_line(b"\xff\xfe:1|c")
    with all_.dropping(Way.GRAPHITE, Dropped.NAME):
        all_.line(all_.plain, b"\xff\xfe 1 N")
    with all_.dropping(Way.REMOTE_WRITE, Dropped.MALFORMED):
        body = series("name", sample(1)).replace(b"name", b"\xff\xfe\xfd\xfc", 2)
        assert all_.post("/api/v1/write", snappy(body), HEADERS).status_code == 400
    with all_.dropping(Way.SCRAPE, Dropped.MALFORMED):
        assert all_.scrape(b"\xff\xfe 1\nsound 1\n")


@pytest.mark.parametrize("time", [0, 1, 4_102_444_800_000], ids=["none", "1970", "2100"])
def test_lines_of_1970_and_2100_are_counted_and_lines_without_a_time_are_of_now(all_: Everything, time: int) -> None:
    record = LogRecord(time_unix_nano=time * 1_000_000, body=AnyValue(string_value=f"otlp at {time}"))
    why = Dropped.TIME if time else None
    with all_.dropping(Way.OTLP, why):
        taken(all_.post("/v1/logs", logs(record).SerializeToString(), PROTOBUF))
    with all_.dropping(Way.JSON, why):
        taken(all_.post("/v1/lines", json.dumps({"ts": time, "msg": f"json at {time}"}).encode(), {}))
    with all_.dropping(Way.SYSLOG, why):
        all_.line(all_.messages, f"<14>1 {stamp(time) if time else '-'} - app - - - syslog at {time}".encode())
    assert len(all_.bodies(f"% at {time}")) == (0 if time else 3)
    _SPAN_THEN = Span(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, start_time_unix_nano=time * 1_000_000)
    with all_.dropping(Way.OTLP, Dropped.TIME):
        taken(all_.post("/v1/traces", traces(_SPAN_THEN).SerializeToString(), PROTOBUF))


def test_ansi_and_html_are_kept_as_the_text_they_are(all_: Everything) -> None:
    hostile = "\x1b[31mred\x1b[0m \x1b]0;title\x07 <script>alert(1)</script><img src=x onerror=alert(2)>"
    taken(all_.post("/v1/lines", hostile.encode(), {}))
    all_.line(all_.messages, f"<14>1 - - app - - - {hostile}".encode())
    record = LogRecord(body=AnyValue(string_value=hostile))
    taken(all_.post("/v1/logs", logs(record).SerializeToString(), PROTOBUF))
    until(lambda: all_.bodies("%alert(2)>") == [hostile] * 3)


# A store that takes nothing in


def test_with_a_full_disk_every_way_says_so_or_counts_and_goes_on_when_there_is_room(all_: Everything) -> None:
    all_.scrape(b"")  # so that nothing of an earlier page ends within
    all_.free = 0
    until(lambda: all_.disk.full)
    sent = Sent("no_room")
    body = everything.otlp(sent)
    posted = {
        "/v1/metrics": (body, PROTOBUF),
        "/v1/logs": (SOUND[Signal.LOGS].SerializeToString(), PROTOBUF),
        "/v1/traces": (SOUND[Signal.TRACES].SerializeToString(), PROTOBUF),
        "/api/v1/write": (snappy(series(sent.name, sample(1))), HEADERS),
        "/v1/lines": (b"no room", {}),
        "/beacon": (b'{"service": "shop", "view": 1}', {}),
    }
    try:
        before = all_.counts()
        for path, (raw, headers) in posted.items():
            assert all_.post(path, raw, headers).status_code == 503, path
        answer = all_.post("/v1/metrics", body, PROTOBUF)
        assert (b"disk" in answer.content, answer.headers["retry-after"]) == (True, "5")
        assert all_.call(Signal.METRICS, body) is grpc.StatusCode.UNAVAILABLE
        assert all_.counts() == before, "whoever is told can send it again: nothing of it is lost"
        unheard: tuple[tuple[Sending, int], ...] = (
            (everything.by_statsd, 1),
            (everything.by_statsd_over_tcp, 1),
            (everything.by_graphite, 1),
            (everything.by_scrape, 4),  # with the scraper's own three
        )
        for send, count in unheard:
            (way,) = {way for one, way in METRICS.values() if one is send}
            with all_.dropping(way, Dropped.DISK, count):
                send(all_, sent)
        with all_.dropping(Way.SYSLOG, Dropped.DISK):
            all_.line(all_.messages, b"<14>1 - - app - - - no room")
    finally:
        all_.free = 10**12
    until(lambda: not all_.disk.full)
    for name, (send, _) in METRICS.items():
        stored(all_, send, Sent(f"room_again_{name.replace(' ', '_')}"))
    assert all_.values(sent.name) == []
    assert all_.bodies("no room") == []


def test_every_reason_is_told_in_words() -> None:
    assert set(REASONS) == set(Dropped)
    assert set(WAYS) == set(Way)
