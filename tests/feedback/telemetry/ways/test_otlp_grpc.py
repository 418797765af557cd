from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # grpcio carries no types
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.ways.doors.grpc import GrpcDoor
from andon.feedback.telemetry.ways.doors.listening import Tcp, Unix
from andon.feedback.telemetry.ways.gathering import Origin
from andon.feedback.telemetry.ways.otlp.answers import Signal
from andon.feedback.telemetry.ways.otlp.exporting import Otlp
from andon.feedback.telemetry.ways.otlp.grpc import METHODS
from andon.kernel.errors import Unavailable
from tests.feedback.telemetry.ways.otlp_messages import gauge, logs, metrics, traces
from tests.feedback.telemetry.ways.places import NOW, until, window

_METHOD = {signal: method for method, signal in METHODS.items()}


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
def door(intake: MemoryIntake) -> Iterator[GrpcDoor]:
    with ThreadPoolExecutor(2) as executor:
        door = GrpcDoor(Otlp(intake, window(), executor))
        door.start()
        yield door
        door.stop()


def send(where: str, signal: Signal, body: bytes, token: str = "") -> bytes:
    with grpc.insecure_channel(where, options=[("grpc.enable_http_proxy", 0)]) as channel:
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        answer: bytes = channel.unary_unary(_METHOD[signal])(body, timeout=20, metadata=metadata)
        return answer


def test_all_three_signals_arrive(door: GrpcDoor, intake: MemoryIntake) -> None:
    where = door.listen(Tcp(port=0, setting="telemetry.grpc_port"))
    assert send(where, Signal.METRICS, metrics(gauge("g", 1)).SerializeToString()) == b""
    assert send(where, Signal.LOGS, logs(LogRecord(body=AnyValue(string_value="hello"))).SerializeToString()) == b""
    span = Span(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, start_time_unix_nano=NOW * 1_000_000)
    assert send(where, Signal.TRACES, traces(span).SerializeToString()) == b""
    assert intake.samples("g") == [(NOW, 1.0)]
    assert [line.body for line in intake.logs] == ["hello"]
    assert [one.trace for one in intake.spans] == ["01" * 16]


def test_partial_success_is_told(door: GrpcDoor) -> None:
    where = door.listen(Tcp(port=0, setting="telemetry.grpc_port"))
    answer = send(where, Signal.METRICS, metrics(gauge("g", float("nan"))).SerializeToString())
    assert ExportMetricsServiceResponse.FromString(answer).partial_success.rejected_data_points == 1


def test_a_full_or_absent_store_says_when_to_come_again(door: GrpcDoor, intake: MemoryIntake) -> None:
    where = door.listen(Tcp(port=0, setting="telemetry.grpc_port"))
    body = metrics(gauge("g", 1)).SerializeToString()
    intake.full = True
    with pytest.raises(grpc.RpcError) as refused:
        send(where, Signal.METRICS, body)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert b"google.rpc.RetryInfo" in dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
    intake.full, intake.down = False, True
    with pytest.raises(grpc.RpcError) as absent:
        send(where, Signal.METRICS, body)
    assert absent.value.code() is grpc.StatusCode.UNAVAILABLE
    assert b"google.rpc.RetryInfo" in dict(absent.value.trailing_metadata())["grpc-status-details-bin"]


def test_a_caller_that_does_not_wait_does_not_disturb_the_store(door: GrpcDoor, intake: MemoryIntake) -> None:
    where = door.listen(Tcp(port=0, setting="telemetry.grpc_port"))
    intake.holding = True
    with grpc.insecure_channel(where) as channel:
        call = channel.unary_unary(_METHOD[Signal.METRICS]).future(metrics(gauge("g", 1)).SerializeToString())
        until(lambda: intake.waiting == 1)
        call.cancel()
        intake.holding = False
        assert send(where, Signal.METRICS, metrics(gauge("g", 2)).SerializeToString()) == b""
    intake.acknowledge()  # would raise if the caller's going away had cancelled what the store is to answer
    assert intake.waiting == 0


def test_malformed_requests_and_unknown_methods_are_refused(door: GrpcDoor) -> None:
    where = door.listen(Tcp(port=0, setting="telemetry.grpc_port"))
    with pytest.raises(grpc.RpcError) as malformed:
        send(where, Signal.METRICS, b"\xff\xff\xff")
    assert malformed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with grpc.insecure_channel(where) as channel, pytest.raises(grpc.RpcError) as unknown:
        channel.unary_unary("/a.B/C")(b"", timeout=20)
    assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_call_that_is_or_becomes_too_large_is_refused(door: GrpcDoor, compression: grpc.Compression) -> None:
    where = door.listen(Tcp(port=0, setting="telemetry.grpc_port"))
    with grpc.insecure_channel(where) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(_METHOD[Signal.METRICS])(bytes(64 * 1024**2), timeout=20, compression=compression)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert send(where, Signal.METRICS, b"") == b""


def test_sockets_of_environments_say_who_speaks(door: GrpcDoor, intake: MemoryIntake, tmp_path: Path) -> None:
    one = door.listen(Unix(path=tmp_path / "a.sock", origin=Origin(service="till", environment="staging")))
    two = door.listen(Unix(path=tmp_path / "b.sock", origin=Origin(service="till", environment="production")))
    assert (tmp_path / "a.sock").stat().st_mode & 0o777 == 0o600
    for where in (one, two):
        send(where, Signal.METRICS, metrics(gauge("g", 1)).SerializeToString())
    assert {(one.label("service"), one.label("environment")) for one in intake.series} == {
        ("till", "staging"),
        ("till", "production"),
    }
    door.close(one)
    assert not (tmp_path / "a.sock").exists()
    assert send(two, Signal.METRICS, b"") == b""


def test_a_port_that_is_taken_is_said_and_the_others_go_on(door: GrpcDoor) -> None:
    where = door.listen(Tcp(port=0, setting="telemetry.grpc_port"))
    with pytest.raises(Unavailable, match=r"telemetry\.grpc_port"):
        door.listen(Tcp(port=int(where.rpartition(":")[2]), setting="telemetry.grpc_port"))
    assert send(where, Signal.METRICS, b"") == b""


def test_a_place_may_ask_for_a_token(door: GrpcDoor) -> None:
    where = door.listen(Tcp(port=0, setting="telemetry.grpc_port", admits=lambda token: token == "right"))
    with pytest.raises(grpc.RpcError) as refused:
        send(where, Signal.METRICS, b"", "wrong")
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert send(where, Signal.METRICS, b"", "right") == b""
