"""Which migrations have run in an environment, as far as the record tells: Andon keeps no ledger beside the tool's own.

A file of a commit has been expanded when a deployment of that commit has passed its step ``expand``; it has been
contracted when a contract migration of such a commit has succeeded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import PurePosixPath

from andon.flow.definition.contract import DEFINITION_FILE, DefinitionReader, MigrationDefinition
from andon.flow.deployments.contract import (
    DeploymentId,
    Deployments,
    DeploymentState,
    DeploymentView,
    Kind,
    RollbackTarget,
    StepName,
    StepState,
    StepView,
)
from andon.flow.schema.contract import Phase
from andon.flow.schema.contract.backfills import BackfillState, BackfillView
from andon.flow.schema.contract.files import in_order, phase_of
from andon.flow.schema.contract.guarding import ContractQuestions, Objection
from andon.flow.schema.model import Pace, Progress
from andon.flow.schema.service import BackfillService
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.db import Reading
from andon.kernel.errors import AndonError

LOOKED_AT = 40
"""Deployments of an environment, newest first: what ran before them ran "earlier"."""
_KEPT = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One phase of a migration."""

    phase: Phase
    file: str
    """Empty where ``andon.yaml`` names a command and no folder."""
    progress: Progress
    at: datetime | None = None
    commit: CommitHash | None = None
    """Whose deployment ran it."""
    deployment: DeploymentId | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What belongs together by its name: ``0007_state``."""

    name: str
    """Empty for everything that commands run without a folder."""
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An environment's database, as far as its migrations are known."""

    service: Service
    environment: str
    live: DeploymentView | None
    migrations: MigrationDefinition | None
    """Of what is live; ``None`` when it has none."""
    changes: tuple[Change, ...]
    """Newest first."""
    backfill: BackfillView | None
    pace: Pace | None
    failed: DeploymentView | None
    """The newest deployment that expanded, if that went wrong."""
    targets: tuple[RollbackTarget, ...]
    """Versions that can be rolled back to, and so need the old shape."""
    objections: tuple[Objection, ...]

    @property
    def contracts_wait(self) -> int:
        """Contract migrations of the live version that have not run."""
        found = (one for change in self.changes for one in change.entries)
        return sum(one.phase is Phase.CONTRACT and one.progress is Progress.WAITS for one in found)


@dataclass(frozen=True, slots=True)
class _Ran:
    """A step of a deployment, and the files of its commit."""

    deployment: DeploymentView
    step: StepView
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Files:
    """What versions of a service bring."""

    service: Service
    live: tuple[str, ...]
    coming: tuple[str, ...]
    """Of the default branch."""


class Ledger:
    """Reads the story of an environment's migrations. Nothing here changes anything."""

    def __init__(
        self,
        *,
        backfills: BackfillService,
        deployments: Deployments,
        contracting: ContractQuestions,
        sources: Sources,
        definitions: DefinitionReader,
    ) -> None:
        self._backfills = backfills
        self._deployments = deployments
        self._contracting = contracting
        self._sources = sources
        self._definitions = definitions
        # What a commit holds never changes; a page asks for forty of them.
        self._files = lru_cache(_KEPT)(self._read_files)
        self.migrations = lru_cache(_KEPT)(self._read_migrations)

    def story(self, reading: Reading, service: Service, environment: str) -> Story:
        live = self._deployments.live(reading, service, environment)
        migrations = None if live is None else self.migrations(service, live.commit)
        recent = self._deployments.recent(reading, service, environment, limit=LOOKED_AT)
        fills = self._backfills.recent(reading, service, environment)
        newest = fills[0] if fills else None
        expands = self._ran(service, recent, StepName.EXPAND)
        contracts = self._ran(service, recent, StepName.CONTRACT)
        failed = next(iter(expands), None)
        here = self._files(service, live.commit) if live is not None else ()
        changes = self._changes(
            _Files(service, here, self._coming(reading, service)),
            expands,
            contracts,
            fills,
            whole=len(recent) < LOOKED_AT,
        )
        targets: tuple[RollbackTarget, ...] = ()
        objections: tuple[Objection, ...] = ()
        if live is not None and migrations is not None and migrations.contract is not None:
            found = self._deployments.rollback_targets(reading, service, environment)
            targets = tuple(one for one in found if one.refusal is None)
            objections = self._contracting.contract_objections(reading, service, environment, live.commit)
        return Story(
            service=service,
            environment=environment,
            live=live,
            migrations=migrations,
            changes=changes,
            backfill=newest,
            pace=None if newest is None else self._backfills.pace(reading, newest.id),
            failed=failed.deployment if failed is not None and failed.step.state is StepState.FAILED else None,
            targets=targets,
            objections=objections,
        )

    def _ran(self, service: Service, found: Sequence[DeploymentView], name: StepName) -> tuple[_Ran, ...]:
        """Newest first. A deployment without a migration passes its step, too: its files are none."""
        return tuple(
            _Ran(one, step, self._files(service, one.commit))
            for one in found
            for step in one.steps
            if step.name is name and one.kind is not Kind.REBUILD and step.state is not StepState.SKIPPED
        )

    def _changes(
        self,
        known: _Files,
        expands: Sequence[_Ran],
        contracts: Sequence[_Ran],
        fills: Sequence[BackfillView],
        *,
        whole: bool,
    ) -> tuple[Change, ...]:
        named: dict[str, list[Entry]] = {}
        for path in in_order({*known.live, *known.coming, *(file for one in expands for file in one.files)}):
            here = path in known.live
            match phase_of(path):
                case Phase.EXPAND:
                    entry = _expanded(path, expands, whole=whole)
                case Phase.BACKFILL:
                    holding = [one for one in fills if path in self._files(known.service, one.commit)]
                    entry = _filled(path, holding, here)
                case _:
                    entry = _contracted(path, contracts, here)
            named.setdefault(change_of(path), []).append(entry)
        return tuple(Change(name=name, entries=tuple(entries)) for name, entries in reversed(named.items()))

    def _coming(self, reading: Reading, service: Service) -> tuple[str, ...]:
        """Files of the default branch as it is now."""
        try:
            head = self._sources.resolve(service, self._sources.default_branch(reading, service))
            return self._files(service, head)
        except AndonError:
            return ()  # nothing was pushed yet

    def _read_files(self, service: Service, commit: CommitHash) -> tuple[str, ...]:
        migrations = self.migrations(service, commit)
        if migrations is None:
            return ()
        if migrations.folder is None:
            return tuple(_UNNAMED[phase] for phase in Phase if _command(migrations, phase) is not None)
        found = self._sources.below(service, commit, migrations.folder)
        return tuple(one for one in found if phase_of(one) is not None)

    def _read_migrations(self, service: Service, commit: CommitHash) -> MigrationDefinition | None:
        """``None`` for a commit without migrations, and for one that is gone or cannot be read."""
        try:
            source = self._sources.read(service, commit, DEFINITION_FILE)
            found = None if source is None else self._definitions.read(source).migrations
        except AndonError:
            return None
        return found if found is not None and any(_command(found, phase) for phase in Phase) else None


_UNNAMED = {phase: f"{phase.value}/.sql" for phase in Phase}
"""Stands for everything that a command runs, where there is no folder of files."""


def change_of(path: str) -> str:
    """The name that the phases of one change share: ``0007_state.expand.sql`` and ``expand/0007_state.sql`` alike."""
    if path in _UNNAMED.values():
        return ""
    stem = PurePosixPath(PurePosixPath(path).stem)
    inner = stem.suffix.removeprefix(".").lower()
    return stem.stem if inner in {phase.value for phase in Phase} else str(stem)


def _command(migrations: MigrationDefinition, phase: Phase) -> str | None:
    return {
        Phase.EXPAND: migrations.expand,
        Phase.BACKFILL: migrations.backfill,
        Phase.CONTRACT: migrations.contract,
    }[phase]


def _shown(path: str) -> str:
    return "" if path in _UNNAMED.values() else path


def _expanded(path: str, expands: Sequence[_Ran], *, whole: bool) -> Entry:
    held = [one for one in expands if path in one.files]
    passed = [one for one in held if one.step.state is StepState.PASSED]
    if passed:
        # of commands without files the newest run counts: they bring something else each time
        one = passed[0] if not _shown(path) else passed[-1]
        if not whole and _shown(path) and one is expands[-1]:
            return Entry(phase=Phase.EXPAND, file=path, progress=Progress.DONE, note="earlier")
        return _entry(Phase.EXPAND, path, Progress.DONE, one)
    if not held:
        return Entry(phase=Phase.EXPAND, file=_shown(path), progress=Progress.COMING)
    newest = held[0]
    if newest.step.state is StepState.RUNNING:
        return _entry(Phase.EXPAND, path, Progress.UNDER_WAY, newest)
    return _entry(Phase.EXPAND, path, Progress.FAILED, newest)


def _filled(path: str, fills: Sequence[BackfillView], here: bool) -> Entry:
    """``fills`` are those whose commit brings the file, newest first."""
    done = [one for one in fills if one.state is BackfillState.DONE]
    if done or fills:
        one = done[-1] if done else fills[0]
        return Entry(
            phase=Phase.BACKFILL,
            file=_shown(path),
            progress=_FILLING[one.state],
            at=one.changed_at if one.state.ended else one.started_at,
            commit=one.commit,
        )
    progress = Progress.WAITS if here else Progress.COMING
    return Entry(phase=Phase.BACKFILL, file=_shown(path), progress=progress)


_FILLING = {
    BackfillState.RUNNING: Progress.UNDER_WAY,
    BackfillState.PAUSED: Progress.PAUSED,
    BackfillState.DONE: Progress.DONE,
    BackfillState.FAILED: Progress.FAILED,
    BackfillState.STOPPED: Progress.STOPPED,
    BackfillState.SUPERSEDED: Progress.WAITS,
}


def _contracted(path: str, contracts: Sequence[_Ran], here: bool) -> Entry:
    held = [one for one in contracts if path in one.files]
    done = [one for one in held if one.deployment.state is DeploymentState.SUCCEEDED]
    if done and (_shown(path) or done[0] is held[0]):
        return _entry(Phase.CONTRACT, path, Progress.DONE, done[-1] if _shown(path) else done[0])
    if held and not held[0].deployment.state.ended:
        return _entry(Phase.CONTRACT, path, Progress.UNDER_WAY, held[0])
    if held and held[0].step.state is StepState.FAILED:
        return _entry(Phase.CONTRACT, path, Progress.FAILED, held[0], held[0].step.reason)
    return Entry(phase=Phase.CONTRACT, file=_shown(path), progress=Progress.WAITS if here else Progress.COMING)


def _entry(phase: Phase, path: str, progress: Progress, ran: _Ran, note: str = "") -> Entry:
    return Entry(
        phase=phase,
        file=_shown(path),
        progress=progress,
        at=ran.step.ended_at or ran.step.started_at,
        commit=ran.deployment.commit,
        deployment=ran.deployment.id,
        note=note,
    )
