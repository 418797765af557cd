"""What the pages ask beside the questions of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from andon.flow.pipelines.contract import FailureKind, JobFinished, JobLost, JobStarted, JobState, RunId
from andon.flow.pipelines.model import Job, Run
from andon.flow.pipelines.storage import history, run_of
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound
from andon.kernel.events import Facets, page
from andon.kernel.ids import is_id

MOST_EVENTS = 300
"""Events of a job that are looked at for its attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of a job, as the record tells of it."""

    number: int
    state: JobState
    started_at: datetime | None
    ended_at: datetime | None
    failure: FailureKind | None = None
    exit_code: int | None = None
    tests: int = 0
    tests_failed: int = 0
    lost: bool = False
    """Andon stopped while it ran: it counts for nothing."""


def whole_run(reading: Reading, run: str) -> Run:
    """A run with its definition. Raises ``NotFound``."""
    found = run_of(reading.connection, RunId(run)) if is_id(run, "run") else None
    if found is None:
        raise NotFound("There is no such run that you may see.", remedy="List them: andon runs")
    return found


def branches(reading: Reading, services: Iterable[str] | None, limit: int = 12) -> tuple[str, ...]:
    """The branches that ran last, newest first."""
    return history.recent_branches(reading.connection, services, limit)


def attempts(reading: Reading, job: Job) -> tuple[Attempt, ...]:
    """Newest first; the present one is told by the job itself."""
    began: dict[int, datetime] = {}
    ended: dict[int, Attempt] = {}
    for envelope in page(reading, Facets(subject=f"job:{job.id}"), limit=MOST_EVENTS):
        happened = envelope.decode()
        match happened:
            case JobStarted():
                began[happened.attempt] = envelope.at
            case JobFinished():
                ended[happened.attempt] = Attempt(
                    number=happened.attempt,
                    state=happened.outcome,
                    started_at=None,
                    ended_at=envelope.at,
                    failure=happened.failure,
                    exit_code=happened.exit_code,
                    tests=happened.tests,
                    tests_failed=happened.tests_failed,
                )
            case JobLost():
                ended[happened.attempt] = Attempt(
                    number=happened.attempt,
                    state=JobState.CANCELLED,
                    started_at=None,
                    ended_at=envelope.at,
                    lost=True,
                )
    found = []
    for number in sorted(began.keys() | ended.keys(), reverse=True):
        one = ended.get(number)
        if one is None:
            found.append(Attempt(number=number, state=JobState.RUNNING, started_at=began.get(number), ended_at=None))
            continue
        found.append(
            Attempt(
                number=number,
                state=one.state,
                started_at=began.get(number),
                ended_at=one.ended_at,
                failure=one.failure,
                exit_code=one.exit_code,
                tests=one.tests,
                tests_failed=one.tests_failed,
                lost=one.lost,
            )
        )
    return tuple(found)
