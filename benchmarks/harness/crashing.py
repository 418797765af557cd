"""A service under way while Andon is killed again and again, and what must hold afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from andon.app.demo.traffic import Counted, Traffic
from andon.kernel.errors import AndonError, Unavailable
from benchmarks.harness.checkouts import Checkout
from benchmarks.harness.hollow import Fault, files
from benchmarks.harness.installation import Andon, until
from benchmarks.harness.record import Record, broken_rules

SERVICE = "hollow"
PRODUCTION = "production"


class Place(msgspec.Struct):
    name: str
    address: str


class Places(msgspec.Struct):
    environments: list[Place]


class Lock(msgspec.Struct):
    holder: str | None
    queue: list[str]


class Live(msgspec.Struct):
    commit: str


class Choices(msgspec.Struct):
    live: Live | None
    lock: Lock


class Deliveries(msgspec.Struct):
    deliveries: list[msgspec.Raw]


class Wanted(msgspec.Struct):
    to: str = ""


class Made(msgspec.Struct):
    id: str
    commit: str


@dataclass(frozen=True, slots=True)
class Pushed:
    commit: str
    fault: Fault


def address_of(andon: Andon, service: str, environment: str) -> str:
    """Where an environment is reached. Raises ``Unavailable``."""
    found = andon.client.get(f"/services/{service}/environments", Places).environments
    for one in found:
        if one.name == environment:
            return one.address
    raise Unavailable(f"{service} has no {environment}.")


class Line:
    """Pushes versions of the hollow service and knows how each has to come out."""

    def __init__(self, andon: Andon) -> None:
        self.andon = andon
        self.record = Record(andon.client)
        self.checkout = Checkout(andon.folder / "hollow", andon.create(SERVICE), andon.token)
        self.pushed: list[Pushed] = []
        self.rolled_back: list[str] = []
        self.live = ""
        """The commit that production has to show once nothing is under way."""
        self.kills = 0
        self._traffic: Traffic | None = None

    # What people do

    def commit(self, fault: Fault = Fault.NONE, *, work: float = 0.2) -> Pushed:
        """``work`` is how many seconds the job of that name takes."""
        number = len(self.pushed)
        made = Pushed(self.checkout.commit(files(number, fault, work), f"Version {number}"), fault)
        self.pushed.append(made)
        return made

    def push(self, fault: Fault = Fault.NONE) -> Pushed:
        """Commit and push; returns while the run goes on."""
        made = self.commit(fault)
        self.checkout.push()
        return made

    def roll_back(self) -> Made:
        """To the version before; returns while it goes on."""
        made = self.andon.client.post(f"/services/{SERVICE}/environments/{PRODUCTION}/rollback", Made, Wanted())
        self.rolled_back.append(made.id)
        return made

    def kill(self) -> None:
        """Kill all of Andon at once and start it again."""
        self.andon.kill()
        self.kills += 1
        self.andon.start()

    def finish_push(self, push: subprocess.Popen[bytes]) -> None:
        """Whatever came of a push: push once more, as a person would who saw it fail."""
        push.wait(60)
        self.checkout.push()

    # Waiting

    def is_over(self, pushed: Pushed) -> bool:
        return self.record.first("run.finished", commit=pushed.commit) is not None

    def await_run(self, pushed: Pushed, seconds: float = 180.0) -> None:
        """Wait for a run's end; keep in mind what production has to show now."""
        ended = self.record.await_event("run.finished", seconds, commit=pushed.commit).says()
        if not self.kills and ended.outcome != pushed.fault.outcome:
            raise Unavailable(f"Already undisturbed the run {ended.outcome}: {ended.reason}.")
        if pushed.fault is Fault.NONE:
            self.live = pushed.commit

    def await_deployment(self, made: Made, seconds: float = 180.0) -> None:
        self.record.await_event("deployment.finished", seconds, deployment=made.id)
        self.live = made.commit

    # Customers

    def open_shop(self) -> Traffic:
        """Ask production without a pause from now on."""
        self._traffic = Traffic(address_of(self.andon, SERVICE, PRODUCTION), customers=2, pause=0.01)
        self._traffic.start()
        return self._traffic

    def customers(self) -> Counted:
        """How they have fared so far."""
        return Counted(0, 0) if self._traffic is None else self._traffic.count()

    def close_shop(self) -> None:
        if self._traffic is not None:
            self._traffic.end()

    # What must hold

    def faults(self) -> list[str]:
        """Everything that is not as it has to be. To be asked when nothing is under way any more."""
        wrong = []
        wrong += self._patiently("the record is sealed", lambda: self.record.chain().unsealed == 0)
        chain = self.record.chain()
        if not chain.sound:
            wrong.append(f"the chain does not verify: {chain.fault}")
        wrong += broken_rules(self.record.read())
        for pushed in self.pushed:
            ended = self.record.first("run.finished", commit=pushed.commit)
            outcome = "nothing" if ended is None else ended.says().outcome
            if outcome != pushed.fault.outcome:
                why = "" if ended is None else ended.says().reason
                wrong.append(f"{pushed.commit[:7]} came to {outcome} ({why}), not {pushed.fault.outcome}")
            wrong += self._deployments(pushed)
        for made in self.rolled_back:
            done = self.record.first("deployment.finished", deployment=made)
            if done is None or done.says().state != "succeeded":
                wrong.append(f"the roll-back {made} {'never ended' if done is None else done.says().state}")
        choices = self.andon.client.get(f"/services/{SERVICE}/environments/{PRODUCTION}/deployable", Choices)
        if choices.lock.holder is not None or choices.lock.queue:
            wrong.append(f"production is still locked by {choices.lock.holder}, {choices.lock.queue} wait")
        live = None if choices.live is None else choices.live.commit
        if live != self.live:
            wrong.append(f"production shows {live}, not {self.live}")
        letters = self.andon.client.get("/dead-letters", Deliveries).deliveries
        if letters:
            wrong.append(f"{len(letters)} deliveries failed")
        if self._traffic is not None and self._traffic.count().failed:
            wrong += [f"{count} requests failed: {what}" for what, count in self._traffic.failures.items()]
        return wrong

    def _deployments(self, pushed: Pushed) -> list[str]:
        """A version reaches each environment once, by one deployment with the right end."""
        expected = {
            Fault.NONE: {"acceptance": "succeeded", "production": "succeeded"},
            Fault.PRODUCTION: {"acceptance": "succeeded", "production": "failed"},
            Fault.JOB: {},
        }[pushed.fault]
        found = [
            one.says()
            for one in self.record.find("deployment.finished", commit=pushed.commit)
            if one.says().deployment not in self.rolled_back
        ]
        states = {one.environment: one.state for one in found}
        if states != expected or len(found) != len(expected):
            told = [f"{one.environment} {one.state} ({one.reason})" for one in found]
            return [f"deployments of {pushed.commit[:7]}: {told}, expected {expected}"]
        return []

    @staticmethod
    def _patiently(what: str, holds: Callable[[], bool]) -> list[str]:
        try:
            until(holds, what, 120, every=0.2)
        except AndonError as error:
            return [str(error)]
        return []
