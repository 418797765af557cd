"""Replace secret values in a stream of bytes, wherever the stream happens to be cut into chunks."""

from __future__ import annotations

import re
from collections.abc import Sequence

REPLACEMENT = b"***"
LEAST = 4
"""Shorter values are not masked: "a" or "42" would tear every log to shreds and tell the reader the value."""


class Mask:
    """Feed chunks, get chunks with the secrets replaced; a piece that may be the start of one is held back.

    A secret of several lines (a private key) is masked line by line, so nothing is ever held back across the end
    of a line. Held back is at most a few times the longest secret.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        words = {line.strip() for secret in secrets for line in secret.splitlines()}
        longest_first = sorted((word for word in words if len(word) >= LEAST), key=len, reverse=True)
        self._pattern = re.compile(b"|".join(re.escape(word) for word in longest_first)) if longest_first else None
        self._longest = len(longest_first[0]) if longest_first else 0
        self._starts = {word[:length] for word in longest_first for length in range(1, len(word))}
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be shown now."""
        if self._pattern is None:
            return chunk
        data = self._held + chunk
        cut = self._cut(data)
        for found in self._pattern.finditer(data):
            if found.start() < cut < found.end():
                # "abcd|ef": what is held back overlaps a whole secret: wait with both
                cut = found.start()
                break
        self._held = data[cut:]
        return self._pattern.sub(REPLACEMENT, data[:cut])

    def flush(self) -> bytes:
        """What was held back, when nothing more will come."""
        held, self._held = self._held, b""
        return self._pattern.sub(REPLACEMENT, held) if self._pattern else held

    def _cut(self, data: bytes) -> int:
        """Where the earliest possible beginning of a secret starts that the data's end leaves open."""
        line = data.rfind(b"\n") + 1
        for start in range(max(line, len(data) - self._longest + 1), len(data)):
            if data[start:] in self._starts:
                return start
        return len(data)
