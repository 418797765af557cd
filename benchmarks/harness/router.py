"""Envoy's own counters, by its admin socket."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec


class _Stat(msgspec.Struct):
    name: str
    value: int = 0


class _Stats(msgspec.Struct):
    stats: list[_Stat]


class Router:
    def __init__(self, folder: Path) -> None:
        """``folder`` is ``router`` in the data directory."""
        transport = httpx.HTTPTransport(uds=os.fsdecode((folder / "admin").read_bytes()))
        self._client = httpx.Client(transport=transport, base_url="http://router", timeout=5, trust_env=False)

    def counters(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose name matches a regular expression."""
        answer = self._client.get("/stats", params={"format": "json", "filter": pattern})
        found = msgspec.json.decode(answer.raise_for_status().content, type=_Stats)
        return {one.name: one.value for one in found.stats}

    def close(self) -> None:
        self._client.close()


@dataclass(frozen=True, slots=True)
class Look:
    """Per set: requests given to it so far, and those it has not answered yet."""

    at: float
    total: dict[str, int]
    active: dict[str, int]


class Watch:
    """Looks at the sets' counters all the time, in a thread of its own."""

    def __init__(self, router: Router, *, every: float = 0.002) -> None:
        self._router = router
        self._every = every
        self._ending = threading.Event()
        self.looks: list[Look] = []
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def last_request(self, set_id: str, after: float) -> float | None:
        """When the set was last given a request, or last had one open, behind a moment; ``None`` without any.

        Seen from outside, so late by up to the pause between two looks.
        """
        last = None
        before: Look | None = None
        for look in self.looks:
            if set_id not in look.total:
                continue
            asked = before is None or look.total[set_id] != before.total[set_id] or look.active[set_id] > 0
            if look.at > after and asked:
                last = look.at
            before = look
        return last

    def _look(self) -> None:
        while not self._ending.is_set():
            found = self._router.counters(r"^cluster\.set_[^.]*\.upstream_rq_(total|active)$")
            at = time.time()
            total = {name.split(".")[1]: value for name, value in found.items() if name.endswith("_total")}
            active = {name.split(".")[1]: value for name, value in found.items() if name.endswith("_active")}
            self.looks.append(Look(at, total, active))
            self._ending.wait(self._every)
