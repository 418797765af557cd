"""What others may know of the logs' room: which lines are counted, and that it began and ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NewType, Protocol
from urllib.parse import urlencode

from andon.feedback.telemetry.contract.logs import Term, TermKind
from andon.feedback.telemetry.contract.searching import written
from andon.flow.sources.contract import Service
from andon.kernel.events import Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading

CountId = NewType("CountId", str)


@event("dev.andon.lines.counted.v1", subject="count")
@dataclass(frozen=True, slots=True, kw_only=True)
class LineCounted(Event):
    """Lines of a service's log that a search finds are a metric from now on."""

    count: CountId
    service: Service
    metric: str
    query: str


@event("dev.andon.lines.counting-ended.v1", subject="count")
@dataclass(frozen=True, slots=True, kw_only=True)
class CountingEnded(Event):
    """The lines are counted no longer; what was counted stays."""

    count: CountId
    service: Service
    metric: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedLine:
    """Lines of ``service`` that ``query`` finds (in the words of
    :mod:`andon.feedback.telemetry.contract.searching`) are counted as ``metric``."""

    id: CountId
    service: Service
    metric: str
    query: str
    at: datetime
    person: str


class CountedLines(Protocol):
    """What somebody asked to be counted with a click, beside what ``andon.yaml`` says."""

    def counted(self, reading: Reading) -> Sequence[CountedLine]:
        """Of every service, by service and metric."""


def search_address(wanted: Mapping[str, str]) -> str:
    """Where lines are searched. ``wanted`` has ``from`` and ``to`` as pages write them; all else are fields of lines
    (``service``, ``environment``, ``trace``, …) and what they have to be."""
    fields = [(name, value) for name, value in wanted.items() if value and name not in {"from", "to"}]
    told = written(Term(TermKind.FIELD, value, name) for name, value in fields)
    times = [(name, wanted[name]) for name in ("from", "to") if wanted.get(name)]
    return f"/logs?{urlencode([('q', told), *times])}"
