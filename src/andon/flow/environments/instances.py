"""One instance on this machine: how its sandbox is made, its keeper started, asked and stopped."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from andon.flow.configuration.contract import Values
from andon.flow.definition.contract import Network, ProcessDefinition
from andon.flow.environments.contract import Health
from andon.flow.environments.contract.equipment import BARE, Equipper, Occupant, Purpose, outfitted
from andon.flow.environments.layout import Layout, remove_tree
from andon.flow.environments.model import Instance, InstanceSet, base_variables
from andon.flow.environments.probing import ask
from andon.kernel.keeper import control
from andon.kernel.keeper.errors import AlreadyKept
from andon.kernel.keeper.model import ENDED, KeeperSpec, KeptState, Restart, Status
from andon.kernel.keeper.ways import WayIn
from andon.kernel.logs.reader import LogReader
from andon.kernel.logs.text import plain
from andon.kernel.sandbox.command import build
from andon.kernel.sandbox.limits import Limiter, remove_groups
from andon.kernel.sandbox.model import Limits, Mount, SandboxSpec

INSIDE = "/run/andon"
KIND = "instance"
_LAST_LINES = 3
_KEEPERS_OWN = "[keeper]"


@dataclass(frozen=True, slots=True)
class Probed:
    health: Health
    """``STOPPED`` when nothing keeps it: it has to be started again."""
    reason: str
    restarts: int
    """By its present keeper."""
    resting: bool
    """Its program ended, and its keeper waits before it starts it again."""


class Instances:
    """Starts, asks and ends instances. Everything may be called again after a crash."""

    def __init__(
        self, layout: Layout, limiter: Limiter, toolchains: tuple[Path, ...], equipper: Equipper = BARE
    ) -> None:
        self._layout = layout
        self._limiter = limiter
        self._toolchains = toolchains
        self._equipper = equipper

    @staticmethod
    def process_of(owner: InstanceSet, instance: Instance) -> ProcessDefinition:
        return next(one for one in owner.definition.processes if one.name == instance.process)

    def endpoint(self, owner: InstanceSet, instance: Instance) -> str:
        """Where the router and the probes reach it: ``unix:/…`` or ``127.0.0.1:port``; empty if nowhere."""
        process = self.process_of(owner, instance)
        if process.socket is not None:
            name = process.socket.removeprefix(INSIDE + "/")
            return f"unix:{self._layout.socket_folder(instance) / name}"
        if process.port is None:
            return ""
        if process.network is Network.HOST:
            return f"127.0.0.1:{instance.port}" if instance.port else ""
        return f"unix:{self._layout.socket_folder(instance) / 'http.sock'}"

    def shares_ports(self, owner: InstanceSet, instance: Instance) -> bool:
        """Whether it listens on the machine's own loopback, where its port must be nobody else's."""
        process = self.process_of(owner, instance)
        return process.network is Network.HOST and process.port is not None

    def kept(self, instance: Instance) -> bool:
        return control.is_kept(self._layout.keepers, instance.keeper)

    def start(self, owner: InstanceSet, instance: Instance, values: Values, *, unpacked: int | None = None) -> None:
        """Start its keeper, unless that lives already. Raises what the sandbox and the keeper raise."""
        if self.kept(instance):
            return
        process = self.process_of(owner, instance)
        sockets = self._layout.socket_folder(instance)
        shutil.rmtree(sockets, ignore_errors=True)
        sockets.mkdir(parents=True, mode=0o700)
        outfit = outfitted(
            self._equipper,
            Occupant(
                purpose=Purpose.INSTANCE,
                service=owner.service,
                environment=owner.environment,
                id=instance.id,
                commit=owner.commit,
            ),
            ("/bin/sh", "-eu", "-c", process.command),
            own_network=process.network is Network.NONE,
            own=values.config.keys() | values.secrets.keys(),
            way_in=None if process.port is None else WayIn(f"{INSIDE}/http.sock", process.port),
        )
        command = build(
            SandboxSpec(
                argv=outfit.argv,
                directory="/app",
                environment={
                    **outfit.variables,
                    **values.config,
                    **values.secrets,
                    **base_variables(owner),
                    "ANDON_INSTANCE": instance.id,
                    **self._listening(process, instance),
                },
                mounts=(*self._mounts(owner, sockets, unpacked or owner.unpacked), *outfit.mounts),
                network=process.network is Network.HOST,
                hostname=f"{owner.service}-{process.name}-{instance.number}"[:64],
            ),
            dies_with_parent=True,
            extra_toolchains=self._toolchains,
        )
        limits = Limits(memory=process.memory, cpus=process.cpus or None, processes=process.processes)
        handle = self._limiter.prepare(instance.keeper, limits)
        try:
            control.spawn_private(
                KeeperSpec(
                    id=instance.keeper,
                    kind=KIND,
                    argv=command.argv,
                    directory="/",
                    log=self._layout.instance_log(owner, instance),
                    restart=Restart.ALWAYS,
                    stop_timeout=process.stop_timeout,
                    limits=handle.attachment,
                    masks=tuple(one for one in values.secrets.values() if one),
                ),
                command.private,
                self._layout.keepers,
            )
        except AlreadyKept:
            return  # somebody was faster, with the same
        except BaseException:
            handle.close()
            raise

    def stop(self, owner: InstanceSet, instance: Instance) -> None:
        """End one life of it for certain, giving it its time to finish what it is doing."""
        self.stop_keeper(instance.keeper, self.process_of(owner, instance).stop_timeout)
        shutil.rmtree(self._layout.socket_folder(instance), ignore_errors=True)

    def stop_all_lives(self, owner: InstanceSet, instance: Instance) -> None:
        """As :meth:`stop`, with whatever an exchange that was broken off may have left beside it."""
        timeout = self.process_of(owner, instance).stop_timeout
        for path in self._layout.keepers.glob(f"{instance.id}.*"):
            self.stop_keeper(path.name, timeout)
        for folder in self._layout.sockets.glob(f"{instance.id[-16:]}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def stop_keeper(self, keeper: str, timeout: float) -> None:
        kept = control.state(self._layout.keepers, keeper)
        control.stop(self._layout.keepers, keeper, timeout=timeout)
        if kept is not None:
            remove_groups(kept.cgroups)

    def all_keepers(self) -> tuple[str, ...]:
        """Keepers of instances on this machine, whether anybody still knows the instance or not."""
        return tuple(one.id for one in control.kept(self._layout.keepers) if one.kind == KIND)

    def probe(self, owner: InstanceSet, instance: Instance) -> Probed:
        """Ask it now. Unhealthy is said with the reason, and with its last words if its program ended."""
        kept = control.state(self._layout.keepers, instance.keeper)
        if kept is None or kept.status in ENDED:
            return Probed(Health.STOPPED, "its process is gone", 0, resting=False)
        if kept.status is Status.BACKING_OFF:
            return Probed(Health.UNHEALTHY, self._ended(owner, instance, kept), kept.restarts, resting=True)
        process = self.process_of(owner, instance)
        endpoint = self.endpoint(owner, instance)
        if not process.routed and not endpoint:
            return Probed(Health.HEALTHY, "", kept.restarts, resting=False)
        problem = ask(endpoint, process.health.path, process.health.timeout) if endpoint else "it listens nowhere"
        if problem is None:
            return Probed(Health.HEALTHY, "", kept.restarts, resting=False)
        if kept.restarts:
            problem = f"{problem}; before that {self._ended(owner, instance, kept)}"
        return Probed(Health.UNHEALTHY, problem, kept.restarts, resting=False)

    def how_it_ended(self, owner: InstanceSet, instance: Instance) -> str:
        """How its program ended the last time, with its last words."""
        kept = control.state(self._layout.keepers, instance.keeper)
        return "its process is gone" if kept is None else self._ended(owner, instance, kept)

    def last_words(self, owner: InstanceSet, instance: Instance) -> str:
        """The last lines it printed, safe to show, or nothing."""
        folder = self._layout.instance_log(owner, instance)
        if not folder.is_dir():
            return ""
        lines = [plain(line.text).strip() for line in LogReader(folder).tail(20).lines]
        told = [line for line in lines if line and not line.startswith(_KEEPERS_OWN)]
        return " | ".join(told[-_LAST_LINES:])[-600:]

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

    def _listening(self, process: ProcessDefinition, instance: Instance) -> Mapping[str, str]:
        if process.socket is not None:
            return {"ANDON_SOCKET": process.socket}
        if process.network is Network.HOST and instance.port is not None:
            return {"PORT": str(instance.port)}
        return {} if process.port is None else {"PORT": str(process.port)}

    def _mounts(self, owner: InstanceSet, sockets: Path, unpacked: int) -> tuple[Mount, ...]:
        data = self._layout.data(owner.service, owner.environment)
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        app = self._layout.app(owner, unpacked)
        return (Mount(app, "/app"), Mount(data, "/data", writable=True), Mount(sockets, INSIDE, writable=True))


def remove_app(layout: Layout, owner: InstanceSet, unpacked: int) -> None:
    """Remove one unpacked package with its manifest."""
    app = layout.app(owner, unpacked)
    remove_tree(app)
    layout.manifest(app).unlink(missing_ok=True)
