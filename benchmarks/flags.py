"""What asking for a flag costs the program that asks, beside other clients, and how soon a change is everywhere."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

import andon_flags
from benchmarks.harness import flag_peers
from benchmarks.harness.figures import Figure, Goal, median, spread
from benchmarks.harness.flag_stream import FlagStream
from benchmarks.harness.telling import Options, Outcome, chosen, main

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".cache" / "flag-peers"
PACKAGES = {
    "growthbook": "growthbook",
    "launchdarkly": "launchdarkly-server-sdk",
    "unleash": "UnleashClient",
    "flagd": "openfeature-provider-flagd",
    "flagsmith": "flagsmith",
    "openfeature": "openfeature-sdk",
}
OURS = {
    "andon": "andon-flags",
    "andon_counting": "andon-flags, exposures counted",
    "floor": "floor: by hand, by name, SHA-1",
}
OTHERS = {
    "floor_same_hash": "floor with the hash of andon-flags",
    "bare": "floor without names: the functions themselves",
    "growthbook": "growthbook: set_attributes, is_on",
    "growthbook_core": "growthbook: its evaluator alone",
    "launchdarkly": "launchdarkly-server-sdk",
    "unleash": "UnleashClient",
    "flagd": "flagd's provider, in the process",
    "flagsmith": "flagsmith, local evaluation",
    "openfeature": "openfeature-sdk, in-memory provider",
    "andon_openfeature": "andon-flags behind openfeature-sdk",
}
CELLS = {"a": "boolean", "b": "30 % rollout", "c": "three conditions and 50 %", "d": "100 named users"}
CLIENTS, PROCESSES = 500, 5

FOLLOWERS = """
import json, sys, time
from andon_flags import Flags

url, count = sys.argv[1], int(sys.argv[2])
seen = []
clients = [Flags(url, variables={}) for _ in range(count)]
for flags in clients:
    assert flags.ready(120)

def hear(flags):
    # what counts is that an evaluation gives it
    return lambda names: seen.append(time.monotonic()) if flags.number("moving") else None

for flags in clients:
    flags.on_change(hear(flags), "moving")
print("ready", flush=True)
for line in sys.stdin:
    until = time.monotonic() + 60
    while len(seen) < count and time.monotonic() < until:
        time.sleep(0.005)
    print(json.dumps(seen), flush=True)
    seen.clear()
"""


class Cell(msgspec.Struct):
    us: float
    on: int


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    outcome = Outcome()
    evaluations = chosen(options, quick=50_000, full=200_000)
    rounds = chosen(options, quick=1, full=3)
    tell(f"installing {len(PACKAGES)} other clients into {ENVIRONMENT.relative_to(ROOT)}")
    python, versions = _installed(outcome)
    found: dict[str, list[dict[str, Cell]]] = {}
    missing: set[str] = set()
    for turn in range(rounds):
        tell(f"round {turn + 1} of {rounds}: CPU time of an evaluation by {len(OURS) + len(OTHERS)} clients")
        for name in (*OURS, *OTHERS):
            cells = None if name in missing else _run(python, name, evaluations, outcome)
            if cells is None:
                missing.add(name)
            else:
                found.setdefault(name, []).append(cells)
    _tell_cells(outcome, found)
    outcome.figures += _updates(options, tell, outcome)
    outcome.notes.append("CPU time with all threads, the loop included; 512 users, 1,000 flags, nothing sent.")
    outcome.notes.append("floor: four functions in a dictionary, asked by name as the clients are; SHA-1 as most do.")
    outcome.notes.append(f"others: {versions}")
    return outcome


def _tell_cells(outcome: Outcome, found: dict[str, list[dict[str, Cell]]]) -> None:
    for cell, says in CELLS.items():
        on = {}
        for name, title in {**OURS, **OTHERS}.items():
            if name not in found:
                continue
            values = [turn[cell].us for turn in found[name]]
            on[name] = found[name][0][cell].on
            outcome.figures.append(Figure(name=f"({cell}) {says}: {title}", value=median(values), unit="µs"))
        for name, most in (("andon", 2.0), ("andon_counting", 3.0)):
            if name in found and "floor" in found:
                # each round has a floor of its own: what else the machine does is in both
                pairs = zip(found[name], found["floor"], strict=False)
                times = median([ours[cell].us / floor[cell].us for ours, floor in pairs])
                title = f"({cell}) {says}: {OURS[name]}, times the floor"
                outcome.figures.append(Figure(name=title, value=times, unit="×", goal=Goal(at_most=most)))
        if cell in {"a", "d"} and len(set(on.values())) > 1:
            outcome.faults.append(f"({cell}) is not on for the same users everywhere: {on}")
        if cell in {"b", "c"} and not all(0.6 < count / on["floor"] < 1.5 for count in on.values()):
            outcome.faults.append(f"({cell}) is on for shares that differ too much: {on}")


def _updates(options: Options, tell: Callable[[str], None], outcome: Outcome) -> tuple[Figure, ...]:
    changes = chosen(options, quick=3, full=20)
    tell(f"{changes} changes of one flag among 1,000, seen by {CLIENTS} clients in {PROCESSES} processes")
    chance = random.Random(options.seed)
    document = flag_peers.document()
    flags = document["flags"]
    moving = {"kind": "number", "variants": {"zero": 0, "now": 1}, "off": "zero", "default": "zero"}
    del flags[flag_peers.FILLERS[0]]
    flags["moving"] = moving
    last: list[float] = []
    with ExitStack() as over:
        folder = over.enter_context(tempfile.TemporaryDirectory(prefix="andon-bench-"))
        server = over.enter_context(FlagStream(document, path=f"{folder}/flags.sock"))
        source = str(Path(andon_flags.__file__).parents[1])
        command = [sys.executable, "-c", FOLLOWERS, server.url, str(CLIENTS // PROCESSES)]
        followers = [
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": source},
            )
            for _ in range(PROCESSES)
        ]
        try:
            for one in followers:
                if _line(one) != "ready\n":
                    outcome.faults.append("a process of clients did not get its flags")
                    return ()
            for change in range(changes):
                time.sleep(chance.uniform(0.1, 0.4))
                revision = change + 2
                content = {**moving, "variants": {"zero": 0, "now": revision}, "default": "now"}
                new = {**document, "revision": revision, "flags": {**flags, "moving": content}}
                prepared = server.prepared(new)
                began = time.monotonic()
                server.publish(prepared)
                seen: list[float] = []
                for one in followers:
                    if one.stdin is not None:
                        one.stdin.write("told\n")
                        one.stdin.flush()
                    seen += msgspec.json.decode(_line(one), type=list[float])
                if len(seen) != CLIENTS:
                    outcome.faults.append(f"{CLIENTS - len(seen)} clients did not see change {revision}")
                    continue
                last.append(max(seen) - began)
        finally:
            for one in followers:
                one.kill()
                one.wait()
    name = f"one flag of 1,000 changed: the last of {CLIENTS} clients has it"
    return spread(name, last, "s", goal=Goal(at_most=1), note="from when the server has the new document")


def _line(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline() if process.stdout is not None else ""


def _installed(outcome: Outcome) -> tuple[Path, str]:
    """A Python with the other clients in it; ours comes from the checkout."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    for package in PACKAGES.values():
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
        if subprocess.run(pip, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0:
            outcome.notes.append(f"{package} could not be installed: not compared.")
    program = (
        "import importlib.metadata as m, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version(name), end='  ')\n"
        "    except m.PackageNotFoundError: pass\n"
    )
    asked = [str(python), "-c", program, *PACKAGES.values()]
    return python, subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def _run(python: Path, name: str, evaluations: int, outcome: Outcome) -> dict[str, Cell] | None:
    source = str(Path(andon_flags.__file__).parents[1])
    command = [str(python), str(Path(flag_peers.__file__)), name, str(evaluations)]
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:  # what the clients write goes with it
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": source, "TMPDIR": folder}
        done = subprocess.run(command, env=environment, capture_output=True, timeout=600, check=False)
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
        outcome.notes.append(f"{name} could not be measured: {why}")
        return None
    return msgspec.json.decode(done.stdout, type=dict[str, Cell])


if __name__ == "__main__":
    sys.exit(main("flags", __doc__ or "", measure))
