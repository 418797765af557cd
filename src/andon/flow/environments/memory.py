"""Environments whose instances are imagined; ships for tests of whatever deploys.

What is recorded is recorded as ever, in the database and in its events; only that something runs is made up, and
a test says beforehand how a version behaves::

    environments = InMemoryEnvironments(database, sources=…, definitions=…, folder=tmp_path)
    environments.imagine(bad_commit, Behaviour(never_healthy="web 1: it ended with 1"))
"""

from __future__ import annotations

import builtins
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from andon.flow.definition.contract import DefinitionReader
from andon.flow.environments.contract import CommandOutcome, Environments, Health, HealthReport, SetId, Standing
from andon.flow.environments.model import Instance, InstanceSet
from andon.flow.environments.recorded import RecordedEnvironments
from andon.flow.environments.service import EnvironmentService
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.db import Database
from andon.kernel.errors import AndonError
from andon.kernel.logs.writer import LogWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the instances of one version behave. Empty texts are "as it should be"."""

    start_fails: AndonError | None = None
    """Raised by ``start``."""
    never_healthy: str = ""
    """What ``await_healthy`` then says is wrong."""
    unhealthy_with_traffic: str = ""
    """What ``probe`` says is wrong once the set is live."""
    healthy_after: threading.Event | None = None
    """``await_healthy`` waits for it, or until it is told to stop."""
    commands: Mapping[str, int] = field(default_factory=dict)
    """Exit codes by a part of the command's key, such as ``{"expand": 1}``; 0 otherwise."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """What commands print, by a part of their key."""
    runs_until: threading.Event | None = None
    """Commands run until it is set, they are told to stop, or their time is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RanCommand:
    set: SetId
    commit: CommitHash
    key: str
    command: str
    variables: Mapping[str, str]


class InMemoryEnvironments(RecordedEnvironments, Environments):
    """Implements :class:`andon.flow.environments.contract.Environments`.

    ``endpoint`` is where every routed instance is said to be, for tests that have something answer there.
    What was done is in ``started``, ``stopped``, ``commands`` and ``removed_data``, in order.
    """

    def __init__(
        self,
        database: Database,
        *,
        sources: Sources,
        definitions: DefinitionReader,
        folder: Path,
        endpoint: str = "",
        first_port: int = 20_000,
        last_port: int = 29_999,
    ) -> None:
        super().__init__(
            EnvironmentService(
                sources=sources,
                definitions=definitions,
                first_port=first_port,
                last_port=last_port,
                host="127.0.0.1",
                endpoint=lambda _owner, _instance: endpoint,
                log=lambda _owner, instance: folder / "instances" / instance.id,
                port_is_free=lambda _host, _port: True,
            )
        )
        self._database = database
        self._folder = folder
        self._behaviours: dict[CommitHash, Behaviour] = {}
        self._usual = Behaviour()
        self._guard = threading.Lock()
        self._alive: builtins.set[SetId] = set()
        self.started: list[SetId] = []
        self.stopped: list[SetId] = []
        self.commands: list[RanCommand] = []
        self.removed_data: list[tuple[Service, str]] = []

    def imagine(self, commit: CommitHash | None, behaviour: Behaviour) -> None:
        """Say how a version behaves from now on; ``None`` is every version not named."""
        with self._guard:
            if commit is None:
                self._usual = behaviour
            else:
                self._behaviours[commit] = behaviour

    def running(self) -> frozenset[SetId]:
        """Sets that were started and not stopped since."""
        with self._guard:
            return frozenset(self._alive)

    def remove_data(self, service: Service, name: str) -> None:
        with self._guard:
            self.removed_data.append((service, name))

    def start(self, set_id: SetId) -> None:
        behaviour, _owner, members = self._look(set_id)
        if behaviour.start_fails is not None:
            raise behaviour.start_fails
        with self._guard:
            if set_id in self._alive:
                return
            self._alive.add(set_id)
            self.started.append(set_id)
        self._note(members, Health.STARTING, "")

    def await_healthy(self, set_id: SetId, stopping: Callable[[], bool]) -> HealthReport:
        behaviour, _owner, members = self._look(set_id)
        while behaviour.healthy_after is not None and not behaviour.healthy_after.wait(0.005):
            if stopping():
                return HealthReport(healthy=False, reason="stopped while it waited to become healthy")
        if behaviour.never_healthy:
            self._note(members, Health.UNHEALTHY, behaviour.never_healthy)
            return HealthReport(healthy=False, reason=behaviour.never_healthy)
        self._note(members, Health.HEALTHY, "")
        return HealthReport(healthy=True, reason="")

    def probe(self, set_id: SetId) -> HealthReport:
        behaviour, owner, members = self._look(set_id)
        reason = behaviour.never_healthy
        if set_id not in self.running():
            reason = "it is not running"
        elif owner.standing is Standing.LIVE:
            reason = reason or behaviour.unhealthy_with_traffic
        if reason:
            self._note(members, Health.UNHEALTHY, reason)
        return HealthReport(healthy=not reason, reason=reason)

    def run_command(
        self,
        set_id: SetId,
        *,
        key: str,
        command: str,
        timeout: float,
        variables: Mapping[str, str],
        stopping: Callable[[], bool],
    ) -> CommandOutcome:
        behaviour, owner, _members = self._look(set_id)
        ran = RanCommand(set=set_id, commit=owner.commit, key=key, command=command, variables=dict(variables))
        with self._guard:
            self.commands.append(ran)
            log = self._folder / "commands" / f"{len(self.commands)}"
        began = time.monotonic()
        told = next((text for part, text in behaviour.outputs.items() if part in key), "")
        writer = LogWriter(log)
        writer.write(told.encode())
        writer.close()
        ended, timed_out = True, False
        while behaviour.runs_until is not None and not behaviour.runs_until.wait(0.005):
            timed_out = time.monotonic() - began > timeout
            if timed_out or stopping():
                ended = False
                break
        code = next((code for part, code in behaviour.commands.items() if part in key), 0)
        return CommandOutcome(
            exit_code=code if ended else None, timed_out=timed_out, seconds=time.monotonic() - began, log=log
        )

    def stop(self, set_id: SetId) -> None:
        with self._guard:
            if set_id in self._alive:
                self._alive.remove(set_id)
                self.stopped.append(set_id)
        with self._database.transaction() as tx:
            self._service.note_stopped(tx, set_id)

    # Inside

    def _look(self, set_id: SetId) -> tuple[Behaviour, InstanceSet, tuple[Instance, ...]]:
        with self._database.reading() as reading:
            owner = self._service.require_set(reading, set_id)
            members = self._service.instances(reading, set_id)
        with self._guard:
            return self._behaviours.get(owner.commit, self._usual), owner, members

    def _note(self, members: tuple[Instance, ...], health: Health, reason: str) -> None:
        with self._database.transaction() as tx:
            for one in members:
                self._service.note_health(tx, one.id, health, reason)
