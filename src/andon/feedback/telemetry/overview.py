"""What telemetry says of itself, put together: what comes in, what does not and why, who sends how much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from andon.feedback.promql.contract import Line, Matrix, Questions, Vector
from andon.feedback.telemetry.contract.intake import Dropped, Way
from andon.feedback.telemetry.contract.metrics import SERVICE, Sight
from andon.feedback.telemetry.heard import Heard, read_state
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.offenders import Offender, offenders
from andon.feedback.telemetry.where import Where
from andon.kernel.errors import Unavailable
from andon.kernel.settings import TelemetrySettings

LATELY = 5 * 60_000
"""Milliseconds over which what comes in a second is told."""

WAYS: Mapping[Way, str] = {
    Way.STATSD: "StatsD",
    Way.OTLP: "OpenTelemetry",
    Way.REMOTE_WRITE: "Prometheus remote write",
    Way.SCRAPE: "Prometheus, fetched",
    Way.GRAPHITE: "Graphite",
    Way.JSON: "JSON lines",
    Way.SYSLOG: "Syslog",
    Way.BROWSER: "Browsers",
    Way.ROUTER: "The router",
    Way.HOST: "Machines and instances",
    Way.ANDON: "Andon itself: logs, the pipeline",
}

REASONS: Mapping[Dropped, str] = {
    Dropped.KERNEL: "the kernel had no room for datagrams",
    Dropped.FULL: "more came than is taken in",
    Dropped.DISK: "the disk was full",
    Dropped.MALFORMED: "could not be read",
    Dropped.NOT_A_NUMBER: "was no number",
    Dropped.NAME: "a name or label that cannot be kept",
    Dropped.TIME: "too far in the past or the future",
    Dropped.CARDINALITY: "the service had all the series it may have, or there were too many services",
    Dropped.KIND: "the name means something else already",
    Dropped.TOO_LARGE: "too large",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """One way, over the hour that is looked at."""

    way: Way
    samples: float = 0.0
    logs: float = 0.0
    spans: float = 0.0
    dropped: Mapping[Dropped, float] | None = None

    @property
    def lost(self) -> float:
        return sum((self.dropped or {}).values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """``fault`` says why the store could not be asked; what it would have told is not known then."""

    places: tuple[Heard, ...] = ()
    running: bool = False
    """Whether there is a telemetry process."""
    ways: tuple[WayIn, ...] = ()
    series: Mapping[str, int] | None = None
    """Of today, by service; the empty one is what names no service. ``None`` is not known."""
    limit: int = 0
    rate: float | None = None
    """Samples that came in a second of late; ``None`` is not known yet."""
    offenders: tuple[Offender, ...] = ()
    bytes: Mapping[str, int] | None = None
    """On the disk, by table."""
    memory: int | None = None
    """Bytes of the telemetry process."""
    fault: str = ""
    trouble: str = ""
    """Why nothing is taken in, though what is kept can be asked; empty while something is."""

    @property
    def samples(self) -> float:
        return sum(one.samples for one in self.ways)

    @property
    def lost(self) -> float:
        return sum(one.lost for one in self.ways)

    @property
    def faults(self) -> Sequence[Heard]:
        return [one for one in self.places if one.fault]

    @property
    def sentence(self) -> str:
        """The conclusion, for the head of a page."""
        if self.fault:
            return "Telemetry does not answer"
        if self.trouble:
            return "Telemetry takes nothing in"
        if not self.samples:
            head = "Nothing has come in this hour"
        elif self.rate is None:
            head = "Telemetry has begun to take in samples"
        else:
            head = f"Telemetry takes in {per_second(self.rate)} samples a second"
        if self.lost >= 1:
            return (
                f"{head}; {self.lost:,.0f} that came in the last hour {'was' if self.lost < 2 else 'were'} not taken in"
            )
        return f"{head}; nothing of the last hour was lost" if self.samples else head


def per_second(rate: float) -> str:
    """Without digits that nobody believes."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


@dataclass(frozen=True, slots=True)
class Overview:
    """``engine`` is the store as this process sees it."""

    settings: TelemetrySettings
    where: Where
    engine: Engine
    questions: Questions

    def look(self, at: int, *, sight: Sight) -> Seen:
        """How it is at a moment (ms). Only whoever may see everything is told what belongs to nobody in particular,
        such as addresses and sizes. Does not raise: a store that does not answer is a finding."""
        whole = sight is None
        state = read_state(self.where.state)
        places = state.places if state is not None and whole else ()
        trouble = state.trouble if state is not None else ""
        try:
            received = self._counted("andon_telemetry_received_total", at) if whole else ()
            lost = self._counted("andon_telemetry_dropped_total", at) if whole else ()
            series = self._counts("max by (service) (last_over_time(andon_telemetry_series[5m]))", at, sight)
            sizes = self._named("max by (table) (last_over_time(andon_telemetry_table_bytes[5m]))", "table", at)
            memory = self._named(
                'max by (role) (last_over_time(andon_process_memory_bytes{role="telemetry"}[5m]))', "role", at
            )
            crowded = tuple(
                one
                for one in offenders(self.engine, self.settings.series_per_service)
                if sight is None or one.service in sight or not one.service
            )
        except Unavailable as error:
            return Seen(places=places, running=state is not None, fault=error.message, trouble=trouble)
        return Seen(
            places=places,
            running=state is not None,
            ways=_ways(received, lost),
            series=series,
            limit=self.settings.series_per_service,
            rate=_rate([one for one in received if ("kind", "samples") in one.labels], at - LATELY),
            offenders=crowded,
            bytes={name: int(size) for name, size in sizes.items()} if whole and sizes else None,
            memory=int(memory["telemetry"]) if whole and "telemetry" in memory else None,
            trouble=trouble,
        )

    def _counted(self, name: str, at: int) -> tuple[Line, ...]:
        """Every reading of the last hour."""
        answer = self.questions.instant(f"{name}[1h]", at, sight=None)
        return answer.lines if isinstance(answer, Matrix) else ()

    def _counts(self, query: str, at: int, sight: Sight) -> Mapping[str, int]:
        return {labels.get(SERVICE, ""): int(value) for labels, value in self._ask(query, at, sight)}

    def _named(self, query: str, label: str, at: int) -> Mapping[str, float]:
        return {labels[label]: value for labels, value in self._ask(query, at) if label in labels}

    def _ask(self, query: str, at: int, sight: Sight = None) -> list[tuple[dict[str, str], float]]:
        answer = self.questions.instant(query, at, sight=sight)
        return [(dict(point.labels), point.value) for point in answer.points] if isinstance(answer, Vector) else []


def _ways(received: Iterable[Line], dropped: Iterable[Line]) -> tuple[WayIn, ...]:
    taken: dict[Way, dict[str, float]] = {}
    for line in received:
        labels = dict(line.labels)
        of_way = taken.setdefault(Way(labels["way"]), {})
        of_way[labels["kind"]] = of_way.get(labels["kind"], 0.0) + grown(line.values.tolist())
    lost: dict[Way, dict[Dropped, float]] = {}
    for line in dropped:
        labels = dict(line.labels)
        reasons, why = lost.setdefault(Way(labels["way"]), {}), Dropped(labels["reason"])
        reasons[why] = reasons.get(why, 0.0) + grown(line.values.tolist())
    return tuple(
        WayIn(
            way=way,
            samples=taken.get(way, {}).get("samples", 0.0),
            logs=taken.get(way, {}).get("logs", 0.0),
            spans=taken.get(way, {}).get("spans", 0.0),
            dropped={why: count for why, count in lost.get(way, {}).items() if count > 0},
        )
        for way in Way
        if way in taken or way in lost
    )


def grown(readings: Sequence[float]) -> float:
    """What a counter has counted from its first reading to its last. ``increase()`` would add what it guesses of the
    edges, and here somebody counts what they have sent. After a reading that is smaller it began anew, at nothing."""
    return sum(after - before if after >= before else after for before, after in pairwise(readings))


def _rate(lines: Sequence[Line], since: int) -> float | None:
    """Per second, over as much of the time since a moment (ms) as was looked at."""
    lately = [[(time, value) for time, value in _readings(line) if time >= since] for line in lines]
    times = [time for readings in lately for time, _ in readings]
    seconds = (max(times) - min(times)) / 1000 if times else 0.0
    return sum(grown([value for _, value in readings]) for readings in lately) / seconds if seconds else None


def _readings(line: Line) -> Iterable[tuple[int, float]]:
    return zip(line.times.tolist(), line.values.tolist(), strict=True)
