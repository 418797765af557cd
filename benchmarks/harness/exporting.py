"""Sends numbered samples and lines over OpenTelemetry, and writes down which were acknowledged.

As a program: ``python -m benchmarks.harness.exporting PORT FILE NAME`` until it is killed. Each line of the file is the
first number and the count of one acknowledged request; a number is never used twice.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

METRIC = "crash.number"
BATCH = 50


def send(client: httpx.Client, port: int, name: str, first: int, count: int) -> bool:
    """Samples and as many lines, each with its number; whether both were acknowledged."""
    return all(
        _sent(client, f"http://127.0.0.1:{port}/v1/{what}", content)
        for what, content in (("metrics", _samples(name, first, count)), ("logs", _lines(name, first, count)))
    )


def acknowledged(file: Path) -> Iterator[int]:
    """The numbers, as far as whole lines tell of them."""
    for line in file.read_bytes().split(b"\n")[:-1] if file.exists() else ():
        first, count = map(int, line.split())
        yield from range(first, first + count)


def _sent(client: httpx.Client, address: str, content: bytes) -> bool:
    try:
        answer = client.post(address, content=content, headers={"Content-Type": "application/x-protobuf"})
    except httpx.TransportError:
        return False
    return answer.status_code == 200


def _samples(name: str, first: int, count: int) -> bytes:
    request = ExportMetricsServiceRequest()
    told = request.resource_metrics.add()
    told.resource.attributes.add(key="service.name").value.string_value = name
    points = told.scope_metrics.add().metrics.add(name=METRIC).gauge.data_points
    now = time.time_ns()
    for number in range(first, first + count):
        # a millisecond of its own for each: of two gauges in one, the later is the only one
        points.add(time_unix_nano=now - (first + count - number) * 1_000_000, as_int=number)
    return bytes(request.SerializeToString())


def _lines(name: str, first: int, count: int) -> bytes:
    request = ExportLogsServiceRequest()
    told = request.resource_logs.add()
    told.resource.attributes.add(key="service.name").value.string_value = name
    records = told.scope_logs.add().log_records
    for number in range(first, first + count):
        records.add(time_unix_nano=time.time_ns()).body.string_value = f"number {number}"
    return bytes(request.SerializeToString())


def main(port: int, file: Path, name: str) -> None:
    number = time.time_ns() // 1000 % 10**12
    with httpx.Client(timeout=30) as client, file.open("ab") as told:
        while True:
            if send(client, port, name, number, BATCH):
                told.write(f"{number} {BATCH}\n".encode())
                told.flush()
                os.fsync(told.fileno())
            else:
                time.sleep(0.05)
            number += BATCH


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
