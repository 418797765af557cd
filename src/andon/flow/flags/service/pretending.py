"""Environments that pretend: for the jobs of a stage they serve other flags than their own.

What is pretended is a row with the whole document, and the document of the place is that one as long as the row is
there. So every way to the flags - stream, file, OFREP, explanation - says the same, and what people change meanwhile
is kept and counts as soon as the row is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from andon.flow.definition.contract import FlagState
from andon.flow.flags.model.flag import Setting
from andon.flow.flags.model.pretending import pretended
from andon.flow.flags.ports import Places, Reach
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.storage import flags as storage
from andon.flow.flags.storage import pretences
from andon.flow.pipelines.contract import FlagsGivenBack, FlagsPretended, Pretence, Pretences, RunId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Conflict
from andon.kernel.events import Actor, append
from andon_flags.document import Document, write


class PretenceService(Pretences):
    """Safe to share between threads."""

    def __init__(self, documents: Documents, places: Places, reach: Reach) -> None:
        self._documents = documents
        self._places = places
        self._reach = reach

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
        # what a branch says of itself does not make production another environment
        if environment in {like, self._places.production(tx, service), "production"}:
            raise Conflict(
                f"{environment} of {service} is production: its customers would get the flags of a test.",
                safe="Its flags are as they were.",
                remedy="Take `flags` out of the stage that deploys there.",
            )
        if self._places.needs_second_person(tx, service, environment):
            raise Conflict(
                f"{environment} of {service} asks for a second person, and a test would change its flags without one.",
                safe="Its flags are as they were.",
                remedy="Take `flags` out of the stage that deploys there, or `second_person` out of the environment.",
            )
        old = pretences.find(tx.connection, service, environment, lock=True)
        if old is not None:
            if old.run != run:
                return None
            if (old.state, old.stage) == (state, stage):
                return self._revision(tx, service, environment)
            pretences.remove(tx.connection, [old])
        document = self._document(tx, service, environment, state, like)
        new = Pretence(
            service=service,
            environment=environment,
            state=state,
            run=run,
            stage=stage,
            commit=commit,
            began_at=tx.now,
        )
        if not pretences.put(tx.connection, new, write(document)):
            return None
        storage.raise_revision(tx.connection, service, environment, tx.now)
        append(tx, FlagsPretended(service=service, environment=environment, state=state, run=run, commit=commit), by=by)
        return self._revision(tx, service, environment)

    def await_everywhere(
        self, service: Service, environment: str, revision: int, stopping: Callable[[], bool]
    ) -> str | None:
        return self._reach.wait(service, environment, revision, stopping)

    def end(self, tx: Transaction, run: RunId, *, why: str, by: Actor) -> None:
        found = pretences.named(tx.connection, run=run)
        pretences.remove(tx.connection, found)
        for one in found:
            storage.raise_revision(tx.connection, one.service, one.environment, tx.now)
            append(
                tx,
                FlagsGivenBack(service=one.service, environment=one.environment, state=one.state, run=one.run, why=why),
                by=by,
            )

    def held(self, reading: Reading) -> tuple[Pretence, ...]:
        return pretences.named(reading.connection)

    def _revision(self, reading: Reading, service: Service, environment: str) -> int:
        found = storage.revision(reading.connection, service, environment)
        return 0 if found is None else found[0]

    def _document(
        self, reading: Reading, service: Service, environment: str, state: FlagState, like: str | None
    ) -> Document:
        if state is FlagState.AS_IN_PRODUCTION:
            if like is None:
                raise Conflict(
                    f"{service} deploys to no production that its flags could be as in.",
                    safe=f"The flags of {environment} are as they were.",
                    remedy="Add a stage that deploys to it.",
                )
            return replace(self._documents.compose(reading, service, like), environment=environment)
        settings = storage.settings_at(reading.connection, service, environment)
        flags = {}
        for one in storage.of_service(reading.connection, service):
            there = settings.get(one.id)
            own = Setting.first(one.head) if there is None else there.setting
            flags[str(one.name)] = pretended(one.name, one.head, own, state)
        return Document(service=service, environment=environment, revision=0, flags=flags)
