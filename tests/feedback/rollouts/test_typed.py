"""Stages as people type them."""

from __future__ import annotations

import pytest

from andon.feedback.rollouts.model.typed import stages_of
from andon.flow.definition.contract import PARTS
from andon.kernel.errors import Invalid


def test_stages_are_shares_and_everything_follows_the_last() -> None:
    assert stages_of("1%, 10%,100%") == [1_000, 10_000]
    assert stages_of("100%") == [PARTS]
    with pytest.raises(Invalid, match="'5e0%' is no share"):
        stages_of("1%,5e0%")
