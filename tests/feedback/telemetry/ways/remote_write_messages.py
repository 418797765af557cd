"""Remote write requests, built by hand from the protocol's description."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import cramjam

from tests.feedback.telemetry.ways.places import NOW

HEADERS = {"content-type": "application/x-protobuf", "content-encoding": "snappy"}
SECOND = {**HEADERS, "content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def double(field: int, value: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", value)


def sample(value: float, time: int = NOW) -> bytes:
    """As Prometheus writes it: what is zero is left out."""
    return (double(1, value) if struct.pack("<d", value) != bytes(8) else b"") + number(2, time & (1 << 64) - 1)


def series(name: str, *samples: bytes, more: bytes = b"", **labels: str) -> bytes:
    return labelled({"__name__": name, **labels}, *samples, more=more)


def labelled(labels: Mapping[str, str], *samples: bytes, more: bytes = b"") -> bytes:
    return block(
        1,
        b"".join(block(1, block(1, key) + block(2, value)) for key, value in sorted(labels.items()))
        + b"".join(block(2, one) for one in samples)
        + more,
    )


def snappy(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))
