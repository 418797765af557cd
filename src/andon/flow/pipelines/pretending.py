"""The flags of the environment that a stage's jobs test: set before them, and given back whatever becomes of them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from andon.flow.definition.contract import FlagState
from andon.flow.pipelines.contract import Pretence, Pretences, RunId
from andon.flow.pipelines.model import Job, Run, flags_of
from andon.flow.pipelines.service import Progress
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.db import Database, Reading, Transaction
from andon.kernel.errors import AndonError, Unavailable
from andon.kernel.events import ANDON, Actor, ActorKind

_log = logging.getLogger(__name__)


class NoPretences(Pretences):
    """Where nobody looks after flags: there are none to set."""

    def begin(
        self,
        tx: Transaction,
        *,
        service: Service,
        environment: str,
        state: FlagState,
        like: str | None,
        run: RunId,
        stage: int,
        commit: CommitHash,
        by: Actor,
    ) -> int | None:
        return 0

    def await_everywhere(
        self, service: Service, environment: str, revision: int, stopping: Callable[[], bool]
    ) -> str | None:
        return None

    def end(self, tx: Transaction, run: RunId, *, why: str, by: Actor) -> None:
        return

    def held(self, reading: Reading) -> tuple[Pretence, ...]:
        return ()


class FlagsOfTests:
    """Safe to share between threads. Which environment pretends what is a row: it is known after a crash too."""

    def __init__(self, database: Database, progress: Progress, pretences: Pretences) -> None:
        self._database = database
        self._progress = progress
        self._pretences = pretences

    def set_for(self, run: Run, job: Job) -> bool:
        """Have the job's environment serve what the job asks for; false while another run has it serve something."""
        if flags_of(run.definition, job) is None:
            return True
        try:
            with self._database.transaction() as tx:
                return self._begin(tx, run, job) is not None
        except Unavailable:
            raise
        except AndonError:
            return True  # the attempt comes to the same, and fails with it

    def await_set(self, run: Run, job: Job, stopping: Callable[[], bool]) -> str | None:
        """Wait until whatever runs there has these flags; what is wrong if it has not."""
        environment = run.definition.stages[job.stage].environment
        if flags_of(run.definition, job) is None or environment is None:
            return None
        try:
            with self._database.transaction() as tx:
                revision = self._begin(tx, run, job)
        except Unavailable:
            raise
        except AndonError as error:
            return str(error)
        if revision is None:
            return f"another run has the flags of {environment} set"
        return self._pretences.await_everywhere(run.service, environment, revision, stopping)

    def give_back(self, run: Run) -> None:
        """None of the stage's jobs runs. What cannot be given back now is later: see :meth:`settle`."""
        if not any(stage.flags for stage in run.definition.stages):
            return
        try:
            with self._database.transaction() as tx:
                self._pretences.end(tx, run.id, why="the tests are over", by=_actor(run))
        except AndonError as error:
            _log.warning("the flags that run %s had set are given back later: %s", run.id, error)

    def settle(self, why: str, *, all_of_them: bool = False) -> None:
        """Give back what no job runs for. Raises ``Unavailable``."""
        with self._database.reading() as reading:
            if not self._pretences.held(reading):
                return
        with self._database.transaction() as tx:
            for one in self._pretences.held(tx):
                if all_of_them or not self._progress.works_on(tx, one.run, one.stage):
                    self._pretences.end(tx, one.run, why=why, by=ANDON)

    def _begin(self, tx: Transaction, run: Run, job: Job) -> int | None:
        stage = run.definition.stages[job.stage]
        state = flags_of(run.definition, job)
        assert stage.environment is not None  # noqa: S101 - the definition has been checked
        assert state is not None  # noqa: S101 - asked by the callers
        return self._pretences.begin(
            tx,
            service=run.service,
            environment=stage.environment,
            state=state,
            like=run.definition.production,
            run=run.id,
            stage=job.stage,
            commit=run.commit,
            by=_actor(run),
        )


def _actor(run: Run) -> Actor:
    return Actor(ActorKind.SYSTEM, "andon", run.acting_person)
