"""Samples out of the three tables: raw ones, and roll-ups with what has not been rolled up yet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from andon.feedback.telemetry.asking.arrays import NOTHING, Rows, bucketed, coarser, in_order, joined, placed
from andon.feedback.telemetry.asking.statements import BOUNDS, listed
from andon.feedback.telemetry.contract.metrics import Column, Kind, Level, Resolution, Series
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.numbers import decode
from andon.feedback.telemetry.store.rollups import LOOKBACK_MS, TABLES, rolled_until

MOST_SAMPLES = 50_000_000
_AT_ONCE = 10_000
"""Ids in one statement: it may have 256 KiB."""
_FEW = 8
"""Series that one thread reads as fast as two."""
_MOST_DECLARED = 100_000
_REMEMBERED_SECONDS = 10.0

_FETCH = (
    f"{BOUNDS}, max_result_rows = {MOST_SAMPLES}, result_overflow_mode = 'throw', "
    "max_block_size = 1000000, preferred_block_size_bytes = 100000000, optimize_move_to_prewhere = 0"
)
"""Few large blocks: what is asked for is read whole."""
_MERGED = f"{_FETCH}, max_threads = 1"
_MERGED_APART = f"{_MERGED}, do_not_merge_across_partitions_select_final = 1"
"""For series of one level each: a bucket of others that was rolled up again may lie in the partitions of two."""


class Sampler:
    """Asks for series by their ids; what it answers has their places in ``ids``, which are sorted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._levels: dict[int, set[Level]] = {}
        self._until: dict[Resolution, int] = {}
        self._looked = 0.0

    def learn(self, series: int, levels: AbstractSet[Level]) -> None:
        """A series that was declared to be of another level has samples in the partitions of both."""
        if len(self._levels) > _MOST_DECLARED:
            self._levels.clear()  # whoever asks for samples has asked for their series before
        self._levels[series] = self._levels.get(series, set()) | levels

    def raw(self, series: Sequence[Series], ids: NDArray[np.uint64], start: int, end: int) -> Rows:
        """``series[i]`` has ``ids[i]``."""
        running = np.array([one.kind in {Kind.GAUGE, Kind.COUNTER} for one in series])
        where = self._level(series)
        found = [
            self._raw(ids[at : at + _AT_ONCE], running[at : at + _AT_ONCE], at, start, end, where)
            for at in range(0, ids.size, _AT_ONCE)
        ]
        return _one_after_the_other(found)

    def rolled(
        self,
        series: Sequence[Series],
        ids: NDArray[np.uint64],
        start: int,
        end: int,
        resolution: Resolution,
        column: Column,
    ) -> Rows:
        """What is rolled up, and the rest made from what is finer. The bucket in which ``end`` lies has that time."""
        width = resolution.milliseconds
        until = self._rolled_until(resolution)
        stored = self._stored(ids, start, min(end, until), resolution, column, self._level(series))
        if end <= until:
            return stored
        # the first bucket that is not rolled up and ends at or after the start
        since = max(until, (start + width - 1) // width * width - width)
        if resolution is Resolution.HOUR:
            finer = self.rolled(series, ids, since + 1, end, Resolution.MINUTE, column)
            rest = coarser(finer, width, column)
        else:
            lookback = LOOKBACK_MS if column is Column.INCREASE else 0
            raw = self.raw(series, ids, since - lookback, end - 1 if end % width == 0 else end)
            rest = bucketed(raw, width, column, since=since)
        return joined(stored, Rows(rest.places, np.minimum(rest.times, end), rest.values))

    def _raw(
        self, ids: NDArray[np.uint64], running: NDArray[np.bool_], place: int, start: int, end: int, where: str
    ) -> Rows:
        asked = (
            f"FROM samples WHERE series IN {listed(ids.tolist())} AND {where} "
            "AND time BETWEEN {start:Int64} AND {end:Int64}"
        )
        rows = self._fetched(f"SELECT series, time, m, e {asked}", ids, start, end)
        twice = (rows.places[1:] == rows.places[:-1]) & (rows.times[1:] == rows.times[:-1])
        if twice.any():
            twice &= running[rows.places[1:]]
        if twice.any():
            # of a running value only the last one written for a millisecond counts: how it lies in the parts tells
            tied = np.unique(rows.places[1:][twice])
            asked = asked.replace(listed(ids.tolist()), listed(ids[tied].tolist()))
            again = self._fetched(
                f"SELECT series, time, m, e {asked} "
                "ORDER BY series, time, toUInt64(splitByChar('_', _part)[2]), _part_offset",
                ids,
                start,
                end,
            )
            rows = joined(rows.where(~np.isin(rows.places, tied)), again)
            same = (rows.places[1:] == rows.places[:-1]) & (rows.times[1:] == rows.times[:-1])
            rows = rows.where(np.append(~(same & running[rows.places[1:]]), True))
        return Rows(rows.places + place, rows.times, rows.values)

    def _fetched(self, statement: str, ids: NDArray[np.uint64], start: int, end: int) -> Rows:
        threads = 1 if ids.size < _FEW else 2
        found = self._engine.arrays(
            f"{statement} SETTINGS {_FETCH}, max_threads = {threads}", {"start": start, "end": end}
        )
        if not found:
            return NOTHING
        series, times, m, e = found
        values = decode(m.astype(np.int64, copy=False), e.astype(np.int8, copy=False))
        whose = placed(ids, series.astype(np.uint64, copy=False))
        return in_order(Rows(whose, times.astype(np.int64, copy=False), values))

    def _stored(
        self, ids: NDArray[np.uint64], start: int, end: int, resolution: Resolution, column: Column, where: str
    ) -> Rows:
        found = []
        merged = _MERGED_APART if self._levels.keys().isdisjoint(ids.tolist()) else _MERGED
        for at in range(0, ids.size if end >= start else 0, _AT_ONCE):
            some = ids[at : at + _AT_ONCE]
            columns = self._engine.arrays(
                f"SELECT series, time, toFloat64({column.value}) FROM {TABLES[resolution]} FINAL "
                f"WHERE series IN {listed(some.tolist())} AND {where} "
                "AND time BETWEEN {start:Int64} AND {end:Int64} "
                f"SETTINGS {merged}",
                {"start": start, "end": end},
            )
            if columns:
                series, times, values = columns
                whose = placed(some, series.astype(np.uint64, copy=False)) + at
                found.append(in_order(Rows(whose, times.astype(np.int64), values.astype(np.float64))))
        return _one_after_the_other(found)

    def _level(self, series: Sequence[Series]) -> str:
        """In which partitions they are: every level that is passed over saves a look into its parts."""
        levels = {one.level for one in series}
        for one in series if self._levels else ():
            levels |= self._levels.get(one.id, set())
        return f"level IN ({', '.join(repr(one.value) for one in sorted(levels))})" if levels else "1"

    def _rolled_until(self, resolution: Resolution) -> int:
        """Asked for now and then: an older answer only means that more is made from what is finer."""
        now = time.monotonic()
        if not self._until or now - self._looked > _REMEMBERED_SECONDS:
            self._until, self._looked = rolled_until(self._engine), now
        return self._until.get(resolution, 0)


def _one_after_the_other(found: Sequence[Rows]) -> Rows:
    if len(found) == 1:
        return found[0]
    if not found:
        return NOTHING
    return Rows(
        np.concatenate([one.places for one in found]),
        np.concatenate([one.times for one in found]),
        np.concatenate([one.values for one in found]),
    )
