"""Lines into rows, in the database: what is measured in nanoseconds a line is said in its language.

Received bytes are a file in memory of ``(origin, time, packets)``. One statement cuts them into lines and looks each
one's *key* up: the line without its value, ``login:|c|#env:live``, but with the value's sign, since a signed gauge
means something else. Lines of known keys with a plain number are rows of ``stage`` then, ready for the store. The
others, which are few, go the late way: times of their own, several values, sets, events, relative gauges, and keys
that nobody has seen. Only these keys reach Python, each once a day, and events and relative gauges.

A key's hash is not a secret one, but begins with the number of its origin, which is drawn by lot: nobody can make lines
that are taken for somebody else's.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.store.engine import Column, Engine, StoreError, Value
from andon.feedback.telemetry.store.numbers import decimals, encode
from andon.feedback.telemetry.ways.statsd import statements as st
from andon.kernel.errors import Unavailable

MOST_COPIES_AT_ONCE = 2_000_000
MOST_MEMBERS = 2_000_000
"""Different values of sets that are remembered within a window."""
MOST_EVENTS = 2_000


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key. ``service`` is a number of the caller's, for counting what is refused."""

    hash: int
    state: int
    id: int = 0
    level: int = 0
    decimals: int = 0
    multiplier: float = 1.0
    copies: float = 1.0
    service: int = 0


@dataclass(frozen=True, slots=True)
class Unknown:
    hash: int
    origin: int
    key: bytes
    value: bytes
    """Of one of its lines."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event or a service check, as it was sent."""

    origin: int
    time: int
    line: bytes


@dataclass(frozen=True, slots=True)
class Moved:
    """Values of gauges in the order in which they came."""

    ids: NDArray[np.uint64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    relative: NDArray[np.bool_]
    levels: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of late lines, values counted one by one."""

    refused: Mapping[tuple[Dropped, int], int]
    """By reason and service."""
    events: tuple[Told, ...]
    moved: Moved


class Bulk:
    """The tables and what is done to them. For one thread. Everything raises ``Unavailable`` or ``StoreError``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._file = os.memfd_create("statsd", os.MFD_CLOEXEC)
        self._parse = st.PARSE.format(file=f"/proc/self/fd/{self._file}")
        self.keys = 0
        self.held = 0
        """Lines of keys that are not decided yet: they come again with the next flush."""
        self._place = 0
        self.members = 0
        """Values of sets in windows that have not ended."""
        self.sets_until = 0

    def open(self) -> None:
        """Make the tables anew."""
        engine = self._engine
        engine.command(f"DROP DATABASE IF EXISTS {st.DATABASE} SYNC")
        engine.command(f"CREATE DATABASE {st.DATABASE} ENGINE = Memory")
        for table, columns in st.TABLES.items():
            engine.command(f"CREATE TABLE {st.DATABASE}.{table} {columns}")
        # the client's first insert loads modules for a second: now, and not while lines wait
        self._learn([Key(0, st.refusal(Dropped.MALFORMED))])
        self._clear("keys")

    def close(self) -> None:
        os.close(self._file)
        # the tables go with the process anyway
        with suppress(StoreError, Unavailable):
            self._engine.command(f"DROP DATABASE IF EXISTS {st.DATABASE} SYNC")

    def forget_keys(self) -> None:
        self._clear("keys")
        self.keys = 0

    def parse(self, received: memoryview) -> tuple[int, int]:
        """Cut into lines and look them up; how many there are, and how many of them are late.

        ``received`` is ``(origin UInt64, time Int64 in ms, packets String)`` as RowBinary. May be repeated.
        """
        self._clear("stage")
        if not received:
            return 0, 0
        os.ftruncate(self._file, 0)
        written = 0
        while written < len(received):
            written += os.pwrite(self._file, received[written:], written)
        self._run(self._parse)
        ((lines, late),) = self._rows(st.COUNT)
        return _int(lines), _int(late)

    def unknown(self, *, late: bool, most: int) -> Sequence[Unknown]:
        """Gather late lines; the keys among them that nobody has decided."""
        self._clear("late")
        if self.held:
            self._run(st.RESUME.format(place=self._place))
        if late:
            self._run(st.LATE)
        rows = self._rows(st.UNKNOWN, {"most": most})
        return [Unknown(_int(h), _int(o), bytes.fromhex(str(key)), bytes.fromhex(str(val))) for h, o, key, val in rows]

    def learn(self, keys: Sequence[Key]) -> None:
        if keys:
            self._learn(keys)
            self.keys += len(keys)

    def keep_order(self, ids: Sequence[int]) -> None:
        """These gauges have relative values: their absolute ones are wanted too from now on."""
        # it is written to only while nothing reads it
        rows = self._rows(st.ORDERED, {"ids": ids})
        again = [
            Key(_int(h), st.State.ABSOLUTE, _int(id_), _int(level), -_int(e), float(str(m)), 1.0, _int(s))
            for h, id_, m, level, e, s in rows
        ]
        if again:
            self._learn(again)

    def _learn(self, keys: Sequence[Key]) -> None:
        places = np.array([one.decimals for one in keys], np.int8)
        self._engine.insert(
            f"{st.DATABASE}.keys",
            [
                Column("h", "UInt64", np.array([one.hash for one in keys], np.uint64)),
                Column("r", "UInt8", np.array([one.state for one in keys], np.uint8)),
                Column("id", "UInt64", np.array([one.id for one in keys], np.uint64)),
                Column("level", "Int8", np.array([one.level for one in keys], np.int8)),
                Column("p", "Float64", 10.0**places),
                Column("e", "Int8", -places),
                Column("m", "Float64", np.array([one.multiplier for one in keys], np.float64)),
                Column("n", "Float32", np.array([one.copies for one in keys], np.float32)),
                Column("s", "UInt16", np.array([one.service for one in keys], np.uint16)),
            ],
        )

    def resolve(self, *, oldest: int, newest: int) -> Outcome:
        """What became of the late lines. Those with a plain value have joined ``stage``."""
        self._clear("found")
        self._run(st.FIND, {"oldest": oldest, "newest": newest})
        counts: Counter[int] = Counter()
        refused: Counter[tuple[Dropped, int]] = Counter()
        copies = 0.0
        for r, s, lines, sampled in self._rows(st.OUTCOMES):
            state, count = _int(r), _int(lines)
            counts[state] += count
            if state >= st.State.REFUSED:
                refused[st.reason(state), _int(s)] += count
            elif state == st.State.SAMPLED:
                copies += float(str(sampled))
        sampled_lines = counts[st.State.SAMPLED]
        too_many = copies > MOST_COPIES_AT_ONCE
        if too_many:
            refused[Dropped.FULL, 0] += int(copies) - sampled_lines
        if counts[st.State.PLAIN] or sampled_lines:
            self._run(st.TAKE, {"one": int(too_many)})
        if counts[st.State.SET]:
            if self.members < MOST_MEMBERS:
                self._run(st.MEMBERS)
                self._look_at_members()
            else:
                refused[Dropped.FULL, 0] += counts[st.State.SET]
        unknown = counts[st.State.UNKNOWN]
        held = min(unknown, st.MOST_HELD)
        if unknown > held:
            refused[Dropped.FULL, 0] += unknown - held
        events = self._events() if counts[st.State.EVENT] else ()
        if counts[st.State.EVENT] > len(events):
            refused[Dropped.FULL, 0] += counts[st.State.EVENT] - len(events)
        moved = self._moved() if counts[st.State.RELATIVE] or counts[st.State.ABSOLUTE] else NOTHING
        # last, and into the other table: what was held until now is still there when something fails
        if held:
            self._clear(f"held_{1 - self._place}")
            self._run(st.HOLD.format(place=1 - self._place))
            self._place = 1 - self._place
        self.held = held
        return Outcome(refused, events, moved)

    def add(self, moved: Moved) -> None:
        """These rows go into the store too."""
        m, e = encode(moved.values, decimals(moved.values))
        size = moved.ids.size
        self._engine.insert(
            f"{st.DATABASE}.stage",
            [
                Column("o", "UInt64", np.zeros(size, np.uint64)),
                Column("t", "Int64", moved.times),
                Column("h", "UInt64", np.zeros(size, np.uint64)),
                Column("id", "UInt64", moved.ids),
                Column("level", "Int8", moved.levels),
                Column("m", "Int64", m),
                Column("e", "Int8", e),
                Column("l", "String", [""] * size),
            ],
        )

    def count_sets(self, until: int) -> None:
        """The sizes of sets in the windows that have ended go into the store too."""
        self._run(st.SIZES, {"now": until})

    def forget_sets(self, until: int) -> None:
        self._engine.command(st.FORGET_MEMBERS, {"now": until})
        self._look_at_members()

    def ready(self) -> int:
        """How many rows wait for the store."""
        ((rows,),) = self._rows(st.COUNT_READY)
        return _int(rows)

    def least(self, today: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Series and the earliest of their times on each day, of the rows that wait; those of today are one, 0."""
        found = self._engine.arrays(st.LEAST + st.SETTINGS, {"day": today})
        if not found:
            return np.zeros(0, np.uint64), np.zeros(0, np.int64)
        ids, times = found
        return ids.astype(np.uint64), times.astype(np.int64)

    def store(self, token: str) -> None:
        """Into ``samples`` of the same engine. May be repeated with the same token."""
        self._run(st.STORE, token=token)

    def columns(self) -> tuple[NDArray[np.generic], ...]:
        """Ids, times, levels, ``m`` and ``e`` of the rows that wait, for a store that is another engine."""
        return self._engine.arrays(st.READY_NUMBERS + st.SETTINGS)

    def _events(self) -> tuple[Told, ...]:
        rows = self._rows(st.EVENTS, {"most": MOST_EVENTS})
        return tuple(Told(_int(o), _int(t), bytes.fromhex(str(line))) for o, t, line in rows)

    def _moved(self) -> Moved:
        ids, times, values, relative, levels = self._engine.arrays(st.MOVED + st.SETTINGS)
        return Moved(
            ids.astype(np.uint64),
            times.astype(np.int64),
            values.astype(np.float64),
            relative.astype(np.bool_),
            levels.astype(np.int8),
        )

    def _look_at_members(self) -> None:
        ((members, until),) = self._rows(st.COUNT_MEMBERS)
        self.members, self.sets_until = _int(members), _int(until)

    def _clear(self, table: str) -> None:
        self._engine.command(f"TRUNCATE TABLE {st.DATABASE}.{table}")

    def _run(self, sql: str, values: Mapping[str, Value] | None = None, *, token: str = "") -> None:
        once = f", insert_deduplication_token = '{token}'" if token else ""
        self._engine.command(sql + st.SETTINGS + once, values)

    def _rows(self, sql: str, values: Mapping[str, Value] | None = None) -> Sequence[Sequence[object]]:
        return self._engine.rows(sql + st.SETTINGS, values)


NOTHING = Moved(
    np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.bool_), np.empty(0, np.int8)
)


def _int(found: object) -> int:
    return int(str(found))
