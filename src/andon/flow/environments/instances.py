"""One instance on this machine: how its sandbox is made, its keeper started, asked and stopped."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from andon.flow.definition.contract import Network, ProcessDefinition
from andon.flow.environments.contract import Health
from andon.flow.environments.layout import Layout
from andon.flow.environments.model import Instance, InstanceSet, base_variables
from andon.kernel.keeper import control
from andon.kernel.keeper.model import ENDED, KeeperSpec, KeptState, Restart
from andon.kernel.logs.reader import LogReader
from andon.kernel.logs.text import plain
from andon.kernel.sandbox.command import build
from andon.kernel.sandbox.limits import Limiter
from andon.kernel.sandbox.model import Limits, Mount, SandboxSpec

INSIDE = "/run/andon"
_FORWARDER = Path(control.__file__).with_name("forwarder.py")
_FORWARDER_INSIDE = "/run/forwarder.py"
_LAST_LINES = 3


@dataclass(frozen=True, slots=True)
class Probed:
    health: Health
    reason: str
    restarts: int


class Instances:
    """Starts, asks and ends instances. Everything may be called again after a crash."""

    def __init__(self, layout: Layout, limiter: Limiter, toolchains: tuple[Path, ...]) -> None:
        self._layout = layout
        self._limiter = limiter
        self._toolchains = toolchains

    def process_of(self, owner: InstanceSet, instance: Instance) -> ProcessDefinition:
        return next(one for one in owner.definition.processes if one.name == instance.process)

    def endpoint(self, owner: InstanceSet, instance: Instance) -> str:
        """Where the router and the probes reach it: ``unix:/…`` or ``127.0.0.1:port``; empty if nowhere yet."""
        process = self.process_of(owner, instance)
        if process.socket is not None:
            name = process.socket.removeprefix(INSIDE + "/")
            return f"unix:{self._layout.socket_folder(instance.id) / name}"
        if process.port is None:
            return ""
        if process.network is Network.HOST:
            return f"127.0.0.1:{instance.port}" if instance.port else ""
        return f"unix:{self._layout.socket_folder(instance.id) / 'http.sock'}"

    def needs_port(self, owner: InstanceSet, instance: Instance) -> bool:
        process = self.process_of(owner, instance)
        return process.network is Network.HOST and process.port is not None and instance.port is None

    def kept(self, instance: Instance) -> bool:
        return control.is_kept(self._layout.keepers, instance.id)

    def start(self, owner: InstanceSet, instance: Instance, values: Mapping[str, str], masks: tuple[str, ...]) -> None:
        """Start its keeper, unless that lives already."""
        if self.kept(instance):
            return
        process = self.process_of(owner, instance)
        sockets = self._layout.socket_folder(instance.id)
        shutil.rmtree(sockets, ignore_errors=True)
        sockets.mkdir(parents=True, mode=0o700)
        command = build(
            SandboxSpec(
                argv=self._argv(process),
                directory="/app",
                environment={**values, **base_variables(owner), **self._listening(process, instance)},
                mounts=self._mounts(owner, process, sockets),
                network=process.network is Network.HOST,
                hostname=f"{owner.service}-{process.name}-{instance.number}",
            ),
            dies_with_parent=True,
            extra_toolchains=self._toolchains,
        )
        limits = Limits(memory=process.memory, cpus=process.cpus or None, processes=process.processes)
        handle = self._limiter.prepare(instance.id, limits)
        control.spawn_private(
            KeeperSpec(
                id=instance.id,
                kind="instance",
                argv=command.argv,
                directory="/",
                log=self._layout.instance_log(owner.service, owner.environment, owner.id, instance.id),
                restart=Restart.ALWAYS,
                stop_timeout=process.stop_timeout,
                limits=handle.attachment,
                masks=masks,
            ),
            command.private,
            self._layout.keepers,
        )

    def stop(self, owner: InstanceSet, instance: Instance) -> None:
        process = self.process_of(owner, instance)
        control.stop(self._layout.keepers, instance.id, timeout=process.stop_timeout)
        shutil.rmtree(self._layout.socket_folder(instance.id), ignore_errors=True)

    def restart(self, owner: InstanceSet, instance: Instance) -> None:
        process = self.process_of(owner, instance)
        control.restart(self._layout.keepers, instance.id, timeout=process.stop_timeout)

    def probe(self, owner: InstanceSet, instance: Instance) -> Probed:
        """Ask it now. Unhealthy is said with the reason and its last words."""
        kept = control.state(self._layout.keepers, instance.id)
        if kept is None:
            return Probed(Health.STOPPED, "it is not running", instance.restarts)
        if kept.status in ENDED:
            return Probed(Health.UNHEALTHY, self._ended(owner, instance, kept), kept.restarts)
        if kept.status.value == "backing-off":
            return Probed(Health.UNHEALTHY, self._ended(owner, instance, kept), kept.restarts)
        process = self.process_of(owner, instance)
        endpoint = self.endpoint(owner, instance)
        if not process.routed or not endpoint:
            return Probed(Health.HEALTHY, "", kept.restarts)
        problem = ask(endpoint, process.health.path, process.health.timeout)
        return Probed(Health.HEALTHY if problem is None else Health.UNHEALTHY, problem or "", kept.restarts)

    def last_words(self, owner: InstanceSet, instance: Instance) -> str:
        """The last lines it printed, safe to show, or nothing."""
        folder = self._layout.instance_log(owner.service, owner.environment, owner.id, instance.id)
        if not folder.is_dir():
            return ""
        lines = [plain(line.text).strip() for line in LogReader(folder).tail(20).lines]
        told = [line for line in lines if line and not line.startswith("andon:")]
        return " | ".join(told[-_LAST_LINES:])

    # Inside

    def _ended(self, owner: InstanceSet, instance: Instance, kept: KeptState) -> str:
        last = kept.last_exit
        if last is None:
            how = "it ended"
        elif last.out_of_memory:
            how = "it ran out of memory"
        elif last.signal is not None:
            how = f"it was ended by signal {last.signal}"
        else:
            how = f"it ended with {last.code}"
        words = self.last_words(owner, instance)
        return f"{how}: {words}" if words else how

    def _argv(self, process: ProcessDefinition) -> tuple[str, ...]:
        shell = ("/bin/sh", "-eu", "-c", process.command)
        if process.port is None or process.network is Network.HOST:
            return shell
        return (
            os.path.realpath(sys.executable),
            "-I",
            "-S",
            _FORWARDER_INSIDE,
            f"{INSIDE}/http.sock",
            str(process.port),
            "--",
            *shell,
        )

    def _listening(self, process: ProcessDefinition, instance: Instance) -> Mapping[str, str]:
        if process.socket is not None:
            return {"ANDON_SOCKET": process.socket}
        if process.network is Network.HOST and instance.port is not None:
            return {"PORT": str(instance.port)}
        return {} if process.port is None else {"PORT": str(process.port)}

    def _mounts(self, owner: InstanceSet, process: ProcessDefinition, sockets: Path) -> tuple[Mount, ...]:
        data = self._layout.data(owner.service, owner.environment)
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        app = self._layout.app(owner.service, owner.environment, owner.id, owner.unpacked)
        mounts = (Mount(app, "/app"), Mount(data, "/data", writable=True), Mount(sockets, INSIDE, writable=True))
        if process.port is not None and process.network is Network.NONE:
            return (*mounts, Mount(_FORWARDER, _FORWARDER_INSIDE))
        return mounts


def ask(endpoint: str, path: str, timeout: float) -> str | None:
    """Probe a health path; what is wrong, or ``None``. Redirects count as an answer."""
    unix = endpoint.removeprefix("unix:") if endpoint.startswith("unix:") else None
    base = "http://instance" if unix else f"http://{endpoint}"
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=unix), timeout=timeout, trust_env=False) as client:
            answer = client.get(base + path, headers={"User-Agent": "andon-health", "Connection": "close"})
    except httpx.TimeoutException:
        return f"no answer to GET {path} within {timeout:g} s"
    except (httpx.HTTPError, httpx.InvalidURL):
        return f"nothing answers GET {path}"
    return None if answer.status_code < httpx.codes.BAD_REQUEST else f"GET {path} answered {answer.status_code}"


def free_port() -> int:
    """A port of the loopback nobody listens on at this moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(host: str, port: int) -> bool:
    """Whether nobody listens there now."""
    with closing(socket.socket()) as probe:
        # As Envoy binds: connections of a listener that has just gone do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
