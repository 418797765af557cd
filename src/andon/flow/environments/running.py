"""Environments that really run: sets started, asked, ended, and commands run in them."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from andon.flow.definition.contract import Network
from andon.flow.environments.contract import (
    CommandOutcome,
    Environments,
    Health,
    HealthReport,
    InstanceId,
    ReplacementReason,
    SetId,
)
from andon.flow.environments.contract.equipment import BARE, Equipper, Occupant, Purpose, outfitted
from andon.flow.environments.instances import INSIDE, Probed
from andon.flow.environments.layout import remove_tree
from andon.flow.environments.model import Instance, InstanceSet, base_variables
from andon.flow.environments.recorded import RecordedEnvironments
from andon.flow.environments.service import EnvironmentService
from andon.flow.environments.sets import STARTS, Opened, Sets
from andon.flow.sources.contract import Service
from andon.kernel.db import Database
from andon.kernel.logs.writer import LogWriter
from andon.kernel.sandbox.launch import launch
from andon.kernel.sandbox.limits import Limiter
from andon.kernel.sandbox.model import Limits, Mount, SandboxSpec

_COMMAND_MEMORY = 2 * 1024**3
_COMMAND_PROCESSES = 256
_GRACE = 5.0
_PAUSE = 0.05
_T = TypeVar("_T")


class RunningEnvironments(RecordedEnvironments, Environments):
    """Implements :class:`andon.flow.environments.contract.Environments`."""

    def __init__(
        self,
        *,
        database: Database,
        service: EnvironmentService,
        sets: Sets,
        limiter: Limiter,
        toolchains: tuple[Path, ...] = (),
        equipper: Equipper = BARE,
    ) -> None:
        super().__init__(service)
        self._database = database
        self._sets = sets
        self._instances = sets.instances
        self._layout = sets.layout
        self._limiter = limiter
        self._toolchains = toolchains
        self._equipper = equipper

    def remove_data(self, service: Service, name: str) -> None:
        self._layout.remove_environment(service, name)
        self._equipper.withdraw(service, name)

    def start(self, set_id: SetId) -> None:
        with self._sets.guarded(set_id):
            opened = self._sets.ready(set_id)
            _each(lambda one: self._sets.start(opened, one), opened.members)

    def await_healthy(self, set_id: SetId, stopping: Callable[[], bool]) -> HealthReport:
        opened = self._sets.read(set_id)
        begun = time.monotonic()
        waiting = {one.id for one in opened.members}
        while waiting:
            if stopping():
                return HealthReport(healthy=False, reason="stopped while it waited to become healthy")
            asked = [one for one in opened.members if one.id in waiting]
            for instance, found in zip(asked, self._probe_all(opened.owner, asked), strict=True):
                if found.health is Health.HEALTHY:
                    waiting.discard(instance.id)
                    self._sets.note(instance.id, Health.HEALTHY, "")
                elif found.health is Health.STOPPED:
                    # The machine was started anew in the middle of a deployment, or its keeper was killed.
                    self._sets.start_again(
                        set_id, instance.id, ReplacementReason.LOST, "its process was gone", unless_kept=True
                    )
                else:
                    limit = self._instances.process_of(opened.owner, instance).health.within
                    late = time.monotonic() - begun > limit
                    if late or found.restarts >= STARTS:
                        when = "does not stay up" if found.restarts >= STARTS else f"not healthy within {limit:g} s"
                        return self._gave_up(opened, instance, found, when)
            if waiting:
                time.sleep(_PAUSE)
                opened = self._sets.read(set_id)
        return HealthReport(healthy=True, reason="")

    def probe(self, set_id: SetId) -> HealthReport:
        opened = self._sets.read(set_id)
        asked = list(opened.members)
        for attempt in range(max(1, *(self._allowed(opened, one) for one in asked)) if asked else 0):
            answers = zip(asked, self._probe_all(opened.owner, asked), strict=True)
            ill = [(one, found) for one, found in answers if found.health is not Health.HEALTHY]
            if not ill:
                break
            lasting = next(((one, found) for one, found in ill if attempt + 1 >= self._allowed(opened, one)), None)
            if lasting is not None:
                return HealthReport(healthy=False, reason=f"{_name(lasting[0])}: {lasting[1].reason}")
            asked = [one for one, _found in ill]
            time.sleep(_PAUSE)
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
        opened = self._sets.ready(set_id)
        owner, values = opened.owner, opened.values
        mounts, url = self._reach(opened)
        folder = self._free_log(owner, _plain_key(key))
        shares_network = any(one.network is Network.HOST for one in owner.definition.processes)
        outfit = outfitted(
            self._equipper,
            Occupant(
                purpose=Purpose.COMMAND,
                service=owner.service,
                environment=owner.environment,
                id=set_id,
                commit=owner.commit,
            ),
            ("/bin/sh", "-eu", "-c", command),
            own_network=not shares_network,
            own=values.config.keys() | values.secrets.keys() | variables.keys(),
        )
        environment = {**outfit.variables, **values.config, **values.secrets, **base_variables(owner), **variables}
        if url is not None:
            environment["ANDON_URL"] = url
        data = self._layout.data(owner.service, owner.environment)
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        spec = SandboxSpec(
            argv=outfit.argv,
            directory="/app",
            environment=environment,
            mounts=(
                Mount(self._layout.app(owner, owner.unpacked), "/app"),
                Mount(data, "/data", writable=True),
                *mounts,
                *outfit.mounts,
            ),
            network=shares_network,
            limits=Limits(memory=_COMMAND_MEMORY, processes=_COMMAND_PROCESSES),
            hostname=f"{owner.service}-command"[:64],
        )
        began = time.monotonic()
        masks = tuple(one for one in values.secrets.values() if one)
        exit_code, timed_out = self._run(spec, folder, masks, timeout, stopping)
        return CommandOutcome(exit_code=exit_code, timed_out=timed_out, seconds=time.monotonic() - began, log=folder)

    def stop(self, set_id: SetId) -> None:
        with self._sets.guarded(set_id):
            with self._database.reading() as reading:
                owner = self._service.require_set(reading, set_id)
                members = self._service.instances(reading, set_id)
            # Together: each is given its own time to finish what it is doing.
            _each(lambda one: self._instances.stop_all_lives(owner, one), members)
            for app in self._layout.set(owner.service, owner.environment, set_id).glob("app-*"):
                if app.is_dir():
                    remove_tree(app)
                else:
                    app.unlink(missing_ok=True)
            with self._database.transaction() as tx:
                self._service.note_stopped(tx, set_id)
        self._sets.forget(set_id)

    # Inside

    def _probe_all(self, owner: InstanceSet, asked: list[Instance]) -> list[Probed]:
        return _each(lambda one: self._instances.probe(owner, one), asked)

    def _allowed(self, opened: Opened, instance: Instance) -> int:
        return self._instances.process_of(opened.owner, instance).health.failures

    def _gave_up(self, opened: Opened, instance: Instance, found: Probed, when: str) -> HealthReport:
        words = self._instances.last_words(opened.owner, instance)
        reason = found.reason if not words or words in found.reason else f"{found.reason}; it last said: {words}"
        self._sets.note(instance.id, Health.UNHEALTHY, reason)
        self._sets.write(
            lambda tx: self._service.note_restarts(tx, InstanceId(instance.id), found.restarts, found.reason)
        )
        return HealthReport(healthy=False, reason=f"{_name(instance)} {when}: {reason}")

    def _reach(self, opened: Opened) -> tuple[tuple[Mount, ...], str | None]:
        """How a command reaches an instance of its own set: what to mount, and the address inside."""
        for instance in opened.members:
            if not self._instances.process_of(opened.owner, instance).routed:
                continue
            endpoint = self._instances.endpoint(opened.owner, instance)
            if endpoint.startswith("unix:"):
                folder = self._layout.socket_folder(instance)
                if not folder.is_dir():
                    continue  # it has not been started yet: migrations run before
                name = endpoint.rsplit("/", 1)[-1]
                return (Mount(folder, INSIDE),), f"unix:{INSIDE}/{name}"
            if endpoint:
                return (), f"http://{endpoint}"
        return (), None

    def _run(
        self, spec: SandboxSpec, folder: Path, masks: tuple[str, ...], timeout: float, stopping: Callable[[], bool]
    ) -> tuple[int | None, bool]:
        """Exit code, and whether its time was over."""
        writer = LogWriter(folder, mask=tuple(one.encode("utf-8", "surrogateescape") for one in masks))
        read, write = os.pipe()
        pump = threading.Thread(target=_pump, args=(read, writer), name="command-log")
        pump.start()
        try:
            try:
                running = launch(
                    spec,
                    id=f"cmd-{time.time_ns():x}-{threading.get_ident():x}-{folder.name}"[:100],
                    state_dir=self._layout.commands,
                    stdout=write,
                    limiter=self._limiter,
                    extra_toolchains=self._toolchains,
                )
            finally:
                os.close(write)
            deadline = time.monotonic() + timeout
            while True:
                try:
                    ended = running.wait(0.1)
                    return (ended.code if ended.started else None), False
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
            folder = self._layout.command_log(owner, key, attempt)
            with suppress(FileExistsError):
                folder.mkdir(parents=True, mode=0o700)
                return folder
            attempt += 1


def _each(what: Callable[[Instance], _T], members: tuple[Instance, ...] | list[Instance]) -> list[_T]:
    if len(members) < 2:
        return [what(one) for one in members]
    with ThreadPoolExecutor(min(len(members), 16), thread_name_prefix="instances") as pool:
        return list(pool.map(what, members))


def _pump(read: int, writer: LogWriter) -> None:
    try:
        while data := os.read(read, 65536):
            # A full disk leaves a hole in the log; a command that could not print would hang instead.
            with suppress(OSError):
                writer.write(data)
    finally:
        os.close(read)


def _name(instance: Instance) -> str:
    return f"{instance.process} {instance.number}"


def _plain_key(key: str) -> str:
    """A command's name comes from the repository: only what is harmless in a path stays."""
    return re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:60] or "command"
