"""A sandbox to try things in: a workspace, a state folder, and what was printed."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from andon.kernel.sandbox.launch import Sandboxed, launch
from andon.kernel.sandbox.limits import Layered, best_limiter
from andon.kernel.sandbox.model import Exit, Limits, Mount, SandboxSpec


@dataclass
class Bench:
    folder: Path
    limiter: Layered
    started: list[tuple[Sandboxed, Path]] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def start(
        self,
        *argv: str,
        limits: Limits | None = None,
        network: bool = False,
        environment: dict[str, str] | None = None,
        mounts: tuple[Mount, ...] = (),
        extra_toolchains: tuple[Path, ...] = (),
        dies_with_parent: bool = True,
    ) -> Sandboxed:
        spec = SandboxSpec(
            argv,
            "/workspace",
            environment or {},
            (Mount(self.workspace, "/workspace", writable=True), *mounts),
            network,
            limits or Limits(),
        )
        id = f"{self.folder.name}-{len(self.started)}"
        output = self.folder / f"{id}.out"
        fd = os.open(output, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            found = launch(
                spec,
                id=id,
                state_dir=self.state,
                stdout=fd,
                limiter=self.limiter,
                dies_with_parent=dies_with_parent,
                extra_toolchains=extra_toolchains,
            )
        finally:
            os.close(fd)
        self.started.append((found, output))
        return found

    def output(self, sandbox: Sandboxed) -> str:
        path = next(path for found, path in self.started if found is sandbox)
        return path.read_text(errors="replace")

    def run(self, *argv: str, **options: object) -> tuple[Exit, str]:
        sandbox = self.start(*argv, **options)  # type: ignore[arg-type]  # passed through as they are
        return sandbox.wait(60), self.output(sandbox)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.01)


@pytest.fixture(scope="session")
def limiter() -> Layered:
    return best_limiter()


@pytest.fixture
def bench(limiter: Layered) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="andon-sandbox-") as folder:
        found = Bench(Path(folder), limiter)
        found.workspace.mkdir()
        yield found
        for sandbox, _ in found.started:
            sandbox.kill()
            sandbox.wait(60)
