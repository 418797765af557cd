"""Shares as people type them, wherever they do."""

from __future__ import annotations

import pytest

from andon.flow.routing.contract import PARTS, share_of, shares_of
from andon.kernel.errors import Invalid


def test_a_share_is_told_as_exactly_as_it_is_routed() -> None:
    assert [share_of(one) for one in ("100%", " 5 % ", "0.001%", "33.3%", "0%")] == [PARTS, 5_000, 1, 33_300, 0]
    assert shares_of("1%, 10%,100%") == [1_000, 10_000, PARTS]


@pytest.mark.parametrize(
    "text",
    ["5e0%", "1e-3%", "+5%", "-5%", "inf%", "nan%", "5", "%", "", "101%", "0.0001%", ".5%", "5.%", "1_0%", "٥%", "5%%"],
)
def test_what_is_no_share_is_refused_by_the_same_rule_everywhere(text: str) -> None:
    for read in (share_of, shares_of):
        with pytest.raises(Invalid, match="is no share"):
            read(text)
