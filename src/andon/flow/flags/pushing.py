"""What a push of ``flags.yaml`` sets off: told on the pusher's terminal, applied by a reaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from andon.flow.flags.codefile import read_flags
from andon.flow.flags.contract import FLAGS_FILE, FlagsFileRefused
from andon.flow.flags.ports import Authority
from andon.flow.flags.service.code import Applied, CodeService, faults_of
from andon.flow.sources.contract import Announcer, BranchPushed, CommitHash, Service, Sources
from andon.kernel.access import SYSTEM, Principal
from andon.kernel.db import Database, Reading, Transaction
from andon.kernel.errors import AndonError, Forbidden, NotFound
from andon.kernel.events import Actor, append

_SHOWN = 10


class _TakenBack(Exception):
    """Ends a transaction that was only a rehearsal."""


@dataclass(frozen=True, slots=True)
class FlagsAsCode:
    """Safe to share between threads."""

    code: CodeService
    sources: Sources
    authority: Authority

    def concerns(self, reading: Reading, pushed: BranchPushed) -> bool:
        """Whether what was pushed is the head of the default branch, and there is something to do."""
        try:
            branch = self.sources.default_branch(reading, pushed.service)
            return pushed.branch == branch and self.sources.resolve(pushed.service, branch) == pushed.commit
        except NotFound:  # gone since
            return False

    def apply(self, tx: Transaction, service: Service, commit: CommitHash, actor: Actor) -> Applied | None:
        """``None`` where there is no file and none was. Raises what is wrong with it."""
        source = self.sources.read(service, commit, FLAGS_FILE)
        if source is None and not self.code.keeps(tx, service):
            return None
        principal = self.authority.releaser(tx, actor)
        if principal is None:
            raise Forbidden(f"Whoever pushed {FLAGS_FILE} may not release {service}.", safe="No flag was changed.")
        # without the file, those that were in it are the console's now
        return self.code.apply(tx, principal, service, commit, () if source is None else read_flags(source))

    def react(self, tx: Transaction, pushed: BranchPushed, actor: Actor) -> None:
        """Apply the file, whole or not at all; what is wrong with it becomes an event."""
        if not self.concerns(tx, pushed):
            return
        try:
            with tx.connection.begin_nested():
                self.apply(tx, pushed.service, pushed.commit, actor)
        except AndonError as error:
            refused = FlagsFileRefused(
                service=pushed.service, commit=pushed.commit, faults=tuple(faults_of(error)[:_SHOWN])
            )
            append(tx, refused, by=actor)


class FlagsAnnouncer(Announcer):
    """Says at once what the file does, by doing it and taking it back."""

    def __init__(self, database: Database, flags: FlagsAsCode) -> None:
        self._database = database
        self._flags = flags

    def announce(self, pushed: Sequence[BranchPushed]) -> Sequence[str]:
        return [line for one in pushed for line in self._told(one)]

    def follow(self, pushed: Sequence[BranchPushed]) -> Iterator[str]:
        return iter(())

    def _told(self, pushed: BranchPushed) -> list[str]:
        with self._database.reading() as reading:
            if not self._flags.concerns(reading, pushed):
                return []
        if self._flags.sources.read(pushed.service, pushed.commit, FLAGS_FILE) is None:
            return []
        try:
            applied = self._rehearsed(pushed)
        except AndonError as error:
            return [
                f"{FLAGS_FILE} is not applied:",
                *(f"  {one}" for one in faults_of(error)[:_SHOWN]),
                "  Flags stay as they are.",
            ]
        said = f"{FLAGS_FILE}: {applied.flags} {'flag' if applied.flags == 1 else 'flags'}, {applied.changed} changes"
        if applied.proposed:
            said += f", {applied.proposed} wait for a second person (andon flags approve)"
        back = f"{FLAGS_FILE}: no longer here, the console's now: {', '.join(applied.given_back[:_SHOWN])}"
        return [said, *([back] if applied.given_back else []), *(f"  {one}" for one in applied.warnings[:_SHOWN])]

    def _rehearsed(self, pushed: BranchPushed) -> Applied:
        found: list[Applied] = []
        source = self._flags.sources.read(pushed.service, pushed.commit, FLAGS_FILE) or b""
        said = read_flags(source)  # before the transaction, which everybody else waits for
        try:
            with self._database.transaction() as tx:
                principal: Principal = SYSTEM  # who pushed is known to the reaction alone, which asks for them
                found.append(self._flags.code.apply(tx, principal, pushed.service, pushed.commit, said))
                raise _TakenBack
        except _TakenBack:
            return found[0]
