"""Series and their samples, out of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from andon.feedback.telemetry.asking.matching import fitting
from andon.feedback.telemetry.asking.remembering import Question, Selection, Selections
from andon.feedback.telemetry.asking.sampling import MOST_SAMPLES, Sampler
from andon.feedback.telemetry.asking.statements import BOUNDS, listed, understood
from andon.feedback.telemetry.contract.metrics import (
    NAME,
    Column,
    Comparison,
    Exemplar,
    Kind,
    Level,
    Matcher,
    MetricName,
    Resolution,
    Samples,
    Series,
    SeriesId,
    Sight,
)
from andon.feedback.telemetry.store.editions import EditionsRead
from andon.feedback.telemetry.store.engine import Engine, Value
from andon.feedback.telemetry.store.retention import Keep
from andon.feedback.telemetry.store.schema import DAY_MS
from andon.kernel.errors import Invalid

_KINDS = {one.value: one for one in Kind}
_LEVELS = {one.value: one for one in Level}
_MOST_EXEMPLARS = 10_000


class StoredMeasurements:
    """Implements :class:`~andon.feedback.telemetry.contract.metrics.Measurements` on the store's tables.

    A question is cut off after :data:`~.statements.SECONDS`; ``Unavailable`` says so then.
    """

    def __init__(self, engine: Engine, keep: Keep, editions: EditionsRead | None = None) -> None:
        """With ``editions``, selections are remembered until series are written down that may belong to them."""
        self._engine, self._keep, self._editions = engine, keep, editions
        self._sampler = Sampler(engine)
        self._selections = Selections()

    def select(
        self, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 100_000
    ) -> tuple[Series, ...]:
        # before the question: what is written down while it is answered makes the answer an old one
        edition = self._editions.of(_name_of(matchers)) if self._editions else None
        if edition is None:
            return self._select(matchers, start, end, sight, limit)[0]
        question = Question(tuple(matchers), start // DAY_MS, end // DAY_MS, sight, limit)
        kept = self._selections.get(question, edition)
        if kept is not None:
            for id_, levels in kept.levels.items():
                self._sampler.learn(id_, levels)
            return kept.series
        series, several = self._select(matchers, start, end, sight, limit)
        self._selections.keep(question, Selection(edition, series, several))
        return series

    def _select(
        self, matchers: Sequence[Matcher], start: int, end: int, sight: Sight, limit: int
    ) -> tuple[tuple[Series, ...], dict[SeriesId, frozenset[Level]]]:
        asked = fitting(matchers, start, end, sight)
        # a series has a row for each of its days; sorting all of them by their labels is worth it only to cut them
        newest = (
            "SELECT day, id, name, kind, level, unit, help, path, labels FROM series "
            f"WHERE {asked} ORDER BY day DESC LIMIT 1 BY id, level"
        )
        with understood():
            rows = self._engine.rows(
                f"{newest} LIMIT {asked.value(2 * limit + 1, 'UInt64')} SETTINGS {BOUNDS}", asked.values
            )
            found, several = self._named(rows)
            if len(rows) > 2 * limit:
                rows = self._engine.rows(
                    f"SELECT * FROM ({newest}) ORDER BY name, labels, id, day DESC "
                    f"LIMIT {asked.value(2 * limit + 1, 'UInt64')} SETTINGS {BOUNDS}",
                    asked.values,
                )
                found, several = self._named(rows)
        return tuple(sorted(found, key=lambda one: (one.name, one.labels))[:limit]), several

    def _named(self, rows: Sequence[Sequence[object]]) -> tuple[list[Series], dict[SeriesId, frozenset[Level]]]:
        """The series of these rows, of which the newest come first, and the levels of those that have several."""
        found: dict[SeriesId, Series] = {}
        several: dict[SeriesId, frozenset[Level]] = {}
        for _, id_, name, kind, level, unit, help_, path, labels in rows:
            id_ = cast("SeriesId", id_)
            if id_ in found:
                several[id_] = several.get(id_, frozenset()) | {found[id_].level, _LEVELS[str(level)]}
                self._sampler.learn(id_, several[id_])
                continue
            found[id_] = Series(
                id=id_,
                name=str(name),
                labels=tuple(sorted(cast("dict[str, str]", labels).items())),
                kind=_KINDS[str(kind)],
                level=_LEVELS[str(level)],
                unit=str(unit),
                help=str(help_),
                path=str(path),
            )
        return list(found.values()), several

    def samples(
        self,
        series: Sequence[Series],
        start: int,
        end: int,
        *,
        resolution: Resolution = Resolution.RAW,
        column: Column = Column.LAST,
    ) -> Samples:
        wanted = np.array([one.id for one in series], np.uint64)
        ids, first, places = np.unique(wanted, return_index=True, return_inverse=True)
        each = [series[int(one)] for one in first]
        with understood():
            if resolution is Resolution.RAW:
                rows = self._sampler.raw(each, ids, start, end)
            else:
                rows = self._sampler.rolled(each, ids, start, end, resolution, column)
        bounds = np.searchsorted(rows.places, np.arange(ids.size + 1))
        lengths = np.diff(bounds)[places]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
        if offsets[-1] > MOST_SAMPLES:
            raise Invalid(
                f"The question is for {int(offsets[-1]):,} samples, more than {MOST_SAMPLES:,}.",
                remedy="Ask for fewer series or a shorter time.",
            )
        times, values = rows.times, rows.values
        if not np.array_equal(places, np.arange(ids.size)):
            taken = np.arange(offsets[-1]) + np.repeat(bounds[:-1][places] - offsets[:-1], lengths)
            times, values = times[taken], values[taken]
        return Samples(series=tuple(series), offsets=offsets, times=times, values=values)

    def names(self, start: int, end: int, *, sight: Sight, limit: int = 100_000) -> tuple[MetricName, ...]:
        asked = fitting((), start, end, sight)
        with understood():
            rows = self._engine.rows(
                "SELECT name, argMax(kind, day), argMax(level, day), argMax(unit, day), argMax(help, day), "
                f"uniqExact(id) FROM series WHERE {asked} GROUP BY name ORDER BY name "
                f"LIMIT {asked.value(limit, 'UInt64')} SETTINGS {BOUNDS}, optimize_aggregation_in_order = 1",
                asked.values,
            )
        return tuple(
            MetricName(
                name=str(name),
                kind=_KINDS[str(kind)],
                level=_LEVELS[str(level)],
                unit=str(unit),
                help=str(help_),
                series=int(str(count)),
            )
            for name, kind, level, unit, help_, count in rows
        )

    def label_names(
        self, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 10_000
    ) -> tuple[str, ...]:
        asked = fitting(matchers, start, end, sight)
        return self._texts(
            f"SELECT DISTINCT arrayJoin(arrayConcat([{asked.value(NAME)}], mapKeys(labels))) AS text "
            f"FROM series WHERE {asked} ORDER BY text LIMIT {asked.value(limit, 'UInt64')}",
            asked.values,
        )

    def label_values(
        self, label: str, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 100_000
    ) -> tuple[str, ...]:
        asked = fitting(matchers, start, end, sight)
        column = "name" if label == NAME else f"labels[{asked.value(label)}]"
        return self._texts(
            f"SELECT DISTINCT {column} AS text FROM series WHERE {asked} AND text != '' ORDER BY text "
            f"LIMIT {asked.value(limit, 'UInt64')}",
            asked.values,
        )

    def exemplars(self, series: Sequence[Series], start: int, end: int, *, every: int = 0) -> tuple[Exemplar, ...]:
        found: list[Exemplar] = []
        ids = sorted({int(one.id) for one in series})
        for at in range(0, len(ids), 10_000):
            each = "series, time, value, trace, span, labels"
            source = (
                f"exemplars WHERE series IN {listed(ids[at : at + 10_000])} "
                "AND time BETWEEN {start:Int64} AND {end:Int64}"
            )
            if every:
                # in one reading, whatever their number
                two = f"[argMin(tuple({each}), time), argMax(tuple({each}), value)]"
                source = (
                    f"(SELECT arrayJoin(arrayDistinct({two})) AS one FROM {source} "
                    "GROUP BY intDiv(time, {every:Int64}))"
                )
                each = "one.1 AS series, one.2 AS time, one.3, one.4, one.5, one.6"
            with understood():
                rows = self._engine.rows(
                    f"SELECT {each} FROM {source} ORDER BY time DESC, series LIMIT {_MOST_EXEMPLARS} SETTINGS {BOUNDS}",
                    {"start": start, "end": end, "every": every},
                )
            found += [
                Exemplar(
                    series=cast("SeriesId", id_),
                    time=int(str(when)),
                    value=cast("float", value),
                    trace=str(trace),
                    span=str(span),
                    labels=tuple(sorted(cast("dict[str, str]", labels).items())),
                )
                for id_, when, value, trace, span, labels in rows
            ]
        return tuple(sorted(found, key=lambda one: one.time)[-_MOST_EXEMPLARS:])

    def horizon(self, resolution: Resolution) -> int:
        return self._keep.horizon(resolution)

    def _texts(self, statement: str, values: Mapping[str, Value]) -> tuple[str, ...]:
        with understood():
            return tuple(str(text) for (text,) in self._engine.rows(f"{statement} SETTINGS {BOUNDS}", values))


def _name_of(matchers: Sequence[Matcher]) -> str | None:
    return next((one.value for one in matchers if one.label == NAME and one.comparison is Comparison.EQUAL), None)
