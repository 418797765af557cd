"""Bodies that came compressed, opened up to a limit and no further."""

from __future__ import annotations

import zlib

import cramjam

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.ways.refusing import Refused
from andon.kernel.errors import Invalid

MOST_RECEIVED = 8 * 1024**2
"""Bytes of a request as it comes."""
MOST_OPENED = 16 * 1024**2
"""Bytes of a request once it is opened."""
_LARGEST_ZSTD_WINDOW = 23
"""As a power of two: 8 MiB, what RFC 8878 asks every decoder to support, and all that we do."""


class TooLarge(Refused):
    """More than a request may hold."""

    code = "telemetry.too_large"
    status = 413
    why = Dropped.TOO_LARGE


def too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"The request holds more than {limit // 1024**2} MiB.",
        safe="Nothing of it was taken in.",
        remedy="Send smaller batches.",
    )


def too_many(limit: int) -> TooLarge:
    return TooLarge(
        f"The request holds more than {limit:,} items.",
        safe="Nothing of it was taken in.",
        remedy="Send smaller batches.",
    )


def opened(body: bytes, encoding: str, limit: int = MOST_OPENED) -> bytes:
    """The body without its ``Content-Encoding`` (``gzip``, ``deflate``, ``zstd``, ``snappy`` in its block format).

    Raises :class:`TooLarge`, and ``Invalid`` for what is broken or unknown. A body that grows without end costs no more
    than ``limit`` bytes.
    """
    match encoding.strip().lower():
        case "" | "identity" | "none":
            found = body
        case "gzip" | "x-gzip":
            found = _inflated(body, 16 + zlib.MAX_WBITS, limit)
        case "deflate":
            # zlib's wrapper by the standard, without it by habit
            wrapped = body[:1] != b"" and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
            found = _inflated(body, zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS, limit)
        case "zstd":
            found = _zstd(body, limit)
        case "snappy":
            found = _snappy(body, limit)
        case _:
            raise Invalid(
                f"The encoding {encoding[:40]!r} is not known.", remedy="Use gzip, deflate, zstd, snappy or none."
            )
    if len(found) > limit:
        raise too_large(limit)
    return found


def _inflated(body: bytes, bits: int, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    rest = body
    try:
        while rest:  # gzip allows several members, one after the other
            opener = zlib.decompressobj(bits)
            part = opener.decompress(rest, limit + 1 - size)
            parts.append(part)
            size += len(part)
            if size > limit:
                raise too_large(limit)
            if not opener.eof:
                raise Invalid("The compressed body ends too early.", remedy="Send it again.")
            rest = opener.unused_data
            if not part and len(parts) > 100:
                raise Invalid("The compressed body is nothing but empty parts.", remedy="Send it as one.")
    except zlib.error as error:
        raise Invalid(f"The compressed body is broken: {error}.", remedy="Send it again.") from error
    return b"".join(parts)


def _zstd(body: bytes, limit: int) -> bytes:
    if len(body) < 6 or body[:4] != b"\x28\xb5\x2f\xfd":
        raise Invalid("The body is not zstd.", remedy="Send it again.")
    single_segment = body[4] & 0x20
    if not single_segment and 10 + (body[5] >> 3) > _LARGEST_ZSTD_WINDOW:
        raise Invalid("The zstd window is larger than 8 MiB.", remedy="Use a lower compression level.")
    # there is no decoder here that stops by itself, but one that fills what it is given
    size = min(max(len(body) * 8, 65536), limit)
    while True:
        room = bytearray(size)
        try:
            return bytes(memoryview(room)[: cramjam.zstd.decompress_into(body, room)])
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise Invalid(f"The compressed body is broken: {error}.", remedy="Send it again.") from error
            if size >= limit:
                raise too_large(limit) from error
        size = min(size * 8, limit)


def _snappy(body: bytes, limit: int) -> bytes:
    try:
        size = cramjam.snappy.decompress_raw_len(body)
        if size > limit:
            raise too_large(limit)
        if size > 64 * len(body) + 64:  # a copy of three bytes makes at most 64: room is not given to a mere claim
            raise Invalid("The snappy body is shorter than it claims.", remedy="Send it again.")
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise Invalid(f"The compressed body is broken: {error}.", remedy="Send it again.") from error
