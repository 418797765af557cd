from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest

from andon.feedback.judge import boundaries
from andon.feedback.judge.boundaries import Strata, boundary, spent


def strata(totals: list[float], mine: float = 1_000, other: float = 1_000, *, whole: bool = True) -> Strata:
    count = len(totals)
    return Strata(np.asarray(totals, dtype=float), np.full(count, float(mine)), np.full(count, float(other)), whole)


def even(count: int) -> np.ndarray:
    return spent(np.arange(1, count + 1) / count)


def test_what_may_be_spent_never_exceeds_the_whole_however_long_it_goes_on() -> None:
    clock = np.concatenate((np.linspace(0, 1, 50), np.geomspace(1, 1e6, 50)))
    part = spent(clock)
    assert part[0] == 0
    assert (np.diff(part) >= 0).all()
    assert part[-1] <= 1
    assert part[49] == pytest.approx(0.97)


@pytest.mark.parametrize(("mine", "other", "ratio"), [(6, 6, 1), (3, 9, 1), (5, 8, 2), (2, 30, 1)])
def test_the_size_is_the_probability_to_cross_summed_over_all_paths(mine: int, other: int, ratio: int) -> None:
    """Four looks, each with its own total, all paths written out in exact fractions."""
    totals = [2, 0, 3, 2]
    found = boundary(strata([float(t) for t in totals], mine, other), float(ratio), 0.2, even(4), 1.0)

    def chance(x: int, total: int) -> Fraction:
        def weight(k: int) -> Fraction:
            return Fraction(comb(mine, k) * comb(other, total - k) * ratio**k)

        return weight(x) / sum(weight(k) for k in range(total + 1) if k <= mine and total - k <= other)

    crossed = Fraction(0)
    for path in product(*(range(min(total, mine) + 1) for total in totals)):
        sums = np.cumsum(path)
        if (sums >= found.critical).any():
            product_of = Fraction(1)
            for x, total in zip(path, totals, strict=True):
                product_of *= chance(x, total)
            crossed += product_of
    assert crossed > 0
    assert found.size == pytest.approx(float(crossed), rel=1e-9)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("alpha", [0.01, 0.001])
def test_over_all_totals_a_false_alarm_is_as_rare_as_promised_for_any_rate(share: float, alpha: float) -> None:
    """The size given the totals, averaged over totals: exact but for how many of them are drawn."""
    random = np.random.default_rng(11)
    for rate in (8, 15, 30, 80, 300):
        sizes = [
            boundary(strata([float(t) for t in totals], share * 1e6, (1 - share) * 1e6), 1.0, alpha, even(15), 1.0).size
            for totals in random.poisson(rate / 15, (80, 15))
        ]
        error = float(np.std(sizes)) / np.sqrt(len(sizes))
        assert np.mean(sizes) <= alpha * 1.03 + 3 * error
        if rate * share > 20:
            assert np.mean(sizes) >= alpha * 0.8, "where events are many hardly anything is wasted"


def test_where_counts_are_many_the_lattice_gives_the_same_boundary_as_whole_numbers() -> None:
    given = strata([400.0] * 12, 1_000_000, 800_000)
    coarse = boundary(given, 1.0, 0.001, even(12), 1.0)
    fine = boundaries._few(given, given.parts(1.0), 1.0, 0.001, even(12), 1.0)
    seen = np.isfinite(fine.critical) & np.isfinite(coarse.critical)
    assert seen.sum() >= 10
    assert np.abs(coarse.critical - fine.critical)[seen].max() <= 2.0
    assert coarse.size == pytest.approx(fine.size, rel=0.05)


def test_simulated_paths_cross_as_often_as_the_boundary_says() -> None:
    random = np.random.default_rng(5)
    totals = [3, 8, 1, 20, 9, 14, 2, 30]
    found = boundary(strata([float(t) for t in totals], 500, 1_500), 1.0, 0.02, even(8), 1.0)
    parts = np.stack([random.hypergeometric(500, 1_500, total, 100_000) for total in totals], axis=1)
    share = (np.cumsum(parts, axis=1) >= found.critical).any(axis=1).mean()
    assert abs(share - found.size) < 4 * np.sqrt(found.size / 100_000)


def test_clusters_ask_for_as_many_times_more() -> None:
    plain = boundary(strata([200.0] * 10), 1.0, 0.001, even(10), 1.0).critical[-1] - 1_000
    clustered = boundary(strata([200.0] * 10), 1.0, 0.001, even(10), 4.0).critical[-1] - 1_000
    assert clustered == pytest.approx(2 * plain, rel=0.05)


def test_of_no_events_there_is_no_boundary() -> None:
    found = boundary(strata([0.0] * 5), 1.0, 0.01, even(5), 1.0)
    assert np.isinf(found.critical).all()
    assert found.size == 0
