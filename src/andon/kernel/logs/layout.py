"""Names and binary layout of the files of a log. Writer and reader agree here and nowhere else."""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

MAX_LINE = 64 * 1024
"""Bytes; a longer line is stored as several, the later ones marked as continuations."""

INDEX = struct.Struct("<QIIB")
"""at (ms since 1970), line in the segment, byte offset in the segment, flags. One for each moment at which lines
began, not for each line: all lines up to the next record began at that moment."""

CONTINUES = 1
"""Flag: this line continues the one before, which was too long."""

SECTIONS = "sections"
CLOSED = "closed"


class Segment(NamedTuple):
    """What a file's name says; ``lines`` and ``size`` are -1 for the open segment."""

    sequence: int
    first_line: int
    first_byte: int
    lines: int
    size: int

    @property
    def stem(self) -> str:
        """The file name without its ending."""
        base = f"{self.sequence:06d}-{self.first_line:012d}-{self.first_byte:015d}"
        return base if self.lines < 0 else f"{base}-{self.lines}-{self.size}"

    @property
    def closed(self) -> bool:
        """Compressed and never written again."""
        return self.lines >= 0


def parse(name: str) -> Segment | None:
    """The segment a file name tells of: ``.log`` or ``.gz``; None for any other file."""
    stem, _, ending = name.rpartition(".")
    parts = stem.split("-")
    if (ending, len(parts)) not in (("log", 3), ("gz", 5)) or not all(part.isdecimal() for part in parts):
        return None
    numbers = [int(part) for part in parts]
    if ending == "log":
        return Segment(numbers[0], numbers[1], numbers[2], -1, -1)
    return Segment(*numbers)


def segments(folder: str) -> list[Segment]:
    """All segments in order. Where a crash left a segment open and closed, the closed one counts."""
    found: dict[int, Segment] = {}
    for name in os.listdir(folder):  # noqa: PTH208 (no pathlib in the keeper)
        segment = parse(name)
        if segment is not None and (segment.closed or segment.sequence not in found):
            found[segment.sequence] = segment
    return [found[sequence] for sequence in sorted(found)]
