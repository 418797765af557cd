"""PromQL over everything that is measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from andon.feedback.promql.contract import (
    LOOKBACK,
    MOST_STEPS,
    PATIENCE,
    Answer,
    BadQuery,
    Dialect,
    Line,
    Matrix,
    Point,
    QueryTimeout,
    Scalar,
    Source,
    String,
    Vector,
)
from andon.feedback.promql.evaluator import Evaluator, Steps
from andon.feedback.promql.frames import Frame, Scalars, Words
from andon.feedback.promql.parsing import parse
from andon.feedback.promql.reading import Reader
from andon.feedback.promql.selecting import Selecting, lines_of
from andon.feedback.promql.sources import sources_of
from andon.feedback.promql.syntax import Expression, Subquery, Text, Window
from andon.feedback.promql.windows import Block, Windows
from andon.feedback.telemetry.contract.metrics import Measurements, Sight
from andon.feedback.telemetry.contract.moments import now_ms

AT_ONCE = 4
"""Queries that are computed side by side; others wait for their turn, which counts as their time."""
LATEST = 2**53
"""The furthest millisecond from 1970, either way, that may be asked for."""


class Engine:
    """Implements :class:`~andon.feedback.promql.contract.Questions`. Safe to use from every thread.

    ``dialect`` says whose rules count where Prometheus 2 and 3 disagree; ``now`` (ms) and ``clock`` (s, for time-outs)
    are there for tests; ``at_once`` bounds what is computed side by side.
    """

    def __init__(
        self,
        measurements: Measurements,
        *,
        dialect: Dialect = Dialect.PROMETHEUS_3,
        now: Callable[[], int] = now_ms,
        clock: Callable[[], float] = time.monotonic,
        at_once: int = AT_ONCE,
    ) -> None:
        self._measurements = measurements
        self._dialect = dialect
        self._now = now
        self._clock = clock
        self._turns = threading.Semaphore(at_once)

    def instant(
        self, query: str, at_ms: int, *, sight: Sight, lookback_ms: int = LOOKBACK, timeout: float = PATIENCE
    ) -> Answer:
        node = parse(query)
        with self._evaluating(at_ms, at_ms, sight, lookback_ms, timeout) as evaluator:
            return _at_one_moment(evaluator, node, at_ms)

    def range(
        self,
        query: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        sight: Sight,
        lookback_ms: int = LOOKBACK,
        timeout: float = PATIENCE,
    ) -> Matrix:
        check_steps(start_ms, end_ms, step_ms)
        node = parse(query)
        check_type(node)
        steps = Steps(np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64), step_ms)
        with self._evaluating(start_ms, end_ms, sight, lookback_ms, timeout) as evaluator:
            return _over(evaluator, node, steps)

    def sources(self, query: str) -> tuple[Source, ...]:
        return sources_of(parse(query))

    @contextmanager
    def _evaluating(self, start: int, end: int, sight: Sight, lookback: int, timeout: float) -> Iterator[Evaluator]:
        if max(abs(start), abs(end)) > LATEST:
            raise BadQuery("The time asked for is out of bounds.", remedy="Give seconds since 1970.")
        if lookback <= 0:
            raise BadQuery("The lookback must be longer than nothing.", remedy="Leave it out for five minutes.")
        reader = Reader(self._measurements, sight, timeout=timeout, clock=self._clock)
        if not self._turns.acquire(timeout=timeout):
            raise QueryTimeout(
                f"query timed out in query queue: it waited {timeout:g} s for others", remedy="Ask again later."
            )
        try:
            # infinities and NaN are answers like others
            with np.errstate(all="ignore"):
                yield Evaluator(Selecting(reader, self._dialect, lookback, self._now()), start, end)
        finally:
            self._turns.release()


def _at_one_moment(evaluator: Evaluator, node: Expression, at: int) -> Answer:
    steps = Steps(np.array([at], dtype=np.int64), 0)
    match node:
        case Window(selector, width):
            end = int(evaluator.ends(selector.shift, steps)[0])
            return Matrix(evaluator.selecting.lines(selector.matchers, end, width))
        case Subquery():
            return Matrix(lines_of(_only_window(evaluator.subquery(node, steps))))
    match evaluator.value(node, steps):
        case Scalars(values):
            return Scalar(time=at, value=float(values[0]))
        case Words(text):
            return String(time=at, value=text)
        case Frame() as frame:
            there = np.flatnonzero(frame.present[:, 0])
            return Vector(
                tuple(
                    Point(labels=frame.labels[row], time=at, value=float(frame.values[row, 0]))
                    for row in there.tolist()
                )
            )


def _over(evaluator: Evaluator, node: Expression, steps: Steps) -> Matrix:
    match evaluator.value(node, steps):
        case Scalars(values):
            return Matrix((Line(labels=(), times=steps.times, values=values),))
        case Frame() as frame:
            order = sorted(range(len(frame.labels)), key=frame.labels.__getitem__)
            return Matrix(
                tuple(
                    Line(
                        labels=frame.labels[row],
                        times=steps.times[frame.present[row]],
                        values=frame.values[row][frame.present[row]],
                    )
                    for row in order
                    if frame.present[row].any()
                )
            )
    raise _wrong_type("string")


def check_steps(start: int, end: int, step: int) -> None:
    """Raises :class:`BadQuery`, in Prometheus' words."""
    if step <= 0:
        raise BadQuery(
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
            remedy="Give the step in seconds.",
        )
    if end < start:
        raise BadQuery("end timestamp must not be before start time", remedy="Exchange them.")
    if (end - start) // step >= MOST_STEPS:
        raise BadQuery(
            f"exceeded maximum resolution of {MOST_STEPS:,} points per timeseries. Try decreasing the query resolution "
            "(?step=XX)",
            remedy="Ask with a longer step.",
        )


def check_type(node: Expression) -> None:
    """Raises :class:`BadQuery` for what has no value at a step."""
    if isinstance(node, Window | Subquery):
        raise _wrong_type("range vector")
    if isinstance(node, Text):
        raise _wrong_type("string")


def _wrong_type(found: str) -> BadQuery:
    return BadQuery(
        f'invalid expression type "{found}" for range query, must be Scalar or instant Vector',
        remedy="Use a function of the range, or ask for a single moment.",
    )


def _only_window(found: Windows) -> Block:
    """The block with nothing but the samples of its only window."""
    block = found.block
    index = np.concatenate(
        [np.arange(begin, end) for begin, end in zip(found.first[:, 0], found.last[:, 0], strict=True)]
        or [np.zeros(0, dtype=np.int64)]
    ).astype(np.int64)
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(found.counts[:, 0])])
    return Block(block.labels, block.kinds, offsets, block.times[index], block.values[index])
