"""A segment has a size, and beyond it somebody is told what to do instead."""

from __future__ import annotations

import pytest

from andon.flow.flags.service import segment_changes
from andon.kernel.errors import Invalid
from tests.flow.flags.conftest import Flagged
from tests.flow.flags.test_segments import members, put, upload


def test_more_members_than_a_segment_may_have_are_refused_and_nobody_is_lost(
    here: Flagged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_changes, "MOST_MEMBERS", 5)
    put(here, when=())
    assert members(here, "u1", "u2") == 2
    with pytest.raises(Invalid, match="at most 5 members") as refused:
        members(here, "u3", "u4", "u5", "u6")
    assert "make a condition of it" in refused.value.remedy
    with pytest.raises(Invalid, match="at most 5 members"):
        upload(here, ["v1", "v2", "v3"], ["v4", "v5", "v6"])
    with here.installation.database.reading() as reading:
        found = here.segments.get(reading, here.maxine, "friends")
        assert here.segments.members(reading, found) == ("u1", "u2")
    assert upload(here, ["v1", "v2", "v3"], ["v4", "v5"]) == 5


def test_more_than_fit_in_one_part_are_refused_with_the_way_to_send_them(here: Flagged) -> None:
    put(here, when=())
    with pytest.raises(Invalid, match="at most 50,000 members at once") as refused:
        members(here, *(str(number) for number in range(50_001)))
    assert "several parts" in refused.value.remedy
