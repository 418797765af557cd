"""Blue-green switches under load: what customers notice of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import msgspec

from andon.app.demo.shop import SERVICE, Checkout
from andon.kernel.errors import Unavailable
from benchmarks.harness.crashing import PRODUCTION, address_of
from benchmarks.harness.figures import Figure, Goal, median, percentile
from benchmarks.harness.installation import Andon
from benchmarks.harness.record import Record
from benchmarks.harness.router import Router, Watch
from benchmarks.harness.telling import Options, Outcome, chosen, main
from benchmarks.harness.wrk import Load, Wrk

CONNECTIONS = 16


class Wanted(msgspec.Struct):
    to: str


class Made(msgspec.Struct):
    id: str


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    switches = chosen(options, quick=3, full=20)
    wanted = chosen(options, quick=5_000, full=200_000)
    quiet = chosen(options, quick=3, full=10)
    outcome = Outcome()
    with Andon() as andon:
        record = Record(andon.client)
        tell("the example shop goes to production twice, so that a second version is warm")
        colours = _two_versions(andon, record)
        url = address_of(andon, SERVICE, PRODUCTION) + "/version"
        router = Router(andon.data / "router")
        prefix = rf"^http\.{SERVICE}\.{PRODUCTION}\.(downstream_rq_(total|5xx|4xx)|rs_too_large)$"
        try:
            before = router.counters(prefix)
            tell(f"{quiet} s of load without a switch")
            calm = _load(andon, url, quiet)
            tell(f"{switches} switches under load, as roll-backs between two warm versions")
            busy, times = _switches(andon, record, router, url, colours, switches, wanted, tell)
            after = router.counters(prefix)
            sets = router.counters(r"^cluster\.set_[^.]*\.upstream_(rq_5xx|rq_timeout|rq_pending_overflow|rq_retry)$")
        finally:
            router.close()
    counted = after[f"http.{SERVICE}.{PRODUCTION}.downstream_rq_total"] - before.get(
        f"http.{SERVICE}.{PRODUCTION}.downstream_rq_total", 0
    )
    witness = sum(
        value - before.get(name, 0) for name, value in after.items() if name.endswith(("_5xx", "_4xx"))
    ) + sum(value for name, value in sets.items() if not name.endswith("rq_retry"))
    retried = sum(value for name, value in sets.items() if name.endswith("rq_retry"))
    requests = calm.requests + busy.requests
    outcome.figures += [
        Figure(
            name="switches", value=switches, unit="", note="each a deployment: lock, health, switch, confirm, retire"
        ),
        Figure(name="requests by wrk", value=requests, unit="", goal=Goal(at_least=wanted)),
        Figure(name="of them during the switches", value=busy.requests, unit=""),
        Figure(name="failed by wrk", value=calm.failed + busy.failed, unit="", goal=Goal(at_most=0), note=busy.words()),
        Figure(name="requests by Envoy", value=counted, unit="", note="the second witness"),
        Figure(
            name="failed by Envoy", value=witness, unit="", goal=Goal(at_most=0), note="4xx, 5xx, time-outs, overflows"
        ),
        Figure(name="tried again by Envoy", value=retried, unit="", note="on another instance, nobody noticed"),
        Figure(
            name="rate", value=busy.requests / busy.seconds, unit="/s", note=f"{CONNECTIONS} connections, one thread"
        ),
        Figure(
            name=f"decision → last request on the old colour, median of {len(times)}",
            value=median(times) if times else float("nan"),
            unit="ms",
            note="from the beginning of the switch step in the record; seen in Envoy's counters",
        ),
        Figure(
            name="decision → last request on the old colour, largest", value=max(times, default=float("nan")), unit="ms"
        ),
        Figure(name="p50 without a switch", value=calm.p50, unit="ms"),
        Figure(name="p50 with switches", value=busy.p50, unit="ms"),
        Figure(name="p95 without a switch", value=calm.p95, unit="ms"),
        Figure(name="p95 with switches", value=busy.p95, unit="ms"),
        Figure(name="p99 without a switch", value=calm.p99, unit="ms"),
        Figure(name="p99 with switches", value=busy.p99, unit="ms", note=f"× {busy.p99 / max(calm.p99, 0.001):.2f}"),
        Figure(name="longest without a switch", value=calm.longest, unit="ms"),
        Figure(name="longest with switches", value=busy.longest, unit="ms"),
    ]
    if times:
        outcome.notes.append(f"p95 of the times to the last request on the old colour: {percentile(times, 95):.0f} ms")
    return outcome


def _two_versions(andon: Andon, record: Record) -> tuple[str, str]:
    """Commits of two versions in production; the second one is live, the first one warm."""
    shop = Checkout(andon.folder / "shop", andon.create(SERVICE), andon.token)
    commits = []
    for name in ("blue", "green"):
        (andon.folder / "shop" / "COLOUR").write_text(name)
        commit = shop.commit(f"The {name} version")
        shop.push()
        ended = record.await_event("run.finished", 300, commit=commit).says()
        if ended.outcome != "passed":
            raise Unavailable(f"The {name} version does not reach production: {ended.reason}")
        commits.append(commit)
    return commits[0], commits[1]


def _load(andon: Andon, url: str, seconds: float) -> Load:
    wrk = Wrk(andon.folder, url, connections=CONNECTIONS, most_seconds=3600)
    try:
        time.sleep(seconds)
        return wrk.end()
    finally:
        wrk.stop()


def _switches(
    andon: Andon,
    record: Record,
    router: Router,
    url: str,
    colours: tuple[str, str],
    switches: int,
    wanted: int,
    tell: Callable[[str], None],
) -> tuple[Load, list[float]]:
    """Deploy one colour and the other in turn; the load, and how long the old colour was still asked (ms)."""
    times: list[float] = []
    wrk = Wrk(andon.folder, url, connections=CONNECTIONS, most_seconds=3600)
    try:
        time.sleep(0.5)
        for number in range(switches):
            with Watch(router) as watch:
                made = andon.client.post(
                    f"/services/{SERVICE}/environments/{PRODUCTION}/rollback", Made, Wanted(colours[number % 2])
                ).id
                ended = record.await_event("deployment.finished", 120, deployment=made).says()
            if ended.state != "succeeded":
                raise Unavailable(f"Switch {number + 1} {ended.state}: {ended.reason}")
            decided = record.await_event("deployment.step-started", deployment=made, step="switch").time.timestamp()
            old = record.await_event("traffic.switched", deployment=made).says().before or ""
            last = watch.last_request(old, decided)
            if last is not None:
                times.append((last - decided) * 1000)
            tell(f"{number + 1} of {switches}")
        # A slow machine makes up for it with time.
        while router.counters(rf"^http\.{SERVICE}\.{PRODUCTION}\.downstream_rq_total$").popitem()[1] < wanted * 1.05:
            time.sleep(0.5)
        return wrk.end(), times
    finally:
        wrk.stop()


if __name__ == "__main__":
    sys.exit(main("switch", __doc__, measure))
