"""A deployment on the terminal: its steps as they happen, with the time they take. Plain lines when nobody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from andon.flow.deployments.contract import STEP_NAMES, DeploymentState, Kind, StepName, StepState
from andon.flow.deployments.model import STEPS, Course
from andon.flow.deployments.views import DeploymentDetails, DeploymentShape, StepShape
from andon.web.terminal.output import is_colourful, printable

if TYPE_CHECKING:
    from rich.text import Text

EVERY = 0.25
"""Seconds between two looks at a deployment that is followed."""
LAST_LINES = 15
"""Of a failing command's output."""

_MARKS: Mapping[StepState, tuple[str, str]] = {
    StepState.RUNNING: ("◐", "blue"),
    StepState.PASSED: ("✓", "green"),
    StepState.FAILED: ("✗", "red"),
    StepState.SKIPPED: ("·", "dim"),
    StepState.INCONCLUSIVE: ("?", "yellow"),
}
_AHEAD: Mapping[Kind, Course] = {Kind.DEPLOY: Course.FULL, Kind.REBUILD: Course.FULL, Kind.CONTRACT: Course.CONTRACT}


class Drawing(Protocol):
    """Where a deployment that is followed is shown."""

    def update(self, details: DeploymentDetails) -> None: ...

    def add(self, lines: Iterable[str]) -> None:
        """Lines that stay, such as the end of a failing command's output."""
        ...


def drawing() -> AbstractContextManager[Drawing]:
    """A drawing that moves on a terminal; plain lines elsewhere."""
    return _Moving() if is_colourful() else nullcontext(_Plain())


def follow(look: Callable[[], DeploymentDetails], shown: Drawing) -> DeploymentDetails:
    """Draw until the deployment has ended."""
    told = 0
    while True:
        details = look()
        failed = [one for one in details.commands if one.exit_code != 0]
        for command in failed[told:]:
            code = "was ended" if command.exit_code is None else f"ended with {command.exit_code}"
            lines = command.output.rstrip().splitlines()[-LAST_LINES:]
            shown.add([f"{command.name} {code}: {command.command}", *(f"    {line}" for line in lines)])
        told = len(failed)
        shown.update(details)
        if details.deployment.ended_at is not None:
            return details
        time.sleep(EVERY)


def headline(one: DeploymentShape) -> str:
    """Such as "3f2c91a to production of store, by Maxine"."""
    where = f"{one.environment} of {one.service}"
    what = {
        Kind.DEPLOY: f"{one.commit[:7]} to {where}",
        Kind.ROLL_BACK: f"{where} back to {one.commit[:7]}",
        Kind.REBUILD: f"{where} rebuilt at {one.commit[:7]}",
        Kind.CONTRACT: f"the database of {where} contracted",
    }[one.kind]
    return f"{what}, by {one.by}"


def conclusion(one: DeploymentShape) -> str:
    """What has become of it."""
    where = f"{one.environment} of {one.service}"
    match one.state:
        case DeploymentState.SUCCEEDED if one.kind is Kind.CONTRACT:
            return f"The database of {where} is contracted."
        case DeploymentState.SUCCEEDED:
            lead = "" if one.lead_time is None else f" {duration(one.lead_time)} after its push"
            return f"{one.commit[:7]} serves {where}{lead}.{_doubt(one)}"
        case DeploymentState.FAILED:
            return f"{one.commit[:7]} did not go to {where}: {one.reason}"
        case DeploymentState.ROLLED_BACK:
            return f"{one.commit[:7]} was taken back from {where}: {one.reason}"
        case DeploymentState.CANCELLED:
            return f"{one.commit[:7]} was cancelled before it went to {where}."
        case _:
            return f"{one.commit[:7]} is on its way to {where}."


def _doubt(one: DeploymentShape) -> str:
    found = (step for step in one.steps if step.state is StepState.INCONCLUSIVE)
    return "".join(f" It is not confirmed: {step.reason}." for step in found)


def outcome(one: DeploymentShape) -> tuple[str, str]:
    """In a word, and why: also what telemetry says of what went where it should."""
    steps = {step.name: step for step in one.steps}
    confirmed, back = steps.get(StepName.CONFIRM), steps.get(StepName.RESTORE)
    if one.state is DeploymentState.SUCCEEDED and confirmed is not None:
        if confirmed.state is StepState.INCONCLUSIVE:
            return one.state.value, "not confirmed"
        if confirmed.state is StepState.FAILED:
            then = (back and back.reason.partition("\n")[0]) or "it is being taken back"
            return "refuted", f"telemetry found harm in it; {then}"
    return one.state.value, one.reason.partition("\n")[0]


def taken(start: datetime | None, end: datetime | None) -> str:
    return "" if start is None else duration(((end or datetime.now(UTC)) - start).total_seconds())


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
        self._told: set[tuple[str, str]] = set()

    def update(self, details: DeploymentDetails) -> None:
        one = details.deployment
        if one.state is DeploymentState.QUEUED:
            self._tell("queue", "", f"{headline(one)}: waits for the lock")
        else:
            self._tell("begin", "", headline(one))
        for step in one.steps:
            if step.state is StepState.RUNNING:
                continue
            note = f": {step.reason}" if step.reason else ""
            line = f"{STEP_NAMES[step.name]} {step.state.value} after {taken(step.started_at, step.ended_at)}{note}"
            self._tell(step.name.value, step.state.value, line)

    def add(self, lines: Iterable[str]) -> None:
        for line in lines:
            sys.stdout.write(printable(line) + "\n")
        sys.stdout.flush()

    def _tell(self, what: str, state: str, line: str) -> None:
        if (what, state) not in self._told:
            self._told.add((what, state))
            self.add(line.splitlines()[:1])


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

    def update(self, details: DeploymentDetails) -> None:
        self._live.update(self._drawn(details.deployment))

    def add(self, lines: Iterable[str]) -> None:
        from rich.text import Text  # noqa: PLC0415 - see above

        for number, line in enumerate(lines):
            self._console.print(Text(printable(line), style="bold red" if number == 0 else "dim"))

    def _drawn(self, one: DeploymentShape) -> Text:
        from rich.text import Text  # noqa: PLC0415 - see above

        text = Text()
        text.append(printable(headline(one)), style="bold")
        text.append(f"  {taken(one.started_at or one.requested_at, one.ended_at)}\n", style="dim")
        if one.state is DeploymentState.QUEUED:
            text.append("◇ ", style="magenta")
            text.append("waits for the lock\n", style="dim")
        width = max(len(word) for word in STEP_NAMES.values()) + 2
        for step in one.steps:
            _add_step(text, step, width)
        for name in () if one.ended_at is not None else _ahead(one):
            text.append("○ ", style="dim")
            text.append(f"{STEP_NAMES[name]}\n", style="dim")
        return text


def _add_step(text: Text, step: StepShape, width: int) -> None:
    mark, style = _MARKS[step.state]
    text.append(f"{mark} ", style=style)
    text.append(STEP_NAMES[step.name].ljust(width))
    text.append(f"{taken(step.started_at, step.ended_at):>10}  ")
    note = step.reason.splitlines()[0] if step.reason else ""
    text.append(printable(note) + "\n", style="red" if step.state is StepState.FAILED else "dim")


def _ahead(one: DeploymentShape) -> list[StepName]:
    course = _AHEAD.get(one.kind)
    done = {step.name for step in one.steps}
    if course is None or StepName.RESTORE in done:
        return []
    return [name for name in STEPS[course] if name not in done]
