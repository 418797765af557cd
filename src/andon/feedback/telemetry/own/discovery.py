"""Which logs there are: those of every attempt of a job, of every life of an instance, and of every command that a
deployment ran, found through the record and the environments."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from andon.feedback.telemetry.contract.logs import LogSource
from andon.flow.environments.contract import Environments, SetId, SetPrepared
from andon.flow.environments.contract.equipment import version_of
from andon.flow.pipelines.contract import JobId, JobStarted, Pipelines, RunId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound
from andon.kernel.events import Event, Facets, page
from andon.kernel.events.record import latest_position

_PAGE = 1000
_MOST_RUNS = 2000
_LINGER = 120
"""Looks at a set that is no more, for what its instances say at their end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A log, and whose it is."""

    origin: str
    """``job:RUN/STAGE/JOB/ATTEMPT``, ``instance:ID/LIFE`` or ``command:SET/KEY/ATTEMPT``."""
    folder: Path
    source: LogSource
    service: str
    environment: str = ""
    version: str = ""
    instance: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    owner: SetId | None = None
    """Whose instance or command it is; ``None`` for a job."""


@dataclass(slots=True)
class _Watched:
    """A set whose folders grow."""

    id: SetId
    service: Service
    environment: str
    version: str
    folder: Path
    seen: dict[str, int] = field(default_factory=dict)
    """When a folder was changed, as it was at the last look."""
    told: dict[str, set[str]] = field(default_factory=dict)
    lingers: int = _LINGER


class Discovery:
    """``kept`` is how long the past is of interest at a start: as long as lines are kept.

    ``set_folder`` is where a set's things lie (``logs/<instance>-<life>`` and ``commands/<key>-<attempt>`` in it),
    ``job_log`` where an attempt's output does.
    """

    def __init__(
        self,
        *,
        reading: Callable[[], AbstractContextManager[Reading]],
        environments: Environments,
        pipelines: Pipelines,
        set_folder: Callable[[Service, str, SetId], Path],
        job_log: Callable[[RunId, JobId, int], Path],
        kept: timedelta,
    ) -> None:
        self._reading = reading
        self._environments, self._pipelines = environments, pipelines
        self._set_folder, self._job_log, self._kept = set_folder, job_log, kept
        self._latest: int | None = None
        self._positions: dict[str, int] = {}
        self._found: list[Followed] = []
        """Yet to be told of: a look may fail half-way."""
        self._sets: dict[SetId, _Watched] = {}
        self._active: frozenset[SetId] = frozenset()
        self._runs: OrderedDict[RunId, tuple[str, Mapping[str, str]]] = OrderedDict()

    def is_active(self, owner: SetId) -> bool:
        """Whether the set still has a part to play, so that its instances may say more."""
        return owner in self._active

    def look(self) -> list[Followed]:
        """Logs that were not told of before."""
        with self._reading() as reading:
            latest = latest_position(reading)
            if latest != self._latest:
                self._found += self._jobs(reading, latest)
                self._watch(reading, latest)
                self._latest = latest
        for one in list(self._sets.values()):
            self._found += self._of_set(one)
            if one.id not in self._active:
                one.lingers -= 1
                if one.lingers <= 0:
                    del self._sets[one.id]
        found, self._found = self._found, []
        return found

    def _jobs(self, reading: Reading, latest: int) -> Iterator[Followed]:
        for one in self._news(reading, JobStarted, latest):
            if isinstance(one, JobStarted):
                version, environments = self._run(reading, one.run)
                yield Followed(
                    origin=f"job:{one.run}/{one.stage}/{one.name}/{one.attempt}",
                    folder=self._job_log(one.run, one.job, one.attempt),
                    source=LogSource.JOB,
                    service=one.service,
                    environment=environments.get(one.stage, ""),
                    version=version,
                    fields={"andon.stage": one.stage, "andon.job": one.name},
                )

    def _watch(self, reading: Reading, latest: int) -> None:
        active = []
        for view in self._environments.all(reading):
            for owner in view.sets:
                active.append(owner.id)
                self._add(owner.id, owner.service, owner.environment, owner.commit)
        self._active = frozenset(active)
        for one in self._news(reading, SetPrepared, latest):
            if isinstance(one, SetPrepared):
                self._add(one.set, one.service, one.environment, one.commit)

    def _add(self, id: SetId, service: Service, environment: str, commit: CommitHash) -> None:
        if id not in self._sets:
            folder = self._set_folder(service, environment, id)
            self._sets[id] = _Watched(id, service, environment, version_of(commit), folder)

    def _of_set(self, one: _Watched) -> Iterator[Followed]:
        for name in _new_in(one, "logs"):
            instance, _, life = name.rpartition("-")
            yield Followed(
                origin=f"instance:{instance}/{life}",
                folder=one.folder / "logs" / name,
                source=LogSource.INSTANCE,
                service=one.service,
                environment=one.environment,
                version=one.version,
                instance=instance,
                owner=one.id,
            )
        for name in _new_in(one, "commands"):
            key, _, attempt = name.rpartition("-")
            yield Followed(
                origin=f"command:{one.id}/{key}/{attempt}",
                folder=one.folder / "commands" / name,
                source=LogSource.JOB,
                service=one.service,
                environment=one.environment,
                version=one.version,
                fields={"andon.command": key},
                owner=one.id,
            )

    def _run(self, reading: Reading, run: RunId) -> tuple[str, Mapping[str, str]]:
        """The version of a run, and the environments of its stages."""
        known = self._runs.get(run)
        if known is None:
            try:
                found = self._pipelines.run(reading, run)
            except NotFound:
                known = ("", {})
            else:
                known = (
                    version_of(found.commit),
                    {stage.name: stage.environment for stage in found.stages if stage.environment is not None},
                )
            self._runs[run] = known
            if len(self._runs) > _MOST_RUNS:
                self._runs.popitem(last=False)
        return known

    def _news(self, reading: Reading, kind: type[Event], latest: int) -> Iterator[Event]:
        """Events of a kind since the last look; at the first one, as old as lines are kept."""
        facets = Facets(type=kind.type)
        if kind.type not in self._positions:
            facets = Facets(type=kind.type, since=reading.now - self._kept)
        after = self._positions.get(kind.type, 0)
        while True:
            found = page(reading, facets, after=after, limit=_PAGE)
            for envelope in found:
                if (happened := envelope.decode()) is not None:
                    yield happened
            if found:
                after = found[-1].position
            if len(found) < _PAGE:
                break
        # also where there was none: what is older than of interest must not be met the next time
        self._positions[kind.type] = max(after, latest)


def _new_in(one: _Watched, which: str) -> list[str]:
    """Names in a folder of the set that were not there at the last look."""
    folder = one.folder / which
    try:
        changed = folder.stat().st_mtime_ns
        if one.seen.get(which) == changed:
            return []
        names = sorted(entry.name for entry in folder.iterdir())
    except FileNotFoundError:
        return []
    one.seen[which] = changed
    told = one.told.setdefault(which, set())
    new = [name for name in names if name not in told and "-" in name]
    told.update(new)
    return new
