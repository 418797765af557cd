"""Who asks for what over OFREP: counted in memory, written down now and then."""

from __future__ import annotations

import threading
from collections import Counter

from andon.flow.flags.service.flags import FlagService
from andon.flow.flags.serving.hub import Place
from andon.flow.flags.serving.ofrep import LONGEST_KEY
from andon.kernel.db import Database

MOST_NAMES = 2_000
"""Names counted between two writings: somebody may ask for names without end."""


class Asking:
    def __init__(self, database: Database, flags: FlagService) -> None:
        self._database = database
        self._flags = flags
        self._counted: Counter[tuple[Place, str]] = Counter()
        self._guard = threading.Lock()

    def note(self, place: Place, name: str) -> None:
        key = (place, name)
        with self._guard:
            if key in self._counted or (
                len(self._counted) < MOST_NAMES and len(name) <= LONGEST_KEY and name.isprintable()
            ):
                self._counted[key] += 1

    def write(self) -> None:
        """Raises ``Unavailable``; what was counted is kept then."""
        with self._guard:
            counted, self._counted = self._counted, Counter()
        if not counted:
            return
        by_place: dict[Place, dict[str, int]] = {}
        for (place, name), times in counted.items():
            by_place.setdefault(place, {})[name] = times
        try:
            with self._database.transaction() as tx:
                for place, names in by_place.items():
                    self._flags.note_asked(tx, place.service, place.environment, names)
        except BaseException:
            with self._guard:
                self._counted.update(counted)
            raise
