"""Patterns of metrics fit what they say, at once, whoever wrote them."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.feedback.telemetry.contract.patterns import named_like


@given(st.text("ab.*", max_size=8), st.text("ab.", max_size=10))
def test_a_star_is_anything_and_all_else_itself(pattern: str, name: str) -> None:
    assert (named_like([pattern]).fullmatch(name) is not None) == fnmatch.fnmatchcase(name, pattern)


@pytest.mark.parametrize("pattern", ["*a" * 40 + "*b", "a*" * 60 + "b", "*" * 80 + "b"])
def test_many_stars_hold_nobody_up(pattern: str) -> None:
    # with a group that goes back, the first of these takes longer than the universe has been there
    assert named_like(["other", pattern]).fullmatch("a" * 200) is None
