"""What holds whatever is seen."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.feedback.judge.contract import (
    Counts,
    Direction,
    Gauges,
    Histogram,
    Kind,
    Look,
    Metric,
    Observation,
    Plan,
    Samples,
    Traffic,
    Verdict,
)
from andon.feedback.judge.counting import INDEPENDENT, Found, Pairs, compare
from tests.feedback.judge.canaries import ERRORS, TRAFFIC, errors, judge, only, plan

few = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=20)
numbers = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-5, 50)
bounds = st.lists(numbers, max_size=4).map(tuple) | st.just((1.0, 2.0))
observed: st.SearchStrategy[Observation | None] = st.one_of(
    st.none(),
    st.builds(Counts, numbers, numbers),
    st.builds(Traffic, numbers),
    st.builds(Histogram, bounds, st.lists(numbers, min_size=1, max_size=5).map(tuple)),
    st.builds(Samples, st.lists(numbers, max_size=5).map(tuple)),
    st.builds(Gauges, st.dictionaries(st.sampled_from("abc"), numbers, max_size=3)),
)


def compared(pairs: list[tuple[int, int]], n: float = 40, m: float = 40) -> Found:
    count = len(pairs)
    mine = np.asarray([float(x) for x, _ in pairs])
    other = np.asarray([float(y) for _, y in pairs])
    found = compare(
        Pairs(
            np.asarray([60.0 * (index + 1) for index in range(count)]),
            mine,
            np.full(count, float(n)),
            other,
            np.full(count, float(m)),
            np.full(count, 0.5),
        ),
        alpha=0.01,
        horizon=1_200.0,
        whole=True,
        known=INDEPENDENT,
        size=1.0,
    )
    assert found is not None
    return found


@settings(max_examples=60, deadline=None)
@given(few)
def test_arms_that_are_swapped_are_not_both_worse_and_their_ratio_is_upside_down(pairs: list[tuple[int, int]]) -> None:
    one, other = compared(pairs), compared([(y, x) for x, y in pairs])
    assert not (one.failed and one.lately is None and other.failed and other.lately is None and one.at == other.at)
    if one.ratio and other.ratio:
        assert abs(one.ratio * other.ratio - 1) < 1e-6


@settings(max_examples=60, deadline=None)
@given(few, st.data())
def test_errors_that_move_from_the_old_version_to_the_new_never_make_it_look_better(
    pairs: list[tuple[int, int]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(pairs) - 1))
    x, y = pairs[at]
    moved = data.draw(st.integers(0, y))
    worse = [*pairs[:at], (x + moved, y - moved), *pairs[at + 1 :]]
    worse = [(min(x, 40), y) for x, y in worse]
    before, after = compared(pairs), compared(worse)
    if before.failed and all(x <= 40 for x, _ in worse) and x + moved <= 40:
        assert after.failed


@settings(max_examples=60, deadline=None)
@given(few)
def test_the_interval_holds_the_estimate_and_a_failure_shuts_one_out(pairs: list[tuple[int, int]]) -> None:
    found = compared(pairs)
    if found.ratio is not None and found.low is not None:
        assert found.low <= found.ratio * (1 + 1e-4)
    if found.ratio is not None and found.high is not None:
        assert found.ratio <= found.high * (1 + 1e-4)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(observed, observed), max_size=12), st.sampled_from(list(Kind)), st.sampled_from(Direction))
def test_whatever_is_told_is_judged_and_never_passes_without_enough(
    told: list[tuple[Observation | None, Observation | None]], kind: Kind, direction: Direction
) -> None:
    seen = [
        Look(at=(i + 1) * 60.0, seconds=60.0, canary={"errors": a}, baseline={"errors": b}, share=0.5)
        for i, (a, b) in enumerate(told)
    ]
    metric = Metric(name="errors", kind=kind, direction=direction, minimum=1e20)
    judged = judge(Plan(metrics=(metric,), horizon=600.0), seen)
    assert judged.verdict is not Verdict.PASS
    assert only(judged).reason.endswith(".")
    assert "nan" not in judged.sentence


@settings(max_examples=30, deadline=None)
@given(few)
def test_the_same_looks_are_judged_alike(pairs: list[tuple[int, int]]) -> None:
    seen = errors([x for x, _ in pairs], [y for _, y in pairs], 40)
    assert judge(plan(ERRORS, TRAFFIC), seen) == judge(plan(ERRORS, TRAFFIC), list(reversed(seen)))
