"""How the counting of lines is told."""

from __future__ import annotations

from andon.feedback.logs.contract import CountingEnded, LineCounted
from andon.feedback.telemetry.contract.metrics import metric_name
from andon.kernel.events import Event
from andon.web.telling import Names, Sentence, Telling


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case LineCounted(metric=metric, query=query):
            where = f"/graphs/explore?metric={metric_name(metric)}"
            return Sentence("had lines of the log counted as", metric, where, detail=f"found by {query}", icon="graph")
        case CountingEnded(metric=metric):
            return Sentence("ended the counting of", metric, "/logs/counted", icon="graph")
    return None


TELLING = Telling(tell=tell)
