"""A place to keep programs in, whose keepers never outlive the test."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from andon.kernel.keeper import control
from andon.kernel.keeper.model import KeeperSpec, KeptState, Restart
from andon.kernel.logs.reader import LogReader
from andon.kernel.sandbox.attach import Attachment
from andon.kernel.sandbox.command import build
from andon.kernel.sandbox.model import Mount, SandboxSpec


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.01)


@dataclass
class House:
    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "keepers"

    def log(self, id: str = "web") -> Path:
        return self.folder / "logs" / id

    def lines(self, id: str = "web") -> list[str]:
        return [line.text for line in LogReader(self.log(id)).lines().lines]

    def sandboxed(
        self,
        script: str,
        id: str = "web",
        *,
        environment: dict[str, str] | None = None,
        mounts: tuple[Mount, ...] = (),
        argv: tuple[str, ...] | None = None,
        restart: Restart = Restart.ALWAYS,
        limits: Attachment | None = None,
        masks: tuple[str, ...] = (),
    ) -> KeptState:
        spec = SandboxSpec(argv or ("sh", "-c", script), "/tmp", environment or {}, mounts)
        command = build(spec, dies_with_parent=True)
        kept = KeeperSpec(
            id, "instance", command.argv, "/", self.log(id), restart=restart, masks=masks, limits=limits or Attachment()
        )
        return control.spawn_private(kept, command.private, self.state)

    def plain(self, script: str, id: str = "web", restart: Restart = Restart.ALWAYS) -> KeptState:
        spec = KeeperSpec(id, "router", ("sh", "-c", script), str(self.folder), self.log(id), False, restart)
        return control.spawn(spec, {"PATH": "/usr/bin:/bin", "GREETING": "hello"}, self.state)

    def status(self, id: str = "web") -> KeptState:
        found = control.state(self.state, id)
        assert found is not None
        return found


@pytest.fixture
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="andon-keeper-") as folder:
        found = House(Path(folder))
        yield found
        for state in control.kept(found.state):
            control.stop(found.state, state.id, timeout=0)
