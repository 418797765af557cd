"""Selections that are not asked for again while no series was written down that could belong to them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from andon.feedback.telemetry.contract.metrics import Level, Matcher, Series, SeriesId, Sight

_MOST_SERIES = 200_000
"""Of all selections together: some 200 MB at the most, in a process that has been asked for everything."""
_MOST_OF_ONE = 20_000
_MOST_SELECTIONS = 2_000


@dataclass(frozen=True, slots=True)
class Question:
    """What a selection depends on; the days are of its first and last millisecond."""

    matchers: tuple[Matcher, ...]
    first: int
    last: int
    sight: Sight
    limit: int


@dataclass(frozen=True, slots=True)
class Selection:
    """``levels``: of those series that were declared to be of more than one."""

    edition: int
    series: tuple[Series, ...]
    levels: Mapping[SeriesId, frozenset[Level]]


class Selections:
    """Those asked for last. Safe to use from every thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Question, Selection] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, question: Question, edition: int) -> Selection | None:
        with self._lock:
            found = self._kept.get(question)
            if found is None or found.edition != edition:
                return None
            self._kept.move_to_end(question)
            return found

    def keep(self, question: Question, selection: Selection) -> None:
        if len(selection.series) > _MOST_OF_ONE:
            return
        with self._lock:
            before = self._kept.pop(question, None)
            self._size += len(selection.series) - (len(before.series) if before else 0)
            self._kept[question] = selection
            while self._size > _MOST_SERIES or len(self._kept) > _MOST_SELECTIONS:
                _, gone = self._kept.popitem(last=False)
                self._size -= len(gone.series)
