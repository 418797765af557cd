"""Senders of a great many samples and lines at a steady rate, each in a process of its own.

As a program: ``python -m benchmarks.harness.scale samples|lines PORT RATE COUNT SECONDS SEED``. It says ``ready`` once
everything is made up (and every series was named to the store), begins when a line comes in, and says in JSON what
became of it. What is sent is made beforehand: sending changes the times and values where they stand in the bytes.
"""

from __future__ import annotations

import http.client
import itertools
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import cramjam
import msgspec
import numpy as np
from numpy.typing import NDArray
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from benchmarks.harness.figures import percentile
from benchmarks.harness.weather import Weather
from benchmarks.logs import PATTERNS

BATCH = 2_000
"""Samples of one remote write request: what a Prometheus sends at most unless it is told otherwise."""
LINES = 1_000
"""Records of one export."""
OF_A_NAME = 50
SHARDS = 50
"""Requests under way at once, at most: as many as a Prometheus has."""
PATIENCE = 1.2
"""How many times its time a sender may take for what it has to send."""
_POOL = 40
_TIME = 0x1122334455667788


class Told(msgspec.Struct, kw_only=True):
    """What a sender says in the end. ``late``: seconds that the last request was behind its time."""

    sent: int
    acknowledged: int
    requests: int
    again: int
    """Requests that were told to come again, and did."""
    refused: int
    why: str
    seconds: float
    late: float
    p50: float
    p95: float
    longest: float
    """Milliseconds from a request to its acknowledgement."""
    cpu: float
    """Seconds of processor time."""
    naming: float = 0.0
    """Seconds in which every series was sent for the first time."""


def name_of(number: int) -> str:
    return f"scale_metric_{number // OF_A_NAME % (BATCH // OF_A_NAME)}"


def labels_of(number: int) -> dict[str, str]:
    """Of the series of a number; a service has one batch of them."""
    return {
        "environment": "production",
        "instance": f"i-{number % OF_A_NAME}.eu-west-1.example.internal:9090",
        "job": "application",
        "service": service_of(number),
        "version": f"{number // BATCH * 7919 % 16**7:07x}",
        "zone": f"eu-west-1{'abc'[number % 3]}",
    }


def service_of(number: int) -> str:
    return f"scale-{number // BATCH}"


# Remote write


def labels_written(number: int) -> bytes:
    """A series' labels as protobuf."""
    pairs = sorted([("__name__", name_of(number)), *labels_of(number).items()])
    return b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in pairs)


def history(number: int, times: Sequence[int], values: Sequence[float]) -> bytes:
    """A compressed request with many samples of one series."""
    samples = b"".join(
        _field(2, b"\x09" + np.float64(value).tobytes() + b"\x10" + _varint(at))
        for at, value in zip(times, values, strict=True)
    )
    return bytes(cramjam.snappy.compress_raw(_field(1, labels_written(number) + samples)))


class Request:
    """One sample each of consecutive series, whose values and time are put in where they stand."""

    def __init__(self, first: int, count: int) -> None:
        body, ends = bytearray(), []
        blank = b"\x12\x10\x09" + bytes(8) + b"\x10" + bytes(6)
        for number in range(first, first + count):
            body += _field(1, labels_written(number) + blank)
            ends.append(len(body))
        self.first, self.count = first, count
        self._body = np.frombuffer(body, np.uint8)
        behind = np.array(ends)[:, None]
        self._values, self._times = behind - 15 + np.arange(8), behind - 6 + np.arange(6)

    def at(self, time_ms: int, values: NDArray[np.float64]) -> bytes:
        """Compressed. Not for two threads at once."""
        self._body[self._values] = np.ascontiguousarray(values).view(np.uint8).reshape(-1, 8)
        self._body[self._times] = np.frombuffer(_varint(time_ms), np.uint8)
        return bytes(cramjam.snappy.compress_raw(self._body.data))


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


# Lines


class Lines:
    """An export of :data:`LINES` log records, whose times are put in where they stand."""

    def __init__(self, chance: random.Random, service: str) -> None:
        request = ExportLogsServiceRequest()
        told = request.resource_logs.add()
        for key, value in (("service.name", service), ("deployment.environment.name", "production")):
            told.resource.attributes.add(key=key).value.string_value = value
        records = told.scope_logs.add().log_records
        for _ in range(LINES):
            number = chance.randrange(10**6)
            made = records.add(time_unix_nano=_TIME, severity_number=chance.choices((9, 13, 17), (95, 3, 2))[0])
            made.body.string_value = chance.choice(PATTERNS).format(
                n=number, a=chance.randrange(32), b=chance.randrange(256), c=chance.randrange(256)
            )
            made.attributes.add(key="request").value.string_value = f"{number:x}"
            made.trace_id = chance.randbytes(16)
            made.span_id = chance.randbytes(8)
        raw = bytearray(request.SerializeToString())
        mark = _TIME.to_bytes(8, "little")
        begins, at = [], raw.find(mark)
        while at >= 0:
            begins.append(at)
            at = raw.find(mark, at + 8)
        assert len(begins) == LINES, "a time was not found"
        self._body = np.frombuffer(raw, np.uint8)
        self._times = np.array(begins)[:, None] + np.arange(8)

    def at(self, time_ns: int) -> bytes:
        """Not for two threads at once."""
        times = time_ns + np.arange(LINES, dtype=np.int64) * 1000
        self._body[self._times] = times.view(np.uint8).reshape(-1, 8)
        return bytes(self._body)


# Sending


@dataclass(slots=True)
class Door:
    """Posts over connections that are kept, one for each thread; sends again what was told to come again."""

    port: int
    path: str
    headers: dict[str, str]
    again: int = 0
    _own: threading.local = field(default_factory=threading.local)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def post(self, body: bytes) -> tuple[bool, float, str]:
        """Whether it was acknowledged, milliseconds that it took, and why not."""
        began = time.monotonic()
        while True:
            status, after, said = self._once(body)
            if status in (429, 503, 0):
                with self._lock:
                    self.again += 1
                time.sleep(after)
                continue
            return status in (200, 204), (time.monotonic() - began) * 1000, "" if status < 300 else f"{status} {said}"

    def _once(self, body: bytes) -> tuple[int, float, str]:
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", self.path, body, self.headers)
            answer = connection.getresponse()
            said = answer.read()
            return answer.status, float(answer.headers.get("retry-after") or 1), said.decode("utf-8", "replace")[:200]
        except (OSError, http.client.HTTPException):
            connection.close()
            self._own.connection = None
            return 0, 0.2, ""


def send(door: Door, rate: float, bodies: Iterator[tuple[int, bytes]], most_seconds: float = 3600.0) -> Told:
    """``bodies`` are made one at a time, in this thread, and each sent at its moment by ``rate`` (rows a second).

    A body comes with its rows. Whoever is late goes on as fast as it can; after ``most_seconds`` it begins no more.
    """
    told = Told(
        sent=0, acknowledged=0, requests=0, again=0, refused=0, why="", seconds=0, late=0, p50=0, p95=0,
        longest=0, cpu=0,
    )  # fmt: skip
    took: list[float] = []
    room = threading.Semaphore(SHARDS)
    lock = threading.Lock()

    def done(rows: int) -> Callable[[Future[tuple[bool, float, str]]], None]:
        def count(future: Future[tuple[bool, float, str]]) -> None:
            room.release()
            sound, milliseconds, why = future.result()
            with lock:
                told.requests += 1
                took.append(milliseconds)
                if sound:
                    told.acknowledged += rows
                else:
                    told.refused += rows
                    told.why = told.why or why

        return count

    spent, began = time.process_time(), time.monotonic()
    with ThreadPoolExecutor(SHARDS) as pool:
        for rows, body in bodies:
            room.acquire()
            ahead = told.sent / rate - (time.monotonic() - began)
            if -ahead > 0 and time.monotonic() - began > most_seconds:
                room.release()
                break
            if ahead > 0:
                time.sleep(ahead)
            told.late = max(0.0, -ahead)
            pool.submit(door.post, body).add_done_callback(done(rows))
            told.sent += rows
    told.seconds, told.cpu = time.monotonic() - began, time.process_time() - spent
    told.again = door.again
    told.p50, told.p95, told.longest = percentile(took, 50), percentile(took, 95), max(took)
    return told


def samples_door(port: int) -> Door:
    headers = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    return Door(port, "/api/v1/write", headers)


def _samples(port: int, rate: float, series: int, seconds: float, seed: int) -> Told:
    requests = [Request(first, min(BATCH, series - first)) for first in range(0, series, BATCH)]
    weather = Weather(series, seed)
    rounds = max(1, round(seconds * rate / series))

    def bodies(count: int) -> Iterator[tuple[int, bytes]]:
        for _ in range(count):
            values = next(weather.blocks(0, 1)).values[0]
            for one in requests:
                some = values[one.first : one.first + one.count]
                yield one.count, one.at(time.time_ns() // 1_000_000, some)

    first = send(samples_door(port), 1e9, bodies(1))
    _ready()
    told = send(samples_door(port), rate, bodies(rounds), seconds * PATIENCE)
    told.naming = first.seconds
    told.sent += first.sent
    told.acknowledged += first.acknowledged
    told.refused += first.refused
    told.why = told.why or first.why
    return told


def _lines(port: int, rate: float, services: int, seconds: float, seed: int) -> Told:
    chance = random.Random(seed)
    pool = [Lines(chance, f"scale-{number % services}") for number in range(_POOL)]
    count = round(seconds * rate / LINES)
    _ready()
    bodies = ((LINES, one.at(time.time_ns())) for one in itertools.islice(itertools.cycle(pool), count))
    door = Door(port, "/v1/logs", {"Content-Type": "application/x-protobuf"})
    return send(door, rate, bodies, seconds * PATIENCE)


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()


def main(kind: str, port: str, rate: str, count: str, seconds: str, seed: str) -> None:
    made = _samples if kind == "samples" else _lines
    told = made(int(port), float(rate), int(count), float(seconds), int(seed))
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
