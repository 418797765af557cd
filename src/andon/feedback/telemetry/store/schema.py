"""The store's tables, and how those of an earlier release become these.

Numbers are kept as ``m * 10^e`` with whole ``m``: measured times and sizes have few decimals, and whole numbers
compress to two thirds of what floating point does (0.77 instead of 1.18 bytes a sample on the same data). ``e`` is 127
where that does not give the very same number back; ``m`` is then its 64 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.numbers import RAW_BITS
from andon.kernel.errors import Conflict

DAY_MS = 86_400_000
VALUE = f"if(e = {RAW_BITS}, reinterpretAsFloat64(m), m / [1., 10., 100., 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9][1 - e])"
"""Divided and not multiplied: a tenth has no exact form, ten has."""

LEVELS = "Enum8('business' = 0, 'application' = 1, 'infrastructure' = 2, 'client' = 3, 'pipeline' = 4)"
KINDS = "Enum8('gauge' = 0, 'counter' = 1, 'delta' = 2, 'observation' = 3)"
SPAN_KINDS = "Enum8('internal' = 0, 'server' = 1, 'client' = 2, 'producer' = 3, 'consumer' = 4)"
SPAN_STATES = "Enum8('unset' = 0, 'ok' = 1, 'error' = 2)"
_TIME = "Int64 CODEC(Delta(8), ZSTD(1))"
_NUMBER = "Float64 CODEC(Delta(8), ZSTD(1))"
_TEXT = "String CODEC(ZSTD(1))"
_WORD = "LowCardinality(String)"

_SERIES = f"""
CREATE TABLE IF NOT EXISTS series (
    day UInt16, name {_TEXT}, id UInt64 CODEC(ZSTD(1)), kind {KINDS}, level {LEVELS}, unit {_WORD}, help {_WORD},
    path {_TEXT}, service {_WORD}, labels Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    pairs Array(String) MATERIALIZED arrayMap((k, v) -> concat(k, '=', v), mapKeys(labels), mapValues(labels)),
    INDEX pairs pairs TYPE text(tokenizer = 'array')
) ENGINE = MergeTree PARTITION BY intDiv(day, 30) ORDER BY (name, id, day)
SETTINGS non_replicated_deduplication_window = 1000
"""

_SAMPLES = f"""
CREATE TABLE IF NOT EXISTS samples (
    series UInt64 CODEC(Delta(8), ZSTD(1)), time {_TIME}, level {LEVELS},
    m Int64 CODEC(Delta(8), T64('bit'), ZSTD(1)), e Int8 CODEC(ZSTD(1)),
    value Float64 ALIAS {VALUE}
) ENGINE = MergeTree PARTITION BY (level, intDiv(time, {DAY_MS})) ORDER BY (series, time)
SETTINGS non_replicated_deduplication_window = 1000, min_parts_to_merge_at_once = 10,
    enable_vertical_merge_algorithm = 0, merge_max_block_size = 65536,
    index_granularity = 2048, min_compress_block_size = 32768
"""
"""The last two: an hour of a series is 360 samples, for which 8,192 would be unpacked. Half the time, 4 % more room."""


def _rolled(table: str) -> str:
    return f"""
CREATE TABLE IF NOT EXISTS {table} (
    series UInt64 CODEC(Delta(8), ZSTD(1)), time {_TIME}, level {LEVELS}, count UInt32 CODEC(T64, ZSTD(1)),
    sum {_NUMBER}, min {_NUMBER}, max {_NUMBER}, first {_NUMBER}, last {_NUMBER},
    increase Float64 CODEC(ZSTD(1)), version UInt64 CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree(version) PARTITION BY (level, intDiv(time, {30 * DAY_MS})) ORDER BY (series, time)
"""


_ROLLED_UNTIL = """
CREATE TABLE IF NOT EXISTS rolled_until (resolution LowCardinality(String), until Int64, version UInt64)
ENGINE = ReplacingMergeTree(version) ORDER BY resolution
"""

_EXEMPLARS = f"""
CREATE TABLE IF NOT EXISTS exemplars (
    series UInt64, time {_TIME}, value Float64, trace {_TEXT}, span {_TEXT}, labels Map(LowCardinality(String), String)
) ENGINE = MergeTree PARTITION BY intDiv(time, {DAY_MS}) ORDER BY (series, time)
SETTINGS non_replicated_deduplication_window = 1000
"""

_LOGS = f"""
CREATE TABLE IF NOT EXISTS logs (
    time {_TIME}, seq UInt64 CODEC(Delta(8), ZSTD(1)), severity UInt8, service {_WORD}, environment {_WORD},
    version {_WORD}, instance {_WORD}, source {_WORD}, origin {_WORD}, position Int64 CODEC(Delta(8), ZSTD(1)),
    template UInt64 CODEC(ZSTD(1)), trace {_TEXT}, span {_TEXT}, body {_TEXT},
    fields Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    INDEX words lower(body) TYPE tokenbf_v1(32768, 3, 0),
    INDEX pieces lower(body) TYPE ngrambf_v1(4, 65536, 2, 0),
    INDEX field_values mapValues(fields) TYPE bloom_filter(0.01),
    INDEX traces trace TYPE bloom_filter(0.01),
    INDEX templates template TYPE bloom_filter(0.01),
    INDEX arrivals seq TYPE minmax
) ENGINE = MergeTree PARTITION BY intDiv(time, {DAY_MS * 1000}) ORDER BY time
SETTINGS non_replicated_deduplication_window = 1000
"""

_SPANS = f"""
CREATE TABLE IF NOT EXISTS spans (
    start {_TIME}, duration Int64 CODEC(T64, ZSTD(1)), trace {_TEXT}, id {_TEXT}, parent {_TEXT}, service {_WORD},
    environment {_WORD}, version {_WORD}, instance {_WORD}, name {_WORD},
    kind {SPAN_KINDS},
    status {SPAN_STATES}, message {_TEXT},
    attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)), events {_TEXT}, links {_TEXT},
    INDEX traces trace TYPE bloom_filter(0.001),
    INDEX attribute_values mapValues(attributes) TYPE bloom_filter(0.01)
) ENGINE = MergeTree PARTITION BY intDiv(start, {DAY_MS * 1_000_000}) ORDER BY (service, start)
SETTINGS non_replicated_deduplication_window = 1000
"""

_TEMPLATES = f"""
CREATE TABLE IF NOT EXISTS templates (
    id UInt64, service {_WORD}, text {_TEXT}, first_seen Int64, first_version {_WORD}, version UInt64
) ENGINE = ReplacingMergeTree(version) ORDER BY (service, id)
"""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Statements that may each be repeated: what a crash left half done is done again."""

    number: int
    says: str
    statements: tuple[str, ...]


UPGRADES: Sequence[Upgrade] = (
    Upgrade(
        1,
        "the first tables",
        (
            _SERIES,
            _SAMPLES,
            _rolled("samples_minute"),
            _rolled("samples_hour"),
            _ROLLED_UNTIL,
            _EXEMPLARS,
            _LOGS,
            _SPANS,
            _TEMPLATES,
        ),
    ),
)


def upgrade(engine: Engine, upgrades: Sequence[Upgrade] = UPGRADES) -> int:
    """Bring the tables to this release's form; the number of the last upgrade.

    Raises :class:`~andon.kernel.errors.Conflict` for a store that a newer release has written.
    """
    engine.command(
        "CREATE TABLE IF NOT EXISTS upgrades (number UInt32, says String, at Int64) ENGINE = MergeTree ORDER BY number"
    )
    done = {int(str(number)) for (number,) in engine.rows("SELECT number FROM upgrades")}
    last = upgrades[-1].number
    if done and max(done) > last:
        raise Conflict(
            f"The telemetry store was written by a newer Andon: it has upgrade {max(done)}, this one knows {last}.",
            safe="Nothing in it was changed.",
            remedy="Start the newer Andon, or restore a backup that this one has made.",
        )
    for one in upgrades:
        if one.number in done:
            continue
        for statement in one.statements:
            engine.command(statement, allow_suspicious_codecs=1)
        engine.command(
            "INSERT INTO upgrades SELECT {number:UInt32}, {says:String}, {at:Int64}",
            {"number": one.number, "says": one.says, "at": now_ms()},
        )
    return last
