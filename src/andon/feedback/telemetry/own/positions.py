"""Up to where what Andon keeps itself is stored: asked of the store, so that nothing is there twice or left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from andon.feedback.telemetry.contract.metrics import canonical, series_id
from andon.feedback.telemetry.contract.moments import now_us
from andon.feedback.telemetry.own.names import RECORD_POSITION
from andon.feedback.telemetry.store.engine import Engine

_DAY_US = 86_400 * 1_000_000


class Positions(Protocol):
    """Both raise :class:`~andon.kernel.errors.Unavailable` when the store does not answer."""

    def of_logs(self) -> Mapping[str, int]:
        """The last position of every origin that has lines in the store."""
        ...

    def of_record(self) -> int | None:
        """The position in the record up to which it was turned into numbers; ``None`` if nothing of it is kept."""
        ...


class StoredPositions(Positions):
    """``log_days`` is how long lines are kept."""

    def __init__(self, engine: Engine, *, log_days: int) -> None:
        self._engine, self._log_days = engine, log_days

    def of_logs(self) -> Mapping[str, int]:
        since = now_us() - self._log_days * _DAY_US
        rows = self._engine.rows(
            "SELECT origin, max(position) FROM logs WHERE time >= {since:Int64} AND origin != '' GROUP BY origin",
            {"since": since},
        )
        return {str(origin): int(str(position)) for origin, position in rows}

    def of_record(self) -> int | None:
        rows = self._engine.rows(
            "SELECT argMax(value, (time, value)), count() FROM samples WHERE series = {series:UInt64}",
            {"series": series_id(RECORD_POSITION.name, canonical({}))},
        )
        ((position, count),) = rows
        return round(float(str(position))) if count else None
