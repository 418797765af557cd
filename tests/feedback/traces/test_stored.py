"""Spans held in memory answer as the store does; and the store's are drawn."""

from __future__ import annotations

import dataclasses

import pytest

from andon.feedback.telemetry.asking.traces import StoredTraces
from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.contract.traces import TraceQuery
from andon.feedback.telemetry.memory_traces import MemoryTraces
from andon.feedback.traces.model.waterfall import waterfall
from andon.flow.sources.contract import Service
from tests.feedback.telemetry.asking.conftest import engine, in_store
from tests.feedback.telemetry.asking.filling import NOW, InStore
from tests.feedback.traces.request import CHECKOUT, day

__all__ = ["engine", "in_store"]
_NS = NOW * 10**6
_HOUR = TraceQuery(start=_NS - 2 * 3600 * 10**9, end=_NS + 10**9)
_QUERIES = (
    _HOUR,
    dataclasses.replace(_HOUR, service="payment"),
    dataclasses.replace(_HOUR, service="store", failed=True),
    dataclasses.replace(_HOUR, name="GET /search", at_least=300 * 10**6),
    dataclasses.replace(_HOUR, attributes={"http.route": "/checkout"}),
    dataclasses.replace(_HOUR, version="51c8ea9", environment="production", at_most=200 * 10**6),
    dataclasses.replace(_HOUR, end=_HOUR.start + 1),
)


@pytest.mark.parametrize("sight", [None, frozenset({Service("catalogue"), Service("search")}), frozenset[Service]()])
def test_both_find_the_same_traces_and_the_same_calls(in_store: InStore, sight: frozenset[Service] | None) -> None:
    spans = day(_NS, requests=60)
    held = MemoryTraces(spans)
    assert in_store.writer.take(Batch(way=Way.OTLP, spans=spans)).result(30).spans == len(spans)
    stored = StoredTraces(in_store.engine)
    for query in _QUERIES:
        assert stored.find(query, sight=sight, limit=500) == held.find(query, sight=sight, limit=500)
    pairs = list(zip(stored.calls(0, 2 * _NS, sight=sight), held.calls(0, 2 * _NS, sight=sight), strict=True))
    for ours, theirs in pairs:
        assert ours.p95 == pytest.approx(theirs.p95, rel=0.02)
        assert dataclasses.replace(ours, p95=0) == dataclasses.replace(theirs, p95=0)
    drawn = stored.trace(CHECKOUT, sight=sight)
    assert {one.id for one in drawn} == {one.id for one in held.trace(CHECKOUT, sight=sight)}
    if drawn:
        assert len(waterfall(drawn).nodes) == len(drawn)
