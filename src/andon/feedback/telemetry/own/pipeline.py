"""The pipeline watches itself: what the record tells of runs, jobs and deployments becomes numbers.

What an event is worth is computed from the record alone, nothing is remembered between two of them, so that a later
life that goes on in the middle says the same. The position that has been reached is a sample among the others, stored
with them or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import lru_cache

from andon.feedback.telemetry.contract.intake import Intake, Way
from andon.feedback.telemetry.own import names
from andon.feedback.telemetry.own.delivery import Delivery
from andon.feedback.telemetry.own.positions import Positions
from andon.feedback.telemetry.own.sampling import Catalogue, Sheet
from andon.flow.definition.contract import DEFINITION_FILE, DefinitionReader
from andon.flow.deployments.contract import (
    DeploymentFinished,
    DeploymentId,
    DeploymentRequested,
    DeploymentStarted,
    StepFinished,
    StepState,
)
from andon.flow.pipelines.contract import (
    JobFinished,
    JobStarted,
    RunContinued,
    RunFinished,
    RunId,
    RunQueued,
    RunStarted,
    RunState,
    StageFinished,
    StageStarted,
)
from andon.flow.sources.contract import BranchPushed, CommitHash, Service, Sources
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid, NotFound
from andon.kernel.events import Envelope, Event, Facets, page
from andon.kernel.events.record import latest_position

EVERY = 1.0
MOST_EVENTS = 200
"""In one round: some of them are looked up further back in the record."""
_LONGEST_RUN = 2000
_LONGEST_RED = 500
DAY = 86_400_000

Needs = Callable[[Service, CommitHash], Mapping[tuple[str, str], tuple[str, ...]]]
"""By stage and job, which jobs of the stage have to end before it can run."""


def needs_in(sources: Sources, definitions: DefinitionReader) -> Needs:
    """As the definition at the commit says; nothing where that cannot be read any more."""

    @lru_cache(maxsize=256)
    def needs(service: Service, commit: CommitHash) -> Mapping[tuple[str, str], tuple[str, ...]]:
        try:
            text = sources.read(service, commit, DEFINITION_FILE)
            found = None if text is None else definitions.read(text)
        except (NotFound, Invalid):
            return {}
        stages = () if found is None else found.stages
        return {(stage.name, job.name): job.needs for stage in stages for job in stage.jobs}

    return needs


class PipelineMetrics:
    """``kept`` is how long single samples are kept: what is older is of no use, at the first start."""

    def __init__(
        self,
        intake: Intake,
        *,
        reading: Callable[[], AbstractContextManager[Reading]],
        positions: Positions,
        sources: Sources,
        needs: Needs,
        kept: timedelta,
    ) -> None:
        self._reading, self._positions, self._sources, self._kept = reading, positions, sources, kept
        self._needs = needs
        self._delivery = Delivery(intake)
        self._catalogue = Catalogue()
        self._asked = False
        self._position: int | None = None

    def round(self) -> None:
        """Raises ``Unavailable`` at first, while the store cannot say where to go on."""
        if not self._delivery.ready():
            return
        if not self._asked:
            self._position = self._positions.of_record()
            self._asked = True
        with self._reading() as reading:
            found = self._next(reading)
            if not found:
                return
            sheet = Sheet(self._catalogue, _ms(found[-1].at))
            for envelope in found:
                happened = envelope.decode()
                if happened is not None:
                    self._tell(reading, sheet, envelope, happened)
        before, self._position = self._position, found[-1].position
        sheet.add(names.RECORD_POSITION, self._position, {})
        self._delivery.send(sheet.batch(Way.ANDON, f"record/{before or 0}-{self._position}"), lambda: None)

    def stop(self, seconds: float = 5.0) -> None:
        self._delivery.wait(seconds)

    def _next(self, reading: Reading) -> Sequence[Envelope]:
        """The next events, of one day: what the database stores as a whole are rows of one day."""
        facets = Facets()
        if self._position is None:
            facets = Facets(since=reading.now - self._kept)
        elif self._position > latest_position(reading):
            self._position = latest_position(reading)  # the record was restored from a backup
        found = page(reading, facets, after=self._position or 0, limit=MOST_EVENTS)
        day = _ms(found[0].at) // DAY if found else 0
        same = next((place for place, one in enumerate(found) if _ms(one.at) // DAY != day), len(found))
        return found[:same]

    def _tell(self, reading: Reading, sheet: Sheet, envelope: Envelope, happened: Event) -> None:
        at = _ms(envelope.at)
        match happened:
            case BranchPushed():
                sheet.add(names.PUSHES, 1, {"service": happened.service}, at=at)
            case RunStarted():
                if (queued := _last(RunQueued, self._history(reading, envelope, happened.run))) is not None:
                    seconds = _seconds(queued[0].at, envelope.at)
                    sheet.add(names.RUN_QUEUE, seconds, {"service": happened.service}, at=at)
            case RunFinished():
                self._tell_run(reading, sheet, envelope, happened)
            case StageFinished():
                labels = {"service": happened.service, "stage": happened.stage, "outcome": happened.outcome.value}
                history = self._history(reading, envelope, happened.run)
                begun = [one.at for one, it in history if isinstance(it, StageStarted) and it.stage == happened.stage]
                if begun:
                    sheet.add(names.STAGE_SECONDS, _seconds(begun[-1], envelope.at), labels, at=at)
            case JobStarted():
                self._tell_wait(reading, sheet, envelope, happened)
            case JobFinished():
                _tell_job(sheet, happened, at)
            case StepFinished() if happened.state is not StepState.SKIPPED:
                labels = {
                    "service": happened.service,
                    "environment": happened.environment,
                    "step": happened.step.value,
                    "outcome": happened.state.value,
                }
                sheet.add(names.DEPLOYMENT_STEP, happened.seconds, labels, at=at)
            case DeploymentFinished():
                self._tell_deployment(reading, sheet, envelope, happened)

    def _tell_run(self, reading: Reading, sheet: Sheet, envelope: Envelope, run: RunFinished) -> None:
        at = _ms(envelope.at)
        history = self._history(reading, envelope, run.run)
        seconds = working_seconds(history, envelope.at)
        if seconds is not None:
            labels = {"service": run.service, "outcome": run.outcome.value}
            sheet.add(names.RUN_SECONDS, seconds, labels, at=at)
        if run.outcome is RunState.PASSED and (since := self._red_since(reading, envelope, run, history)) is not None:
            sheet.add(names.RED_SECONDS, _seconds(since, envelope.at), {"service": run.service}, at=at)

    def _tell_wait(self, reading: Reading, sheet: Sheet, envelope: Envelope, job: JobStarted) -> None:
        """How long the job could have run: none for one that runs again, which nobody can tell from the record."""
        if job.attempt > 1:
            return
        history = self._history(reading, envelope, job.run)
        commit = next((it.commit for _, it in history if isinstance(it, RunQueued | RunStarted)), None)
        needs = () if commit is None else self._needs(job.service, commit).get((job.stage, job.name), ())
        ready: datetime | None = None
        for one, it in history:
            match it:
                case StageStarted() if it.stage == job.stage:
                    ready = one.at
                case RunContinued() if ready is not None:
                    ready = one.at
                case JobFinished() if ready is not None and it.stage == job.stage and it.name in needs:
                    ready = one.at
                case DeploymentRequested() if ready is not None:
                    ready = self._deployed(reading, it.deployment, envelope.position) or one.at
        if ready is not None:
            labels = {"service": job.service, "stage": job.stage, "job": job.name}
            sheet.add(names.JOB_QUEUE, _seconds(ready, envelope.at), labels, at=_ms(envelope.at))

    def _tell_deployment(
        self, reading: Reading, sheet: Sheet, envelope: Envelope, deployment: DeploymentFinished
    ) -> None:
        at = _ms(envelope.at)
        place = {"service": deployment.service, "environment": deployment.environment}
        outcome = {**place, "outcome": deployment.state.value}
        sheet.add(names.DEPLOYMENTS, 1, outcome, at=at)
        facets = Facets(type=DeploymentStarted.type, deployment=deployment.deployment)
        begun = page(reading, facets, before=envelope.position, limit=1)
        if begun:
            seconds = _seconds(begun[0].at, envelope.at)
            sheet.add(names.DEPLOYMENT_SECONDS, seconds, {**outcome, "kind": deployment.kind.value}, at=at)
        if deployment.lead_time is not None:
            sheet.add(names.LEAD_TIME, deployment.lead_time, place, at=at)

    def _deployed(self, reading: Reading, deployment: DeploymentId, before: int) -> datetime | None:
        found = page(reading, Facets(type=DeploymentFinished.type, deployment=deployment), before=before, limit=1)
        return found[0].at if found else None

    def _history(self, reading: Reading, envelope: Envelope, run: RunId) -> list[tuple[Envelope, Event]]:
        """What the record tells of a run up to an event, in order."""
        found = page(reading, Facets(run=run), after=0, limit=_LONGEST_RUN)
        return [(one, it) for one in found if one.position < envelope.position and (it := one.decode()) is not None]

    def _red_since(
        self,
        reading: Reading,
        envelope: Envelope,
        run: RunFinished,
        history: Sequence[tuple[Envelope, Event]],
    ) -> datetime | None:
        """When the first run failed of those on the default branch that no other has passed since."""
        queued = _last(RunQueued, history)
        try:
            default = self._sources.default_branch(reading, run.service)
        except NotFound:
            return None
        if queued is None or queued[1].branch != default:
            return None
        facets = Facets(type=RunFinished.type, service=run.service)
        since: datetime | None = None
        for one in page(reading, facets, before=envelope.position, limit=_LONGEST_RED):
            it = one.decode()
            if not isinstance(it, RunFinished) or it.outcome not in {RunState.PASSED, RunState.FAILED}:
                continue
            if self._branch(reading, it.run) != default:
                continue
            if it.outcome is RunState.PASSED:
                break
            since = one.at
        return since

    def _branch(self, reading: Reading, run: RunId) -> str | None:
        for one in page(reading, Facets(type=RunQueued.type, run=run), limit=1):
            if isinstance(it := one.decode(), RunQueued):
                return it.branch
        return None


def working_seconds(history: Sequence[tuple[Envelope, Event]], end: datetime) -> float | None:
    """How long a run took until ``end``, without the time in which it waited for a person; ``None`` if it never began.

    A run that had ended and was begun again from a job counts from there.
    """
    begun: datetime | None = None
    rested: datetime | None = None
    """Since when nothing was being done."""
    waited = 0.0
    ended = False
    for one, it in history:
        match it:
            case RunStarted():
                begun, waited, rested, ended = one.at, 0.0, None, False
            case StageFinished():
                rested = one.at
            case StageStarted():
                rested = None
            case RunFinished():
                ended = True
            case RunContinued() if ended:
                begun, waited, rested, ended = one.at, 0.0, None, False
            case RunContinued():
                waited += 0.0 if rested is None else _seconds(rested, one.at)
                rested = None
    return None if begun is None else max(0.0, _seconds(begun, end) - waited)


def _tell_job(sheet: Sheet, job: JobFinished, at: int) -> None:
    where = {"service": job.service, "stage": job.stage, "job": job.name}
    sheet.add(names.JOB_SECONDS, job.seconds, {**where, "outcome": job.outcome.value}, at=at)
    if job.tests:
        sheet.add(names.TESTS, job.tests, where, at=at)
        sheet.add(names.TESTS_FAILED, job.tests_failed, where, at=at)
        sheet.add(names.TESTS_SECONDS, job.seconds, where, at=at)


def _last(kind: type[RunQueued], history: Sequence[tuple[Envelope, Event]]) -> tuple[Envelope, RunQueued] | None:
    found: Iterator[tuple[Envelope, RunQueued]] = ((one, it) for one, it in history if isinstance(it, kind))
    return max(found, key=lambda pair: pair[0].position, default=None)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())
