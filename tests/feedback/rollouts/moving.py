"""An old service and a new one behind its address, with customers who are imagined: the router's log tells of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from andon.feedback.judge.contract import Judge
from andon.feedback.rollouts.contract import RolloutId
from andon.feedback.rollouts.model.pacing import Rhythm
from andon.feedback.rollouts.model.records import Rollout
from andon.feedback.rollouts.model.takeovers import TakeoverStage
from andon.feedback.rollouts.service.takeovers import Wanted
from andon.feedback.rollouts.taking import Taking
from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import (
    PARTS,
    Access,
    Comparison,
    Condition,
    Forwarding,
    RouterStatistics,
    SetStatistics,
    Where,
)
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM, Principal
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from tests.feedback.rollouts.world import World
from tests.flow.installation import STORE, Installation

CATALOGUE = Service("catalogue")
PARTS_PAGES = (Condition(Where.PATH, how=Comparison.PREFIX, value="/parts"),)
STAGES = (TakeoverStage(parts=5_000, seconds=20, requests=20), TakeoverStage(parts=50_000, seconds=20, requests=20))


@dataclass
class Way:
    """How the new service answers."""

    failing: float = 0.0
    milliseconds: int = 5
    unreachable: bool = False
    """The old one serves in its place."""


class Moving:
    """``begin`` a takeover and ``conduct`` it; time passes only while somebody waits."""

    def __init__(self, database: Database, clock: SettableClock, folder: Path, judge: Judge) -> None:
        self.local = Installation(database, folder)
        self.local.create()
        self.local.create(CATALOGUE)
        self.clock = clock
        self.world = World(self.local, clock, judge)
        self.service, self.takeovers = self.world.service, self.world.takeovers
        self.local.deploy(self.local.built())
        self.local.deploy(self.local.built(service=CATALOGUE), service=CATALOGUE)
        self.log, self.way, self.rate = self.world.log, Way(), 20.0
        self.asked: Callable[[Rollout], None] = lambda rollout: None
        self.shares: list[int] = []
        self.taking = self.awake()
        self._asked_before, self._failures = 0, 0

    def awake(self) -> Taking:
        """One that knows only what is stored."""
        return Taking(
            database=self.local.database,
            service=self.service,
            environments=self.local.environments,
            router=self.local.router,
            looking=self.world.conductor.looking,
            log=lambda: self.log,
            rhythm=Rhythm(),
            sleep=self.sleep,
        )

    def begin(self, by: Principal = SYSTEM, **other: object) -> Rollout:
        wanted = {
            "service": STORE,
            "environment": "production",
            "to": CATALOGUE,
            "to_environment": "production",
            "when": PARTS_PAGES,
            "stages": STAGES,
            **other,
        }
        asked = Wanted(**wanted)  # type: ignore[arg-type] # whatever a test replaces
        self.takeovers.require(by, asked)
        foreseen = self.world.foretelling.of(asked)
        with self.local.database.transaction() as tx:
            return self.takeovers.begin(tx, by, asked, foreseen)

    def conduct(self, rollout: Rollout) -> Rollout:
        self.taking.conduct(rollout.id)
        return self.get(rollout.id)

    def get(self, rollout: RolloutId) -> Rollout:
        with self.local.database.reading() as reading:
            return self.service.get(reading, rollout)

    def forwarding(self) -> Forwarding:
        with self.local.database.reading() as reading:
            return self.local.router.forwarding(reading, STORE, "production")

    def live(self, service: Service) -> SetId:
        with self.local.database.reading() as reading:
            route = self.local.router.route(reading, service, "production")
        assert route is not None
        return route.set

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.serve(seconds)
        with self.local.database.reading() as reading:
            (running,) = self.service.running(reading)
            found = self.service.get(reading, running.id)
        self.shares.append(sum(one.parts for one in self.forwarding().forwards))
        self.asked(found)

    def before(self, requests: int, *, seconds: int = 600, failing: int = 0) -> None:
        """Customers ask the old service, before anything is taken over; every fourth for other pages, which fail."""
        old = self.live(STORE)
        for number in range(requests):
            self.clock.advance(seconds / requests)
            status = 500 if failing and number % failing == 0 else 200
            self._line(old, "", status=status, path="/parts/7" if number % 2 else "/parts")
            if number % 4 == 0:
                self._line(old, "", status=500, path="/partsunlimited")

    def serve(self, seconds: float) -> None:
        """What customers ask meanwhile: one request in four is for pages that nobody takes over."""
        rule = next(one for one in self.forwarding().forwards if one.when == PARTS_PAGES)
        old, new = self.live(STORE), self.live(CATALOGUE)
        for _ in range(round(self.rate * seconds)):
            number, self._asked_before = self._asked_before, self._asked_before + 1
            moved = number * 7_919 % PARTS < rule.parts  # a permutation: shares are exact
            if moved and self.way.unreachable:
                self._failures += 1
                self._line(old, rule.rule, attempts=2)
            elif moved:
                failing = number % 10 < self.way.failing * 10
                self._line(new, rule.rule, status=500 if failing else 200, milliseconds=self.way.milliseconds)
            else:
                self._line(old, rule.rule)
            if number % 4 == 0:
                self._line(old, "", status=500)
        failed = SetStatistics(set=new, connection_failures=self._failures)
        self.local.plane.counted = RouterStatistics(sets=(failed,))

    def _line(
        self, served: SetId, rule: str, *, status: int = 200, attempts: int = 1, milliseconds: int = 5, path: str = "/"
    ) -> None:
        some = milliseconds * 1_000 + len(self.log.lines) % 7 * 500
        now = round(self.clock.now().timestamp() * 1_000_000)
        self.log.lines.append(line(served, rule, status=status, attempts=attempts, duration=some, path=path, time=now))


def line(
    served: SetId,
    rule: str,
    *,
    status: int = 200,
    attempts: int = 1,
    duration: int = 5_000,
    path: str = "/",
    time: int = 0,
) -> Access:
    return Access(
        time=time,
        duration=duration,
        service=STORE,
        environment="production",
        local=False,
        set=served,
        endpoint="",
        method="GET",
        path=path,
        status=status,
        flags="",
        received=0,
        sent=0,
        request="",
        traceparent="",
        attempts=attempts,
        rule=rule,
    )
