"""Tails of distributions, for single numbers: what would otherwise be the only use of a large library.

Each is tested against sums of exact fractions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()
_TINY = 1e-300


def normal_tail(z: float) -> float:
    """P(Z ≥ z)."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def normal_quantile(tail: float) -> float:
    """The ``z`` with P(Z ≥ z) = ``tail``."""
    if tail <= 0:
        return math.inf
    if tail >= 1:
        return -math.inf
    return -_NORMAL.inv_cdf(tail) if tail > 1e-300 else 37.0


def beta_share(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b); by its continued fraction (NIST DLMF 8.17.22)."""
    if x <= 0 or b <= 0:
        return 0.0 if b > 0 or x < 1 else 1.0
    if x >= 1 or a <= 0:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_share(b, a, 1 - x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if front < -740:
        return 0.0
    # Lentz's method
    c, d = 1.0, 1.0 / (_away(1 - (a + b) * x / (a + 1)))
    fraction = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / _away(1 + even * d)
        c = _away(1 + even / c)
        fraction *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1.0 / _away(1 + odd * d)
        c = _away(1 + odd / c)
        step = d * c
        fraction *= step
        if abs(step - 1) < 1e-12:
            break
    return min(1.0, math.exp(front) * fraction / a)


def binomial_tail(x: float, n: float, q: float) -> float:
    """P(X ≥ x) of X binomial (n, q); between whole numbers it runs smoothly."""
    if x <= 0:
        return 1.0
    if x > n:
        return 0.0
    return beta_share(x, n - x + 1, q)


def binomial_low(x: float, n: float, tail: float) -> float:
    """The lower Clopper-Pearson limit of a share: the ``q`` with P(X ≥ x) = ``tail``."""
    if x <= 0:
        return 0.0
    return solve(lambda q: binomial_tail(x, n, q), tail, 0.0, 1.0)


def binomial_high(x: float, n: float, tail: float) -> float:
    """The upper Clopper-Pearson limit: the ``q`` with P(X ≤ x) = ``tail``."""
    if x >= n:
        return 1.0
    return 1.0 - solve(lambda q: binomial_tail(n - x, n, q), tail, 0.0, 1.0)


def t_tail(t: float, freedom: float) -> float:
    """P(T ≥ t) of Student's t."""
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    half = 0.5 * beta_share(freedom / 2, 0.5, freedom / (freedom + t * t))
    return half if t >= 0 else 1 - half


@lru_cache(maxsize=10_000)
def t_quantile(tail: float, freedom: float) -> float:
    """The ``t`` with P(T ≥ t) = ``tail`` < 0.5; infinite where there are no degrees of freedom."""
    if freedom < 0.5 or tail <= 0:
        return math.inf
    if freedom > 1e6:
        return normal_quantile(tail)
    high = 2.0
    while t_tail(high, freedom) > tail:
        high *= 2
        if high > 1e12:
            return math.inf
    return solve(lambda t: -t_tail(t, freedom), -tail, 0.0, high)


def chi_square_tail(x: float, freedom: float) -> float:
    """P(χ² ≥ x), by Wilson and Hilferty's cube root: good to a few percent of itself, which is all it is used for."""
    if x <= 0:
        return 1.0
    ninth = 2 / (9 * freedom)
    return normal_tail(((x / freedom) ** (1 / 3) - (1 - ninth)) / math.sqrt(ninth))


def solve(rising: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Where a rising function reaches ``wanted``, by halving, to a hundred-thousandth of the result."""
    for _ in range(60):
        middle = (low + high) / 2
        if high - low <= 1e-5 * high:
            break
        if rising(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
