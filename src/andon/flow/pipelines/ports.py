"""What pipelines need from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from andon.flow.pipelines.contract import JobId, RunId
from andon.flow.pipelines.model import JobResult, JobTask
from andon.kernel.access import Principal
from andon.kernel.db import Reading
from andon.kernel.events import Actor


class JobRunner(Protocol):
    """Runs jobs: in a sandbox of this machine; later in containers or on other machines."""

    def run(self, task: JobTask, stopping: Callable[[], bool]) -> JobResult:
        """Run one attempt to its end. Never raises for what the job does; the result says it.

        When ``stopping`` answers true the job is ended (SIGTERM, then SIGKILL) and the result is cancelled.
        """
        ...

    def end_orphans(self) -> tuple[JobId, ...]:
        """End what an earlier life of Andon left running; whose jobs they were."""
        ...

    def release(self, run: RunId) -> None:
        """No job of the run is under way or will be soon: let go of what only its jobs needed; logs stay."""
        ...

    def forget(self, run: RunId) -> None:
        """Remove all there is of a run, its logs too. Safe to repeat."""
        ...


class Authority(Protocol):
    """Knows what a person may do at this moment."""

    def principal_of(self, reading: Reading, person: str | None) -> Principal | None:
        """``None`` when there is no such person (any more)."""
        ...

    def lends(self, reading: Reading, actor: Actor) -> bool:
        """Whether what ``actor`` sets off deploys by its person's authority; not for a token that may not deploy."""
        ...
