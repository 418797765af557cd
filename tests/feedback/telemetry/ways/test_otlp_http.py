from __future__ import annotations

import contextlib
import gzip
import json
import threading
import zlib
from collections.abc import Iterator

import cramjam
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.logs import LONGEST_BODY, Severity
from andon.feedback.telemetry.contract.traces import SpanKind, SpanStatus
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.ways.known import Known
from andon.feedback.telemetry.ways.otlp.answers import ExportRequest, Signal
from andon.feedback.telemetry.ways.otlp.exporting import Otlp
from andon.feedback.telemetry.ways.otlp.http import otlp_routes
from andon.feedback.telemetry.ways.otlp.logs import read_logs
from andon.feedback.telemetry.ways.otlp.metrics import MetricsDecoder
from andon.feedback.telemetry.ways.otlp.parsing import from_json, from_protobuf
from andon.feedback.telemetry.ways.otlp.traces import read_traces
from andon.kernel.errors import Invalid
from tests.feedback.telemetry.ways.otlp_messages import attribute, counter, gauge, logs, metrics, traces
from tests.feedback.telemetry.ways.places import NOW, opened, until, window

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
def client(intake: MemoryIntake) -> Iterator[httpx.Client]:
    with opened(lambda to, window, executor: otlp_routes(Otlp(to, window, executor)), intake) as client:
        yield client


def test_metrics_arrive_by_protobuf_and_are_answered_with_an_empty_response(
    client: httpx.Client, intake: MemoryIntake
) -> None:
    answer = client.post("/v1/metrics", content=metrics(gauge("g", 1)).SerializeToString(), headers=PROTOBUF)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert intake.samples("g") == [(NOW, 1.0)]


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", lambda body: bytes(cramjam.zstd.compress(body))),
    ],
)
def test_bodies_may_be_compressed(client: httpx.Client, intake: MemoryIntake, encoding: str, compress) -> None:  # type: ignore[no-untyped-def]  # three libraries' functions
    body = compress(metrics(gauge("g", *range(1000))).SerializeToString())
    answer = client.post("/v1/metrics", content=body, headers={**PROTOBUF, "content-encoding": encoding})
    assert answer.status_code == 200
    assert len(intake.samples("g")) == 1000


def test_the_json_dialect_has_hexadecimal_ids_numbers_as_text_and_enums_as_integers(
    client: httpx.Client, intake: MemoryIntake
) -> None:
    span = {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "EEE19B7EC3C1B174",
        "parentSpanId": "EEE19B7EC3C1B173",
        "name": "I'm a server span",
        "startTimeUnixNano": str(NOW * 1_000_000),
        "endTimeUnixNano": str(NOW * 1_000_000 + 5),
        "kind": 2,
        "attributes": [{"key": "n", "value": {"intValue": "42"}}],
        "links": [{"traceId": "5b8efff798038103d269b633813fc60d", "spanId": "eee19b7ec3c1b175"}],
        "unknownField": {"x": 1},
    }
    body = {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"spans": [span]}]}]}
    answer = client.post("/v1/traces", json=body)
    assert (answer.status_code, answer.json()) == (200, {})
    (found,) = intake.spans
    assert found.trace == "5b8efff798038103d269b633813fc60c"
    assert (found.id, found.parent) == ("eee19b7ec3c1b174", "eee19b7ec3c1b173")
    assert (found.kind, found.duration, found.attributes) == (SpanKind.SERVER, 5, {"n": "42"})
    assert found.links == (("5b8efff798038103d269b633813fc60d", "eee19b7ec3c1b175"),)


def test_partial_success_says_how_many_and_why(client: httpx.Client, intake: MemoryIntake) -> None:
    request = metrics(gauge("fine", 1), gauge("old", 1, time=0))
    answer = client.post("/v1/metrics", content=request.SerializeToString(), headers=PROTOBUF)
    assert answer.status_code == 200
    told = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert told.rejected_data_points == 1
    assert "older than raw data are kept" in told.error_message
    assert intake.count(Dropped.TIME) == 1


def test_what_the_store_refuses_is_told_too(client: httpx.Client, intake: MemoryIntake) -> None:
    intake.refuses = {Dropped.CARDINALITY: 1}
    answer = client.post("/v1/metrics", content=metrics(gauge("g", 1)).SerializeToString(), headers=PROTOBUF)
    told = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert told.rejected_data_points == 1
    assert "as many series as it may have" in told.error_message


def test_a_full_store_says_when_to_come_again_and_nothing_is_counted_as_lost(
    client: httpx.Client, intake: MemoryIntake
) -> None:
    intake.full, intake.retry_after = True, 2.5
    body = metrics(gauge("g", 1), gauge("old", 1, time=0)).SerializeToString()
    answer = client.post("/v1/metrics", content=body, headers=PROTOBUF)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert b"google.rpc.RetryInfo" in answer.content
    intake.full, intake.down = False, True
    answer = client.post("/v1/metrics", json={"resourceMetrics": []})
    assert answer.status_code == 200  # nothing to store: nothing to refuse
    answer = client.post("/v1/metrics", content=body, headers=PROTOBUF)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert not intake.dropped


def test_the_answer_waits_until_everything_is_stored(client: httpx.Client, intake: MemoryIntake) -> None:
    intake.holding = True
    answers: list[int] = []
    body = metrics(gauge("g", 1)).SerializeToString()
    thread = threading.Thread(
        target=lambda: answers.append(client.post("/v1/metrics", content=body, headers=PROTOBUF).status_code)
    )
    thread.start()
    until(lambda: intake.waiting == 1)
    assert answers == []
    intake.acknowledge()
    thread.join(20)
    assert answers == [200]


def test_log_records_become_lines(client: httpx.Client, intake: MemoryIntake) -> None:
    nested = AnyValue()
    value = nested
    for _ in range(40):
        value = value.array_value.values.add()
    value.string_value = "deep"
    records = [
        LogRecord(
            time_unix_nano=NOW * 1_000_000,
            severity_number=18,  # type: ignore[arg-type]  # as on the wire
            body=AnyValue(string_value="<b>\x1b[31mno\x1b[0m</b>"),
            attributes=[attribute("user", "anna"), KeyValue(key="nested", value=nested)],
            trace_id=b"\x01" * 16,
            span_id=b"\x02" * 8,
        ),
        LogRecord(severity_text="Warning", body=AnyValue(string_value="x" * 100_000)),
        LogRecord(time_unix_nano=2**64 - 1, body=AnyValue(string_value="the year 2554")),
    ]
    answer = client.post("/v1/logs", content=logs(*records).SerializeToString(), headers=PROTOBUF)
    assert answer.status_code == 200
    first, second = intake.logs
    assert first.body == "<b>\x1b[31mno\x1b[0m</b>"
    assert (first.severity, first.service, first.version) == (Severity.ERROR, "shop", "0123456")
    assert first.fields["user"] == "anna"
    assert "…" in first.fields["nested"]
    assert (first.trace, first.span) == ("01" * 16, "02" * 8)
    assert (second.severity, second.time) == (Severity.WARN, NOW * 1000)
    assert len(second.body.encode()) <= LONGEST_BODY
    assert second.body.endswith("[cut, 100,000 bytes]")
    assert intake.count(Dropped.TIME) == 1


def test_spans_without_ids_are_rejected_and_clocks_set_back_give_no_negative_length(
    client: httpx.Client, intake: MemoryIntake
) -> None:
    start = NOW * 1_000_000
    spans = [
        Span(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, start_time_unix_nano=start, end_time_unix_nano=start - 9,
             status=Status(code=Status.STATUS_CODE_ERROR, message="broke")),
        Span(trace_id=b"\x00" * 16, span_id=b"\x02" * 8, start_time_unix_nano=start),
        Span(trace_id=b"\x01", span_id=b"\x02" * 8, start_time_unix_nano=start),
    ]  # fmt: skip
    client.post("/v1/traces", content=traces(*spans).SerializeToString(), headers=PROTOBUF)
    (found,) = intake.spans
    assert (found.duration, found.status, found.message) == (0, SpanStatus.ERROR, "broke")
    assert intake.count(Dropped.MALFORMED) == 2


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (PROTOBUF, metrics(gauge("g", 1)).SerializeToString()[:-3], 400),
        (JSON, b"{", 400),
        (JSON, b"[]", 400),
        (JSON, b'{"resourceMetrics": ' + b"[" * 50_000, 400),
        (JSON, b'{"resourceMetrics": ' + b"[" * 200 + b"]" * 200 + b"}", 400),
        (JSON, b'{"resourceMetrics": "text"}', 400),
        (JSON, b'{"resourceMetrics": [{"scopeMetrics": {"metrics": 3}}]}', 400),
        ({"content-type": "text/plain"}, b"", 415),
        ({**PROTOBUF, "content-encoding": "gzip"}, b"not gzip", 400),
        ({**PROTOBUF, "content-encoding": "gzip"}, gzip.compress(b"half of it", mtime=0)[:-4], 400),
        ({**PROTOBUF, "content-encoding": "br"}, b"", 400),
        ({**PROTOBUF, "content-encoding": "zstd"}, b"(\xb5/\xfdnonsense", 400),
        ({**PROTOBUF, "content-encoding": "gzip"}, gzip.compress(bytes(17 * 1024**2)), 413),
        ({**PROTOBUF, "content-encoding": "zstd"}, bytes(cramjam.zstd.compress(bytes(17 * 1024**2))), 413),
        (PROTOBUF, bytes(8 * 1024**2 + 1), 413),
        (JSON, b" " * (4 * 1024**2 + 1), 413),
    ],
)
def test_what_is_malformed_is_refused_and_the_next_request_is_served(
    client: httpx.Client, intake: MemoryIntake, headers: dict[str, str], body: bytes, status: int
) -> None:
    assert client.post("/v1/metrics", content=body, headers=headers).status_code == status
    assert not intake.batches
    again = client.post("/v1/metrics", content=metrics(gauge("g", 1)).SerializeToString(), headers=PROTOBUF)
    assert again.status_code == 200


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/logs", "/v1/traces"])
def test_a_great_many_empty_parts_are_refused(client: httpx.Client, path: str) -> None:
    assert client.post(path, content=b"\x0a\x00" * 600_000, headers=PROTOBUF).status_code == 413


def test_malformed_json_is_answered_with_a_status_in_json(client: httpx.Client) -> None:
    answer = client.post("/v1/logs", content=b"{", headers=JSON)
    assert answer.json()["code"] == 3
    assert "cannot be read" in answer.json()["message"]


def test_other_paths_and_methods_are_refused(client: httpx.Client) -> None:
    assert client.get("/v1/metrics").status_code == 405
    assert client.post("/v1/nothing").status_code == 404


def test_a_place_may_ask_for_a_token() -> None:
    intake = MemoryIntake()
    with opened(
        lambda to, window, executor: otlp_routes(Otlp(to, window, executor)), intake, lambda token: token == "right"
    ) as client:
        body = metrics(gauge("g", 1)).SerializeToString()
        assert client.post("/v1/metrics", content=body, headers=PROTOBUF).status_code == 401
        wrong = {**PROTOBUF, "authorization": "Bearer wrong"}
        assert client.post("/v1/metrics", content=body, headers=wrong).status_code == 401
        right = {**PROTOBUF, "authorization": "Bearer right"}
        assert client.post("/v1/metrics", content=body, headers=right).status_code == 200


_REQUESTS = {
    Signal.METRICS: metrics(gauge("g", 1, 2, host="x"), counter("c", 3, start=NOW - 1000)).SerializeToString(),
    Signal.LOGS: logs(LogRecord(body=AnyValue(string_value="hello"), trace_id=b"\x01" * 16)).SerializeToString(),
    Signal.TRACES: traces(
        Span(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, start_time_unix_nano=NOW * 1_000_000)
    ).SerializeToString(),
}


@given(st.sampled_from(list(Signal)), st.data())
@settings(max_examples=200, deadline=None)
def test_no_bytes_do_worse_than_being_refused(signal: Signal, data: st.DataObject) -> None:
    body = bytearray(_REQUESTS[signal])
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(0, len(body))) :]
    with contextlib.suppress(Invalid):
        _read(from_protobuf(bytes(body), signal))


def _read(request: ExportRequest) -> None:
    if isinstance(request, ExportMetricsServiceRequest):
        MetricsDecoder(Known(lambda _: True), window()).read(request, None).gathering.batch()
    elif isinstance(request, ExportLogsServiceRequest):
        read_logs(request, None, window())
    else:
        read_traces(request, None, window())


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["resourceMetrics", "resource", "scopeMetrics", "metrics", "gauge", "dataPoints", "traceId", "asInt"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(_json)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_json_does_worse_than_being_refused(value: object) -> None:
    with contextlib.suppress(Invalid):
        _read(from_json(json.dumps({"resourceMetrics": value}).encode(), Signal.METRICS))
