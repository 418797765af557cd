"""Which series have been seen today, and which were refused: asked for every sample, so it must be quick and small.

A series is written down once a day, with its day. That is what makes "which series had a sample on these days" a
question about a small table, what lets the number of series be limited without forgetting to give room back when
versions and instances have gone, and what makes forgetting a matter of dropping a month.

It also remembers with how many decimals a series is kept: whole numbers of one scale compress best.

And whose they are: ids are short enough for somebody to look for labels that give the id of another service's series.

800,000 series take some 11 MB here: ids as a sorted array, six bytes of state each, and a dictionary for the newest.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.metrics import SERVICE, Kind, Level, Series, series_id
from andon.feedback.telemetry.store.numbers import MOST_DECIMALS, decimals

LEVELS: tuple[Level, ...] = tuple(Level)
KINDS: tuple[Kind, ...] = tuple(Kind)

UNKNOWN = 255
"""No series of this id was named today."""
REFUSED = {Dropped.CARDINALITY: 254, Dropped.KIND: 253}
"""The states of series that are not taken in."""
_WHY = {state: why for why, state in REFUSED.items()}
FIRST_REFUSED = 253
_CLAIMED = 128
"""Added to the state of a name and labels that are here under another id only: it says their kind, and no more."""
_MERGED_AT = 20_000
MOST_SERVICES = 10_000
"""Of a day. A label of endless values may be called ``service`` too, and then no service is ever full."""


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of series that were named."""

    new: tuple[Series, ...] = ()
    """To be written down, for this day."""
    day: int = -1
    refused: dict[str, dict[Dropped, int]] = field(default_factory=dict)
    """By service: how many series were refused, and why."""
    foreign: frozenset[int] = frozenset()
    """Ids that belong to a series of another service: nothing that was sent for them may be stored."""


class Book:
    """Safe to use from every thread. ``limit`` is how many series a service may have a day, ``total`` all together.

    ``level`` is asked once for each series of a day of which level it is.
    """

    def __init__(
        self, *, limit: int, total: int, level: Callable[[Series], Level] = lambda series: series.level
    ) -> None:
        self._limit, self._total, self._level = limit, total, level
        self._lock = threading.Lock()
        self._day = -1
        self._ids: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._states: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._places: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._owners: NDArray[np.uint32] = np.empty(0, np.uint32)
        self._numbers: dict[str, int] = {}
        self._before: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._states_before: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._newest: dict[int, tuple[int, int]] = {}
        self._per_service: dict[str, int] = {}
        self._count = 0

    @property
    def day(self) -> int:
        """Days since 1970 that this book is about; -1 before :meth:`open`."""
        return self._day

    def open(self, day: int, ids: NDArray[np.uint64], states: NDArray[np.uint8], services: Sequence[str]) -> None:
        """Begin a day with what was written down of it already (nothing, unless this process began in mid-day):
        ``services`` and ``states`` of the series with these ids."""
        order = np.argsort(ids, kind="stable")
        with self._lock:
            if self._newest:
                self._merge()
            kept = (self._states < _CLAIMED) & (day == self._day + 1)
            self._before, self._states_before = self._ids[kept], self._states[kept]
            self._day = day
            self._ids, self._states = ids[order], states[order]
            self._places = np.zeros(ids.size, np.uint8)
            self._newest = {}
            self._per_service = dict(Counter(services))
            self._numbers = {}
            self._owners = np.fromiter((self._number(one) for one in services), np.uint32, ids.size)[order]
            self._count = int(ids.size)

    def counts(self) -> dict[str, int]:
        """How many series each service has today."""
        with self._lock:
            return dict(self._per_service)

    def knows(self, series: int) -> bool:
        with self._lock:
            state = self._state(series)
            return state != UNKNOWN and not _is_claimed(state)

    def had(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which of today's were written down for yesterday with the level they have today, as far as this process
        knows: samples are looked for at the levels of which a series was written down."""
        with self._lock:
            if self._newest:
                self._merge()
            if not self._before.size or not self._ids.size:
                return np.zeros(ids.size, np.bool_)
            before = np.minimum(np.searchsorted(self._before, ids), self._before.size - 1)
            now = np.minimum(np.searchsorted(self._ids, ids), self._ids.size - 1)
            same: NDArray[np.bool_] = level_of(self._states_before[before]) == level_of(self._states[now])
            same &= (self._before[before] == ids) & (self._ids[now] == ids)
            return same

    def yesterday(self, ids: NDArray[np.uint64]) -> NDArray[np.uint8]:
        """The states that series had when the day turned, :data:`UNKNOWN` where they had none: whoever asked just
        before midnight whether they are known did not name them."""
        with self._lock:
            if not self._before.size:
                return np.full(ids.size, UNKNOWN, np.uint8)
            at = np.minimum(np.searchsorted(self._before, ids), self._before.size - 1)
            return np.where(self._before[at] == ids, self._states_before[at], np.uint8(UNKNOWN))

    def enter(self, named: Iterable[Series], *, ours: bool = False) -> Entered:
        """Take note of series. Known ones cost a look-up. What Andon says of a service is ``ours``, and has room
        however much the service itself says: that it says too much, before all."""
        new: list[Series] = []
        refused: dict[str, dict[Dropped, int]] = {}
        foreign: set[int] = set()
        with self._lock:
            day = self._day
            for one in named:
                service = one.label(SERVICE)
                state, owner = self._known(one.id)
                claimed = _is_claimed(state)
                if claimed and owner != self._numbers.get(service):
                    foreign.add(one.id)
                    continue
                if state != UNKNOWN and not claimed:
                    if owner != self._numbers.get(service) and state < FIRST_REFUSED:
                        foreign.add(one.id)
                    continue
                why = self._why_not(one, service, ours=ours)
                if why is not None:
                    # remembered too, so that its next sample costs no more than one that is taken; it is bounded, since
                    # a flood of names must not fill the memory
                    if len(self._newest) + self._ids.size < 2 * self._total:
                        self._note(one.id, REFUSED[why], 0)  # of nobody: names of services may be the flood
                    counts = refused.setdefault(service, {})
                    counts[why] = counts.get(why, 0) + 1
                    continue
                level = self._level(one)
                if level is not one.level:
                    one = replace(one, level=level)  # noqa: PLW2901 - from here on it is of this level
                if claimed:
                    one = replace(one, kind=kind_of(state))  # noqa: PLW2901 - whoever came first is right for a day
                self._note(one.id, state_of(one), self._number(service))
                self._per_service[service] = self._per_service.get(service, 0) + 1
                self._count += 1
                new.append(one)
            if len(self._newest) > _MERGED_AT:
                self._merge()
        return Entered(tuple(new), day, refused, frozenset(foreign))

    def strike(self, named: Sequence[Series]) -> None:
        """Take back what :meth:`enter` answered as new: it could not be written down, and is new the next time."""
        with self._lock:
            self._merge()
            places = [place for one in named if (place := self._place(one.id)) is not None]
            for one in named if places else ():  # none, when the page was turned since
                service = one.label(SERVICE)
                self._per_service[service] = self._per_service.get(service, 1) - 1
                self._count -= 1
            self._ids = np.delete(self._ids, places)
            self._states = np.delete(self._states, places)
            self._places = np.delete(self._places, places)
            self._owners = np.delete(self._owners, places)

    def look_up(
        self, ids: NDArray[np.uint64], values: NDArray[np.float64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """For each sample the state of its series (below :data:`FIRST_REFUSED` one that :func:`level_of` reads) and the
        number of decimals to keep it with: the most that a sample of its series has needed so far."""
        needed = decimals(values)
        with self._lock:
            if self._newest:
                self._merge()
            known, states, places = self._ids, self._states, self._places
            if not known.size:
                return np.full(ids.size, UNKNOWN, np.uint8), needed
            at = np.searchsorted(known, ids)
            at[at == known.size] = 0
            found = states[at]
            strange = (known[at] != ids) | ((found >= _CLAIMED) & (found < FIRST_REFUSED))
            found[strange] = UNKNOWN
            sound = ~strange & (needed <= MOST_DECIMALS)
            np.maximum.at(places, at[sound], needed[sound])
            return found, np.where(strange, needed, places[at])

    def _why_not(self, one: Series, service: str, *, ours: bool) -> Dropped | None:
        if not ours and (self._full(service) or self._count >= self._total):
            return Dropped.CARDINALITY
        # StatsD's series are told apart by their raw text: the same name and labels may be here under another id
        own = series_id(one.name, one.labels)
        if own != one.id:
            state = self._state(own)
            if state == UNKNOWN:
                self._newest[own] = state_of(one) + _CLAIMED, self._number(service)
            elif state < FIRST_REFUSED and kind_of(state) is not one.kind:
                return Dropped.KIND
        return None

    def _full(self, service: str) -> bool:
        count = self._per_service.get(service)
        return len(self._per_service) >= MOST_SERVICES if count is None else count >= self._limit

    def _note(self, series: int, state: int, owner: int) -> None:
        place = None if series in self._newest else self._place(series)
        if place is None:
            self._newest[series] = state, owner
        else:
            self._states[place], self._owners[place] = state, owner

    def _number(self, service: str) -> int:
        return self._numbers.setdefault(service, len(self._numbers))

    def _state(self, series: int) -> int:
        return self._known(series)[0]

    def _known(self, series: int) -> tuple[int, int]:
        """Its state, and the number of the service it is of."""
        newest = self._newest.get(series)
        if newest is not None:
            return newest
        place = self._place(series)
        return (UNKNOWN, 0) if place is None else (int(self._states[place]), int(self._owners[place]))

    def _place(self, series: int) -> int | None:
        place = int(np.searchsorted(self._ids, np.uint64(series)))
        return place if place < self._ids.size and int(self._ids[place]) == series else None

    def _merge(self) -> None:
        ids = np.fromiter(self._newest.keys(), np.uint64, len(self._newest))
        states = np.fromiter((state for state, _ in self._newest.values()), np.uint8, len(self._newest))
        owners = np.fromiter((owner for _, owner in self._newest.values()), np.uint32, len(self._newest))
        order = np.argsort(ids)
        places = np.searchsorted(self._ids, ids[order])
        self._ids = np.insert(self._ids, places, ids[order])
        self._states = np.insert(self._states, places, states[order])
        self._places = np.insert(self._places, places, np.uint8(0))
        self._owners = np.insert(self._owners, places, owners[order])
        self._newest = {}


def state_of(series: Series) -> int:
    return LEVELS.index(series.level) * len(KINDS) + KINDS.index(series.kind)


def _is_claimed(state: int) -> bool:
    return _CLAIMED <= state < FIRST_REFUSED


def kind_of(state: int) -> Kind:
    return KINDS[state % len(KINDS)]


def level_of(states: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The index of the level in :data:`LEVELS`, for states that are none of a refusal."""
    return (states // len(KINDS)).astype(np.uint8)


def why(state: int) -> Dropped:
    return _WHY.get(state, Dropped.MALFORMED)
