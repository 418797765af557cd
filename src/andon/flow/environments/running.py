"""The effects of environments: starting sets, asking them, running commands in them, ending them."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from andon.flow.artifacts.contract import Artifacts
from andon.flow.configuration.contract import Configuration, Values
from andon.flow.environments.contract import (
    CommandOutcome,
    Environments,
    Health,
    HealthReport,
    InstanceId,
    ReplacementReason,
    SetId,
    Standing,
)
from andon.flow.environments.instances import INSIDE, Instances
from andon.flow.environments.layout import Layout
from andon.flow.environments.model import Instance, InstanceSet, base_variables
from andon.flow.environments.package import drift, unpack
from andon.flow.environments.recorded import RecordedEnvironments
from andon.flow.environments.service import EnvironmentService
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Database, Transaction
from andon.kernel.logs.writer import LogWriter
from andon.kernel.sandbox.launch import launch
from andon.kernel.sandbox.limits import Limiter
from andon.kernel.sandbox.model import Limits, Mount, SandboxSpec

_STARTS = 3
"""Starts of an instance that may fail before a candidate is given up."""
_COMMAND_MEMORY = 2 * 1024**3
_COMMAND_PROCESSES = 256
_GRACE = 5.0


class RunningEnvironments(RecordedEnvironments, Environments):
    """Implements :class:`andon.flow.environments.contract.Environments`."""

    def __init__(
        self,
        *,
        database: Database,
        service: EnvironmentService,
        artifacts: Artifacts,
        configuration: Configuration,
        layout: Layout,
        instances: Instances,
        limiter: Limiter,
    ) -> None:
        super().__init__(service)
        self._database = database
        self._artifacts = artifacts
        self._configuration = configuration
        self._layout = layout
        self._instances = instances
        self._limiter = limiter
        # One instance is worked on by one thread at a time: the monitor must not start what a deployment ends.
        self._guards: dict[SetId, threading.RLock] = {}
        self._guard = threading.Lock()
        self._failures: dict[InstanceId, int] = {}

    # Effects

    def remove_data(self, service: Service, name: str) -> None:
        shutil.rmtree(self._layout.environment(service, name), ignore_errors=True)

    def start(self, set_id: SetId) -> None:
        with self._guarded(set_id):
            owner, members, values = self._ready(set_id)
            for instance in members:
                self._start(owner, instance, values)

    def await_healthy(self, set_id: SetId, stopping: Callable[[], bool]) -> HealthReport:
        owner, members, _values = self._read(set_id)
        begun = time.monotonic()
        waiting = {one.id: one for one in members}
        reason = ""
        with ThreadPoolExecutor(max(1, min(len(members), 8)), thread_name_prefix="health") as pool:
            while waiting:
                if stopping():
                    return HealthReport(healthy=False, reason="stopped while it waited to become healthy")
                answers = pool.map(lambda one: (one, self._instances.probe(owner, one)), list(waiting.values()))
                for instance, found in list(answers):
                    name = f"{instance.process} {instance.number}"
                    if found.health is Health.HEALTHY:
                        del waiting[instance.id]
                        self._note(instance.id, Health.HEALTHY, "", found.restarts)
                        continue
                    reason = f"{name}: {found.reason}"
                    limit = self._instances.process_of(owner, instance).health.within
                    if found.restarts >= _STARTS or time.monotonic() - begun > limit:
                        words = self._instances.last_words(owner, instance)
                        told = reason if not words or words in reason else f"{reason}; it last said: {words}"
                        self._note(instance.id, Health.UNHEALTHY, found.reason, found.restarts)
                        when = f"not healthy within {limit:g} s" if found.restarts < _STARTS else "does not stay up"
                        return HealthReport(healthy=False, reason=f"{when}. {told}")
                if waiting:
                    time.sleep(0.05)
        return HealthReport(healthy=True, reason="")

    def probe(self, set_id: SetId) -> HealthReport:
        owner, members, _values = self._read(set_id)
        for instance in members:
            found = self._instances.probe(owner, instance)
            if found.health is not Health.HEALTHY:
                return HealthReport(healthy=False, reason=f"{instance.process} {instance.number}: {found.reason}")
        return HealthReport(healthy=True, reason="")

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
        owner, members, values = self._ready(set_id)
        mounts, url = self._reach(owner, members)
        folder = self._free_log(owner, _plain_key(key))
        environment = {**values.config, **values.secrets, **base_variables(owner), **variables}
        if url is not None:
            environment["ANDON_URL"] = url
        data = self._layout.data(owner.service, owner.environment)
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        app = self._layout.app(owner.service, owner.environment, owner.id, owner.unpacked)
        spec = SandboxSpec(
            argv=("/bin/sh", "-eu", "-c", command),
            directory="/app",
            environment=environment,
            mounts=(Mount(app, "/app"), Mount(data, "/data", writable=True), *mounts),
            network=any(one.network.value == "host" for one in owner.definition.processes),
            limits=Limits(memory=_COMMAND_MEMORY, processes=_COMMAND_PROCESSES),
            hostname=f"{owner.service}-command",
        )
        began = time.monotonic()
        masks = tuple(one for one in values.secrets.values() if one)
        exit_code, timed_out = self._run(spec, folder.name, folder, masks, timeout, stopping)
        return CommandOutcome(exit_code=exit_code, timed_out=timed_out, seconds=time.monotonic() - began, log=folder)

    def stop(self, set_id: SetId) -> None:
        with self._guarded(set_id):
            with self._database.reading() as reading:
                owner = self._service.require_set(reading, set_id)
                members = self._service.instances(reading, set_id)
            if members:
                # Together: each is given its own time to finish what it is doing.
                with ThreadPoolExecutor(min(len(members), 16), thread_name_prefix="stop") as pool:
                    list(pool.map(lambda one: self._instances.stop(owner, one), members))
            folder = self._layout.set(owner.service, owner.environment, set_id)
            for app in folder.glob("app-*"):
                if app.is_dir():
                    shutil.rmtree(app, ignore_errors=True)
                else:
                    app.unlink(missing_ok=True)
            with self._database.transaction() as tx:
                self._service.note_stopped(tx, set_id)

    # Keeping what should be

    def reconcile(self) -> None:
        """At start and from time to time: what should run runs, what should not is ended."""
        with self._database.reading() as reading:
            standing = self._service.standing_sets(reading)
            leftover = self._service.all_retired_running(reading)
        for owner in standing:
            if owner.standing in {Standing.LIVE, Standing.WARM}:
                self._revive(owner)
        for set_id in leftover:
            self.stop(set_id)

    def check_health(self) -> None:
        """One round of probes over everything that is live or warm; unhealthy instances are started again."""
        with self._database.reading() as reading:
            standing = [
                one for one in self._service.standing_sets(reading) if one.standing in {Standing.LIVE, Standing.WARM}
            ]
            members = [(owner, one) for owner in standing for one in self._service.instances(reading, owner.id)]
        if not members:
            return
        with ThreadPoolExecutor(min(len(members), 8), thread_name_prefix="probe") as pool:
            list(pool.map(lambda pair: self._check(*pair), members))

    def check_drift(self) -> None:
        """Compare every unpacked package with what was unpacked; where it differs, unpack and start anew."""
        with self._database.reading() as reading:
            standing = self._service.standing_sets(reading)
        for owner in standing:
            if owner.standing not in {Standing.LIVE, Standing.WARM} or owner.unpacked == 0:
                continue
            app = self._layout.app(owner.service, owner.environment, owner.id, owner.unpacked)
            told = drift(app, self._layout.manifest(app))
            if told is not None:
                self._replace_all(owner, ReplacementReason.DRIFT, told)

    def replace(self, tx: Transaction, principal: Principal, instance: InstanceId) -> Callable[[], None]:
        """Record that somebody wants an instance started anew; what the caller runs after the commit."""
        found, owner = self._service.instance(tx, instance)
        principal.require(Permission.DEPLOY, owner.service, owner.environment)
        self._service.note_replaced(tx, found.id, ReplacementReason.REBUILD, "on request", by=principal.actor)
        return lambda: self._again(owner, found)

    # Inside

    def _check(self, owner: InstanceSet, instance: Instance) -> None:
        found = self._instances.probe(owner, instance)
        allowed = self._instances.process_of(owner, instance).health.failures
        if found.health is Health.HEALTHY:
            self._failures.pop(instance.id, None)
            self._note(instance.id, Health.HEALTHY, "", found.restarts)
            return
        count = self._failures[instance.id] = self._failures.get(instance.id, 0) + 1
        if found.health is Health.STOPPED:
            self._revive(owner)
        elif count >= allowed:
            self._note(instance.id, Health.UNHEALTHY, found.reason, found.restarts)
            self._failures[instance.id] = 0
            with self._database.transaction() as tx:
                self._service.note_replaced(tx, instance.id, ReplacementReason.UNHEALTHY, found.reason)
            self._again(owner, instance)

    def _again(self, owner: InstanceSet, instance: Instance) -> None:
        with self._guarded(owner.id):
            fresh, _members, values = self._ready(owner.id)
            self._instances.stop(fresh, instance)
            self._start(fresh, instance, values)

    def _replace_all(self, owner: InstanceSet, reason: ReplacementReason, told: str) -> None:
        with self._guarded(owner.id):
            with self._database.transaction() as tx:
                self._service.note_unpacked(tx, owner.id, owner.unpacked + 1)
                for instance in self._service.instances(tx, owner.id):
                    self._service.note_replaced(tx, instance.id, reason, told)
            fresh, members, values = self._ready(owner.id)
            # One after the other, each healthy before the next: the rest carries the traffic meanwhile.
            for instance in members:
                self._instances.stop(fresh, instance)
                self._start(fresh, instance, values)
                self._await_one(fresh, instance)
            shutil.rmtree(
                self._layout.app(owner.service, owner.environment, owner.id, owner.unpacked), ignore_errors=True
            )

    def _await_one(self, owner: InstanceSet, instance: Instance) -> None:
        deadline = time.monotonic() + self._instances.process_of(owner, instance).health.within
        while time.monotonic() < deadline:
            found = self._instances.probe(owner, instance)
            if found.health is Health.HEALTHY:
                self._note(instance.id, Health.HEALTHY, "", found.restarts)
                return
            time.sleep(0.05)

    def _revive(self, owner: InstanceSet) -> None:
        """Start what has no keeper any more: after a crash of the machine, or when somebody killed it."""
        with self._guarded(owner.id):
            with self._database.reading() as reading:
                if self._service.require_set(reading, owner.id).standing is Standing.RETIRED:
                    return
                lost = [one for one in self._service.instances(reading, owner.id) if not self._instances.kept(one)]
            if not lost:
                return
            fresh, _members, values = self._ready(owner.id)
            for instance in lost:
                with self._database.transaction() as tx:
                    self._service.note_replaced(tx, instance.id, ReplacementReason.LOST, "its process was gone")
                self._start(fresh, instance, values)

    def _start(self, owner: InstanceSet, instance: Instance, values: Values) -> None:
        found = instance
        if self._instances.needs_port(owner, found):
            with self._database.transaction() as tx:
                found = self._service.give_port(tx, found.id)
        masks = tuple(one for one in values.secrets.values() if one)
        self._instances.start(owner, found, {**values.config, **values.secrets}, masks)
        if instance.health in {Health.UNKNOWN, Health.STOPPED}:
            self._note(instance.id, Health.STARTING, "", 0)

    def _ready(self, set_id: SetId) -> tuple[InstanceSet, tuple[Instance, ...], Values]:
        """The set with its package unpacked."""
        with self._guarded(set_id):
            owner, members, values = self._read(set_id)
            count = max(1, owner.unpacked)
            app = self._layout.app(owner.service, owner.environment, owner.id, count)
            unpack(self._artifacts, owner.digest, app, self._layout.manifest(app))
            if owner.unpacked != count:
                with self._database.transaction() as tx:
                    self._service.note_unpacked(tx, set_id, count)
                owner, members, values = self._read(set_id)
            return owner, members, values

    def _read(self, set_id: SetId) -> tuple[InstanceSet, tuple[Instance, ...], Values]:
        with self._database.reading() as reading:
            owner = self._service.require_set(reading, set_id)
            definition = self._service.definition_here(owner)
            values = self._configuration.values(reading, owner.service, definition, owner.config_version)
            return owner, self._service.instances(reading, set_id), values

    def _reach(self, owner: InstanceSet, members: tuple[Instance, ...]) -> tuple[tuple[Mount, ...], str | None]:
        """How a command reaches an instance of its own set: what to mount, and the address inside."""
        for instance in members:
            if not self._instances.process_of(owner, instance).routed:
                continue
            endpoint = self._instances.endpoint(owner, instance)
            if endpoint.startswith("unix:"):
                folder = self._layout.socket_folder(instance.id)
                if not folder.is_dir():
                    return (), None
                name = endpoint.rsplit("/", 1)[-1]
                return (Mount(folder, INSIDE, writable=True),), f"unix:{INSIDE}/{name}"
            if endpoint:
                return (), f"http://{endpoint}"
        return (), None

    def _run(
        self,
        spec: SandboxSpec,
        name: str,
        folder: Path,
        masks: tuple[str, ...],
        timeout: float,
        stopping: Callable[[], bool],
    ) -> tuple[int | None, bool]:
        writer = LogWriter(folder, mask=tuple(one.encode() for one in masks))
        read, write = os.pipe()
        pump = threading.Thread(target=_pump, args=(read, writer), name="command-log")
        pump.start()
        try:
            try:
                running = launch(
                    spec,
                    id=f"cmd-{time.time_ns():x}-{name}"[-100:],
                    state_dir=self._layout.commands,
                    stdout=write,
                    limiter=self._limiter,
                )
            finally:
                os.close(write)
            deadline = time.monotonic() + timeout
            while True:
                try:
                    return running.wait(0.1).code, False
                except TimeoutError:
                    timed_out = time.monotonic() > deadline
                    if timed_out or stopping():
                        running.end(_GRACE)
                        return None, timed_out
        finally:
            pump.join()
            writer.close()

    def _free_log(self, owner: InstanceSet, key: str) -> Path:
        attempt = 1
        while True:
            folder = self._layout.command_log(owner.service, owner.environment, owner.id, key, attempt)
            if not folder.exists():
                return folder
            attempt += 1

    def _note(self, instance: InstanceId, health: Health, reason: str, restarts: int) -> None:
        with self._database.reading() as reading:
            before, _owner = self._service.instance(reading, instance)
        if before.health is health and before.restarts == restarts:
            return
        with self._database.transaction() as tx:
            self._service.note_health(tx, instance, health, reason, restarts=restarts)

    def _guarded(self, set_id: SetId) -> threading.RLock:
        with self._guard:
            return self._guards.setdefault(set_id, threading.RLock())


def _pump(read: int, writer: LogWriter) -> None:
    try:
        while data := os.read(read, 65536):
            writer.write(data)
    finally:
        os.close(read)


def _plain_key(key: str) -> str:
    """A command's name comes from the repository: only what is harmless in a path stays."""
    return re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:60] or "command"
