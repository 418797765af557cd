"""What one line of andon-client costs the program that says it: CPU time, its sending thread included."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.harness.figures import Figure, Goal, median
from benchmarks.harness.telling import Options, Outcome, chosen, main

PROGRAM = """
import json, os, socket, sys, time
from andon_client import metric

def bare(_sock=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), _send=[]):
    if not _send:
        _sock.connect(os.environ["ANDON_TELEMETRY"])
        _send.append(_sock.send)
    _send[0](b"login.success:1|c|#plan:pro")

def nothing():
    pass

calls = {
    "nothing": nothing,
    "bare": bare,
    "plain": lambda: metric.increment("login.success"),
    "tag": lambda: metric.increment("login.success", plan="pro"),
    "timing": lambda: metric.timing("search", 0.0312, status=200, route="/basket"),
    "gauge": lambda: metric.gauge("queue.length", 17.5, queue="mail"),
}
count, at_once = int(sys.argv[1]), 1000
told = {}
for name, call in calls.items():
    call()
    metric.flush()
    began = time.process_time()
    for _ in range(count // at_once):
        for _ in range(at_once):
            call()
        metric.flush()
    told[name] = (time.process_time() - began) / count * 1e6
slowest = 0.0
for _ in range(count // 10):
    began = time.perf_counter()
    metric.increment("login.success")
    slowest = max(slowest, time.perf_counter() - began)
    time.sleep(0)
metric.flush()
print(json.dumps({"us": told, "slowest": slowest * 1e6, "dropped": metric.dropped}))
"""


class Answer(msgspec.Struct):
    us: dict[str, float]
    slowest: float
    dropped: int


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    calls = chosen(options, quick=50_000, full=500_000)
    rounds = chosen(options, quick=1, full=5)
    outcome = Outcome()
    found: dict[str, list[float]] = {}
    slowest: list[float] = []
    dropped = 0
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
        path = Path(folder) / "statsd.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(str(path))
            threading.Thread(target=_drain, args=(receiver,), daemon=True).start()
            for turn in range(rounds):
                tell(f"round {turn + 1} of {rounds}: {calls:,} calls of each kind")
                answer = _run(calls, {"ANDON_TELEMETRY": str(path)})
                for name, microseconds in answer.us.items():
                    found.setdefault(name, []).append(microseconds)
                slowest.append(answer.slowest)
                dropped += answer.dropped
            tell("the same with nobody who listens")
            alone = _run(calls // 5, {"ANDON_TELEMETRY": str(path) + ".none"}, without="bare")
    names = {
        "nothing": ("an empty function", "the floor of the loop"),
        "bare": ("sendto of a ready line", "what a client without packing cannot be below"),
        "plain": ('increment("login.success")', ""),
        "tag": ('increment("login.success", plan="pro")', ""),
        "gauge": ('gauge("queue.length", 17.5, queue="mail")', ""),
        "timing": ('timing("search", 0.0312, status=200, route="/basket")', ""),
    }
    for name, (says, note) in names.items():
        goal = None if name in {"nothing", "bare"} else Goal(at_most=10)
        outcome.figures.append(Figure(name=says, value=median(found[name]), unit="µs", goal=goal, note=note))
    outcome.figures += [
        Figure(name="increment, nobody listens", value=alone.us["plain"], unit="µs", goal=Goal(at_most=10)),
        Figure(name="longest single call, wall time", value=max(slowest), unit="µs", note="on a busy machine"),
        Figure(name="dropped", value=dropped, unit="", goal=Goal(at_most=0), note="while somebody listened"),
    ]
    return outcome


def _drain(receiver: socket.socket) -> None:
    while True:
        try:
            receiver.recv(65536)
        except OSError:
            return


def _run(calls: int, environment: dict[str, str], *, without: str = "") -> Answer:
    program = PROGRAM.replace(f'    "{without}": {without},\n', "") if without else PROGRAM
    done = subprocess.run(
        [sys.executable, "-c", program, str(calls)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        check=True,
        timeout=600,
    )
    return msgspec.json.decode(done.stdout, type=Answer)


if __name__ == "__main__":
    sys.exit(main("client", __doc__ or "", measure))
