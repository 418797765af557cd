"""Live canaries of the example shop under load: bad versions found, good ones let through, customers harmed."""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from andon.app.demo.shop import examples
from andon.feedback.rollouts.contract import RolloutState
from andon.feedback.rollouts.views import RolloutList, RolloutShape
from benchmarks.harness.checkouts import Checkout
from benchmarks.harness.crashing import PRODUCTION, address_of
from benchmarks.harness.figures import Figure, Goal, median, percentile, spread
from benchmarks.harness.installation import Andon
from benchmarks.harness.record import Record, Seen
from benchmarks.harness.shoppers import PLANTED, Shoppers
from benchmarks.harness.telling import Options, Outcome, chosen, main

RATE = 120.0
"""Requests a second of all customers of one shop, if the machine can."""
SHARE = 0.4
WARM_UP = 45.0
"""Seconds of load before the first canary: its past, and its business metrics, begin with it."""
DEFINITION = f"""\
stages:
  first: {{jobs: {{work: {{run: "true"}}}}}}
  production: {{environment: production, when: automatic}}
package: {{files: [store/**]}}
run:
  web:
    command: exec python3 -m store.faulty
    port: 8000
    memory: 1GiB
    processes: 512
    health: {{path: /health, every: 500ms, within: 60s}}
migrations:
  expand: python3 -m store.migrate expand
telemetry:
  business: [orders.*]
environments:
  production:
    instances: 1
    keep_warm: 0
    release:
      strategy: canary
      stages:
        few: {{share: {SHARE:.0%}, for: 60s, requests: 500}}
        half: {{share: 50%, for: 60s, requests: 500}}
"""
FAULTY = f'''\
"""The shop with the fault that the file FAULT names."""

import pathlib
import random
import time

from store import __main__, app
from store.server import Response

FAULT = pathlib.Path(__file__).with_name("FAULT").read_text().strip()
KEPT = []


class Faulty(app.App):
    def __call__(self, request):
        answer = super().__call__(request)
        if request.path in ("/health", "/version"):
            return answer
        if FAULT == "errors" and random.random() < 0.2:
            return Response(500, b"{PLANTED}\\n")
        if FAULT == "latency" and random.random() < 0.2:
            time.sleep(0.3)
        if FAULT == "memory":
            KEPT.append(b"x" * random.randrange(30_000, 50_000))
        if FAULT == "button" and answer.status == 200 and b"Place the order" in answer.body:
            body = answer.body.replace(b"Place the order", b"")
            return Response(200, body, answer.content_type, answer.headers)
        return answer


__main__.App = Faulty
raise SystemExit(__main__.main())
'''


class Fault(StrEnum):
    NONE = "none"
    ERRORS = "errors"
    """One request in five is answered with 500."""
    LATENCY = "latency"
    """One in five takes 300 ms longer."""
    MEMORY = "memory"
    """Each request leaves 40 kB behind."""
    BUTTON = "button"
    """Nobody can order any more; everything answers with 200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One that is over."""

    fault: Fault
    rollout: RolloutShape
    seconds: float
    """From the first traffic on the new version to all of it on the old one, or to its end."""
    rate: float
    """Requests a second that the new version served."""

    @property
    def taken_back(self) -> bool:
        return self.rollout.state is RolloutState.FAILED


class Lane:
    """One shop, with customers who never stop, and one version after the other."""

    def __init__(self, andon: Andon, number: int, seed: int) -> None:
        self._andon = andon
        self._service = f"shop-{number}"
        self._record = Record(andon.client)
        self._checkout = Checkout(andon.folder / self._service, andon.create(self._service), andon.token)
        shutil.copytree(
            examples() / "store" / "store",
            self._checkout.folder / "store",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        self._number = 0
        self._seed = seed
        self.shoppers: Shoppers | None = None

    def run(self, faults: Sequence[Fault], tell: Callable[[str], None]) -> list[Canary]:
        self._deploy(Fault.NONE)
        self.shoppers = Shoppers(address_of(self._andon, self._service, PRODUCTION), rate=RATE, seed=self._seed)
        self.shoppers.start()
        try:
            time.sleep(WARM_UP)
            found = []
            for fault in faults:
                one = self._canary(fault)
                state, reason = one.rollout.state.value, one.rollout.reason
                tell(f"{self._service}: {fault.value}: {state} after {one.seconds:.0f} s at {one.rate:.0f}/s: {reason}")
                found.append(one)
            return found
        finally:
            self.shoppers.end()

    def _canary(self, fault: Fault) -> Canary:
        commit = self._deploy(fault)
        listed = self._andon.client.get("/rollouts", RolloutList, of=self._service).rollouts
        rollout = next(one for one in listed if one.commit == commit)
        events = [one for one in self._record.read() if one.andondeployment == rollout.deployment]
        began = _first(events, "rollout.stage-entered").time
        ended = _last(events, "traffic.switched").time
        seconds = (ended - began).total_seconds()
        return Canary(fault=fault, rollout=rollout, seconds=seconds, rate=rollout.requests / max(seconds, 0.001))

    def _deploy(self, fault: Fault) -> str:
        self._number += 1
        files = {
            "andon.yaml": DEFINITION,
            "store/faulty.py": FAULTY,
            "store/FAULT": f"{fault.value}\n",
            "number": f"{self._number}\n",
        }
        commit = self._checkout.commit(files, f"Version {self._number}: {fault.value}")
        self._checkout.push()
        self._record.await_event("deployment.finished", 900, every=0.2, commit=commit)
        return commit


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    each = chosen(options, quick=4, full=50)
    lanes = chosen(options, quick=1, full=2)
    planted = [list(Fault)[1 + number % 4] for number in range(each)]
    versions = [*planted, *[Fault.NONE] * chosen(options, quick=2, full=50)]
    random.Random(options.seed).shuffle(versions)
    # the usual place of two versions: processors shared by the shops, their customers and Andon
    with Andon() as andon, ThreadPoolExecutor(lanes) as pool:
        shops = [Lane(andon, number, options.seed + number) for number in range(lanes)]
        tell(f"{len(versions)} canaries in {lanes} shops side by side, {RATE:g} requests/s each")
        parts = [pool.submit(shop.run, versions[place::lanes], tell) for place, shop in enumerate(shops)]
        found = [one for part in parts for one in part.result()]
    bad = [one for one in found if one.fault is not Fault.NONE]
    good = [one for one in found if one.fault is Fault.NONE]
    missed = [one for one in bad if not one.taken_back]
    false = [one for one in good if one.taken_back]
    outcome = Outcome(figures=_figures(bad, good, missed, false))
    counted = [shop.shoppers.count() for shop in shops if shop.shoppers is not None]
    outcome.figures += [
        Figure(name="requests", value=sum(one.asked for one in counted), unit="", note="of all customers"),
        Figure(name="failed by a planted fault", value=sum(one.planted for one in counted), unit=""),
        Figure(
            name="failed by Andon itself",
            value=sum(one.failed for one in counted),
            unit="",
            goal=Goal(at_most=0),
            note="; ".join(sorted({what for one in counted for what in one.failures}))[:200],
        ),
    ]
    outcome.notes += [f"missed: {one.fault.value}: {one.rollout.reason}" for one in missed]
    outcome.notes += [f"false: {one.rollout.reason}" for one in false]
    return outcome


def _figures(
    bad: Sequence[Canary], good: Sequence[Canary], missed: Sequence[Canary], false: Sequence[Canary]
) -> list[Figure]:
    figures = [
        Figure(name="canaries with a fault", value=len(bad), unit="", note="errors, latency, memory, a button"),
        Figure(name="found and taken back", value=len(bad) - len(missed), unit="", goal=Goal(at_least=len(bad))),
        Figure(name="canaries without a fault", value=len(good), unit=""),
        Figure(name="taken back for nothing", value=len(false), unit="", goal=Goal(at_most=0)),
        *_unlike(good),
    ]
    for fault in list(Fault)[1:]:
        times = [one.seconds for one in bad if one.fault is fault and one.taken_back]
        rate = median([one.rate for one in bad if one.fault is fault]) if times else float("nan")
        figures.append(
            Figure(
                name=f"{fault.value}: fault → traffic restored, median of {len(times)}",
                value=median(times) if times else float("nan"),
                unit="s",
                goal=Goal(at_most=20) if fault is Fault.ERRORS else None,
                note=f"{SHARE:.0%} of the traffic, {rate:.0f} requests/s in the new version; {_SAYS[fault]}",
            )
        )
    served = [float(one.rollout.requests) for one in bad if one.taken_back]
    figures += [
        Figure(
            name="served by a bad version before it was taken back, median",
            value=median(served) if served else float("nan"),
            unit="",
            note="requests of customers",
        ),
        Figure(name="the same, p95", value=percentile(served, 95), unit=""),
    ]
    return figures


def _unlike(good: Sequence[Canary]) -> list[Figure]:
    """How far the latencies of one program in two instances are from one another: what a tolerance has to be above."""
    apart = sorted(
        max(one.new, one.old) / min(one.new, one.old)
        for canary in good
        for one in canary.rollout.metrics
        if one.metric == "latency-p99" and one.new and one.old
    )
    note = "the slower instance beside the other; nothing differs but the process"
    return list(spread("p99 of a version beside its equal", apart, "x", note=note))


_SAYS = {
    Fault.ERRORS: "20 % answered with 500",
    Fault.LATENCY: "20 % take 300 ms longer",
    Fault.MEMORY: "40 kB a request",
    Fault.BUTTON: "nobody can order",
}


def _first(events: Sequence[Seen], name: str) -> Seen:
    return next(one for one in events if one.name == name)


def _last(events: Sequence[Seen], name: str) -> Seen:
    return next(one for one in reversed(events) if one.name == name)


if __name__ == "__main__":
    sys.exit(main("canary_live", __doc__, measure))
