"""What other customers buy now, as project Unicorn's recommender sees it."""

from __future__ import annotations

import os
import threading
import time

MOST_A_SECOND = {"eu": 5}
"""Questions a second that the recommender answers each copy of the shop, by region. On the test bench, any number."""


class Busy(Exception):
    """The recommender answers no more questions in this second."""


class Recommender:
    """Asked for each page. That a page could be shown without its answer, nobody has thought of yet."""

    def __init__(self, region: str) -> None:
        self._most = MOST_A_SECOND.get(region)
        self._guard = threading.Lock()
        self._second = 0
        self._asked = 0

    def favourites(self) -> tuple[str, ...]:
        """Numbers of parts, the most wanted first. Raises `Busy`."""
        with self._guard:
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._asked = second, 0
            self._asked += 1
            if self._most is not None and self._asked > self._most:
                raise Busy(f"more than {self._most} questions in one second")
        return ("WH-6040", "EL-3075")


RECOMMENDER = Recommender(os.environ.get("STORE_REGION", "test"))
