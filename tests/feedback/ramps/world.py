"""A service with imagined customers: its own client evaluates and counts, what it tells comes into a store."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from andon.feedback.judge.service import Statistics
from andon.feedback.ramps.adapters import TelemetryOutcomes
from andon.feedback.ramps.model.looks import Sides
from andon.feedback.ramps.service import RampWatch
from andon.feedback.telemetry.contract.metrics import Series, SeriesId
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.feedback.telemetry.ways.statsd import lines
from andon.feedback.telemetry.ways.statsd.origins import Origin
from andon.flow.flags.contract import Judging, RampView, RampWish
from andon.flow.flags.model.flag import Step
from andon.flow.flags.model.wishes import percent_of
from andon.flow.sources.contract import Service
from andon.kernel.clock import SettableClock
from andon.kernel.errors import Unavailable
from andon_flags import Flags
from andon_flags.document import read
from tests.flow.flags.conftest import Flagged
from tests.flow.flags.test_service import STORE, create, setting

TICK = 2.0
ORIGIN = Origin(service="store", environment="production")
STEPS = (Step(percent=40), Step(percent=60, after=20), Step(percent=100, after=20))


class Store:
    """Telemetry as processes tell it; it can be away."""

    def __init__(self) -> None:
        self.away = False
        self._series: dict[SeriesId, Series] = {}
        self._samples: dict[SeriesId, tuple[list[int], list[float]]] = {}

    def tell(self, line: str, at: int) -> None:
        found = lines.read(line.encode())
        one = lines.series_of(found, ORIGIN)
        self._series[one.id] = one
        times, values = self._samples.setdefault(one.id, ([], []))
        times.append(at)
        values.append(lines.number(found.values[0]))

    @property
    def outcomes(self) -> TelemetryOutcomes:
        return TelemetryOutcomes(MemoryMeasurements(self._series.values(), self._samples))

    # as `ports.Outcomes`

    def measure(self, ramp: RampView, start: int, end: int) -> Sides | None:
        self._answer()
        return self.outcomes.measure(ramp, start, end)

    def listeners(self, start: int, end: int) -> Mapping[tuple[Service, str], tuple[str, ...]]:
        self._answer()
        return self.outcomes.listeners(start, end)

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("The store does not answer.")


@dataclass
class Behaviour:
    """Of those who get a variant."""

    failing: float = 0.0
    ordering: float = 0.3
    gone: bool = False


@dataclass
class World:
    """``live`` lets time pass: customers come, the client tells, Andon looks and ramps."""

    place: Flagged
    clock: SettableClock
    on: Behaviour = field(default_factory=Behaviour)
    off: Behaviour = field(default_factory=Behaviour)
    rate: int = 40
    """Requests a second."""
    telling: bool = True
    store: Store = field(default_factory=Store)
    passed: float = 0.0

    def __post_init__(self) -> None:
        self.watch = self.another_process()
        self.place.flags.ramping.judged_by(self.watch)
        self._chance = random.Random(7)
        self._client: Flags | None = None
        create(self.place)

    def another_process(self) -> RampWatch:
        return RampWatch(
            database=self.place.installation.database,
            flags=self.place.flags,
            judge=Statistics(),
            outcomes=self.store,
        )

    def start(self, judging: Judging = Judging.AUTO, steps: tuple[Step, ...] = STEPS) -> tuple[str, ...]:
        """Warnings."""
        with self.place.installation.database.transaction() as tx:
            _, outcome = self.place.flags.ramp(
                tx, self.place.maxine, STORE, "production", "new-checkout", variant="on", steps=steps, judging=judging
            )
            return outcome.warnings

    def ask(self, wish: RampWish) -> None:
        with self.place.installation.database.transaction() as tx:
            self.place.flags.ask_ramp(tx, self.place.maxine, self.ramp.id, wish, step=self.ramp.step)

    def live(self, seconds: float, *, until_ended: bool = False) -> None:
        for _ in range(round(seconds / TICK)):
            self.clock.advance(TICK)
            self.passed += TICK
            self._serve()
            self.watch.listen()
            self.watch.turn()
            self.place.flags.ramping.turn(self.place.installation.database)
            if until_ended and self.ramp.state.ended:
                return

    @property
    def ramp(self) -> RampView:
        with self.place.installation.database.reading() as reading:
            flag = self.place.flags.get(reading, self.place.maxine, STORE, "new-checkout")
            return self.place.flags.ramps_of(reading, flag)[0]

    @property
    def share(self) -> float:
        return percent_of(setting(self.place).default).get("on", 0.0)

    def _serve(self) -> None:
        with self.place.installation.database.reading() as reading:
            told = self.place.flags.document(reading, STORE, "production")
        if self._client is None or self._client.status().revision != told.revision:
            self._client = Flags(document=read(told.content), variables={})
        client, chance = self._client, self._chance
        for _ in range(round(self.rate * TICK)):
            with client.outcome() as it:
                got = client.boolean("new-checkout", {"targetingKey": f"u{chance.randrange(5000)}"})
                how = self.on if got else self.off
                if chance.random() < how.ordering:
                    client.track("orders.placed")
                if chance.random() < how.failing:
                    it.failed()
        sent = [*client.outcomes.lines(""), *client.outcomes.signs("")]
        at = int(self.clock.now().timestamp() * 1000)
        for line in sent if self.telling else ():
            if not (self.on.gone and "variant:on," in line):
                # what this machine is at while the test runs is nothing of the customers'
                self.store.tell(re.sub(r"le:\w+", "le:10", line), at)


def changed(world: World, **on: object) -> None:
    """From now on, those who get the variant behave otherwise."""
    world.on = replace(world.on, **on)  # type: ignore[arg-type]  # the names of its fields
