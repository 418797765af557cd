"""Graphs of a service that is young open with a range that holds its life."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from andon.feedback.graphs.asking import Asking
from andon.feedback.graphs.model.ranges import CHOICES, DAY, HOUR, MINUTE, USUAL, opening
from andon.feedback.promql.service import Engine
from andon.feedback.telemetry.contract.metrics import Kind
from andon.feedback.telemetry.contract.ranges import length_of
from andon.flow.sources.contract import Service
from tests.feedback.telemetry.asking.conftest import engine, filling, in_store
from tests.feedback.telemetry.asking.filling import NOW, Filling, series

__all__ = ["engine", "filling", "in_store"]
PRODUCTION: Mapping[str, Any] = {"service": "store", "environment": "production"}
"""Labels; any, since what comes before them in a call has other types."""


@pytest.mark.parametrize(
    ("life", "choice"),
    [
        (0, "15m"),
        (15 * MINUTE, "15m"),
        (15 * MINUTE + 1, "1h"),
        (HOUR + 1, USUAL),
        (90 * DAY, USUAL),
        (None, USUAL),
    ],
)
def test_the_shortest_range_that_holds_a_life_is_chosen_and_never_a_longer_one_than_usual(
    life: int | None, choice: str
) -> None:
    assert opening(life) == choice
    assert choice in CHOICES


def life(filling: Filling, environment: str = "production", now: int = NOW) -> int | None:
    found = filling.measurements()
    asking = Asking(found, Engine(found))
    return asking.life("store", environment, length_of(USUAL), now, frozenset({Service("store")}))


def test_a_life_is_counted_from_the_first_that_was_measured_to_the_minute(filling: Filling) -> None:
    assert life(filling) is None, "nothing was measured yet"
    filling.put(series("load", **PRODUCTION), [NOW - 5 * MINUTE, NOW], [1, 2])
    filling.put(series("hits_total", Kind.COUNTER, **PRODUCTION), [NOW - 70 * MINUTE + 1, NOW], [1, 2])
    filling.put(series("load", service="other"), [NOW - 2 * HOUR], [1])
    assert life(filling) == 70 * MINUTE
    assert life(filling, now=NOW + 5 * HOUR) is None, "older than what graphs open with anyway"


def test_a_life_that_began_within_this_minute_is_one(filling: Filling) -> None:
    filling.put(series("load", **PRODUCTION), [NOW + 20_000], [1])
    assert life(filling, now=NOW + 30_000) == 30_000


def test_another_environment_has_a_life_of_its_own(filling: Filling) -> None:
    filling.put(series("load", service="store", environment="acceptance"), [NOW - 3 * HOUR], [1])
    filling.put(series("load", **PRODUCTION), [NOW - 3 * MINUTE], [1])
    assert life(filling) == 3 * MINUTE
    assert life(filling, "acceptance") == 3 * HOUR
    assert life(filling, "") == 3 * HOUR


@pytest.mark.parametrize("before", [7 * HOUR, 13 * HOUR, 3 * DAY])
def test_what_was_silent_for_a_while_is_not_young(filling: Filling, before: int) -> None:
    filling.put(series("load", **PRODUCTION), [NOW - before, NOW - 3 * MINUTE], [1, 1])
    assert life(filling) is None
