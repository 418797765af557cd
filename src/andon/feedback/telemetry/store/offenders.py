"""Who has too many series, and which label makes them: what to say to whoever reached the limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.schema import DAY_MS

NEAR: Final = 0.8
"""The part of its limit from which a service is told of."""
_NAMES: Final = 10
_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Varying:
    """One name's series, and the label with the most values among them (empty where they have none)."""

    name: str
    series: int
    label: str
    values: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offender:
    service: str
    """Empty for what names no service."""
    series: int
    """Of today. At the limit further ones are refused."""
    limit: int
    names: tuple[Varying, ...]
    """Those with the most series first."""

    @property
    def full(self) -> bool:
        return self.series >= self.limit


def offenders(
    engine: Engine, limit: int, now: Callable[[], int] = now_ms, *, near: float = NEAR
) -> tuple[Offender, ...]:
    """Services with at least ``near`` of the ``limit`` of series a day, the largest first.

    Raises ``Unavailable`` or ``StoreError``.
    """
    day = now() // DAY_MS
    services = engine.rows(
        "SELECT service, uniqExact(id) AS count FROM series WHERE day = {day:UInt16} "
        "GROUP BY service HAVING count >= {least:Float64} ORDER BY count DESC, service",
        {"day": day, "least": near * limit},
    )
    return tuple(
        Offender(
            service=str(service),
            series=int(str(count)),
            limit=limit,
            names=_names(engine, day, str(service)),
        )
        for service, count in services
    )


def _names(engine: Engine, day: int, service: str) -> tuple[Varying, ...]:
    rows = engine.rows(
        "SELECT name, series, label, found, examples FROM ("
        "SELECT name, uniqExact(id) AS series FROM series WHERE day = {day:UInt16} AND service = {service:String} "
        "GROUP BY name ORDER BY series DESC, name LIMIT {names:UInt64}) AS most "
        "LEFT JOIN ("
        "SELECT name, pair.1 AS label, uniqExact(pair.2) AS found, "
        "arraySlice(arraySort(groupUniqArray(pair.2)), 1, {examples:UInt64}) AS examples FROM ("
        "SELECT name, arrayJoin(arrayZip(mapKeys(labels), mapValues(labels))) AS pair FROM series "
        "WHERE day = {day:UInt16} AND service = {service:String}) "
        "GROUP BY name, label ORDER BY found DESC, label LIMIT 1 BY name) AS varying USING (name) "
        "ORDER BY series DESC, name",
        {"day": day, "service": service, "names": _NAMES, "examples": _EXAMPLES},
    )
    return tuple(
        Varying(
            name=str(name),
            series=int(str(series)),
            label=str(label),
            values=int(str(found)),
            examples=tuple(str(one) for one in examples) if isinstance(examples, list | tuple) else (),
        )
        for name, series, label, found, examples in rows
    )
