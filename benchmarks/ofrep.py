"""OFREP: how long an evaluation over the network takes at 1,000 requests a second, with the server on one core."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import psutil

from andon.flow.flags.views.answers import Done, FlagShape
from andon.flow.flags.views.asking import NewFlag, SettingChange
from andon.flow.flags.views.settings import RuleShape, SettingShape
from benchmarks.harness.checkouts import Checkout
from benchmarks.harness.figures import Figure, Goal, percentile
from benchmarks.harness.installation import Andon, until
from benchmarks.harness.ports import free_stretch
from benchmarks.harness.steady import Asked, first, steady
from benchmarks.harness.telling import Options, Outcome, chosen, main

RATE, CONNECTIONS = 1_000, 50
FLAGS = 1_000
GOAL_P99 = 5.0
DEFINITION = """\
stages:
  first: {jobs: {nothing: {run: "true"}}}
environments:
  production: {}
"""
_FLOOR = """\
import uvicorn

ANSWER = b'{"key":"flag-1","value":true,"reason":"SPLIT","variant":"on","metadata":{"revision":1000}}'

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})

uvicorn.run(app, host="127.0.0.1", port=%d, log_level="error", access_log=False, lifespan="off")
"""


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    seconds = chosen(options, quick=5, full=60)
    outcome = Outcome()
    cores = sorted(os.sched_getaffinity(0))
    ours, theirs = cores[0], cores[-1]
    with Andon(settings={"ANDON_TELEMETRY_ENABLED": "false"}) as andon:
        count = chosen(options, quick=200, full=FLAGS)
        tell(f"{count:,} flags, one in fifty with a rule of three conditions and a percentage")
        _fill(andon, count)
        web = andon.role("web")
        _pin(web, theirs)
        for role in andon.roles():
            if role.pid != web.pid:
                for thread in Path(f"/proc/{role.pid}/task").iterdir():
                    os.sched_setaffinity(int(thread.name), {ours})
        one = _request(andon, "/ofrep/v1/evaluate/flags/flag-1")
        steady(one, andon.port, rate=RATE, seconds=2, connections=CONNECTIONS, core=ours)
        tell(f"{RATE:,} requests a second for {seconds} s, {CONNECTIONS} connections")
        before = web.cpu_times()
        asked = steady(one, andon.port, rate=RATE, seconds=seconds, connections=CONNECTIONS, core=ours)
        spent = _spent(web, before)
        outcome.figures += _figures("one flag", asked, goal=GOAL_P99)
        outcome.figures.append(
            Figure(
                name="processor time a request",
                value=spent / max(len(asked.latencies), 1) * 1e6,
                unit="µs",
                note="of the whole web process, with what else it does",
            )
        )
        if asked.failed:
            outcome.faults.append(f"{asked.failed} of {len(asked.latencies)} requests were not answered with 200")
        tell("the same while a flag is changed each second")
        with _changing(andon):
            busy = steady(one, andon.port, rate=RATE, seconds=seconds / 2, connections=CONNECTIONS, core=ours)
        outcome.figures += _figures("one flag, while flags change", busy)
        tell("all flags at once")
        bulk = _request(andon, "/ofrep/v1/evaluate/flags")
        every = steady(bulk, andon.port, rate=20, seconds=seconds / 2, connections=4, core=ours)
        outcome.figures += _figures("all flags, 20 requests/s", every)
    with _floor(theirs) as port:
        tell("the floor: the same server with an answer that is always the same")
        floor = steady(one, port, rate=RATE, seconds=seconds, connections=CONNECTIONS, core=ours)
    outcome.figures += _figures("floor: uvicorn with a constant answer", floor)
    outcome.notes.append(
        f"each request has its moment, {RATE:,} a second whatever comes back; what is late is counted from that moment"
    )
    outcome.notes.append("server and client run before others at work here, where that may be had (SCHED_FIFO)")
    outcome.notes.append("flagd's server, a program of Go, is not measured: Python's registry has its evaluator only")
    return outcome


def _fill(andon: Andon, count: int) -> None:
    checkout = Checkout(andon.folder / "store", andon.create("store"), andon.token)
    checkout.commit({"andon.yaml": DEFINITION}, "Begin")
    checkout.push()
    rule = {
        "when": [
            {"attribute": "country", "is": "in", "values": ["CH", "DE", "US"]},
            {"attribute": "plan", "is": "in", "values": ["pro"]},
            {"attribute": "age", "is": "at-least", "values": [18]},
        ],
        "serve": {"on": 50.0},
    }
    for number in range(count):
        name = f"flag-{number}"
        andon.client.post("/services/store/flags", FlagShape, NewFlag(name=name))
        if number % 50 == 1:
            setting = SettingShape(default={"on": 30.0, "off": 70.0}, rules=[msgspec.convert(rule, RuleShape)])
            place = f"/services/store/flags/{name}/environments/production"
            andon.client.put(place, Done, SettingChange(setting=setting))


def _request(andon: Andon, path: str) -> bytes:
    context = {"targetingKey": "user-4711", "country": "CH", "plan": "pro", "age": 42}
    body = msgspec.json.encode({"context": context})
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{andon.port}\r\nauthorization: Bearer {andon.token}\r\n"
        "x-andon-service: store\r\nx-andon-environment: production\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


@contextmanager
def _changing(andon: Andon) -> Iterator[None]:
    """Somebody changes a flag each second, in a process of their own."""
    program = (
        "import sys, time, httpx\n"
        "address, token = sys.argv[1:]\n"
        "with httpx.Client(base_url=address, headers={'authorization': f'Bearer {token}'}, timeout=30) as client:\n"
        "    for turn in range(10**6):\n"
        "        client.post('/api/v1/services/store/flags/flag-51/environments/production/share',"
        " json={'percent': 10 + turn % 50}).raise_for_status()\n"
        "        time.sleep(1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, andon.address, andon.token])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _floor(core: int) -> Iterator[int]:
    port = free_stretch(1)
    process = subprocess.Popen(["taskset", "-c", str(core), sys.executable, "-c", _FLOOR % port])
    try:
        until(lambda: _listens(port), "the floor listens", 30)
        _pin(psutil.Process(process.pid), core)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _pin(process: psutil.Process, core: int) -> None:
    """Every thread there is, to a core and before others at work here where that may be had; new ones inherit it."""
    for thread in Path(f"/proc/{process.pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {core})
            first(int(thread.name))


def _spent(process: psutil.Process, before: object) -> float:
    after = process.cpu_times()
    return float(after.user + after.system - before.user - before.system)  # type: ignore[attr-defined]  # as psutil has it


def _figures(name: str, asked: Asked, *, goal: float | None = None) -> list[Figure]:
    found = asked.latencies
    return [
        Figure(name=f"{name}, median of {len(found):,}", value=percentile(found, 50), unit="ms"),
        Figure(
            name=f"{name}, p99",
            value=percentile(found, 99),
            unit="ms",
            goal=None if goal is None else Goal(at_most=goal),
        ),
        Figure(name=f"{name}, largest", value=max(found, default=float("nan")), unit="ms"),
    ]


if __name__ == "__main__":
    sys.exit(main("ofrep", __doc__ or "", measure))
