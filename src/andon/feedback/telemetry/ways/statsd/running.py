"""Gauges that are moved up and down (``queue:+3|g``): their values now.

A value is added to the last one known. Where this process knows none, that is the last one in the store within a day,
and where there is none either, zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from andon.feedback.telemetry.ways.statsd.bulk import Moved

MOST = 100_000
"""Gauges; beyond that all are forgotten and asked of the store again as they move."""

Last = Callable[[Sequence[int]], Mapping[int, float]]


class Running:
    """For one thread. ``last`` reads the last stored values."""

    def __init__(self, last: Last, *, most: int = MOST) -> None:
        self._last, self._most = last, most
        self._values: dict[int, float] = {}

    def __contains__(self, series: int) -> bool:
        return series in self._values

    def begin(self, series: Sequence[int]) -> None:
        """These will be moved: read where they stand."""
        if len(self._values) + len(series) > self._most:
            self._values = {}
        found = self._last(series)
        for one in series:
            self._values[one] = found.get(one, 0.0)

    def moved(self, changes: Moved) -> tuple[Moved, dict[int, float]]:
        """The gauges' values after each change, and where they stand at the end: tell it to :meth:`keep` once it is
        sure that the batch goes into the store."""
        ids = changes.ids.tolist()
        strange = [one for one in dict.fromkeys(ids) if one not in self._values]
        if strange:
            self.begin(strange)
        now: dict[int, float] = {}
        values = np.empty(len(ids), np.float64)
        for place, (one, value, relative) in enumerate(
            zip(ids, changes.values.tolist(), changes.relative.tolist(), strict=True)
        ):
            before = (now[one] if one in now else self._values.get(one, 0.0)) if relative else 0.0
            now[one] = values[place] = before + value
        # what has grown past all numbers stays where it was
        values = np.nan_to_num(values)
        return (
            Moved(changes.ids, changes.times, values, changes.relative, changes.levels),
            {one: float(np.nan_to_num(value)) for one, value in now.items()},
        )

    def keep(self, now: Mapping[int, float]) -> None:
        self._values.update(now)
