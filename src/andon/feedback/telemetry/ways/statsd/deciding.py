"""What becomes of the lines of a key: decided once a day, exactly, when its first line comes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.metrics import SERVICE, Kind, Series
from andon.feedback.telemetry.store.book import FIRST_REFUSED, KINDS, UNKNOWN, Book, kind_of, why
from andon.feedback.telemetry.store.numbers import MOST_DECIMALS, decimals
from andon.feedback.telemetry.ways.statsd.bulk import Key, Unknown
from andon.feedback.telemetry.ways.statsd.lines import Meaning, Refused, Type, judge, number
from andon.feedback.telemetry.ways.statsd.origins import Origins
from andon.feedback.telemetry.ways.statsd.running import Running
from andon.feedback.telemetry.ways.statsd.statements import State, refusal

_MOST_SERVICES = 1000
_AT_LEAST = {Kind.OBSERVATION: 3, Kind.GAUGE: 2}
"""Decimals that later values may have though the first has none: what does not fit takes eight bytes."""


class Deciding:
    """For one thread. ``unwritten`` are series, with their day, that the store has still to be told of."""

    def __init__(self, book: Book, origins: Origins, running: Running) -> None:
        self._book, self._origins, self._running = book, origins, running
        self._services: list[str] = [""]
        self._places: dict[str, int] = {"": 0}
        self.unwritten: list[tuple[Series, int]] = []

    def service(self, place: int) -> str:
        return self._services[place]

    def decide(self, unknown: Sequence[Unknown]) -> tuple[list[Key], list[int]]:
        """All keys, and the gauges that begin to be moved."""
        keys: list[Key] = []
        read: list[tuple[Unknown, Meaning]] = []
        for one in unknown:
            try:
                read.append((one, judge(one.key, self._origins[one.origin])))
            except Refused as refused:
                keys.append(Key(one.hash, refusal(refused.why), service=self._place(refused.service)))
        if not read:
            return keys, []
        entered = self._book.enter(meaning.series for _, meaning in read)
        self.unwritten.extend((one, entered.day) for one in entered.new)
        ids = np.array([meaning.series.id for _, meaning in read], np.uint64)
        values = np.array([_value(one, meaning) for one, meaning in read], np.float64)
        states, _ = self._book.look_up(ids, values)
        places = decimals(values)
        places[places > MOST_DECIMALS] = 0
        moving: dict[int, None] = dict.fromkeys(
            meaning.series.id for _, meaning in read if meaning.relative and meaning.series.id not in self._running
        )
        for (one, meaning), state, place in zip(read, states.tolist(), places.tolist(), strict=True):
            refused_for = _why_not(state, meaning.series.kind)
            if meaning.series.id in entered.foreign:
                refused_for = Dropped.KIND
            service = self._place(meaning.series.label(SERVICE))
            if refused_for is not None:
                keys.append(Key(one.hash, refusal(refused_for), service=service))
                continue
            keys.append(
                Key(
                    one.hash,
                    self._state(meaning, moving),
                    meaning.series.id,
                    level=state // len(KINDS),
                    decimals=max(place, _AT_LEAST.get(meaning.series.kind, 0)),
                    multiplier=meaning.multiplier,
                    copies=meaning.copies,
                    service=service,
                )
            )
        return keys, list(moving)

    def _state(self, meaning: Meaning, moving: Collection[int]) -> State:
        if meaning.type is Type.SET:
            return State.SET
        if meaning.relative:
            return State.RELATIVE
        if meaning.type is Type.GAUGE and (meaning.series.id in self._running or meaning.series.id in moving):
            return State.ABSOLUTE
        return State.SAMPLED if meaning.copies > 1 else State.PLAIN

    def _place(self, service: str) -> int:
        found = self._places.get(service)
        if found is None:
            if len(self._services) >= _MOST_SERVICES:
                return 0
            found = self._places[service] = len(self._services)
            self._services.append(service)
        return found


def _why_not(state: int, kind: Kind) -> Dropped | None:
    if state == UNKNOWN:  # more is refused than is remembered
        return Dropped.CARDINALITY
    if state >= FIRST_REFUSED:
        return why(state)
    return None if kind_of(state) is kind else Dropped.KIND


def _value(one: Unknown, meaning: Meaning) -> float:
    try:
        return number(one.value) * meaning.multiplier
    except Refused:  # a key is not judged by its value
        return 0.0
