"""What the components draw. Rooms turn their own facts into these; templates hand them to the macros.

All moments are aware datetimes, all durations timedeltas, all shares between 0 and 1. `State` is the only thing
that may become a colour, and each use goes with a word: colour alone tells a colour-blind reader nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """How something is, in the six ways the console can show."""

    OK = "ok"  # finished well, healthy
    RUN = "run"  # under way
    WARN = "warn"  # wants an eye, somebody owns it
    BAD = "bad"  # failed, stopped
    HOLD = "hold"  # waits for a person, a lock or a gate
    NONE = "none"  # not begun, or nothing known: never drawn as good


_STATES = {
    "healthy": State.OK,
    "passed": State.OK,
    "deploying": State.RUN,
    "running": State.RUN,
    "starting": State.RUN,
    "degraded": State.WARN,
    "error": State.BAD,
    "failed": State.BAD,
    "unhealthy": State.BAD,
    "waiting": State.HOLD,
}


def state_of(condition: StrEnum) -> State:
    """The colour of a room's own state, by its word: so that no two pages colour one condition differently.

    What is not in the list is over without having come out well or badly, or has not begun.
    """
    return _STATES.get(condition.value, State.NONE)


@dataclass(frozen=True, slots=True)
class Step:
    """A station of the line a change travels on."""

    label: str
    state: State = State.NONE
    word: str = ""
    at: datetime | None = None
    took: timedelta | None = None
    href: str = ""
    note: str = ""


STATIONS = ("Commit", "Build", "Acceptance", "Production", "Confirmed")


@dataclass(frozen=True, slots=True)
class Light:
    """The Andon light: its state, the one sentence that says why, and where to go."""

    state: State
    sentence: str
    href: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of a key-value list. `copy` offers the value for copying, `mono` sets it in monospace."""

    name: str
    value: str | datetime | timedelta | int | None
    href: str = ""
    mono: bool = False
    copy: bool = False
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A service in an environment: what runs there and how it is. `commit` is empty when nothing was ever put there."""

    environment: str
    commit: str = ""
    state: State = State.NONE
    word: str = "nothing here yet"
    since: datetime | None = None
    lead: timedelta | None = None
    who: str = ""
    title: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """What lies between two environments: nothing (both the same), changes that wait, or a deployment on its way.

    `progress` (0..1) only with `State.RUN`; None means that it is under way and nobody knows how far.
    """

    state: State = State.OK
    waiting: int = 0
    sentence: str = "same version"
    progress: float | None = None
    href: str = ""


@dataclass(frozen=True, slots=True)
class Trend:
    """A sparkline: `values` oldest first, None where there is no data (drawn as a gap, never as zero)."""

    values: Sequence[float | None]
    n: int
    says: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A row of the value stream: `gaps` has one entry less than `cells`."""

    name: str
    href: str
    cells: tuple[Cell, ...]
    gaps: tuple[Gap, ...]
    trends: tuple[tuple[str, Trend], ...] = ()
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job in the graph: `start` and `length` in seconds since the run began; None when not known yet."""

    name: str
    state: State
    word: str
    start: float | None = None
    length: float | None = None
    critical: bool = False
    attempt: int = 1
    href: str = ""
    selected: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    state: State
    word: str
    jobs: tuple[Job, ...]
    took: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A set of instances behind the router and the part of the traffic that it gets."""

    name: str
    share: float
    series: int
    state: State
    word: str
    note: str = ""
    href: str = ""
    instances: tuple[Instance, ...] = ()
    counted: str = ""
    """What it answered; it has a line of its own, so that nothing of it is cut off."""
    failing: bool = False
    """Some of it were failures."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One running process. `series` is its version's colour (1..6), fixed per service."""

    name: str
    version: str
    series: int
    state: State
    word: str
    since: datetime | None = None
    note: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class EventLine:
    """A line of the record: "`actor` `what` [`subject`] `then`", and in small print `detail` and `place`.

    `href` is where the subject is seen, `event` the event itself. `place` is "service/environment", left out where the
    whole list is about one. `minor` is the word for one of many steps on the way, "" for what is told by itself.
    `how` is for whom or by what means the actor did it: "for Brent", "by token".
    """

    position: int
    at: datetime
    actor: str
    what: str
    subject: str
    href: str = ""
    icon: str = "dot"
    state: State | None = None
    detail: str = ""
    then: str = ""
    place: str = ""
    event: str = ""
    minor: str = ""
    how: str = ""


@dataclass(frozen=True, slots=True)
class Fold:
    """Minor lines that are drawn as one, which opens; `says` counts them: "10 smaller events: 8 steps, 2 jobs"."""

    lines: tuple[EventLine, ...]
    says: str


@dataclass(frozen=True, slots=True)
class Commit:
    hash: str
    title: str
    author: str
    at: datetime
    href: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Something other than a commit that a deployment brings: a migration, a setting, a flag."""

    kind: str
    name: str
    state: State | None = None
    word: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Diff:
    """The difference between what is and what could be. `truncated` counts commits left out."""

    commits: tuple[Commit, ...]
    changes: tuple[Change, ...] = ()
    truncated: int = 0
    href: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A step of something under way (a deployment, a rebuild) with what it ran and what that said."""

    name: str
    state: State
    word: str
    at: datetime | None = None
    took: timedelta | None = None
    note: str = ""
    command: str = ""
    output: str = ""
    authority: str = ""
    open: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet, or a tab: `href` is the address of the same page with it chosen (or unchosen)."""

    label: str
    href: str
    count: int | None = None
    current: bool = False
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class TestRow:
    """A test with its last results, oldest first, for the dots."""

    __test__ = False  # pytest would collect it by its name

    name: str
    state: State
    word: str
    took: timedelta | None = None
    message: str = ""
    history: tuple[State, ...] = ()
    suite: str = ""
