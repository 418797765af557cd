"""Availability is the share of real requests that were answered well; no requests are no data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from andon.feedback.telemetry.contract.metrics import Kind, Resolution, Series, SeriesId, canonical, series_id
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.feedback.telemetry.own.availability import DAY, HOUR, MINUTE, Availability, Step, below
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid

SHOP = Service("shop")
START = 1_790_000_000_000 // DAY * DAY


def counter(code: str, owner: str = "set_a", service: str = "shop", environment: str = "production") -> Series:
    labels = canonical({"service": service, "environment": environment, "set": owner, "code_class": code})
    name = "andon_requests_total"
    return Series(id=series_id(name, labels), name=name, labels=labels, kind=Kind.COUNTER)


def every(milliseconds: int, totals: Sequence[float], start: int = START) -> tuple[list[int], list[float]]:
    return [start + place * milliseconds for place in range(len(totals))], list(totals)


def availability(
    samples: Mapping[Series, tuple[Sequence[int], Sequence[float]]],
    *,
    now: int = START + 3 * HOUR,
    horizons: Mapping[Resolution, int] | None = None,
) -> Availability:
    held: dict[SeriesId, tuple[Sequence[int], Sequence[float]]] = {one.id: told for one, told in samples.items()}
    return Availability(MemoryMeasurements(samples, held, horizons=horizons), lambda: now)


def test_each_minute_has_its_share_and_one_without_requests_has_none() -> None:
    found = availability(
        {
            counter("2xx"): every(MINUTE // 2, [0, 10, 99, 99, 99, 110, 120, 130, 140]),
            counter("5xx"): every(MINUTE // 2, [0, 0, 1, 1, 1, 1, 11, 11, 11]),
        }
    ).of(SHOP, "production", START, START + 4 * MINUTE, step=Step.MINUTE, sight=None)
    # a sample at the very beginning of a minute belongs to it: what it adds came just before
    assert [(one.requests, one.failed) for one in found.windows] == [(10, 0), (90, 1), (11, 0), (30, 10)]
    assert [one.share for one in found.windows] == [1.0, 1 - 1 / 90, 1.0, 1 - 10 / 30]
    assert found.without_data == 0
    assert found.whole.share == 1 - 11 / 141
    assert below(found.windows, 0.98) == 1
    silent = availability({counter("2xx"): every(MINUTE, [5, 5, 5, 5])}).of(
        SHOP, "production", START, START + 3 * MINUTE, step=Step.MINUTE, sight=None
    )
    assert [one.share for one in silent.windows] == [None] * 3
    assert silent.without_data == 3
    assert silent.whole.share is None


def test_a_service_that_nobody_knows_has_no_data() -> None:
    found = availability({}).of(SHOP, "production", START, START + HOUR, step=Step.HOUR, sight=None)
    assert [(one.requests, one.share) for one in found.windows] == [(0, None)]


def test_only_this_service_and_environment_count_and_all_of_its_sets_do() -> None:
    found = availability(
        {
            counter("2xx", "set_a"): every(MINUTE, [0, 10]),
            counter("2xx", "set_b"): every(MINUTE, [0, 5]),
            counter("5xx", service="till"): every(MINUTE, [0, 5]),
            counter("5xx", environment="acceptance"): every(MINUTE, [0, 5]),
        }
    ).of(SHOP, "production", START, START + 2 * MINUTE, step=Step.MINUTE, sight=None)
    assert (found.whole.requests, found.whole.failed) == (15, 0)


def test_a_router_that_begins_anew_takes_nothing_away() -> None:
    found = availability({counter("2xx"): every(MINUTE, [1000, 1010, 7, 8])}).of(
        SHOP, "production", START, START + 4 * MINUTE, step=Step.HOUR, sight=None
    )
    assert found.whole.requests == 10 + 7 + 1


@pytest.mark.parametrize(
    ("step", "days", "resolution"), [(Step.HOUR, 2, "minute"), (Step.DAY, 2, "minute"), (Step.DAY, 30, "hour")]
)
def test_long_times_are_answered_from_roll_ups_with_the_same_counts(step: Step, days: int, resolution: str) -> None:
    totals = [float(10 * place) for place in range(days * 24 * 4 + 1)]
    found = availability({counter("2xx"): every(15 * MINUTE, totals, START - 7 * MINUTE)}, now=START + days * DAY).of(
        SHOP, "production", START, START + days * DAY, step=step, sight=None
    )
    assert len(found.windows) == days * DAY // step.milliseconds
    assert found.whole.requests == 10 * days * 24 * 4
    assert {one.requests for one in found.windows} == {10 * step.milliseconds / (15 * MINUTE)}


def test_what_is_not_kept_by_the_minute_any_more_is_not_called_no_data() -> None:
    keeps = {Resolution.RAW: 14 * DAY, Resolution.MINUTE: 90 * DAY, Resolution.HOUR: 1000 * DAY}
    held = {counter("2xx"): every(MINUTE, range(200))}
    old = availability(held, now=START + 100 * DAY, horizons=keeps)
    with pytest.raises(Invalid, match="90 days"):
        old.of(SHOP, "production", START, START + HOUR, step=Step.MINUTE, sight=None)
    assert old.of(SHOP, "production", START, START + DAY, step=Step.DAY, sight=None).whole.requests == 199
    middling = availability(held, now=START + 20 * DAY, horizons=keeps)
    found = middling.of(SHOP, "production", START, START + HOUR, step=Step.MINUTE, sight=None)
    assert sum(one.requests for one in found.windows) == found.whole.requests > 55


def test_too_many_windows_or_none_are_refused() -> None:
    asked = availability({})
    with pytest.raises(Invalid, match="10,000"):
        asked.of(SHOP, "production", START, START + 30 * DAY, step=Step.MINUTE, sight=None)
    with pytest.raises(Invalid):
        asked.of(SHOP, "production", START, START, step=Step.DAY, sight=None)


def test_who_may_not_see_the_service_sees_no_requests() -> None:
    asked = availability({counter("2xx"): every(MINUTE, [0, 10])})
    hidden = asked.of(SHOP, "production", START, START + HOUR, step=Step.HOUR, sight=frozenset({Service("till")}))
    assert hidden.whole.requests == 0
