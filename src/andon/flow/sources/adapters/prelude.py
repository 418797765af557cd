"""What a push brings before its pack: which refs it moves, and its options, each a line with its length before it.

Git reads all of that into memory before it asks anybody, and ``receive.maxInputSize`` counts the pack alone. So it is
counted here while it streams through.
"""

from __future__ import annotations

from andon.kernel.errors import Invalid

MOST_LINES = 10_000
"""Lines before the pack: twice what a push may move, so that who moves somewhat too much hears it from the hook."""
MOST_BYTES = 4 * 1024**2
"""Bytes before the pack: some 400 for each line."""

_LONGEST_LINE = 65_520
_LENGTH = 4
_DIGITS = frozenset(b"0123456789abcdefABCDEF")


class TooManyMoves(Invalid):
    """More than git should keep in memory for anybody."""

    code = "git.too_many_moves"
    status = 413


class NotLines(Invalid):
    """Something else than lines with their length before them."""

    code = "git.not_lines"
    status = 400


class Prelude:
    """Counts what comes in pieces of any size; holds one line at most."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._lines = 0
        self._bytes = 0
        self._options = False
        self._ends = 0
        self.over = False
        """Whether the pack has begun, of which nothing is looked at here."""
        self.side_band = False
        """Whether the pusher hears messages beside the outcome."""

    def take(self, piece: bytes) -> None:
        """Look at the next piece. Raises :class:`TooManyMoves` and :class:`NotLines`; git must not see that piece."""
        begin = 0
        while not self.over and begin < len(piece):
            end = begin + self._wanted() - len(self._line)
            self._line += piece[begin:end]
            begin = end
            if len(self._line) == self._wanted():
                self._whole()

    def _wanted(self) -> int:
        """How long the line under way is, as far as is known: its length comes first."""
        if len(self._line) < _LENGTH:
            return _LENGTH
        if not _DIGITS.issuperset(self._line[:_LENGTH]):
            raise NotLines("This is not what git sends.", safe="Nothing was changed.")
        length = int(self._line[:_LENGTH], 16)
        if 0 < length < _LENGTH or length > _LONGEST_LINE:  # 1 and 2 are marks that no push has
            raise NotLines("This is not what git sends.", safe="Nothing was changed.")
        return max(length, _LENGTH)

    def _whole(self) -> None:
        self._lines += 1
        self._bytes += len(self._line)
        if self._lines > MOST_LINES or self._bytes > MOST_BYTES:
            raise TooManyMoves(
                "This push moves too many branches and tags at once.",
                safe="Nothing was changed.",
                remedy="Push them in several steps.",
            )
        if self._line == b"0000":
            self._ends += 1
            # A second list, of options, follows where the first one says so.
            self.over = self._ends > self._options
        elif not self._ends:
            # Git takes what is asked for from any line of the first list.
            asked = self._line.partition(b"\0")[2]
            self._options = self._options or b"push-options" in asked
            self.side_band = self.side_band or b"side-band-64k" in asked
        self._line.clear()


def refusal(error: Invalid, *, side_band: bool) -> bytes:
    """The answer that tells a pusher's git, and by it the pusher, why nothing was taken."""
    report = _packet(b"unpack " + error.message.encode() + b"\n") + b"0000"
    if not side_band:
        return report
    told = "".join(f"{part}\n" for part in (error.message, error.safe, error.remedy) if part)
    return _packet(b"\x02" + told.encode()) + _packet(b"\x01" + report) + b"0000"


def _packet(content: bytes) -> bytes:
    return b"%04x%s" % (len(content) + _LENGTH, content)
