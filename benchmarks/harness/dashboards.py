"""Somebody who looks at dashboards all the time, over Prometheus' HTTP interface, in a process of its own.

As a program: ``python -m benchmarks.harness.dashboards ADDRESS SERVICES SERIES`` with the token in ``ANDON_TOKEN``. It
looks from the first line that comes in to the second, then says in JSON how long the answers took. Each second it asks
for three graphs of one series over 24 hours, of other series each time, and for the six of a service's dashboard over
an hour.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time

import httpx
import msgspec

from benchmarks.harness.scale import BATCH, OF_A_NAME, labels_of, name_of, service_of

_GRAPHS = 3
DAY = 86_400


class Looked(msgspec.Struct, kw_only=True):
    """Milliseconds of each answer; how many of each had no lines."""

    graphs: list[float]
    panels: list[float]
    empty_graphs: int
    empty_panels: int
    """The first ones are: a rate needs two samples."""
    failed: int
    why: str
    cpu: float


class Reader:
    """``series``: how many, from the first on, have a day of history."""

    def __init__(self, address: str, token: str, services: int, series: int) -> None:
        self._client = httpx.Client(
            base_url=f"{address}/prometheus/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        self._services, self._series = services, series
        self._chance = random.Random(1)
        self.looked = Looked(graphs=[], panels=[], empty_graphs=0, empty_panels=0, failed=0, why="", cpu=0)

    def graph(self) -> None:
        """One series, 24 hours, 300 points."""
        number = self._chance.randrange(self._series)
        query = f'{name_of(number)}{{service="{service_of(number)}",instance="{labels_of(number)["instance"]}"}}'
        self.looked.empty_graphs += not self._asked(self.looked.graphs, query, DAY, 300)

    def dashboard(self) -> None:
        service = service_of(self._chance.randrange(self._services) * BATCH)
        for number in self._chance.sample(range(BATCH // OF_A_NAME), 6):
            name = f"scale_metric_{number}"
            query = f'sum by (zone) (rate({name}{{service="{service}"}}[1m]))'
            self.looked.empty_panels += not self._asked(self.looked.panels, query, 3600, 15)

    def _asked(self, took: list[float], query: str, length: int, step: int) -> bool:
        """Whether there were lines."""
        now = time.time() // step * step
        asked: dict[str, str | float] = {"query": query, "start": now - length + step, "end": now, "step": step}
        began = time.monotonic()
        try:
            answer = self._client.get("/query_range", params=asked)
        except httpx.TransportError as error:
            return self._failed(repr(error))
        took.append((time.monotonic() - began) * 1000)
        if answer.status_code != 200:
            return self._failed(f"{answer.status_code} {answer.text[:200]}")
        return bool(answer.json()["data"]["result"])

    def _failed(self, why: str) -> bool:
        self.looked.failed += 1
        self.looked.why = self.looked.why or why
        return False


def main(address: str, services: str, series: str) -> None:
    over = threading.Event()

    def listen() -> None:
        sys.stdin.readline()
        over.set()

    reader = Reader(address, os.environ["ANDON_TOKEN"], int(services), int(series))
    sys.stdin.readline()
    threading.Thread(target=listen, daemon=True).start()
    while not over.is_set():
        began = time.monotonic()
        for _ in range(_GRAPHS):
            reader.graph()
        reader.dashboard()
        over.wait(max(0.0, 1 - (time.monotonic() - began)))
    reader.looked.cpu = time.process_time()
    sys.stdout.write(msgspec.json.encode(reader.looked).decode() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
