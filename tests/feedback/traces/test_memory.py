"""The contract's plain meaning: spans held in memory."""

from __future__ import annotations

import pytest

from andon.feedback.telemetry.contract.traces import TraceQuery
from andon.feedback.telemetry.memory_traces import MemoryTraces
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid, Unavailable
from tests.feedback.traces.request import CHECKOUT, SECOND, checkout, span

_AT = 1_790_000_000 * SECOND
_ALL = TraceQuery(start=0, end=2 * _AT)


@pytest.fixture
def store() -> MemoryTraces:
    return MemoryTraces([*checkout(_AT), span(1, None, "mail", "tick", 0, 5, trace="ef" * 16, at=_AT + SECOND)])


def test_a_trace_is_summed_up_from_its_root(store: MemoryTraces) -> None:
    newest, checked_out = store.find(_ALL, sight=None)
    assert (newest.service, newest.name, newest.spans) == ("mail", "tick", 1)
    assert (checked_out.name, checked_out.spans, checked_out.errors) == ("POST /checkout", 49, 4)
    assert checked_out.duration == 464 * 10**6


def test_one_span_has_to_be_all_that_is_asked_for(store: MemoryTraces) -> None:
    def count(**asked: object) -> int:
        return len(store.find(TraceQuery(start=0, end=2 * _AT, **asked), sight=None))  # type: ignore[arg-type]  # handed on

    assert count(service="payment", failed=True) == 1
    assert count(service="catalogue", failed=True) == 0
    assert count(attributes={"currency": "EUR"}) == 1
    assert count(attributes={"currency": "USD"}) == 0
    assert count(at_least=400 * 10**6) == 1
    assert count(at_most=10 * 10**6) == 2
    assert count(version="b81d07e", environment="production") == 1


def test_what_may_not_be_seen_is_left_out_of_traces_summaries_and_calls(store: MemoryTraces) -> None:
    sight = frozenset({Service("catalogue")})
    (one,) = store.find(_ALL, sight=sight)
    assert one.services == ("catalogue",)
    assert {found.service for found in store.trace(CHECKOUT, sight=sight)} == {"catalogue"}
    assert store.calls(0, 2 * _AT, sight=sight) == ()


def test_calls_are_client_spans_with_a_child_of_another_service(store: MemoryTraces) -> None:
    found = {(one.caller, one.callee): one for one in store.calls(0, 2 * _AT, sight=None)}
    assert set(found) == {("store", "catalogue"), ("store", "payment")}
    assert found["store", "payment"].errors == 1
    assert found["store", "payment"].p95 == pytest.approx(0.262)


def test_too_much_is_refused_and_a_store_that_is_down_says_so(store: MemoryTraces) -> None:
    with pytest.raises(Invalid):
        store.find(_ALL, sight=None, limit=100_000)
    store.down = True
    with pytest.raises(Unavailable):
        store.trace(CHECKOUT, sight=None)
