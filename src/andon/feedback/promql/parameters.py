"""The parameters of Prometheus' HTTP interface, from a query string or a form."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import promql_parser

from andon.feedback.promql.contract import PATIENCE, BadQuery
from andon.feedback.promql.parsing import matchers
from andon.feedback.promql.service import LATEST
from andon.feedback.telemetry.contract.metrics import Matcher, Sight

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECONDS = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DURATION = re.compile(r"(?:\d{1,18}(?:ms|[ywdhms])){1,7}", re.ASCII)
_MOST_SELECTORS = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. ``now`` is milliseconds. Every method raises :class:`BadQuery` in Prometheus' words."""

    fields: Sequence[tuple[str, str]]
    sight: Sight
    now: int

    def text(self, name: str) -> str:
        """The first value; empty where there is none."""
        return next((value for field, value in self.fields if field == name), "")

    def time(self, name: str, default: int | None = None) -> int:
        """Milliseconds, from seconds since 1970 or a date as RFC 3339 writes it."""
        told = self.text(name)
        if not told and default is not None:
            return default
        found = _seconds(told)
        if found is None:
            try:
                date = datetime.fromisoformat(told)
                found = None if date.tzinfo is None else (date - _EPOCH) // _MILLISECOND
            except ValueError:
                found = None
        if found is None or abs(found) > LATEST:
            raise _unreadable(name, f'cannot parse "{told}" to a valid timestamp')
        return found

    def duration(self, name: str, default: int | None = None) -> int:
        """Milliseconds, from seconds or a duration such as ``1m30s``."""
        told = self.text(name)
        if not told and default is not None:
            return default
        found = _seconds(told)
        # the parser takes bare numbers too, and panics at those that are too large
        if found is None and _DURATION.fullmatch(told):
            try:
                found = promql_parser.parse_duration(told) // _MILLISECOND
            except (ValueError, OverflowError):
                found = None
        if found is None or abs(found) > LATEST:
            raise _unreadable(name, f'cannot parse "{told}" to a valid duration')
        return found

    @property
    def timeout(self) -> float:
        """Seconds: what is asked for, and no more than anybody gets."""
        return min(PATIENCE, max(1, self.duration("timeout", round(PATIENCE * 1000))) / 1000)

    @property
    def limit(self) -> int:
        """How many answers are wanted at most; 0 is all."""
        told = self.text("limit") or "0"
        if not told.isascii() or not told.isdigit():
            raise _unreadable("limit", "limit must be non-negative")
        return int(told[:12])

    def selectors(self, *, required: bool = False) -> tuple[tuple[Matcher, ...], ...]:
        """Every ``match[]``. Without any, one that everything fits."""
        told = [value for field, value in self.fields if field == "match[]"]
        if len(told) > _MOST_SELECTORS:
            raise _unreadable("match[]", f"more than {_MOST_SELECTORS} selectors")
        if required and not told:
            raise BadQuery("no match[] parameter provided", remedy='Give a selector, such as `match[]={job="node"}`.')
        return tuple(matchers(one) for one in told) or ((),)


def _seconds(told: str) -> int | None:
    if _SECONDS.fullmatch(told) is None:
        return None
    seconds = float(told)
    return round(seconds * 1000) if math.isfinite(seconds) and abs(seconds) < LATEST else None


def _unreadable(name: str, why: str) -> BadQuery:
    return BadQuery(
        f'invalid parameter "{name}": {why}', remedy="Give seconds, or a duration or date in Prometheus' form."
    )
