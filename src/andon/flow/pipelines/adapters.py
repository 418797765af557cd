"""Tells pushers on their terminal which run their push has begun, and how it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from andon.flow.pipelines.contract import (
    JobFinished,
    JobLost,
    JobState,
    RunFinished,
    RunId,
    RunState,
    RunSummary,
    StageFinished,
    StageStarted,
    StageState,
)
from andon.flow.pipelines.folders import RunFolders
from andon.flow.pipelines.service import PipelineService
from andon.flow.sources.contract import BranchPushed
from andon.kernel.db import Database
from andon.kernel.events import Bell, Event, Facets, page
from andon.kernel.logs.reader import LogReader
from andon.kernel.logs.text import plain

_PATIENCE = 0.6
"""Seconds that a push waits for its run to be made; the worker usually needs a twentieth."""
_FOLLOW_PATIENCE = 30.0
_FAILING_LINES = 12


class RunAnnouncer:
    """Implements :class:`andon.flow.sources.contract.Announcer`."""

    def __init__(
        self, *, database: Database, bell: Bell, service: PipelineService, folders: RunFolders, console: str
    ) -> None:
        """``console`` is the installation's address, without a slash at the end."""
        self._database = database
        self._bell = bell
        self._service = service
        self._folders = folders
        self._console = console

    def announce(self, pushed: Sequence[BranchPushed]) -> Sequence[str]:
        end = time.monotonic() + _PATIENCE
        lines = []
        for one in self._runnable(pushed):
            run = self._await_run(one, end)
            if run is not None:
                lines.append(f"run {run.number} of {run.service}: {self._console}/runs/{run.run}")
            else:
                lines.append(f"its run will be at {self._console}/runs?service={one.service}")
        return lines

    def follow(self, pushed: Sequence[BranchPushed]) -> Iterator[str]:
        runnable = self._runnable(pushed)
        for one in runnable:
            position = self._bell.position
            end = time.monotonic() + _FOLLOW_PATIENCE
            while (run := self._run_of(one)) is None:
                if time.monotonic() > end:
                    yield f"no run has begun for {one.branch}; is Andon's worker running?"
                    return
                position = self._bell.wait(position, 1.0)
                yield ""
            yield from self._follow(run.run, several=len(runnable) > 1)

    def _runnable(self, pushed: Sequence[BranchPushed]) -> list[BranchPushed]:
        """Without those whose definition is refused: no run is to be waited for; its faults are told beside this."""
        return [one for one in pushed if not self._service.refuses(one.service, one.commit)]

    def _follow(self, run: RunId, *, several: bool) -> Iterator[str]:
        head = f"run {self._find(run).number} · " if several else ""
        after = 0
        while True:
            position = self._bell.position
            with self._database.reading() as reading:
                found = page(reading, Facets(run=run), after=after, limit=500)
                summary = self._service.run(reading, run)
            for envelope in found:
                after = envelope.position
                happened = envelope.decode()
                yield from (head + line for line in self._lines(happened))
            if found:
                continue
            if summary.state.ended:
                return
            if summary.state is RunState.WAITING:
                yield f"{head}waits: {summary.reason}"
                yield f"{head}let it go on with: andon proceed {summary.service}#{summary.number}"
                return
            self._bell.wait(position, 2.0)
            yield ""

    def _lines(self, happened: Event | None) -> Iterator[str]:
        match happened:
            case StageStarted():
                yield f"{happened.stage}"
            case JobFinished():
                yield f"  {_mark(happened.outcome)} {happened.name}  {happened.outcome}  {_seconds(happened.seconds)}"
                if happened.outcome is JobState.FAILED:
                    folder = self._folders.log(happened.run, happened.job, happened.attempt)
                    for line in LogReader(folder).tail(_FAILING_LINES).lines:
                        yield f"      {plain(line.text)[:400]}"
            case JobLost():
                yield "  ↻ Andon was restarted; a job under way begins again"
            case StageFinished() if happened.outcome is not StageState.PASSED:
                yield f"  {happened.outcome}: {happened.reason}"
            case RunFinished():
                reason = f": {happened.reason}" if happened.reason else ""
                yield f"{_mark(happened.outcome)} {happened.outcome}{reason}"
                yield f"{self._console}/runs/{happened.run}"
            case _:
                return

    def _await_run(self, pushed: BranchPushed, end: float) -> RunSummary | None:
        position = self._bell.position
        while True:
            run = self._run_of(pushed)
            left = end - time.monotonic()
            if run is not None or left <= 0:
                return run
            position = self._bell.wait(position, min(left, 0.2))

    def _run_of(self, pushed: BranchPushed) -> RunSummary | None:
        with self._database.reading() as reading:
            found = self._service.list_runs(
                reading, service=pushed.service, branch=pushed.branch, commit=pushed.commit, limit=1
            )
        return found[0] if found else None

    def _find(self, run: RunId) -> RunSummary:
        with self._database.reading() as reading:
            return self._service.run(reading, run)


def _mark(outcome: JobState | RunState) -> str:
    passed = outcome in {JobState.PASSED, RunState.PASSED}
    return "✓" if passed else ("✗" if outcome in {JobState.FAILED, RunState.FAILED} else "–")


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} m {int(seconds % 60)} s"
