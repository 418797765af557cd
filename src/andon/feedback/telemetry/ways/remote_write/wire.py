"""Protobuf's wire format, as much as remote write needs of it.

Read in Python on purpose: all but the first time a series is sent, its labels need not be looked at at all, only
compared as bytes (see :mod:`~andon.feedback.telemetry.ways.remote_write.decoding`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from andon.kernel.errors import Invalid

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_DOUBLE = struct.Struct("<d")


def varint(body: bytes, place: int, end: int) -> tuple[int, int]:
    """An unsigned number and where it ends. Raises ``Invalid``."""
    found = shift = 0
    while place < end:
        byte = body[place]
        place += 1
        found |= (byte & 127) << shift
        if byte < 128:
            return found & 0xFFFF_FFFF_FFFF_FFFF, place
        shift += 7
        if shift > 63:
            raise broken("a number is too long")
    raise broken("it ends within a number")


def signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def fields(body: bytes, place: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Each field as number, wire type, and where its value is: ``(number, VARINT, value, end)`` for numbers, else
    ``(number, type, begin, end)``. Raises ``Invalid``."""
    while place < end:
        tag, place = varint(body, place, end)
        number, wire = tag >> 3, tag & 7
        if not number:
            raise broken("a field has the number 0")
        if wire == VARINT:
            value, place = varint(body, place, end)
            yield number, VARINT, value, place
            continue
        if wire == BYTES:
            size, place = varint(body, place, end)
        elif wire in {FIXED64, FIXED32}:
            size = 8 if wire == FIXED64 else 4
        else:
            raise broken("a field has an unknown type")
        if place + size > end:
            raise broken("it ends within a field")
        yield number, wire, place, place + size
        place += size


def double(body: bytes, place: int) -> float:
    return float(_DOUBLE.unpack_from(body, place)[0])


def text(body: bytes, begin: int, end: int) -> str:
    """Raises ``Invalid`` for what is not UTF-8."""
    try:
        return body[begin:end].decode()
    except UnicodeDecodeError as error:
        raise broken("a text is not UTF-8") from error


def broken(what: str) -> Invalid:
    return Invalid(
        f"The remote write request cannot be read: {what}.",
        safe="Nothing of it was taken in.",
        remedy="Send what the remote write specification describes; sending the same again will not help.",
    )
