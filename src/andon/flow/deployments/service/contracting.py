"""Who may still need the old shape of a database: asked of guards that other rooms register."""

from __future__ import annotations

from collections.abc import Sequence

from andon.flow.deployments import storage
from andon.flow.deployments.contract import Kind
from andon.flow.deployments.model import ContractRefused
from andon.flow.deployments.service.questions import DeploymentQuestions
from andon.flow.schema.contract import FlagNeed, Phase
from andon.flow.schema.contract.files import needs_of, phase_of
from andon.flow.schema.contract.guarding import ContractAsked, ContractGuard, Objection
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.db import Reading


class DeploymentContracting(DeploymentQuestions):
    """The questions before a contract migration."""

    def guarded_by(self, *guards: ContractGuard) -> None:
        """Ask these, too, before a contract migration."""
        self._guards = (*self._guards, *guards)

    def contract_objections(
        self, reading: Reading, service: Service, environment: str, commit: CommitHash
    ) -> tuple[Objection, ...]:
        """What still needs what the contract migration of ``commit`` takes away."""
        asked = ContractAsked(
            service=service,
            environment=environment,
            commit=commit,
            needs=self._needs(reading, service, environment, commit),
        )
        return tuple(one for guard in self._guards for one in guard.objections(reading, asked))

    def left_to_contract(
        self, reading: Reading, service: Service, environment: str, commit: CommitHash
    ) -> tuple[str, ...] | None:
        """Contract files of ``commit`` that have not run here, as far as the record tells.

        ``None`` where that cannot be known: the migrations are a command without a folder of files, or none of the
        files says its phase.
        """
        folder = self.definition(service, commit).migrations.folder
        if folder is None or not any(map(phase_of, self._sources.below(service, commit, folder))):
            return None
        place = self._environments.find(reading, service, environment)
        before = None
        if place is not None:  # one of this name that was destroyed had another database
            since = place.created_at
            before = storage.last_commit(reading.connection, service, environment, Kind.CONTRACT, since=since)
        ran = set() if before is None else set(self._contracts(service, before, folder))
        return tuple(path for path in self._contracts(service, commit, folder) if path not in ran)

    def brings_migrations(self, service: Service, base: CommitHash, head: CommitHash) -> bool:
        """Whether ``head`` has other migrations than ``base``, as far as its definition lets that be known.

        Files can be compared; of a command that prints SQL it is taken for granted.
        """
        migrations = self.definition(service, head).migrations
        if base == head or migrations.expand is None:
            return False
        if migrations.folder is None:
            return migrations.sql is not None
        changed = self._sources.difference(service, base, head)
        below = f"{migrations.folder.rstrip('/')}/"
        return changed.truncated or any(one.path.startswith(below) for one in changed.files)

    def _needs(self, reading: Reading, service: Service, environment: str, commit: CommitHash) -> tuple[FlagNeed, ...]:
        """What the contract files ask that have not run here yet, as far as the record tells."""
        needs: list[FlagNeed] = []
        for path in self.left_to_contract(reading, service, environment, commit) or ():
            needs += needs_of((self._sources.read(service, commit, path) or b"").decode("utf-8", "replace"))
        return tuple(dict.fromkeys(needs))

    def _contracts(self, service: Service, commit: CommitHash, folder: str) -> list[str]:
        return [one for one in self._sources.below(service, commit, folder) if phase_of(one) is Phase.CONTRACT]


def require_no_objections(objections: Sequence[Objection]) -> None:
    """Raise :class:`ContractRefused` with the first of them, and say how many more there are."""
    if not objections:
        return
    more = f" {len(objections) - 1} more stand in the way." if len(objections) > 1 else ""
    raise ContractRefused(
        f"The old shape is still needed. {objections[0].sentence}{more}",
        safe="Nothing was changed.",
        remedy="Ask again when that is over.",
    )
