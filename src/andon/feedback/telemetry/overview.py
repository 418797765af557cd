"""What telemetry says of itself, put together: what comes in, what does not and why, who sends how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from andon.feedback.promql.contract import Questions, Vector
from andon.feedback.telemetry.contract.intake import Dropped, Way
from andon.feedback.telemetry.contract.metrics import SERVICE, Sight
from andon.feedback.telemetry.listening import Heard, read_state
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.offenders import Offender, offenders
from andon.feedback.telemetry.where import Where
from andon.kernel.errors import Unavailable
from andon.kernel.settings import TelemetrySettings

HOUR = 3_600_000

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
    Way.ANDON: "Andon: logs, the pipeline",
}

REASONS: Mapping[Dropped, str] = {
    Dropped.KERNEL: "the kernel had no room for datagrams",
    Dropped.FULL: "more came than is taken in",
    Dropped.DISK: "the disk was full",
    Dropped.MALFORMED: "could not be read",
    Dropped.NOT_A_NUMBER: "was no number",
    Dropped.NAME: "a name or label that cannot be kept",
    Dropped.TIME: "too far in the past or the future",
    Dropped.CARDINALITY: "the service had all the series it may have",
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
    offenders: tuple[Offender, ...] = ()
    bytes: Mapping[str, int] | None = None
    """On the disk, by table."""
    memory: int | None = None
    """Bytes of the telemetry process."""
    fault: str = ""

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
        rate = self.samples / 3600
        shown = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        head = f"Telemetry takes in {shown} samples a second" if self.samples else "Nothing has come in this hour"
        return f"{head}, and lost {self.lost:,.0f} in the last hour" if self.lost >= 1 else f"{head}, and lost none"


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
        try:
            ways = self._ways(at) if whole else ()
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
            return Seen(places=places, running=state is not None, fault=str(error))
        return Seen(
            places=places,
            running=state is not None,
            ways=ways,
            series=series,
            limit=self.settings.series_per_service,
            offenders=crowded,
            bytes={name: int(size) for name, size in sizes.items()} if whole and sizes else None,
            memory=int(memory["telemetry"]) if whole and "telemetry" in memory else None,
        )

    def _ways(self, at: int) -> tuple[WayIn, ...]:
        taken: dict[Way, dict[str, float]] = {}
        for labels, value in self._ask("sum by (way, kind) (increase(andon_telemetry_received_total[1h]))", at):
            taken.setdefault(Way(labels["way"]), {})[labels["kind"]] = value
        lost: dict[Way, dict[Dropped, float]] = {}
        for labels, value in self._ask("sum by (way, reason) (increase(andon_telemetry_dropped_total[1h]))", at):
            if value > 0:
                lost.setdefault(Way(labels["way"]), {})[Dropped(labels["reason"])] = value
        return tuple(
            WayIn(
                way=way,
                samples=taken.get(way, {}).get("samples", 0.0),
                logs=taken.get(way, {}).get("logs", 0.0),
                spans=taken.get(way, {}).get("spans", 0.0),
                dropped=lost.get(way, {}),
            )
            for way in Way
            if way in taken or way in lost
        )

    def _counts(self, query: str, at: int, sight: Sight) -> Mapping[str, int]:
        return {labels.get(SERVICE, ""): int(value) for labels, value in self._ask(query, at, sight)}

    def _named(self, query: str, label: str, at: int) -> Mapping[str, float]:
        return {labels[label]: value for labels, value in self._ask(query, at) if label in labels}

    def _ask(self, query: str, at: int, sight: Sight = None) -> list[tuple[dict[str, str], float]]:
        answer = self.questions.instant(query, at, sight=sight)
        return [(dict(point.labels), point.value) for point in answer.points] if isinstance(answer, Vector) else []
