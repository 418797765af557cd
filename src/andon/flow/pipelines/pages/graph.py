"""A run's jobs as a graph: bars on the time that was worked, what is still to come as far as it can be told.

Pure functions from rows to what the template draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from andon.flow.pipelines.contract import JobId, JobState, StageState
from andon.flow.pipelines.model import Expected, Job, Stage
from andon.flow.pipelines.pages.words import JOB_WORDS, STAGE_WORDS, stage_word
from andon.web.model import State

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Bar:
    """In percent of the graph's width."""

    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A job, or the deployment that a stage begins with."""

    key: str
    """What chooses it: ``stage/job``."""
    name: str
    state: State
    word: str
    took: timedelta | None
    since: datetime | None
    """Set while it runs: its time ticks."""
    attempt: int
    bar: Bar | None
    usual: Bar | None
    """What is still expected of it, by how long it took before."""
    critical: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A stage."""

    name: str
    state: State
    word: str
    took: timedelta | None
    since: datetime | None
    usual: timedelta | None
    ahead: bool
    """Still to come."""
    rows: tuple[Row, ...]


def draw(
    stages: Sequence[Stage],
    jobs: Sequence[Job],
    expected: Mapping[tuple[str, str | None], Expected],
    now: datetime,
) -> tuple[Column, ...]:
    spans = {one.id: span for one in jobs if (span := _span(one.started_at, one.ended_at, now)) is not None}
    deploying = {
        one.position: span for one in stages if one.environment and (span := _deploying(one, jobs, now)) is not None
    }
    axis = Axis((*spans.values(), *deploying.values()))
    ahead = _ahead(stages, jobs, spans, expected, axis)
    whole = max([1.0, axis.length, *(end for _start, end in ahead.values())])
    critical = critical_path(jobs)
    columns = []
    before: StageState | None = None
    for stage in stages:
        own = [one for one in jobs if one.stage == stage.position]
        rows = []
        if stage.environment is not None:
            rows.append(_deployment(stage, deploying.get(stage.position), own, axis, whole))
        for job in own:
            state, word = JOB_WORDS[job.state]
            span = spans.get(job.id)
            begun = span is not None and job.state not in {JobState.PENDING, JobState.READY}
            rest = ahead.get(job.id)
            rows.append(
                Row(
                    key=f"{stage.name}/{job.name}",
                    name=job.name,
                    state=state,
                    word=word,
                    took=span[1] - span[0] if span and job.state.ended else None,
                    since=job.started_at if job.state is JobState.RUNNING else None,
                    attempt=job.attempt,
                    bar=_bar(axis.at(span[0]), axis.at(span[1]), whole) if span and begun else None,
                    usual=_bar(rest[0], rest[1], whole) if rest and rest[1] - rest[0] > 0 else None,
                    critical=job.id in critical,
                    note=f"{job.tests_failed} of {job.tests} tests" if job.tests_failed else "",
                )
            )
        state = STAGE_WORDS[stage.state][0]
        usual = expected.get((stage.name, None))
        columns.append(
            Column(
                name=stage.name,
                state=state,
                word=stage_word(stage, own, after=before),
                took=_took(stage),
                since=stage.started_at if stage.state in {StageState.RUNNING, StageState.DEPLOYING} else None,
                usual=timedelta(seconds=usual.seconds) if usual else None,
                ahead=stage.state is StageState.PENDING,
                rows=tuple(rows),
            )
        )
        before = stage.state
    return tuple(columns)


class Axis:
    """Time as it was worked: what lies between two attempts a night apart takes no room."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._pieces: list[Span] = []
        for start, end in sorted(spans):
            if self._pieces and start <= self._pieces[-1][1]:
                self._pieces[-1] = (self._pieces[-1][0], max(end, self._pieces[-1][1]))
            else:
                self._pieces.append((start, end))

    @property
    def length(self) -> float:
        """Seconds."""
        return sum((end - start).total_seconds() for start, end in self._pieces)

    def at(self, moment: datetime) -> float:
        """Seconds of work before that moment."""
        done = 0.0
        for start, end in self._pieces:
            if moment <= start:
                break
            done += (min(moment, end) - start).total_seconds()
        return done


def critical_path(jobs: Sequence[Job]) -> frozenset[JobId]:
    """In each stage the chain of jobs that decided how long it took."""
    found: set[JobId] = set()
    for position in {one.stage for one in jobs}:
        own = {one.name: one for one in jobs if one.stage == position and one.started_at is not None}
        last = max(own.values(), key=_end, default=None)
        while last is not None:
            found.add(last.id)
            last = max((own[name] for name in last.needs if name in own), key=_end, default=None)
    return frozenset(found)


def _end(job: Job) -> tuple[bool, datetime]:
    """What runs ends after all that has ended; the one that began first is waited for longest."""
    assert job.started_at is not None  # noqa: S101 - asked of jobs that have begun
    return (job.ended_at is None, job.ended_at or job.started_at)


def _ahead(
    stages: Sequence[Stage],
    jobs: Sequence[Job],
    spans: Mapping[JobId, Span],
    expected: Mapping[tuple[str, str | None], Expected],
    axis: Axis,
) -> dict[JobId, tuple[float, float]]:
    """Where what is still to be done will lie, in seconds of the axis; nothing for a job that never passed."""
    names = {one.position: one.name for one in stages}
    open_stages = {StageState.PENDING, StageState.DEPLOYING, StageState.RUNNING, StageState.WAITING}
    still = {one.position for one in stages if one.state in open_stages}
    found: dict[JobId, tuple[float, float]] = {}
    floor = axis.length
    for stage in stages:
        own = [one for one in jobs if one.stage == stage.position]
        ends: dict[str, float] = {}
        for job in own:
            usual = expected.get((names[stage.position], job.name))
            span = spans.get(job.id)
            if job.state.ended:
                ends[job.name] = axis.at(span[1]) if span else 0.0
                continue
            if usual is None or stage.position not in still:
                continue
            if job.state is JobState.RUNNING and span is not None:
                start = axis.at(span[1])
                found[job.id] = (start, max(start, axis.at(span[0]) + usual.seconds))
            else:
                start = max([floor, *(ends.get(name, floor) for name in job.needs)])
                found[job.id] = (start, start + usual.seconds)
            ends[job.name] = found[job.id][1]
        floor = max([floor, *ends.values()])
    return found


def _deployment(stage: Stage, span: Span | None, jobs: Sequence[Job], axis: Axis, whole: float) -> Row:
    done = stage.state is StageState.PASSED or any(one.started_at for one in jobs)
    if stage.state is StageState.DEPLOYING:
        state, word = State.RUN, "deploying"
    elif stage.state is StageState.WAITING:
        state, word = State.HOLD, "waits for a person"
    elif stage.deployment is None:
        state, word = State.NONE, "waits" if stage.state is StageState.PENDING else "not deployed"
    elif done:
        state, word = State.OK, "deployed"
    elif stage.state is StageState.FAILED:
        state, word = State.BAD, "failed"
    else:
        state, word = State.NONE, "not deployed"
    return Row(
        key=f"{stage.name}/",
        name=f"deploy to {stage.environment}",
        state=state,
        word=word,
        took=span[1] - span[0] if span and state is not State.RUN else None,
        since=stage.started_at if state is State.RUN else None,
        attempt=1,
        bar=_bar(axis.at(span[0]), axis.at(span[1]), whole) if span else None,
        usual=None,
        critical=span is not None,
    )


def _deploying(stage: Stage, jobs: Sequence[Job], now: datetime) -> Span | None:
    """From the stage's beginning until its first job began, or it ended."""
    if stage.started_at is None or stage.deployment is None:
        return None
    begun = [one.started_at for one in jobs if one.stage == stage.position and one.started_at is not None]
    end = min([*begun, stage.ended_at or now])
    return (stage.started_at, end) if end > stage.started_at else None


def _span(start: datetime | None, end: datetime | None, now: datetime) -> Span | None:
    if start is None:
        return None
    return start, max(start, end or now)


def _took(stage: Stage) -> timedelta | None:
    ended = {StageState.PASSED, StageState.FAILED, StageState.CANCELLED}
    if stage.state not in ended or stage.started_at is None or stage.ended_at is None:
        return None
    return max(timedelta(), stage.ended_at - stage.started_at)


def _bar(start: float, end: float, whole: float) -> Bar:
    x = min(99.0, start / whole * 100)
    return Bar(x=round(x, 2), width=round(max(1.0, min(100 - x, (end - start) / whole * 100)), 2))
