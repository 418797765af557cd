"""SIGKILL for the telemetry process, the web process or the sender at random: no acknowledged row is lost."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from andon.feedback.telemetry.store.engine import Engine, over_socket
from andon.kernel.errors import AndonError, Unavailable
from benchmarks.harness.exporting import METRIC, acknowledged
from benchmarks.harness.figures import Figure, Goal, spread
from benchmarks.harness.installation import Andon, left_behind, until
from benchmarks.harness.telling import Options, Outcome, chosen, main

_BETWEEN = (0.2, 2.5)
"""Seconds from one kill to the next, at least and at most."""


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    chance = random.Random(options.seed)
    kills = chosen(options, quick=6, full=50)
    outcome = Outcome()
    port = _free_port()
    with Andon(settings={"ANDON_TELEMETRY_OTLP_PORT": str(port)}) as andon:
        until((andon.data / "telemetry" / "state.json").exists, "telemetry listens")
        file = andon.folder / "acknowledged"
        sender = _Sender(port, file)
        killed: Counter[str] = Counter()
        silent: list[float] = []
        try:
            until(lambda: _size(file) > 0, "the first row is acknowledged")
            while killed.total() < kills:
                time.sleep(chance.uniform(*_BETWEEN))
                who = chance.choice(("telemetry", "web", "sender"))
                began = time.monotonic()
                _kill(andon, sender, who)
                killed[who] += 1
                _await_more(file)
                if who == "telemetry":
                    silent.append(time.monotonic() - began)
                tell(f"{killed.total()} of {kills} kills, {sum(1 for _ in acknowledged(file)):,} acknowledged rows")
        finally:
            sender.end()
        wanted = set(acknowledged(file))
        store = over_socket(_door(andon))
        until(lambda: _answers(store), "the store answers")
        samples = _found(
            store,
            "SELECT toInt64(value) FROM samples WHERE series IN (SELECT id FROM series WHERE path = {name:String})",
            METRIC,
        )
        lines = _found(
            store, "SELECT toInt64(extract(body, '[0-9]+')) FROM logs WHERE service = {name:String}", "crash"
        )
        outcome.figures += [
            Figure(name="kills", value=killed.total(), unit="", goal=Goal(at_least=kills)),
            Figure(name="samples acknowledged", value=len(wanted), unit="", goal=Goal(at_least=BATCH_AT_LEAST)),
            Figure(name="acknowledged samples lost", value=len(wanted - samples), unit="", goal=Goal(at_most=0)),
            Figure(name="acknowledged lines lost", value=len(wanted - lines), unit="", goal=Goal(at_most=0)),
            Figure(
                name="samples stored that were not acknowledged",
                value=len(samples - wanted),
                unit="",
                note="written when the answer could not be given any more; the sender sent none again",
            ),
            *spread("telemetry killed → rows acknowledged again", silent, "s"),
        ]
        outcome.notes.append("killed: " + ", ".join(f"{who} {count}×" for who, count in killed.most_common()))
        store.close()
        folder = andon.folder
    outcome.faults += [f"left running: {one}" for one in left_behind(folder)]
    return outcome


BATCH_AT_LEAST = 500
"""Fewer acknowledged rows would show nothing."""


class _Sender:
    """A process of its own, started again when it was killed."""

    def __init__(self, port: int, file: Path) -> None:
        self._words = [sys.executable, "-m", "benchmarks.harness.exporting", str(port), str(file), "crash"]
        self._process = subprocess.Popen(self._words)

    def kill(self) -> None:
        self.end()
        self._process = subprocess.Popen(self._words)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def _kill(andon: Andon, sender: _Sender, who: str) -> None:
    if who == "sender":
        sender.kill()
        return
    with suppress(psutil.Error, Unavailable):  # it is being started
        andon.role(who).kill()


def _await_more(file: Path) -> None:
    # two requests more: the answer to one may have been on its way already
    before = _size(file)
    until(lambda: file.read_bytes()[before:].count(b"\n") > 1, "rows are acknowledged again")


def _found(store: Engine, sql: str, name: str) -> set[int]:
    return {int(str(number)) for (number,) in store.rows(sql, {"name": name})}


def _answers(store: Engine) -> bool:
    try:
        return bool(store.rows("SELECT 1"))
    except AndonError:
        return False


def _door(andon: Andon) -> Path:
    return next(iter((andon.data / "doors").rglob("telemetry.sock")), andon.data / "doors" / "telemetry.sock")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main("telemetry_crash", __doc__, measure))
