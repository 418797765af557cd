"""The parameters of a request, wherever they stand: in the query, in a form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.service import Question
from andon.feedback.graphite.times import moment

REMEMBERED = 7 * 86_400
"""Seconds: what had a sample within them is found where no time is told."""
_DAY = 86_400
_LONGEST_ZONE = 64


@dataclass(frozen=True, slots=True)
class Fields:
    pairs: Sequence[tuple[str, str]]
    now: int
    """Seconds since 1970."""

    def all(self, *names: str) -> tuple[str, ...]:
        return tuple(value for name, value in self.pairs if name in names)

    def first(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.pairs if key == name), default)

    def required(self, name: str) -> str:
        value = self.first(name)
        if not value:
            raise BadTarget(f"Missing required parameter '{name}'", remedy="Add it.")
        return value

    def number(self, name: str) -> int | None:
        """A whole number above zero; ``None`` where it was not told."""
        text = self.first(name)
        if not text:
            return None
        try:
            value = int(float(text[:20]))
        except (ValueError, OverflowError) as error:
            raise BadTarget(f"Invalid value {text[:20]!r} for param {name}", remedy="Give a whole number.") from error
        return value if value > 0 else None

    def flag(self, name: str) -> bool:
        return self.first(name) not in {"", "0", "false"}

    @property
    def zone(self) -> tzinfo:
        """UTC where it is not told or not known, as in Graphite."""
        name = self.first("tz")
        if not name or len(name) > _LONGEST_ZONE:
            return UTC
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return UTC

    def window(self, length: int) -> tuple[int, int]:
        """``from`` and ``until``; the last so many seconds where they are not told."""
        now = self.moment_of_now
        end = self._moment("until", now)
        return self._moment("from", end - length if self.first("until") in {"", "-1"} else now - length), end

    @property
    def moment_of_now(self) -> int:
        text = self.first("now")
        return moment(text, now=self.now, zone=self.zone) if text else self.now

    def _moment(self, name: str, default: int) -> int:
        text = self.first(name)
        if text in {"", "-1"}:
            return default
        return moment(text, now=self.moment_of_now, zone=self.zone)

    def question(self) -> Question:
        """What ``/render`` is asked. Raises :class:`BadTarget`."""
        start, end = self.window(_DAY)
        if start == end:
            raise BadTarget("Invalid empty time range", remedy="Give another from or until.")
        share = self.first("xFilesFactor")
        try:
            threshold = float(share) if share else None
        except ValueError as error:
            raise BadTarget("Invalid value for param xFilesFactor", remedy="Give a number from 0 to 1.") from error
        return Question(
            targets=self.all("target", "target[]"),
            start=min(start, end),
            end=max(start, end),
            now=self.moment_of_now,
            zone=self.zone,
            threshold=threshold,
            template={
                name.removeprefix("template[").removesuffix("]"): value
                for name, value in self.pairs
                if name.startswith("template[")
            },
        )
