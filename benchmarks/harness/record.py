"""The record as the API shows it, and the rules that hold for it whatever happened to Andon."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from andon.web.terminal.client import Client
from benchmarks.harness.installation import until

_MOST = 500


class Seen(msgspec.Struct):
    """An event."""

    id: str
    type: str
    subject: str
    time: datetime
    data: msgspec.Raw
    andonposition: int
    andonrun: str | None = None
    andondeployment: str | None = None
    andoncommit: str | None = None
    andonservice: str | None = None

    @property
    def name(self) -> str:
        """``job.started`` of ``dev.andon.job.started.v1``."""
        return self.type.removeprefix("dev.andon.").rpartition(".")[0]

    def says(self) -> Said:
        return msgspec.json.decode(self.data, type=Said)


class Said(msgspec.Struct):
    """What the events looked at here carry, each some of it."""

    job: str = ""
    run: str = ""
    stage: str = ""
    name: str = ""
    attempt: int = 0
    outcome: str = ""
    state: str = ""
    reason: str = ""
    deployment: str = ""
    environment: str = ""
    digest: str = ""
    commit: str = ""
    step: str = ""
    before: str | None = None
    seconds: float = 0.0


class Page(msgspec.Struct):
    events: list[Seen]
    next: int | None


class Chain(msgspec.Struct):
    sound: bool
    sealed_to: int
    events: int
    unsealed: int
    fault: str | None


class Record:
    """Reads forward and keeps what it has read."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._position = 0
        self.events: list[Seen] = []

    def read(self) -> list[Seen]:
        """Everything so far, oldest first."""
        while True:
            page = self._client.get("/events", Page, after=self._position, limit=_MOST)
            if not page.events:
                return self.events
            self.events += page.events
            self._position = page.events[-1].andonposition

    def find(self, name: str, /, **said: str) -> Iterator[Seen]:
        """Events of a name whose data has these values."""
        for one in self.read():
            if one.name == name and all(getattr(one.says(), key) == value for key, value in said.items()):
                yield one

    def first(self, name: str, /, **said: str) -> Seen | None:
        return next(self.find(name, **said), None)

    def await_event(self, name: str, /, seconds: float = 120.0, every: float = 0.1, **said: str) -> Seen:
        """Wait for an event."""
        # Seldom: the moments are in the record, and every look takes from the processor that is being measured.
        until(lambda: self.first(name, **said) is not None, f"{name} {said}", seconds, every)
        found = self.first(name, **said)
        assert found is not None
        return found

    def chain(self) -> Chain:
        return self._client.get("/events/verify", Chain)


@dataclass(frozen=True, slots=True)
class Rule:
    """``broken`` answers what is wrong, empty when nothing is."""

    name: str
    broken: Callable[[Sequence[Seen]], list[str]]


def broken_rules(events: Sequence[Seen]) -> list[str]:
    """Everything in the record that must not be, when nothing is under way any more."""
    return [f"{rule.name}: {what}" for rule in RULES for what in rule.broken(events)]


def _ascending(events: Sequence[Seen]) -> list[str]:
    positions = [one.andonposition for one in events]
    wrong = [] if positions == sorted(set(positions)) else ["positions repeat or go back"]
    doubled = [one for one, count in Counter(event.id for event in events).items() if count > 1]
    return wrong + [f"{one} twice" for one in doubled]


def _attempts(events: Sequence[Seen]) -> list[str]:
    """Each attempt starts once, and ends once: it finishes or it is lost."""
    wrong = []
    started: Counter[tuple[str, int]] = Counter()
    ended: Counter[tuple[str, int]] = Counter()
    for one in events:
        said = one.says()
        key = (said.job, said.attempt)
        if one.name == "job.started":
            started[key] += 1
            if ended[key]:
                wrong.append(f"attempt {key} starts after its end")
        elif one.name in {"job.finished", "job.lost"}:
            ended[key] += 1
            if not started[key]:
                wrong.append(f"attempt {key} ends before its start")
    wrong += [f"attempt {key} started {count} times" for key, count in started.items() if count > 1]
    wrong += [f"attempt {key} ended {count} times" for key, count in ended.items() if count > 1]
    wrong += [f"attempt {key} never ended" for key in started if not ended[key]]
    numbers: dict[str, set[int]] = defaultdict(set)
    for job, attempt in started:
        numbers[job].add(attempt)
    wrong += [
        f"attempts of {job} are {sorted(found)}"
        for job, found in numbers.items()
        if found != set(range(1, len(found) + 1))
    ]
    return wrong


def _once(start: str, end: str, key: Callable[[Said], str]) -> Callable[[Sequence[Seen]], list[str]]:
    """Each thing is begun once and ended once, in this order."""

    def broken(events: Sequence[Seen]) -> list[str]:
        begun = Counter(key(one.says()) for one in events if one.name == start)
        over = Counter(key(one.says()) for one in events if one.name == end)
        wrong = [f"{start} {thing} {count} times" for thing, count in begun.items() if count != 1]
        wrong += [f"{end} {thing} {count} times" for thing, count in over.items() if count != 1]
        wrong += [f"{thing}: {start} without {end}" for thing in begun if thing not in over]
        wrong += [f"{thing}: {end} without {start}" for thing in over if thing not in begun]
        return wrong

    return broken


def _steps(events: Sequence[Seen]) -> list[str]:
    """A step of a deployment passes at most once."""
    passed = Counter(
        (said.deployment, said.step)
        for one in events
        if one.name == "deployment.step-finished" and (said := one.says()).state == "passed"
    )
    return [f"{key} passed {count} times" for key, count in passed.items() if count > 1]


def _one_at_a_time(events: Sequence[Seen]) -> list[str]:
    """Nobody starts in an environment before the one that has its lock is done."""
    holder: dict[tuple[str, str], str] = {}
    wrong = []
    for one in events:
        said = one.says()
        place = (one.andonservice or "", said.environment)
        if one.name == "deployment.started":
            if place in holder:
                wrong.append(f"{said.deployment} started in {place} while {holder[place]} had the lock")
            holder[place] = said.deployment
        elif one.name == "deployment.finished" and holder.get(place) == said.deployment:
            del holder[place]
    return wrong + [f"{one} still has the lock of {place}" for place, one in holder.items()]


def _packages(events: Sequence[Seen]) -> list[str]:
    """A run publishes at most one package."""
    found = Counter(one.andonrun or one.says().run for one in events if one.name == "artifact.published")
    return [f"run {run} published {count} packages" for run, count in found.items() if count > 1]


def _pushes(events: Sequence[Seen]) -> list[str]:
    """Each commit that was pushed to a branch is recorded once and has one run."""
    pushed = Counter((one.andonservice, one.says().commit) for one in events if one.name == "branch.pushed")
    queued = Counter((one.andonservice, one.says().commit) for one in events if one.name == "run.queued")
    wrong = [f"push of {key} recorded {count} times" for key, count in pushed.items() if count > 1]
    return wrong + [f"{key} has {queued[key]} runs" for key in pushed if queued[key] != 1]


RULES = (
    Rule("the record", _ascending),
    Rule("pushes", _pushes),
    Rule("runs", _once("run.queued", "run.finished", lambda said: said.run)),
    Rule("run starts", lambda events: _twice(events, "run.started", lambda said: said.run)),
    Rule("stages", lambda events: _twice(events, "stage.finished", lambda said: f"{said.run}/{said.stage}")),
    Rule("jobs", _attempts),
    Rule("packages", _packages),
    Rule("deployments", _once("deployment.requested", "deployment.finished", lambda said: said.deployment)),
    Rule("deployment steps", _steps),
    Rule("locks", _one_at_a_time),
)


def _twice(events: Sequence[Seen], name: str, key: Callable[[Said], str]) -> list[str]:
    found = Counter(key(one.says()) for one in events if one.name == name)
    return [f"{name} {thing} {count} times" for thing, count in found.items() if count > 1]
