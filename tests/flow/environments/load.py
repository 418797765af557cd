"""People who keep asking while something is done to what they ask."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Load:
    answers: Counter[str] = field(default_factory=Counter)
    """By what was answered: the body of a 200, else what went wrong."""
    guard: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def total(self) -> int:
        with self.guard:
            return sum(self.answers.values())

    def lost(self) -> dict[str, int]:
        """Everything that is no version's answer."""
        with self.guard:
            return {said: count for said, count in self.answers.items() if not said.startswith("v")}

    def note(self, said: str) -> None:
        with self.guard:
            self.answers[said] += 1


@contextmanager
def asking(port: int, *, threads: int = 4) -> Iterator[Load]:
    """Each thread asks over one connection that it keeps, as a browser does."""
    load = Load()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not load.stop.is_set():
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                body = answer.read().decode("utf-8", "replace")
                load.note(body if answer.status == 200 else f"{answer.status} {body}")
            except (OSError, http.client.HTTPException) as error:
                load.note(f"! {error!r}")
                connection.close()
        with suppress(OSError):
            connection.close()

    workers = [threading.Thread(target=ask) for _ in range(threads)]
    for one in workers:
        one.start()
    try:
        yield load
    finally:
        load.stop.set()
        for one in workers:
            one.join(90)
    assert not any(one.is_alive() for one in workers)
