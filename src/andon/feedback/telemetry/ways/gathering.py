"""What one request holds, on its way to the intake; and who sent it, and which times are believed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from andon.feedback.telemetry.contract.intake import Batch, Dropped, Intake, Receipt, Way
from andon.feedback.telemetry.contract.logs import LogLine
from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    LONGEST_NAME,
    LONGEST_VALUE,
    MOST_LABELS,
    SERVICE,
    Exemplar,
    Kind,
    Labels,
    Series,
    canonical,
    series_id,
)
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.contract.traces import Span
from andon.feedback.telemetry.ways.compression import too_many
from andon.feedback.telemetry.ways.levels import level_of

AHEAD = 10 * 60 * 1000
"""Milliseconds by which a sender's clock may be ahead of ours."""
MOST_ITEMS = 500_000
"""Samples, lines and spans of one request; the rest of a larger one is dropped, and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who speaks through a listening place, whatever is claimed there: a socket inside an environment's sandbox."""

    service: str
    environment: str

    def over(self, labels: Mapping[str, str]) -> dict[str, str]:
        return {**labels, SERVICE: self.service, ENVIRONMENT: self.environment}


class Window:
    """Which times are taken in: not older than raw samples are kept, and not far in the future.

    ``kept`` gives the milliseconds that raw data are kept; ``now`` the present in milliseconds since 1970.
    """

    def __init__(self, kept: Callable[[], int], now: Callable[[], int] | None = None) -> None:
        self._kept = kept
        self.now = now or now_ms

    def bounds(self) -> tuple[int, int]:
        """The oldest and the newest time that is believed, in milliseconds."""
        now = self.now()
        return now - self._kept(), now + AHEAD


class Gathering:
    """Filled by one decoder, in one thread, then handed over once."""

    def __init__(self, way: Way, window: Window) -> None:
        self.way = way
        self.oldest, self.newest = window.bounds()
        self.now = window.now()
        self.series: dict[int, Series] = {}
        self.ids: list[int] = []
        self.times: list[int] = []
        self.values: list[float] = []
        self.packed = bytearray()
        """Instead of ``values``, where they came as what they are in memory: eight bytes each, little-endian."""
        self.exemplars: list[Exemplar] = []
        self.logs: list[LogLine] = []
        self.spans: list[Span] = []
        self._left = MOST_ITEMS
        self.learned: Callable[[AbstractSet[int]], None] | None = None
        """Called once everything is stored, with the series that must be named again."""
        self.dropped: Counter[tuple[Dropped, str]] = Counter()
        self.reasons: dict[Dropped, str] = {}
        """For each reason one example, for the answer to whoever sent it."""

    @property
    def empty(self) -> bool:
        return not (self.ids or self.logs or self.spans or self.exemplars)

    @property
    def full(self) -> bool:
        return len(self.ids) + len(self.logs) + len(self.spans) >= MOST_ITEMS

    def drop(self, why: Dropped, count: int = 1, *, service: str = "", example: str = "") -> None:
        self.dropped[why, service] += count
        if why not in self.reasons:
            self.reasons[why] = example[:200]

    def spend(self, items: int) -> None:
        """Look at so many more parts of the request, empty ones too: two bytes can make the work of a whole sample.

        Raises :class:`~andon.feedback.telemetry.ways.compression.TooLarge`.
        """
        self._left -= items
        if self._left < 0:
            raise too_many(MOST_ITEMS)

    def in_time(self, milliseconds: int) -> bool:
        return self.oldest <= milliseconds <= self.newest

    def sample(self, series: Series, milliseconds: int, value: float) -> None:
        """One sample of a series that may be new. What is out of time is dropped."""
        if not self.oldest <= milliseconds <= self.newest:
            self.drop(Dropped.TIME, service=series.label(SERVICE), example=f"{series.name} at {milliseconds} ms")
            return
        self.series.setdefault(series.id, series)
        self.ids.append(series.id)
        self.times.append(milliseconds)
        self.values.append(value)

    def batch(self, token: str = "") -> Batch:
        return Batch(
            way=self.way,
            series=tuple(self.series.values()),
            ids=self.ids,
            times=self.times,
            values=np.frombuffer(bytes(self.packed), np.dtype("<f8")) if self.packed else self.values,
            exemplars=self.exemplars,
            logs=self.logs,
            spans=self.spans,
            token=token,
        )

    def told(self, receipt: Receipt) -> str:
        """What was not taken and why, in a sentence for the sender; empty if everything was."""
        counts: Counter[Dropped] = Counter(receipt.dropped)
        for (why, _), count in self.dropped.items():
            counts[why] += count
        return "; ".join(
            f"{count} dropped: {_MEANING.get(why, why.value)}"
            + (f" ({self.reasons[why]})" if self.reasons.get(why) else "")
            for why, count in sorted(counts.items())
            if count
        )


_MEANING = {
    Dropped.TIME: "the time is older than raw data are kept, or more than ten minutes ahead",
    Dropped.NAME: f"a name or label is empty or longer than {LONGEST_NAME}, a value is longer than {LONGEST_VALUE}, "
    f"or there are more than {MOST_LABELS} labels",
    Dropped.NOT_A_NUMBER: "the value is no number",
    Dropped.CARDINALITY: "the service has as many series as it may have",
    Dropped.KIND: "the name is known as another kind of metric",
    Dropped.MALFORMED: "it does not follow the protocol",
    Dropped.TOO_LARGE: "the request holds more than a request may",
}


def hand_over(intake: Intake, gathering: Gathering, token: str = "") -> Future[Receipt]:
    """Give it to the intake, and count what was dropped before once it is known that it will not be sent again.

    Raises ``TooMany`` or ``Unavailable``, as the future does; then nothing was taken and nothing counted.
    """
    if gathering.empty:
        _count(intake, gathering)
        done: Future[Receipt] = Future()
        done.set_result(Receipt())
        return done
    future = intake.take(gathering.batch(token))
    future.add_done_callback(lambda told: _done(told, intake, gathering))
    return future


def _done(told: Future[Receipt], intake: Intake, gathering: Gathering) -> None:
    if told.cancelled() or told.exception():
        return
    if gathering.learned is not None:
        gathering.learned(told.result().disputed)
    _count(intake, gathering)


async def handed_over(intake: Intake, gathering: Gathering) -> Receipt:
    """:func:`hand_over`, waited for: once this returns, everything survives the end of this process."""
    # whoever waits may be gone before the answer is there (a call that is cancelled): the store must not see that
    return await asyncio.shield(asyncio.wrap_future(hand_over(intake, gathering)))


def _count(intake: Intake, gathering: Gathering) -> None:
    for (why, service), count in gathering.dropped.items():
        intake.drop(gathering.way, why, count, service=service)


def fits(name: str, labels: Iterable[tuple[str, str]]) -> bool:
    """Whether a series may be called so."""
    count = 0
    for label, value in labels:
        count += 1
        if not label or len(label) > LONGEST_NAME or len(value) > LONGEST_VALUE:
            return False
    return 0 < len(name) <= LONGEST_NAME and count <= MOST_LABELS


def make_series(
    name: str, labels: Mapping[str, str], kind: Kind, *, unit: str = "", help: str = "", path: str = ""
) -> Series | None:
    """A series with its id and level; ``None`` if its name or labels are not fit to be kept."""
    kept: Labels = canonical(labels)
    if not fits(name, kept) or len(path) > LONGEST_NAME:
        return None
    level = level_of(name, labels)
    return Series(
        id=series_id(name, kept),
        name=name,
        labels=kept,
        kind=kind,
        level=level,
        unit=unit[:63],
        help=help[:LONGEST_VALUE],
        path=path or name,
    )
