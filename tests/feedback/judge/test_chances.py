"""Against sums of exact fractions, and against printed tables where there is no such sum."""

from __future__ import annotations

from fractions import Fraction
from math import comb, inf, isclose

import pytest

from andon.feedback.judge.chances import (
    binomial_high,
    binomial_low,
    binomial_tail,
    chi_square_tail,
    normal_quantile,
    normal_tail,
    t_quantile,
    t_tail,
)


def exact_tail(x: int, n: int, q: Fraction) -> float:
    return float(sum(comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(x, n + 1)))


@pytest.mark.parametrize("n", [1, 2, 7, 40, 300])
@pytest.mark.parametrize("q", [Fraction(1, 2), Fraction(1, 100), Fraction(9, 10), Fraction(1, 3)])
def test_binomial_tails_are_the_sums_that_they_stand_for(n: int, q: Fraction) -> None:
    for x in sorted({0, 1, n // 3, n // 2, n - 1, n, n + 1}):
        assert isclose(binomial_tail(x, n, float(q)), exact_tail(x, n, q), rel_tol=1e-9, abs_tol=1e-280)


def test_far_tails_do_not_run_into_nothing() -> None:
    assert isclose(binomial_tail(200, 200, 0.5), 2.0**-200, rel_tol=1e-9)


def test_limits_of_a_share_are_where_the_tail_is_as_asked() -> None:
    for x, n, tail in ((3, 10, 0.025), (1, 4_000, 0.001), (399, 400, 0.005)):
        assert isclose(binomial_tail(x, n, binomial_low(x, n, tail)), tail, rel_tol=0.01)
        assert isclose(1 - binomial_tail(x + 1, n, binomial_high(x, n, tail)), tail, rel_tol=0.01)


def test_a_share_of_nothing_has_no_lower_limit_and_of_all_no_upper_one() -> None:
    assert binomial_low(0, 10, 0.01) == 0
    assert binomial_high(10, 10, 0.01) == 1
    assert isclose(binomial_high(0, 10, 0.01), 1 - 0.01**0.1, rel_tol=1e-4)


@pytest.mark.parametrize(
    ("tail", "freedom", "quantile"),
    [(0.025, 1, 12.706), (0.025, 10, 2.228), (0.005, 5, 4.032), (0.0005, 9, 4.781), (0.001, 30, 3.385)],
)
def test_students_t_is_the_one_of_the_tables(tail: float, freedom: float, quantile: float) -> None:
    assert t_quantile(tail, freedom) == pytest.approx(quantile, abs=1e-3)
    assert t_tail(quantile, freedom) == pytest.approx(tail, rel=1e-3)
    assert t_tail(-quantile, freedom) == pytest.approx(1 - tail, rel=1e-3)


def test_t_without_freedom_says_nothing_and_with_much_is_normal() -> None:
    assert t_quantile(0.01, 0) == inf
    assert t_quantile(0.001, 1e7) == pytest.approx(normal_quantile(0.001), rel=1e-6)
    assert normal_tail(normal_quantile(1e-9)) == pytest.approx(1e-9, rel=1e-6)


@pytest.mark.parametrize(("x", "freedom", "tail"), [(18.307, 10, 0.05), (43.773, 30, 0.05), (23.209, 10, 0.01)])
def test_chi_square_is_near_the_one_of_the_tables(x: float, freedom: float, tail: float) -> None:
    assert chi_square_tail(x, freedom) == pytest.approx(tail, rel=0.05)
