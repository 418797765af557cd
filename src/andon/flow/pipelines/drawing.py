"""A run on the terminal: the line, one row a stage, with the time it takes and usually takes.

Plain lines when nobody looks: one for each change.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from andon.flow.pipelines.contract import JobState, RunState, StageState
from andon.flow.pipelines.views import JobShape, RunDetails, StageShape
from andon.web.terminal.output import is_colourful, printable

if TYPE_CHECKING:
    from rich.text import Text

EVERY = 0.3
"""Seconds between two looks at a run that is followed."""

_MARKS: dict[str, tuple[str, str]] = {
    StageState.PENDING: ("○", "dim"),
    StageState.DEPLOYING: ("◐", "blue"),
    StageState.RUNNING: ("◐", "blue"),
    StageState.WAITING: ("◇", "magenta"),
    StageState.PASSED: ("✓", "green"),
    StageState.FAILED: ("✗", "red"),
    StageState.CANCELLED: ("–", "dim"),
    StageState.SKIPPED: ("·", "dim"),
    JobState.READY: ("○", "dim"),
}


class Drawing(Protocol):
    """Where a run that is followed is shown."""

    def update(self, details: RunDetails) -> None: ...

    def add(self, lines: Iterable[str]) -> None:
        """Lines that stay, such as the end of a failing log."""
        ...


def drawing() -> AbstractContextManager[Drawing]:
    """A drawing that moves on a terminal; plain lines elsewhere."""
    return _Moving() if is_colourful() else nullcontext(_Plain())


def follow(look: Callable[[], RunDetails], shown: Drawing, failing: Callable[[JobShape], Iterable[str]]) -> RunDetails:
    """Draw until the run has ended or waits for somebody; ``failing`` gives the end of a failed job's log."""
    told: set[tuple[str, int]] = set()
    while True:
        details = look()
        for job in details.jobs:
            if job.state is JobState.FAILED and (job.id, job.attempt) not in told:
                told.add((job.id, job.attempt))
                shown.add([f"{job.stage}/{job.name}: {job.reason or 'failed'}", *failing(job)])
        shown.update(details)
        if details.run.ended_at is not None or details.run.state is RunState.WAITING:
            return details
        time.sleep(EVERY)


def table_rows(details: RunDetails) -> list[tuple[str, ...]]:
    """A run's jobs for a table: stage, job, state, attempt, time, tests, reason."""
    return [
        (
            job.stage,
            job.name,
            f"{_MARKS[job.state][0]} {job.state.value}",
            str(job.attempt or ""),
            taken(job.started_at, job.ended_at),
            f"{job.tests - job.tests_failed}/{job.tests}" if job.tests else "",
            job.reason,
        )
        for job in details.jobs
    ]


def headline(details: RunDetails) -> str:
    run = details.run
    reason = f": {run.reason}" if run.reason else ""
    return (
        f"run {run.number} of {run.service} · {run.commit[:7]} on {printable(run.branch)} · {run.state.value}{reason}"
    )


def taken(start: datetime | None, end: datetime | None) -> str:
    if start is None:
        return ""
    return duration(((end or datetime.now(UTC)) - start).total_seconds())


def duration(seconds: float) -> str:
    """Such as ``3.2 s`` or ``3 m 12 s``."""
    seconds = max(0.0, seconds)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} m {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} m"


class _Plain:
    """One line for each change."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._headed = False

    def update(self, details: RunDetails) -> None:
        if not self._headed:
            self._headed = True
            run = details.run
            self.add([f"run {run.number} of {run.service}, {run.commit[:7]} on {run.branch}"])
        for stage in details.run.stages:
            self._tell(f"{stage.name}", stage.state.value, taken(stage.started_at, stage.ended_at))
            for job in details.jobs:
                if job.stage == stage.name:
                    self._tell(f"{job.stage}/{job.name}", job.state.value, taken(job.started_at, job.ended_at))

    def add(self, lines: Iterable[str]) -> None:
        for line in lines:
            sys.stdout.write(printable(line) + "\n")
        sys.stdout.flush()

    def _tell(self, what: str, state: str, time_taken: str) -> None:
        if self._states.get(what, StageState.PENDING) != state:
            ended = state not in {"running", "deploying", "waiting", "ready", "pending"}
            self.add([f"{what} {state}{f' after {time_taken}' if ended and time_taken else ''}"])
        self._states[what] = state


class _Moving(AbstractContextManager[Drawing]):
    """Redraws itself below what stays."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - 40 ms that programs and pipes need not pay
        from rich.live import Live  # noqa: PLC0415 - as above

        self._console = Console()
        self._live = Live(console=self._console, refresh_per_second=8, transient=False)

    def __enter__(self) -> Drawing:
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.stop()

    def update(self, details: RunDetails) -> None:
        self._live.update(self._line(details))

    def add(self, lines: Iterable[str]) -> None:
        from rich.text import Text  # noqa: PLC0415 - see above

        for number, line in enumerate(lines):
            self._console.print(Text(printable(line), style="bold red" if number == 0 else "dim"))

    def _line(self, details: RunDetails) -> Text:
        from rich.text import Text  # noqa: PLC0415 - see above

        run = details.run
        text = Text()
        text.append(f"run {run.number} of {run.service} ", style="bold")
        text.append(f"{run.commit[:7]} on {printable(run.branch)}\n", style="dim")
        width = max((len(stage.name) for stage in run.stages), default=0)
        for stage in run.stages:
            mark, style = _MARKS[stage.state]
            text.append(f"{mark} ", style=style)
            text.append(stage.name.ljust(width + 2), style="" if stage.started_at else "dim")
            text.append(f"{taken(stage.started_at, stage.ended_at):>10}  ")
            text.append(f"{_usually(stage):<16}", style="dim")
            for job in details.jobs:
                if job.stage == stage.name and stage.started_at is not None:
                    job_mark, job_style = _MARKS[job.state]
                    text.append(f"{job_mark} ", style=job_style)
                    text.append(f"{job.name}  ", style="dim")
            text.append("\n")
        if run.reason:
            text.append(printable(run.reason) + "\n", style="red" if run.state is RunState.FAILED else "magenta")
        return text


def _usually(stage: StageShape) -> str:
    return "" if stage.expected is None else f"usually {duration(stage.expected)}"
