"""The statements of :mod:`.bulk`."""
# ruff: noqa: S608 - nothing but constants of ours is put into them

from __future__ import annotations

from enum import IntEnum

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.store.numbers import RAW_BITS
from andon.feedback.telemetry.store.schema import DAY_MS, LEVELS
from andon.feedback.telemetry.ways.statsd.lines import LONGEST_LINE, NO_NUMBER, NUMBER

DATABASE = "statsd"
MOST_HELD = 1_000_000
"""Lines whose keys wait to be decided."""
SET_WINDOW = 10_000
"""Milliseconds over which the different values of a set are counted, as StatsD does it."""
_REASONS = tuple(Dropped)


class State(IntEnum):
    """What becomes of a line. Above :attr:`REFUSED` is the place of the reason in :class:`Dropped`."""

    UNKNOWN = 0
    PLAIN = 1
    SAMPLED = 2
    """An observation that stands for several."""
    SET = 3
    RELATIVE = 4
    ABSOLUTE = 5
    """Of a gauge that has relative values too: their order matters."""
    EVENT = 6
    REFUSED = 100


def refusal(why: Dropped) -> int:
    return State.REFUSED + _REASONS.index(why)


def reason(state: int) -> Dropped:
    return _REASONS[state - State.REFUSED]


TABLES = {
    "keys": f"""(h UInt64, r UInt8, id UInt64, level {LEVELS}, p Float64, e Int8, m Float64, n Float32, s UInt16)
        ENGINE = Join(ANY, LEFT, h) SETTINGS persistent = 0, join_any_take_last_row = 1""",
    "stage": f"(o UInt64, t Int64, h UInt64, id UInt64, level {LEVELS}, m Int64, e Int8, l String) ENGINE = Memory",
    "late": "(r UInt8, o UInt64, t Int64, timed UInt8, h UInt64, key String, val String) ENGINE = Memory",
    "held_0": "(r UInt8, o UInt64, t Int64, timed UInt8, h UInt64, key String, val String) ENGINE = Memory",
    "held_1": "(r UInt8, o UInt64, t Int64, timed UInt8, h UInt64, key String, val String) ENGINE = Memory",
    "found": f"""(r UInt8, o UInt64, t Int64, timed UInt8, h UInt64, key String, val String, id UInt64, level {LEVELS},
        p Float64, e Int8, n Float32, s UInt16, v Float64) ENGINE = Memory""",
    "members": f"(id UInt64, level {LEVELS}, until Int64, member UInt64) ENGINE = Memory",
}

# one thread, so that lines stay in their order and a core is a core
_SETTINGS = {
    "max_threads": 1,
    "max_insert_threads": 1,
    "input_format_parallel_parsing": 0,
    "log_queries": 0,
    "max_block_size": 65536,
    "min_insert_block_size_rows": 2_000_000,
    "min_insert_block_size_bytes": 0,
    "max_insert_block_size": 2_000_000,
    "optimize_on_insert": 0,
    "precise_float_parsing": 1,
    "max_partitions_per_insert_block": 0,
}


SETTINGS = " SETTINGS " + ", ".join(f"{name} = {value}" for name, value in _SETTINGS.items())
"""In the text: the client looks each one up before every statement, which costs as much as the statement."""


def _encoded(w: str, p: str, e: str) -> str:
    """``m_`` and ``e_`` as :func:`~andon.feedback.telemetry.store.numbers.encode` makes them (but -0 is 0 here)."""
    return f"""round({w} * {p}) AS scaled, abs(scaled) < 9007199254740992 AND scaled / {p} = {w} AS whole,
    if(whole, toInt64(scaled), reinterpretAsInt64({w})) AS m_, if(whole, {e}, toInt8({RAW_BITS})) AS e_"""


def _refused(why: Dropped) -> str:
    return f"toUInt8({refusal(why)})"


_SIGN = "substring({0}, 1, 1) IN ('+', '-')"

# The database reads "e5" and "." as zero: a zero must begin with its digit, or goes the late way.
PARSE = f"""
INSERT INTO {DATABASE}.stage SELECT o, t, h, if(known, id, 0), level, m_, e_, if(known, '', l) FROM (
    SELECT o, t, h, l, k.id AS id, k.level AS level, sound AND k.r = {State.PLAIN:d} AS known, v * k.m AS w,
        {_encoded("w", "k.p", "k.e")}
    FROM (
        WITH position(l, ':') AS colon, position(l, '|') AS bar, substring(l, colon + 1, bar - colon - 1) AS val,
            substring(l, bar) AS tail
        SELECT o, t, l, cityHash64(o, substring(l, 1, colon + ({_SIGN.format("val")})), tail) AS h,
            ifNull(toFloat64OrNull(val), nan) AS v,
            isFinite(v) AND colon < bar AND length(l) <= {LONGEST_LINE} AND position(tail, '|T') = 0
                AND (v != 0 OR startsWith(val, '0')) AS sound
        FROM file('{{file}}', 'RowBinary', 'o UInt64, t Int64, p String') ARRAY JOIN splitByChar('\n', p) AS l
        WHERE l != '' AND l != '\r'
    ) AS x ANY LEFT JOIN {DATABASE}.keys AS k USING h
)"""

COUNT = f"SELECT count(), countIf(id = 0) FROM {DATABASE}.stage"

# nested, and not with names for parts within one: a name is worked out anew wherever it stands, before the first row
LATE = f"""
INSERT INTO {DATABASE}.late SELECT r, o, if(at = '', t, toInt64(at) * 1000), at != '', cityHash64(o, lead, tail),
    if(r = 0, concat(lead, '0', tail), l), val
FROM (
    SELECT r, o, t, l, at, val,
        if(at = '', rest, replaceRegexpOne(rest, '\\|T[0-9]{{1,12}}(\\||\r|$)', '|T0\\1')) AS tail,
        concat(substring(l, 1, colon), if({_SIGN.format("val")}, substring(val, 1, 1), '')) AS lead
    FROM (
        SELECT r, o, t, l, colon, rest, extract(rest, '\\|T([0-9]{{1,12}})(?:\\||\r|$)') AS at,
            arrayJoin(if(r != 0 OR match(rest, '^\\|s(\\||\r|$)'), [between], splitByChar(':', between))) AS val
        FROM (
            SELECT o, t, l, colon, substring(l, bar) AS rest, substring(l, colon + 1, bar - colon - 1) AS between,
                multiIf(
                    length(l) > {LONGEST_LINE}, {_refused(Dropped.TOO_LARGE)},
                    startsWith(l, '_e{{') OR startsWith(l, '_sc|'), toUInt8({State.EVENT:d}),
                    colon = 0 OR bar < colon, {_refused(Dropped.MALFORMED)}, toUInt8(0)) AS r
            FROM (
                SELECT o, t, l, position(l, ':') AS colon, position(l, '|') AS bar FROM {DATABASE}.stage WHERE id = 0
            )
        )
    )
)"""

# in the order in which they came: of two that disagree about a type the first one is right
UNKNOWN = f"""
SELECT h, any(o), hex(any(key)), hex(any(val))
FROM (SELECT h, o, key, val, r, rowNumberInAllBlocks() AS place FROM {DATABASE}.late)
WHERE r = 0 AND joinGet('{DATABASE}.keys', 'r', h) = 0
GROUP BY h ORDER BY min(place) LIMIT {{most:UInt32}}"""

FIND = f"""
INSERT INTO {DATABASE}.found
SELECT state, o, t, timed, h, if(state IN (0, {State.EVENT:d}), key, ''), if(state IN (0, {State.SET:d}), val, ''),
    id, level, p, e, n, s, v
FROM (
    SELECT o, t, timed, h, key, val, k.id AS id, k.level AS level, k.p AS p, k.e AS e, k.n AS n, k.s AS s, x * k.m AS v,
        multiIf(
            r != 0, r,
            k.r = 0 OR k.r >= {State.REFUSED:d}, k.r,
            timed AND (t < {{oldest:Int64}} OR t > {{newest:Int64}}), {_refused(Dropped.TIME)},
            k.r = {State.SET:d}, k.r,
            NOT number, if(match(val, '{NO_NUMBER}'), {_refused(Dropped.NOT_A_NUMBER)}, {_refused(Dropped.MALFORMED)}),
            NOT isFinite(v), {_refused(Dropped.NOT_A_NUMBER)},
            k.r) AS state
    FROM (
        SELECT *, ifNull(toFloat64OrNull(val), nan) AS x, match(val, '{NUMBER}') AS number FROM {DATABASE}.late
    ) AS l ANY LEFT JOIN {DATABASE}.keys AS k USING h
)"""

OUTCOMES = f"SELECT r, s, count(), toFloat64(sum(n)) FROM {DATABASE}.found GROUP BY r, s"

# a rate of 0.3 stands for three observations, and every third time for four
TAKE = f"""
INSERT INTO {DATABASE}.stage SELECT o, t, h, id, level, m_, e_, '' FROM (
    SELECT o, t, h, id, level, {_encoded("v", "p", "e")} FROM {DATABASE}.found
    ARRAY JOIN range(if(r = {State.PLAIN:d} OR {{one:UInt8}}, 1, toUInt32(floor(n + randCanonical())))) AS copy
    WHERE r IN ({State.PLAIN:d}, {State.SAMPLED:d})
)"""

MOVED = f"""
SELECT id, t, v, r = {State.RELATIVE:d}, CAST(level, 'Int8') FROM {DATABASE}.found
WHERE r IN ({State.RELATIVE:d}, {State.ABSOLUTE:d})"""

# whoever sends a relative value once has all values of that gauge kept in their order from then on
ORDERED = f"""
SELECT h, id, m, CAST(level, 'Int8'), e, s FROM {DATABASE}.keys
WHERE r = {State.PLAIN:d} AND id IN {{ids:Array(UInt64)}}"""

EVENTS = f"SELECT o, t, hex(key) FROM {DATABASE}.found WHERE r = {State.EVENT:d} LIMIT {{most:UInt32}}"

HOLD = f"""
INSERT INTO {DATABASE}.held_{{place}} SELECT r, o, t, timed, h, key, val FROM {DATABASE}.found WHERE r = 0
LIMIT {MOST_HELD}"""

RESUME = f"INSERT INTO {DATABASE}.late SELECT * FROM {DATABASE}.held_{{place}}"

MEMBERS = f"""
INSERT INTO {DATABASE}.members
SELECT DISTINCT id, level, (intDiv(t, {SET_WINDOW}) + 1) * {SET_WINDOW}, cityHash64(val)
FROM {DATABASE}.found WHERE r = {State.SET:d}"""

SIZES = f"""
INSERT INTO {DATABASE}.stage SELECT 0, until, 0, id, any(level), toInt64(uniqExact(member)), 0, ''
FROM {DATABASE}.members WHERE until <= {{now:Int64}} GROUP BY id, until"""

FORGET_MEMBERS = f"ALTER TABLE {DATABASE}.members DELETE WHERE until <= {{now:Int64}}"

COUNT_MEMBERS = f"SELECT count(), min(until) FROM {DATABASE}.members"
COUNT_READY = f"SELECT countIf(id != 0) FROM {DATABASE}.stage"
READY = f"SELECT id, t, level, m, e FROM {DATABASE}.stage WHERE id != 0"
READY_NUMBERS = f"SELECT id, t, CAST(level, 'Int8'), m, e FROM {DATABASE}.stage WHERE id != 0"
LEAST = f"""
SELECT if(intDiv(t, {DAY_MS}) = {{day:Int64}}, 0, id) AS one, min(t) FROM {DATABASE}.stage WHERE id != 0
GROUP BY one, intDiv(t, {DAY_MS})"""
STORE = f"INSERT INTO samples (series, time, level, m, e) {READY}"
