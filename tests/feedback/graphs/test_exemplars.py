"""Traces behind a graph, as both implementations of measurements tell of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from andon.feedback.graphs.asking import MOST_SOURCES, Asked, Asking
from andon.feedback.graphs.model.exemplars import MOST
from andon.feedback.graphs.model.panels import PanelKind, Query
from andon.feedback.graphs.model.ranges import HOUR, range_of
from andon.feedback.promql.service import Engine
from andon.feedback.telemetry.contract.metrics import Exemplar, Kind, Level, Measurements, Series, Sight
from andon.flow.sources.contract import Service
from tests.feedback.telemetry.asking.conftest import engine, filling, in_store
from tests.feedback.telemetry.asking.filling import NOW, Filling, series

__all__ = ["engine", "filling", "in_store"]
QUANTILE = "histogram_quantile(0.95, sum by (le) (rate(latency_bucket[$window])))"


def bucket(service: str, bound: str) -> Series:
    return series("latency_bucket", Kind.COUNTER, Level.APPLICATION, service=service, le=bound)


def put(filling: Filling, one: Series, observed: Sequence[tuple[int, float]]) -> None:
    filling.put(one, [NOW - HOUR, NOW], [0, 1])
    for number, (time, value) in enumerate(observed):
        trace = f"{one.label('service')[:1].encode().hex()}{number:030x}"
        filling.put_exemplar(Exemplar(series=one.id, time=time, value=value, trace=trace))


def told(
    measurements: Measurements, *queries: str, now: int = NOW, sight: Sight = None, kind: PanelKind = PanelKind.LINE
) -> list[tuple[int, float | None]]:
    asked = Asked(queries=tuple(Query(text=one) for one in queries), range=range_of("1h", "", now), now=now, kind=kind)
    asking = Asking(measurements, Engine(measurements))
    return [(one.time, one.value) for one in asking.exemplars(asked, sight)]


def test_traces_of_all_buckets_are_behind_a_quantile_and_those_of_services_in_sight_alone(filling: Filling) -> None:
    put(filling, bucket("store", "0.5"), [(NOW - 5000, 0.3)])
    put(filling, bucket("store", "+Inf"), [(NOW - 300_000, 7.5)])
    put(filling, bucket("other", "+Inf"), [(NOW - 900_000, 9.0)])
    found = filling.measurements()
    mine = frozenset({Service("store")})
    assert told(found, QUANTILE, sight=mine) == [(NOW - 300_000, 7.5), (NOW - 5000, 0.3)]
    assert told(found, QUANTILE, QUANTILE.replace("95", "5")) == [
        (NOW - 900_000, 9.0),
        (NOW - 300_000, 7.5),
        (NOW - 5000, 0.3),
    ], "a trace behind two questions is one mark"
    assert told(found, "rate(latency_bucket[$window])", sight=mine) == [(NOW - 300_000, None), (NOW - 5000, None)]
    assert told(found, "rate(latency_bucket[$window])", sight=mine, kind=PanelKind.HEAT) == [
        (NOW - 300_000, 7.5),
        (NOW - 5000, 0.3),
    ]
    assert told(found, "nothing_known", sight=mine) == []


def test_while_time_goes_on_the_same_are_chosen_again(filling: Filling) -> None:
    put(filling, bucket("store", "+Inf"), [(NOW - HOUR + number * 1800, number * 37 % 101) for number in range(60)])
    found = filling.measurements()
    before = told(found, QUANTILE)
    assert len(before) <= MOST
    after = told(found, QUANTILE, now=NOW + 4000)
    assert len(set(before) - set(after)) <= 2, "none but the oldest goes"


@pytest.mark.parametrize("many", [MOST_SOURCES * 3])
def test_a_question_with_many_selectors_is_answered_in_part(filling: Filling, many: int) -> None:
    put(filling, bucket("store", "+Inf"), [(NOW - 5000, 0.3)])
    query = " or ".join([QUANTILE, *(f"other_{number}" for number in range(many))])
    assert told(filling.measurements(), query) == [(NOW - 5000, 0.3)]
