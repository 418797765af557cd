"""The work of a backfill: batch after batch, until nothing is left or somebody wants it to rest."""

from __future__ import annotations

import logging
import shutil
import threading

from andon.flow.definition.contract import DEFINITION_FILE, DefinitionReader, MigrationDefinition
from andon.flow.environments.contract import CommandOutcome, Environments, SetId
from andon.flow.schema.contract.backfills import BackfillId, BackfillState, BackfillView
from andon.flow.schema.model import RETRY_SECONDS, STANDSTILL, TRIES, said
from andon.flow.schema.service import BackfillService
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.db import Database
from andon.kernel.errors import AndonError
from andon.kernel.logs.reader import LogReader
from andon.kernel.logs.text import plain
from andon.kernel.workflows import Interrupted

_log = logging.getLogger(__name__)


class Filling:
    """The body of :func:`andon.flow.schema.workflows.backfill_workflow`.

    A batch may run twice, if Andon dies over it: the command fills what is empty, and finds nothing to fill the second
    time.
    """

    def __init__(
        self,
        *,
        database: Database,
        service: BackfillService,
        environments: Environments,
        sources: Sources,
        definitions: DefinitionReader,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._database = database
        self._service = service
        self._environments = environments
        self._sources = sources
        self._definitions = definitions
        self._retry_seconds = retry_seconds
        self._closing = threading.Event()

    def close(self) -> None:
        """End what is under way, for a stop of the worker: it goes on at the next start."""
        self._closing.set()

    def migrations(self, service: Service, commit: CommitHash) -> MigrationDefinition | None:
        source = self._sources.read(service, commit, DEFINITION_FILE)
        return None if source is None else self._definitions.read(source).migrations

    def work(self, backfill: BackfillId) -> str:
        """Run batches as long as the backfill is to run; answers the state in which it rests."""
        failures = standing = 0
        found = self._now(backfill)
        migrations = self.migrations(found.service, found.commit)
        if migrations is None or migrations.backfill is None:
            return self._end(found, BackfillState.FAILED, "its command is gone from andon.yaml")
        while found.state is BackfillState.RUNNING:
            outcome, problem = None, ""
            try:
                live = self._live(found)
                if live is None:
                    return self._end(found, BackfillState.SUPERSEDED, "another version has the traffic")
                outcome = self._batch(found, live, migrations)
                problem = "" if outcome.passed else _failure(outcome)
            except AndonError as error:
                problem = str(error)
            if self._closing.is_set():
                raise Interrupted
            if outcome is None or not outcome.passed:
                if self._is_wanted(backfill):
                    failures += 1
                    with self._database.transaction() as tx:
                        self._service.note_failure(tx, backfill, problem)
                    _log.warning("a batch of backfill %s failed: %s", backfill, problem)
                    if failures >= TRIES:
                        return self._end(found, BackfillState.FAILED, f"{TRIES} batches in a row failed: {problem}")
                    self._rest(self._retry_seconds)
                found = self._now(backfill)
                continue
            failures = 0
            told = said(_output(outcome))
            shutil.rmtree(outcome.log, ignore_errors=True)  # of thousands that went well nobody reads one
            with self._database.transaction() as tx:
                after = self._service.note_batch(tx, backfill, told, outcome.seconds, migrations.batch)
            if told.done:
                return self._end(after, BackfillState.DONE, "nothing is left to fill")
            standing = standing + 1 if told.left is not None and told.left == found.left else 0
            if standing >= STANDSTILL:
                return self._end(
                    after, BackfillState.FAILED, f"{told.left:,} rows are left, as many as {STANDSTILL} batches ago"
                )
            self._rest(migrations.pause)
            found = self._now(backfill)
        return found.state.value

    def _live(self, found: BackfillView) -> SetId | None:
        """The set to run in; ``None`` when the version has not the traffic any more."""
        with self._database.reading() as reading:
            place = self._environments.find(reading, found.service, found.environment)
        live = None if place is None else place.live
        return None if live is None or live.commit != found.commit else live.id

    def _batch(self, found: BackfillView, live: SetId, migrations: MigrationDefinition) -> CommandOutcome:
        assert migrations.backfill is not None  # noqa: S101 - work() has looked
        return self._environments.run_command(
            live,
            key="backfill",
            command=migrations.backfill,
            timeout=migrations.timeout,
            variables={"ANDON_BATCH": str(found.rows)},
            stopping=lambda: self._closing.is_set() or not self._is_wanted(found.id),
        )

    def _now(self, backfill: BackfillId) -> BackfillView:
        with self._database.reading() as reading:
            return self._service.get(reading, backfill)

    def _is_wanted(self, backfill: BackfillId) -> bool:
        return self._now(backfill).state is BackfillState.RUNNING

    def _end(self, found: BackfillView, state: BackfillState, reason: str) -> str:
        with self._database.transaction() as tx:
            self._service.end(tx, found.id, state, reason)
        return state.value

    def _rest(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise Interrupted


def _output(outcome: CommandOutcome) -> str:
    return "\n".join(plain(line.text) for line in LogReader(outcome.log).tail(20).lines)


def _failure(outcome: CommandOutcome) -> str:
    if outcome.timed_out:
        told = "it ran out of time"
    elif outcome.exit_code is None:
        told = "it was ended by a signal"
    else:
        told = f"it ended with {outcome.exit_code}"
    last = _output(outcome).strip().rsplit("\n", 1)[-1]
    return f"{told}: {last}" if last else told
