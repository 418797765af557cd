"""SIGKILL for all of Andon at random moments of pipelines and deployments: nothing lost, nothing doubled."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

from andon.kernel.errors import AndonError
from benchmarks.harness.crashing import Line
from benchmarks.harness.figures import Figure, Goal, spread
from benchmarks.harness.hollow import Fault
from benchmarks.harness.installation import Andon, left_behind
from benchmarks.harness.telling import Options, Outcome, chosen, main

LONGEST = 4.5
"""Seconds of a run after which one has been killed with certainty: a little less than a whole run takes."""

LIMIT = 2400.0
"""Seconds after which a slow machine is asked for what it has; too few kills then miss the goal."""


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    chance = random.Random(options.seed)
    kills = chosen(options, quick=8, full=100)
    outcome = Outcome()
    with Andon() as andon:
        line = Line(andon)
        tell("the first version goes to production undisturbed")
        line.await_run(line.push())
        keepers_before = andon.keepers()
        traffic = line.open_shop()
        try:
            restarts, moments = _storm(line, chance, kills, tell)
            line.close_shop()
            outcome.faults += line.faults()
        finally:
            line.close_shop()
        served = traffic.count()
        if andon.keepers().get("router") != keepers_before["router"]:
            outcome.faults.append("Envoy is not the process it was before the first kill")
        deployments = sum(1 for _ in line.record.find("deployment.finished"))
        lost = sum(1 for _ in line.record.find("job.lost"))
        outcome.figures += [
            Figure(name="kills", value=line.kills, unit="", goal=Goal(at_least=kills)),
            Figure(name="runs", value=len(line.pushed), unit=""),
            Figure(name="deployments", value=deployments, unit=""),
            Figure(name="attempts lost and repeated", value=lost, unit=""),
            Figure(name="events in the record", value=len(line.record.events), unit=""),
            Figure(name="rules and outcomes broken", value=len(outcome.faults), unit="", goal=Goal(at_most=0)),
            Figure(name="requests through Envoy", value=served.served, unit="", goal=Goal(at_least=100)),
            Figure(name="requests failed", value=served.failed, unit="", goal=Goal(at_most=0)),
            *spread("kill → up again", restarts, "s"),
        ]
        outcome.notes.append("killed while: " + ", ".join(f"{what} {count}×" for what, count in moments.most_common()))
        folder = andon.folder
    left = left_behind(folder)
    outcome.faults += [f"left running: {one}" for one in left]
    return outcome


def _storm(
    line: Line, chance: random.Random, kills: int, tell: Callable[[str], None]
) -> tuple[list[float], Counter[str]]:
    restarts: list[float] = []
    moments: Counter[str] = Counter()
    until_ = time.monotonic() + LIMIT
    while line.kills < kills and time.monotonic() < until_:
        if chance.random() < 0.2 and len(line.record.read()) > 0 and _can_roll_back(line):
            made = line.roll_back()
            _kill_within(line, chance, 2.5, restarts, moments)
            line.await_deployment(made)
        else:
            fault = chance.choices((Fault.NONE, Fault.JOB, Fault.PRODUCTION), (6, 1, 2))[0]
            pushed = line.commit(fault)
            push = line.checkout.start_push()
            _kill_within(line, chance, LONGEST, restarts, moments, push)
            line.finish_push(push)
            # Half of the runs are killed again, in what the first kill left to do.
            while chance.random() < 0.5 and line.kills < kills and not line.is_over(pushed):
                _kill_within(line, chance, LONGEST, restarts, moments)
            line.await_run(pushed)
        tell(f"{line.kills} of {kills} kills, {len(line.pushed)} runs, {line.customers().failed} requests failed")
    return restarts, moments


def _can_roll_back(line: Line) -> bool:
    """There is a version before the one that is live, and no roll-back came in between."""
    good = [one.commit for one in line.pushed if one.fault is Fault.NONE]
    return len(good) > 1 and line.live == good[-1]


def _kill_within(
    line: Line,
    chance: random.Random,
    seconds: float,
    restarts: list[float],
    moments: Counter[str],
    push: subprocess.Popen[bytes] | None = None,
) -> None:
    time.sleep(chance.uniform(0, seconds))
    moments[_moment(line, push)] += 1
    began = time.monotonic()
    line.kill()
    restarts.append(time.monotonic() - began)


def _moment(line: Line, push: subprocess.Popen[bytes] | None) -> str:
    """What was under way, for the reader: the last step that had begun and not ended."""
    if push is not None and push.poll() is None:
        return "push"
    try:
        events = line.record.read()
    except AndonError:
        return "start"
    for one in reversed(events[-12:]):
        match one.name:
            case "deployment.step-started":
                return f"deployment {one.says().step}"
            case "deployment.step-finished" | "deployment.requested" | "deployment.started":
                return "between steps"
            case "job.started":
                return "job"
            case "run.finished" | "deployment.finished":
                return "nothing"
            case "run.queued" | "run.started" | "stage.started" | "stage.finished" | "job.finished" | "job.lost":
                return "between jobs"
    return "nothing"


if __name__ == "__main__":
    sys.exit(main("crash", __doc__, measure))
