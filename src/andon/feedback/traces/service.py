"""Traces, as far as somebody may see them."""

from __future__ import annotations

import time

from andon.feedback.telemetry.contract.sight import sight_of
from andon.feedback.telemetry.contract.traces import Span, TraceQuery, TraceStore, TraceSummary
from andon.feedback.traces.contract import is_trace
from andon.kernel.access import Principal
from andon.kernel.errors import Invalid, NotFound

MOST_FOUND = 500
LONGEST_TRACE = 20_000
"""Spans; the store gives no more."""


class TracesService:
    """Safe to share between threads. All raise ``Forbidden``, and ``Unavailable`` when the store does not answer."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store

    def find(self, principal: Principal, query: TraceQuery, *, limit: int = 100) -> tuple[TraceSummary, ...]:
        """Newest first. Raises ``Invalid``, and ``NotFound`` for a service that may not be seen."""
        if not 1 <= limit <= MOST_FOUND:
            raise Invalid(f"Between 1 and {MOST_FOUND} traces can be asked for at once.")
        sight = sight_of(principal)
        if query.service:
            principal.require_sight(query.service)
        return self._store.find(query, sight=sight, limit=limit)

    def spans(self, principal: Principal, trace: str) -> tuple[Span, ...]:
        """Those of one trace that may be seen, in the order in which they began. Raises ``NotFound``."""
        asked = trace.strip().lower().replace("-", "")
        spans = self._store.trace(asked, sight=sight_of(principal)) if is_trace(asked) else ()
        if not spans:
            raise NotFound(
                f"There is no trace {trace[:40]!r} here.",
                remedy="Its spans may be older than traces are kept, may not have been sent, or may belong to "
                "services that you may not see.",
            )
        return spans


def nanoseconds() -> int:
    """Now, since 1970."""
    return time.time_ns()
