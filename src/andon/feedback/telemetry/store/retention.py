"""What is too old is dropped by whole partitions, which costs nothing; rows are never deleted one by one.

Nothing is dropped for any other reason: when the disk is nearly full, telemetry stops taking in and says so
(:class:`~.writer.DiskWatch`), and whoever runs it decides what to keep. Raw samples that are not rolled up yet are held
back and told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from andon.feedback.telemetry.contract.metrics import Level, Resolution
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.rollups import late_days, rolled_until
from andon.feedback.telemetry.store.schema import DAY_MS

_MONTH: Final = 30
"""Days of a partition of the tables that have few rows a day."""
_ID: Final = re.compile(r"(?:(\d+)-)?(\d+)")
"""Level and number, ``1-20717``; those without a level are ``20717``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Days that are kept at least, with the defaults of the settings. ``raw_days`` names every level."""

    raw_days: Mapping[Level, int] = field(default_factory=lambda: dict.fromkeys(Level, 14))
    minute_days: int = 90
    hour_days: int = 1095
    log_days: int = 14
    trace_days: int = 7

    def horizon(self, resolution: Resolution) -> int:
        """Milliseconds of the past of which every series has this resolution."""
        days = {
            Resolution.RAW: min(self.raw_days.values()),
            Resolution.MINUTE: self.minute_days,
            Resolution.HOUR: self.hour_days,
        }
        return days[resolution] * DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """Rows of some days and, where the table tells levels apart, of one level."""

    table: str
    id: str
    level: Level | None
    first_day: int
    """Since 1970."""
    days: int
    rows: int
    bytes: int
    """On the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """``held`` is old enough to go, and stays until it is rolled up."""

    dropped: tuple[Partition, ...] = ()
    held: tuple[Partition, ...] = ()


_TABLES: Final[Mapping[str, int]] = {
    "samples": 1,
    "samples_minute": _MONTH,
    "samples_hour": _MONTH,
    "exemplars": 1,
    "logs": 1,
    "spans": 1,
    "series": _MONTH,
}


def partitions(engine: Engine) -> tuple[Partition, ...]:
    """What is stored, the oldest first."""
    rows = engine.rows(
        "SELECT table, partition_id, sum(rows), sum(bytes_on_disk) FROM system.parts "
        "WHERE database = currentDatabase() AND active AND table IN {tables:Array(String)} "
        "GROUP BY table, partition_id",
        {"tables": list(_TABLES)},
    )
    levels = tuple(Level)
    found = []
    for name, id_, count, size in rows:
        table, read = str(name), _ID.fullmatch(str(id_))
        if read is None:  # of a time before 1970, which no way in takes
            continue
        level, unit, days = read[1], int(read[2]), _TABLES[table]
        found.append(
            Partition(
                table=table,
                id=str(id_),
                level=None if level is None else levels[int(level)],
                first_day=unit * days,
                days=days,
                rows=int(str(count)),
                bytes=int(str(size)),
            )
        )
    return tuple(sorted(found, key=lambda one: (one.first_day, one.table, one.id)))


def sweep(engine: Engine, keep: Keep, now: Callable[[], int] = now_ms) -> Swept:
    """Drop what is older than ``keep`` says. Raises ``Unavailable`` or ``StoreError``; it can be repeated."""
    today = now() // DAY_MS
    until, late = rolled_until(engine)[Resolution.MINUTE], late_days(engine)
    dropped, held = [], []
    for one in partitions(engine):
        if one.first_day + one.days + _days(keep, one) > today:
            continue
        if one.table == "samples" and (until < (one.first_day + 1) * DAY_MS or one.first_day in late):
            held.append(one)
            continue
        engine.command(f"ALTER TABLE {one.table} DROP PARTITION ID {{id:String}}", {"id": one.id})
        dropped.append(one)
    return Swept(dropped=tuple(dropped), held=tuple(held))


def _days(keep: Keep, one: Partition) -> int:
    longest_raw = max(keep.raw_days.values())
    match one.table:
        case "samples" if one.level is not None:
            return keep.raw_days[one.level]
        case "samples_minute":
            return keep.minute_days
        case "samples_hour":
            return keep.hour_days
        case "logs":
            return keep.log_days
        case "spans":
            return keep.trace_days
        case "exemplars":
            return longest_raw
        case _:  # a series is named for as long as anything of it is kept
            return max(longest_raw, keep.minute_days, keep.hour_days)
