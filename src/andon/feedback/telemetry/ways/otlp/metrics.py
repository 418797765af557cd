"""OTLP metrics as series and samples.

- A resource's ``service.name``, ``deployment.environment.name``, ``service.version`` and ``service.instance.id`` are
  the labels ``service``, ``environment``, ``version`` and ``instance``. Its other attributes are on one gauge named
  ``target_info``, as Prometheus has it: on every series they would make new ones with each process id.
- A point's own attribute of one of those four names keeps out of their way as ``exported_…``.
- NaN and infinities mean nothing here, and are dropped; a point that says "no recorded value" is Prometheus' mark for a
  series that has ended.
- A sum that counts from a new beginning gets a zero there: what was counted before the first report is not lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import accumulate, pairwise

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    DataPointFlags,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ScopeMetrics,
    SummaryDataPoint,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar as ExemplarMessage

from andon.feedback.telemetry.contract.intake import Dropped, Way
from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    INSTANCE,
    LONGEST_VALUE,
    MOST_LABELS,
    SERVICE,
    VERSION,
    Exemplar,
    Kind,
    Series,
    SeriesId,
    canonical,
    label_name,
)
from andon.feedback.telemetry.ways.gathering import Gathering, Origin, Window, make_series
from andon.feedback.telemetry.ways.known import Known
from andon.feedback.telemetry.ways.otlp.attributes import Resource, resource_of, text
from andon.feedback.telemetry.ways.otlp.exponential import buckets
from andon.feedback.telemetry.ways.otlp.names import bound_text, prometheus_name
from andon.feedback.telemetry.ways.stale import STALE
from andon.feedback.telemetry.ways.texts import sound

_OWN = {SERVICE, ENVIRONMENT, VERSION, INSTANCE}
_NO_VALUE = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_MOST_BOUNDS = 1000
_MOST_EXEMPLARS = 10_000
_MOST_OF_A_POINT = 100
_MOST_STARTS = 500_000
_LATEST_NEWS = 3_600_000
"""Milliseconds: a beginning longer ago was told of before Andon itself began anew, or is too late to be of use."""

Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint
Ids = tuple[int, ...]


class MetricsDecoder:
    """Reads requests; remembers which series have been named, and since when each sum counts.

    Safe to use from several threads: what it remembers only saves work, and is replaced whole.
    """

    def __init__(self, known: Known[Ids], window: Window) -> None:
        self._known = known
        self._window = window
        self._starts: dict[int, int] = {}

    def read(self, request: ExportMetricsServiceRequest, origin: Origin | None) -> Reading:
        """Everything of the request that can be taken in."""
        reading = Reading(self._known, self._window, self._starts)
        reading.everything(request, origin)
        named = reading.gathering.series
        unnamed = list(reading.unnamed)
        if not self._known.still([one for one in unnamed[:: len(unnamed) // 64 + 1] if one not in named]):
            reading = Reading(self._known, self._window, self._starts)
            reading.everything(request, origin)
        return reading

    def stored(self, reading: Reading, disputed: AbstractSet[int] = frozenset()) -> None:
        """What was read is on the disk now: it need not be named again, except for these series."""
        self._known.learn(reading.named, disputed)
        if len(self._starts) + len(reading.starts) > _MOST_STARTS:
            self._starts = {}
        self._starts.update(reading.starts)


class Reading:
    """One request as it is read."""

    def __init__(self, known: Known[Ids], window: Window, starts: dict[int, int]) -> None:
        self.gathering = Gathering(Way.OTLP, window)
        self.points = 0
        self.rejected = 0
        self.named: dict[int, Ids] = {}
        self.unnamed: dict[int, Kind] = {}
        self.starts: dict[int, int] = {}
        self._found = known.at(self.gathering.now)
        self._earlier = starts
        self._resource = Resource(others={})
        self._labels: dict[str, str] = {}
        self._latest = 0

    def everything(self, request: ExportMetricsServiceRequest, origin: Origin | None) -> None:
        self.gathering.spend(len(request.resource_metrics))
        for of_resource in request.resource_metrics:
            self.gathering.spend(len(of_resource.scope_metrics))
            self._resource = resource_of(of_resource.resource, origin)
            self._latest = 0
            for scope in of_resource.scope_metrics:
                self._scope(scope)
            self._target_info()

    def _scope(self, scope: ScopeMetrics) -> None:
        self._labels = self._resource.labels
        if scope.scope.name:
            self._labels["otel_scope_name"] = sound(scope.scope.name)[:LONGEST_VALUE]
        place = hash(tuple(self._labels.items()))
        self.gathering.spend(len(scope.metrics))
        for metric in scope.metrics:
            self._metric(metric, place)

    def _metric(self, metric: Metric, place: int) -> None:
        kind = metric.WhichOneof("data")
        gathering = self.gathering
        if kind is None:
            self.points += 1
            self._reject(Dropped.MALFORMED, f"{metric.name} has no data")
            return
        data = getattr(metric, kind)
        gathering.spend(len(data.data_points))
        temporality = 0 if kind in {"gauge", "summary"} else data.aggregation_temporality
        monotonic = kind == "sum" and data.is_monotonic
        if kind in {"sum", "histogram", "exponential_histogram"} and temporality not in {_DELTA, _CUMULATIVE}:
            self.points += len(data.data_points)
            self._reject(Dropped.MALFORMED, f"{metric.name} does not say its temporality", len(data.data_points))
            return
        named = _Named(metric, kind, temporality, monotonic=monotonic)
        key = hash((place, metric.name, metric.unit, kind, temporality, monotonic))
        for point in data.data_points:
            self.points += 1
            if gathering.full:
                self._reject(Dropped.TOO_LARGE, "")
                continue
            time = point.time_unix_nano // 1_000_000
            if not gathering.oldest <= time <= gathering.newest:
                self._reject(Dropped.TIME, f"{metric.name} at {time} ms since 1970")
                continue
            self._latest = max(self._latest, time)
            self._point(point, named, key, time)

    def _point(self, point: Point, named: _Named, key: int, time: int) -> None:
        try:
            parts, values = _values(point, named)
        except ValueError as error:
            self._reject(Dropped.MALFORMED, f"{named.sent}: {error}")
            return
        if not point.flags & _NO_VALUE and not all(map(math.isfinite, values)):
            self._reject(Dropped.NOT_A_NUMBER, named.sent)
            return
        if named.grows and values[0] < 0 and isinstance(point, NumberDataPoint):
            self._reject(Dropped.MALFORMED, f"{named.sent} is said to grow only, and is {values[0]:g}")
            return
        if len(point.attributes) > MOST_LABELS:
            self._reject(Dropped.NAME, f"{named.sent} has {len(point.attributes)} attributes")
            return
        told = hash((key, parts, *[(one.key, one.value.string_value or _raw(one)) for one in point.attributes]))
        ids = self._found.get(told) or self.named.get(told)
        gathering = self.gathering
        if ids is None:
            made = self._series(point.attributes, named, parts)
            if made is None:
                self._reject(Dropped.NAME, named.sent)
                return
            if any(self._known_as(one) is not one.kind for one in made):
                self._reject(Dropped.KIND, named.sent)
                return
            ids = self.named[told] = tuple(one.id for one in made)
            for one in made:
                gathering.series.setdefault(one.id, one)
        else:
            self.unnamed[ids[0]] = named.kind
        ended = bool(point.flags & _NO_VALUE)
        if named.kind is Kind.COUNTER and not ended and not isinstance(point, SummaryDataPoint):
            self._beginning(ids, point.start_time_unix_nano // 1_000_000, time)
        gathering.ids += ids
        gathering.times += [time] * len(ids)
        gathering.values += [STALE] * len(ids) if ended else values
        if not isinstance(point, SummaryDataPoint) and point.exemplars:
            for exemplar in point.exemplars[:_MOST_OF_A_POINT]:
                self._exemplar(exemplar, ids, parts)

    def _series(self, attributes: Sequence[KeyValue], named: _Named, parts: tuple[str, ...]) -> list[Series] | None:
        labels = dict(self._labels)
        for one in attributes:
            label = label_name(one.key)
            if not one.key:
                return None
            if label in _OWN and label in labels:
                label = f"exported_{label}"
            value = sound(text(one.value))
            # two attributes whose names become the same are one label with both values, as the specification has it
            labels[label] = f"{labels[label]};{value}" if label in labels and label not in self._labels else value
        made = []
        for part in parts or ("",):
            suffix, _, bound = part.partition("=")
            own = {**labels, named.bound: bound} if bound else labels
            kind = Kind.GAUGE if named.bound == "quantile" and bound else named.kind
            one_made = make_series(
                named.name + suffix, own, kind, unit=named.unit, help=named.help, path=named.sent + suffix
            )
            if one_made is None:
                return None
            made.append(one_made)
        return made

    def _known_as(self, one: Series) -> Kind:
        """What the same request has it as."""
        named = self.gathering.series.get(one.id)
        return self.unnamed.get(one.id, one.kind) if named is None else named.kind

    def _beginning(self, ids: Ids, start: int, time: int) -> None:
        """A zero where a sum began to be counted, if that is news."""
        gathering = self.gathering
        last = self._earlier.get(ids[0], 0)
        if last < start < time and start >= max(gathering.oldest, gathering.now - _LATEST_NEWS):
            gathering.ids += ids
            gathering.times += [start] * len(ids)
            gathering.values += [0.0] * len(ids)
        self.starts[ids[0]] = time

    def _exemplar(self, exemplar: ExemplarMessage, ids: Ids, parts: tuple[str, ...]) -> None:
        gathering = self.gathering
        time = exemplar.time_unix_nano // 1_000_000
        if len(exemplar.trace_id) != 16 or not gathering.in_time(time) or len(gathering.exemplars) >= _MOST_EXEMPLARS:
            return
        value = float(exemplar.as_int) if exemplar.WhichOneof("value") == "as_int" else exemplar.as_double
        place = 0
        for index, part in enumerate(parts):
            bound = part.partition("=")[2]
            if bound and value <= float(bound):
                place = index
                break
        gathering.exemplars.append(
            Exemplar(
                series=SeriesId(ids[place]),
                time=time,
                value=value,
                trace=exemplar.trace_id.hex(),
                span=exemplar.span_id.hex() if len(exemplar.span_id) == 8 else "",
                labels=canonical(
                    {label_name(one.key): text(one.value)[:256] for one in exemplar.filtered_attributes[:16]}
                ),
            )
        )

    def _target_info(self) -> None:
        if not self._latest or not self._resource.others:
            return
        labels = {
            label_name(key): value for key, value in list(self._resource.others.items())[:48] if 0 < len(key) <= 255
        }
        made = make_series(
            "target_info", {**labels, **self._resource.labels}, Kind.GAUGE, help="The sender's resource."
        )
        if made is not None:
            self.gathering.sample(made, self._latest, 1.0)

    def _reject(self, why: Dropped, example: str, count: int = 1) -> None:
        self.rejected += count
        self.gathering.drop(why, count, service=self._resource.service, example=sound(example))


class _Named:
    """What a metric is called, and what its numbers mean."""

    __slots__ = ("bound", "grows", "help", "kind", "name", "sent", "unit")

    def __init__(self, metric: Metric, data: str, temporality: int, *, monotonic: bool) -> None:
        self.name = prometheus_name(metric.name, metric.unit, monotonic=monotonic, gauge=data == "gauge")
        self.sent, self.unit, self.help = sound(metric.name), sound(metric.unit), sound(metric.description)
        self.grows = monotonic
        self.bound = "quantile" if data == "summary" else "le"
        if not metric.name:
            self.name = ""
        if temporality == _DELTA:
            self.kind = Kind.DELTA
        elif data == "gauge" or (data == "sum" and not monotonic):
            self.kind = Kind.GAUGE
        else:
            self.kind = Kind.COUNTER


def _raw(one: KeyValue) -> bytes:
    return bytes(one.value.SerializeToString(deterministic=True))


def _values(point: Point, named: _Named) -> tuple[tuple[str, ...], list[float]]:
    """What is appended to name and labels, as ``suffix=bound``, and the value of each. Raises ``ValueError``."""
    if isinstance(point, NumberDataPoint):
        value = point.as_double if point.WhichOneof("value") == "as_double" else float(point.as_int)
        return (), [value]
    if isinstance(point, SummaryDataPoint):
        if len(point.quantile_values) > _MOST_BOUNDS:
            raise ValueError("too many quantiles")
        quantiles = [one for one in point.quantile_values if math.isfinite(one.value)]
        parts = ("_sum", "_count", *(f"={bound_text(one.quantile)}" for one in quantiles))
        return parts, [point.sum, float(point.count), *(one.value for one in quantiles)]
    if isinstance(point, HistogramDataPoint):
        if max(len(point.bucket_counts), len(point.explicit_bounds)) > _MOST_BOUNDS:
            raise ValueError(f"more than {_MOST_BOUNDS} buckets")
        counts, bounds = list(point.bucket_counts), list(point.explicit_bounds)
        if (counts or bounds) and len(counts) != len(bounds) + 1:
            raise ValueError("there must be one more bucket than there are bounds")
        if any(not later > earlier for earlier, later in pairwise(bounds)):
            raise ValueError("the bounds do not grow")
        within = list(zip(bounds, counts, strict=False))
    else:
        within = buckets(point)
    if len(within) > _MOST_BOUNDS:
        raise ValueError(f"more than {_MOST_BOUNDS} buckets")
    within = [(bound, count) for bound, count in within if bound != math.inf]
    parts = (
        "_count",
        *(f"_bucket={bound_text(bound)}" for bound, _ in within),
        "_bucket=+Inf",
        *(("_sum",) if point.HasField("sum") else ()),
    )
    running = [float(count) for count in accumulate(count for _, count in within)]
    total = float(point.count)
    return parts, [total, *running, total, *((point.sum,) if point.HasField("sum") else ())]
