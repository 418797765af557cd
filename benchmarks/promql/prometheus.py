"""A real Prometheus with the samples that it is given, asked over HTTP."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import cramjam
import httpx
import msgspec

from andon.feedback.telemetry.contract.metrics import NAME
from andon.kernel.errors import Missing, Unavailable
from benchmarks.promql.samples import Sampled

BATCH = 50_000
"""Samples a write."""


class Said(msgspec.Struct, kw_only=True):
    """Prometheus' envelope; ``error`` where it refuses."""

    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    errorType: str = ""


class Prometheus:
    """Started in a folder of its own, with nothing to scrape; ended with the block."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("prometheus")
        if program is None:
            raise Missing("There is no prometheus on this machine.", remedy="Install it: `apt install prometheus`.")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        (folder / "prometheus.yml").write_text("global:\n  evaluation_interval: 1m\nscrape_configs: []\n")
        self.version = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[2]
        self._log = (folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-remote-write-receiver",
                "--enable-feature=promql-at-modifier,promql-negative-offset",
            ],
            stdout=self._log,
            stderr=self._log,
        )
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)

    def __enter__(self) -> Prometheus:
        for _ in range(300):
            try:
                if self._client.get("/-/ready").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        self.close()
        raise Unavailable("Prometheus does not start.", remedy="Look at what it says when it is started by hand.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def write(self, samples: Sequence[Sampled]) -> int:
        """Everything, by remote write in the order of time; how many samples."""
        written = 0
        for batch in _batches(samples):
            body = cramjam.snappy.compress_raw(batch)
            answer = self._client.post(
                "/api/v1/write",
                content=bytes(body),
                headers={
                    "content-encoding": "snappy",
                    "content-type": "application/x-protobuf",
                    "x-prometheus-remote-write-version": "0.1.0",
                },
            )
            if answer.status_code >= 300:
                raise Unavailable(f"Prometheus refuses samples: {answer.text.strip()}", remedy="Mend the benchmark.")
            written += 1
        return written

    def ask(self, path: str, **given: str | float) -> Said:
        answer = self._client.post(f"/api/v1/{path}", data={name: str(value) for name, value in given.items()})
        return msgspec.json.decode(answer.content, type=Said)


def _batches(samples: Sequence[Sampled]) -> Iterator[bytes]:
    """Bodies for remote write, each of ten minutes: what is older than an hour would be refused."""
    # the order in which Prometheus keeps series on the disk, and so breaks ties
    samples = sorted(samples, key=lambda one: (one.series.name, one.series.labels))
    names = [_labels(one) for one in samples]
    places = [0] * len(samples)
    end = min((one.times[0] for one in samples), default=0)
    while any(place < len(one.times) for place, one in zip(places, samples, strict=True)):
        end += 600_000
        body: list[bytes] = []
        for index, one in enumerate(samples):
            told: list[bytes] = []
            while places[index] < len(one.times) and one.times[places[index]] < end:
                at, value = one.times[places[index]], one.values[places[index]]
                told.append(_field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(at)))
                places[index] += 1
            if told:
                body.append(_field(1, names[index] + b"".join(told)))
        if body:
            yield b"".join(body)


def _labels(one: Sampled) -> bytes:
    pairs: Iterable[tuple[str, str]] = sorted([(NAME, one.series.name), *one.series.labels])
    return b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in pairs)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
