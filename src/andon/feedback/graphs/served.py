"""Which variants of flags were served, as the services that evaluate them count it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from urllib.parse import urlencode

import numpy as np

from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    SERVICE,
    Column,
    Kind,
    Measurements,
    Resolution,
    Series,
    metric_name,
    named,
)
from andon.flow.flags.contract import EvaluationsSeen, Served
from andon.flow.sources.contract import Service

METRIC = metric_name("flags.evaluated")
FLAG, VARIANT = "flag", "variant"
MOST_SERIES = 5_000
LONGEST = 30 * 86_400_000
"""Milliseconds of the past in which it is looked for when a flag was last asked for."""
_REMEMBERED = 60.0
_MOST_REMEMBERED = 200
_SHORT = 2 * 3_600_000
_DAYS = 3 * 86_400_000


class MeasuredFlags(EvaluationsSeen):
    """Asks telemetry. Safe to share between threads."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements
        self._last: dict[tuple[str, str], tuple[float, dict[str, datetime]]] = {}
        self._guard = threading.Lock()

    def last_asked(self, service: Service, environment: str, flag: str) -> datetime | None:
        place = (service, environment)
        with self._guard:
            known = self._last.get(place)
        if known is None or time.monotonic() - known[0] > _REMEMBERED:  # one question for all flags of a place
            known = (time.monotonic(), self._looked(service, environment))
            with self._guard:
                if len(self._last) >= _MOST_REMEMBERED:
                    self._last.clear()
                self._last[place] = known
        return known[1].get(flag)

    def served(
        self, service: Service, environment: str, flag: str, *, start: datetime, end: datetime, parts: int
    ) -> Served | None:
        begin, until = _milliseconds(start), _milliseconds(end)
        series = self._select(service, environment, begin, until, flag=flag)
        found: dict[str, tuple[float, ...]] = {}
        if series:
            length = until - begin
            at = Resolution.RAW if length <= _SHORT else Resolution.MINUTE if length <= _DAYS else Resolution.HOUR
            column = Column.LAST if at is Resolution.RAW else Column.SUM
            samples = self._measurements.samples(series, begin + 1, until, resolution=at, column=column)
            edges = np.linspace(begin, until, parts + 1)
            sums: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
            for place, one in enumerate(samples.series):
                times, values = samples.of(place)
                if len(times):
                    # a roll-up has the time of its end, which is no part of what follows
                    counted, _ = np.histogram(times - 1, bins=edges, weights=values)
                    sums[one.label(VARIANT)] = sums.get(one.label(VARIANT), np.zeros(parts)) + counted
            found = {name: tuple(float(one) for one in row) for name, row in sums.items() if name}
        return Served(start=start, end=end, counts=found, more=_explored(service, environment, flag))

    def _looked(self, service: Service, environment: str) -> dict[str, datetime]:
        now = time.time_ns() // 1_000_000
        series = self._select(service, environment, now - LONGEST, now)
        samples = self._measurements.samples(
            series, now - LONGEST, now, resolution=Resolution.HOUR, column=Column.COUNT
        )
        found: dict[str, int] = {}
        for place, one in enumerate(samples.series):
            times, _ = samples.of(place)
            if len(times):
                flag = one.label(FLAG)
                found[flag] = max(found.get(flag, 0), int(times[-1]))
        return {flag: datetime.fromtimestamp(at / 1000, UTC) for flag, at in found.items()}

    def _select(self, service: Service, environment: str, start: int, end: int, **labels: str) -> list[Series]:
        """What Andon itself asks: whoever looks at a flag may see its service."""
        asked = named(METRIC, **{SERVICE: service, ENVIRONMENT: environment}, **labels)
        found = self._measurements.select(asked, start, end, sight=frozenset({service}), limit=MOST_SERIES)
        return [one for one in found if one.kind is Kind.DELTA]


def _explored(service: str, environment: str, flag: str) -> str:
    # names of flags, services and environments have no quotation mark and no backslash
    matchers = ", ".join(
        f'{label}="{value}"' for label, value in ((SERVICE, service), (ENVIRONMENT, environment), (FLAG, flag))
    )
    query = f"sum by ({VARIANT}) (rate({METRIC}{{{matchers}}}[5m]))"
    return "/graphs/explore?" + urlencode({"query": query, "legend": "{{variant}}", "kind": "stack"})


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
