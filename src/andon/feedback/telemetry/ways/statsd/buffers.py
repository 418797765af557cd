"""What has been received, laid out so that the database reads it as it is.

RowBinary: ``(origin UInt64, time Int64 in ms, packets String)``, the packets of one socket and one moment joined by
line feeds. Between the socket and the file that the database reads nothing is copied but once.
"""

from __future__ import annotations

import struct

LARGEST_PACKET = 65536
_HEAD = struct.Struct("<QqBBB")
_MOST_OF_A_RUN = (1 << 21) - LARGEST_PACKET - 2
"""Its length is written in three bytes of seven bits."""
_ROOM = _HEAD.size + LARGEST_PACKET + 2


class Buffer:
    """For one thread at a time."""

    def __init__(self, size: int) -> None:
        self.bytes = bytearray(size)
        self.view = memoryview(self.bytes)
        self.used = 0
        self._limit = size - _ROOM
        self._body = 0

    @property
    def received(self) -> memoryview:
        return self.view[: self.used]

    @property
    def full(self) -> bool:
        """Whether no further packet can be sure of its place."""
        return self.used > self._limit

    def begin(self) -> int:
        """Begin a run; where its first packet goes. Not where it is full."""
        self._body = self.used + _HEAD.size
        return self._body

    def goes_on(self, end: int) -> bool:
        """Whether the run that has come to ``end`` takes another packet."""
        return end <= self._limit and end - self._body <= _MOST_OF_A_RUN

    def end(self, end: int, origin: int, time: int) -> None:
        """The run ends here; one without a byte leaves nothing behind."""
        length = end - self._body
        if length:
            _HEAD.pack_into(
                self.bytes, self.used, origin, time, length & 127 | 128, length >> 7 & 127 | 128, length >> 14
            )
            self.used = end

    def clear(self) -> None:
        self.used = 0

    def lines(self) -> int:
        """How many there are, for counting what has to be thrown away."""
        found = place = 0
        while place < self.used:  # run by run: what stands before each holds any byte
            _, _, *parts = _HEAD.unpack_from(self.bytes, place)
            begin = place + _HEAD.size
            place = begin + sum((part & 127) << 7 * number for number, part in enumerate(parts))
            found += self.bytes.count(b"\n", begin, place)
        return found
