"""The router's access log becomes lines, so that a request that failed is found among the logs, with its trace.

Failures are kept, and of the others as many as are of use: beyond :data:`MOST_SUCCESSES` a second of one environment
(of failures :data:`MOST_FAILURES`) every n-th is, and says in the field ``sampled`` for how many it stands. Rates are
the router's counters' matter.

A traced request is an exemplar of its set's durations as well: of each second the slowest and the first, so that a
service's graphs lead to its traces without a line of its own. The router makes no traces: it tells those that came
with a request (``traceparent``) and whose sender says that they are recorded.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from andon.feedback.telemetry.contract.intake import Batch, Dropped, Intake, Way
from andon.feedback.telemetry.contract.logs import LogLine, LogSource, Severity
from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    SERVICE,
    VERSION,
    Exemplar,
    SeriesId,
    canonical,
    series_id,
)
from andon.feedback.telemetry.own import names
from andon.feedback.telemetry.own.delivery import Delivery, token_of
from andon.feedback.telemetry.own.follower import DAY
from andon.feedback.telemetry.own.positions import Positions
from andon.feedback.telemetry.own.router import Place, Places
from andon.feedback.telemetry.ways.texts import body_text, sound
from andon.flow.environments.contract import Environments, SetId
from andon.flow.routing.contract import Access, AccessLog, AccessPosition
from andon.kernel.db import Reading

EVERY = 1.0
ORIGIN = "router:"
"""And service and environment, with a slash between them: what an environment served is read together."""
PAGE = 5000
PAGES = 4
"""Read in one round: 20,000 requests a second is what can be kept up with."""
MOST_SUCCESSES = 100
"""Lines a second of one environment, of requests that did not fail."""
MOST_FAILURES = 1000

_OFFSET_BITS = 40
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_RECORDED = 1
"""The flag of a trace that is kept: https://www.w3.org/TR/trace-context/#sampled-flag."""
_LOOK_AGAIN_SECONDS = 5.0


class Endpoints:
    """Instances by where the router reaches them."""

    def __init__(self, environments: Environments, reading: Callable[[], AbstractContextManager[Reading]]) -> None:
        self._environments, self._reading = environments, reading
        self._known: dict[str, str] = {}
        self._looked: float | None = None

    def of(self, endpoints: frozenset[str]) -> Mapping[str, str]:
        now = time.monotonic()
        late = self._looked is None or now - self._looked >= _LOOK_AGAIN_SECONDS
        if late and not endpoints <= self._known.keys():
            self._looked = now
            with self._reading() as reading:
                self._known = {
                    one.endpoint: one.id
                    for view in self._environments.all(reading)
                    for owner in view.sets
                    for one in owner.instances
                    if one.endpoint
                }
        return self._known


class AccessFollower:
    """Each request at most once, whatever ends when: where to go on is asked of the store."""

    def __init__(
        self, intake: Intake, *, log: AccessLog, positions: Positions, places: Places, endpoints: Endpoints
    ) -> None:
        self._intake, self._log, self._positions = intake, log, positions
        self._places, self._endpoints = places, endpoints
        self._delivery = Delivery(intake)
        self._batches: deque[Batch] = deque()
        self._asked = False
        self._after: AccessPosition | None = None

    def round(self) -> None:
        """Raises ``Unavailable`` at first, while the store cannot say where to go on, and ``OSError``."""
        if not self._delivery.ready():
            return
        if not self._asked:
            stored = self._positions.of_logs()
            # what is read together is stored together: the furthest is where all of them are
            last = max((place for origin, place in stored.items() if origin.startswith(ORIGIN)), default=None)
            self._after = None if last is None else unpacked(last)
            self._asked = True
        if not self._batches:
            self._batches.extend(self._read())
        if self._batches:
            self._delivery.send(self._batches.popleft(), lambda: None)

    def stop(self, seconds: float = 5.0) -> None:
        self._delivery.wait(seconds)

    def _read(self) -> list[Batch]:
        before = self._after
        requests: list[Access] = []
        for _ in range(PAGES):
            page = self._log.read(self._after, limit=PAGE)
            if page.malformed:
                self._intake.drop(Way.ROUTER, Dropped.MALFORMED, page.malformed)
            if page.missed:
                self._intake.drop(Way.ROUTER, Dropped.FULL)  # nobody knows how many; that it happened is known
            requests += page.requests
            moved, self._after = page.position != self._after, page.position
            if not moved or len(page.requests) < PAGE:
                break
        if not requests or self._after is None:
            return []
        position = packed(self._after)
        places = self._places.of(one.set for one in requests if one.set is not None)
        instances = self._endpoints.of(frozenset(one.endpoint for one in requests if one.endpoint))
        days: dict[int, list[LogLine]] = {}
        for one, stands_for in sampled(requests):
            place = None if one.set is None else places.get(one.set)
            line = line_of(
                one,
                position,
                version="" if place is None else place.version,
                instance=instances.get(one.endpoint, ""),
                stands_for=stands_for,
            )
            days.setdefault(line.time // DAY, []).append(line)
        exemplars: dict[int, list[Exemplar]] = {}
        for exemplar in exemplars_of(requests, places):
            exemplars.setdefault(exemplar.time * 1000 // DAY, []).append(exemplar)
        token = f"{packed(before) if before else 0}-{position}"
        return [
            Batch(
                way=Way.ROUTER,
                logs=days.get(day, ()),
                exemplars=exemplars.get(day, ()),
                token=token_of("router", token, str(day)),
            )
            for day in sorted(days.keys() | exemplars.keys())
        ]


def packed(position: AccessPosition) -> int:
    """A place in the access log as one number that grows."""
    return position.generation << _OFFSET_BITS | position.offset


def unpacked(position: int) -> AccessPosition:
    return AccessPosition(position >> _OFFSET_BITS, position & (1 << _OFFSET_BITS) - 1)


def failed(one: Access) -> bool:
    """Status 0 is a client that left: nobody's failure here."""
    return one.status >= 500


def sampled(requests: Sequence[Access]) -> list[tuple[Access, int]]:
    """Those to keep, in their order, and for how many each stands."""
    groups: dict[tuple[str, str, bool], list[Access]] = {}
    for one in requests:
        groups.setdefault((one.service, one.environment, failed(one)), []).append(one)
    steps: dict[tuple[str, str, bool], int] = {}
    for key, members in groups.items():
        times = [one.time for one in members]
        seconds = max(1.0, (max(times) - min(times)) / 1e6)
        most = (MOST_FAILURES if key[2] else MOST_SUCCESSES) * seconds
        steps[key] = -int(-len(members) // most)
    counted: dict[tuple[str, str, bool], int] = {}
    kept = []
    for one in requests:
        key = (one.service, one.environment, failed(one))
        place = counted.get(key, 0)
        counted[key] = place + 1
        if place % steps[key] == 0:
            kept.append((one, min(steps[key], len(groups[key]) - place)))
    return kept


def exemplars_of(requests: Sequence[Access], places: Mapping[SetId, Place]) -> list[Exemplar]:
    """Of each second of each set the first request whose trace is kept, and the slowest: of what is read at once, so
    that a second which two rounds share may have four."""
    first: dict[tuple[SetId, int], Access] = {}
    slowest: dict[tuple[SetId, int], Access] = {}
    for one in requests:
        if one.set is None or one.set not in places or not _is_recorded(one.traceparent):
            continue
        second = (one.set, one.time // 1_000_000)
        first.setdefault(second, one)
        if second not in slowest or slowest[second].duration < one.duration:
            slowest[second] = one
    kept = [*first.values(), *(one for second, one in slowest.items() if one is not first[second])]
    series = {one: _durations(one, places[one]) for one in {second[0] for second in first}}
    return [
        Exemplar(
            series=series[one.set],
            time=one.time // 1000,
            value=one.duration / 1e6,
            trace=_trace(one.traceparent)[0],
            span=_trace(one.traceparent)[1],
        )
        for one in kept
        if one.set is not None
    ]


def _durations(one: SetId, place: Place) -> SeriesId:
    """The bucket that every request of the set is in."""
    labels = {
        SERVICE: place.service,
        ENVIRONMENT: place.environment,
        VERSION: place.version,
        "set": one,
        "le": "+Inf",
    }
    return series_id(names.DURATION_BUCKET.name, canonical(labels))


def _trace(traceparent: str) -> tuple[str, str]:
    """Trace and span, as https://www.w3.org/TR/trace-context/ writes them; empty where there is none."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return (found[1], found[2]) if found and found[1].strip("0") else ("", "")


def _is_recorded(traceparent: str) -> bool:
    return _trace(traceparent)[0] != "" and bool(int(traceparent[-2:], 16) & _RECORDED)


def line_of(one: Access, position: int, *, version: str, instance: str, stands_for: int) -> LogLine:
    """``stands_for`` is how many requests this one is kept for."""
    trace, span = _trace(one.traceparent)
    milliseconds = one.duration / 1000
    fields = {
        "method": one.method,
        "path": one.path,
        "status": str(one.status),
        "duration_ms": f"{milliseconds:.3f}",
        "received": str(one.received),
        "sent": str(one.sent),
        "request": one.request,
        "flags": one.flags,
        "local": "true" if one.local else "",
        "set": one.set or "",
        "sampled": f"1 of {stands_for}" if stands_for > 1 else "",
    }
    answer = str(one.status) if one.status else "no answer"
    return LogLine(
        time=one.time,
        body=body_text(f"{one.method} {one.path} {answer} {milliseconds:.1f} ms {one.flags}".rstrip()),
        severity=Severity.ERROR if failed(one) else Severity.INFO,
        service=one.service,
        environment=one.environment,
        version=version,
        instance=instance,
        fields={name: sound(value) for name, value in fields.items() if value},
        trace=trace,
        span=span,
        source=LogSource.ROUTER,
        origin=f"{ORIGIN}{one.service}/{one.environment}",
        position=position,
    )
