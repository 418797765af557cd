"""Backfills: beginning, pausing, counting, ending. Transactions come from outside."""

from __future__ import annotations

from andon.flow.definition.contract import MigrationDefinition
from andon.flow.schema import storage
from andon.flow.schema.contract.backfills import (
    BackfillEnded,
    BackfillId,
    BackfillPaused,
    BackfillResumed,
    BackfillStarted,
    BackfillState,
    BackfillView,
)
from andon.flow.schema.contract.guarding import ContractAsked, Objection
from andon.flow.schema.model import TRANSITIONS, WISHES, BackfillNotSo, Pace, Said, Wish, next_rows, pace_of
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import NotFound
from andon.kernel.events import ANDON, Actor, append
from andon.kernel.ids import new_id


class BackfillService:
    """Implements :class:`Backfills` and, for contract migrations, :class:`ContractGuard`."""

    def current(self, reading: Reading, service: Service, environment: str) -> BackfillView | None:
        return storage.newest(reading.connection, service, environment)

    def recent(
        self, reading: Reading, service: Service, environment: str, *, limit: int = 20
    ) -> tuple[BackfillView, ...]:
        """Those of an environment, newest first."""
        return storage.recent(reading.connection, service, environment, limit)

    def pace(self, reading: Reading, backfill: BackfillId) -> Pace | None:
        """How fast its newest batches have filled rows; ``None`` while nobody can tell."""
        return pace_of(storage.kept_batches(reading.connection, backfill))

    def get(self, reading: Reading, backfill: BackfillId) -> BackfillView:
        found = storage.one(reading.connection, backfill)
        if found is None:
            raise NotFound("There is no such backfill.")
        return found

    def starts(self, reading: Reading, backfill: BackfillId) -> int:
        """How often its work was begun."""
        return storage.starts(reading.connection, backfill)

    def objections(self, reading: Reading, asked: ContractAsked) -> tuple[Objection, ...]:
        """What is not filled yet is lost with the old shape."""
        found = storage.newest(reading.connection, asked.service, asked.environment)
        if found is None or found.commit != asked.commit or found.state is BackfillState.DONE:
            return ()
        left = "" if found.left is None else f", {found.left:,} rows are left"
        return (
            Objection(
                sentence=f"The backfill of {found.commit[:7]} is not done ({found.state}{left}): "
                f"see andon migrations show {asked.service} {asked.environment}",
            ),
        )

    # What a deployment sets off

    def begin(
        self,
        tx: Transaction,
        service: Service,
        environment: str,
        commit: CommitHash,
        migrations: MigrationDefinition | None,
    ) -> None:
        """Another version has the traffic: end what was for the one before, and begin its own backfill."""
        for one in storage.unended(tx.connection, service, environment):
            self.end(tx, one.id, BackfillState.SUPERSEDED, f"{commit[:7]} has the traffic")
        if migrations is None or migrations.backfill is None:
            return
        view = BackfillView(
            id=BackfillId(new_id("bfl")),
            service=service,
            environment=environment,
            commit=commit,
            state=BackfillState.RUNNING,
            reason="",
            batches=0,
            rows=migrations.batch,
            seconds=0.0,
            first_left=None,
            left=None,
            failures=0,
            problem="",
            problem_at=None,
            started_at=tx.now,
            changed_at=tx.now,
        )
        storage.insert(tx.connection, view)
        append(
            tx,
            BackfillStarted(backfill=view.id, service=service, environment=environment, commit=commit),
            by=ANDON,
        )

    # What people ask for

    def ask(
        self, tx: Transaction, principal: Principal, service: Service, environment: str, wish: Wish
    ) -> BackfillView:
        """Pause, resume or stop the newest backfill of an environment. A batch under way is ended."""
        principal.require(Permission.DEPLOY, service, environment)
        found = storage.newest(tx.connection, service, environment)
        if found is None:
            raise NotFound(
                f"No backfill has begun in {environment} of {service}.",
                remedy="One begins when a version whose andon.yaml has migrations.backfill takes the traffic.",
            )
        wanted = WISHES[wish]
        if wanted not in TRANSITIONS[found.state]:
            raise BackfillNotSo(
                f"The backfill of {found.commit[:7]} in {environment} is {found.state}.",
                safe="Nothing was changed.",
                remedy="" if found.state.ended else "Look at it: andon migrations show",
            )
        if wish is Wish.STOP:
            self.end(tx, found.id, BackfillState.STOPPED, "stopped on request", by=principal.actor)
        else:
            storage.change(tx.connection, found.id, wanted, "", tx.now)
            kind = BackfillPaused if wish is Wish.PAUSE else BackfillResumed
            if wish is Wish.RESUME:
                storage.count_start(tx.connection, found.id)
            append(tx, kind(backfill=found.id, service=service, environment=environment), by=principal.actor)
        return self.get(tx, found.id)

    # What its work tells

    def note_batch(
        self, tx: Transaction, backfill: BackfillId, told: Said, seconds: float, declared: int
    ) -> BackfillView:
        found = self.get(tx, backfill)
        storage.note_batch(
            tx.connection,
            backfill,
            rows=next_rows(found.rows, declared, seconds),
            seconds=seconds,
            left=told.left,
            now=tx.now,
        )
        return self.get(tx, backfill)

    def note_failure(self, tx: Transaction, backfill: BackfillId, problem: str) -> None:
        """A batch went wrong and is tried again."""
        storage.note_failure(tx.connection, backfill, problem[:2000], tx.now)

    def end(
        self, tx: Transaction, backfill: BackfillId, state: BackfillState, reason: str, *, by: Actor = ANDON
    ) -> bool:
        """Record an end; ``False`` if something else has happened to it meanwhile."""
        found = storage.one(tx.connection, backfill, lock=True)
        if found is None or state not in TRANSITIONS[found.state]:
            return False
        storage.change(tx.connection, backfill, state, reason[:2000], tx.now)
        append(
            tx,
            BackfillEnded(
                backfill=backfill,
                service=found.service,
                environment=found.environment,
                commit=found.commit,
                state=state,
                reason=reason[:2000],
                batches=found.batches,
                seconds=found.seconds,
            ),
            by=by,
        )
        return True
