"""What two versions answered to one request, put together while a version is tried in the dark."""

from __future__ import annotations

from dataclasses import replace

import pytest

from andon.feedback.rollouts.model.differing import FEWEST, Compared, Differences, too_many, with_pairs
from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import AccessPosition, Answer, Differing, Pair
from andon.flow.sources.contract import Service

HERE = AccessPosition(0, 1)
OLD = Answer(set=SetId("old"), status=200, duration=8_000, sent=10, content_type="text/html", digest="a")
PAIR = Pair(
    time=0,
    service=Service("store"),
    environment="production",
    request="",
    method="GET",
    path="/",
    served=OLD,
    dark=replace(OLD, set=SetId("dark")),
)


def compared(*dark: Answer) -> Differences:
    return with_pairs(Differences(), [replace(PAIR, dark=one) for one in dark], HERE)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (replace(OLD, status=500), Differing.STATUS),
        (replace(OLD, content_type="application/json"), Differing.CONTENT_TYPE),
        (replace(OLD, sent=11), Differing.SIZE),
        (replace(OLD, digest="b"), Differing.BODY),
    ],
)
def test_whatever_is_answered_differently_is_counted_by_its_kind(answer: Answer, kind: Differing) -> None:
    found = compared(answer, PAIR.dark)
    assert (found.pairs, found.differing) == (2, 1)
    assert found.by[kind] == 1


def test_an_answer_that_took_more_than_twice_as_long_is_told_if_anybody_would_notice() -> None:
    slow, twice, soon = (replace(OLD, duration=microseconds) for microseconds in (18_001, 16_001, 18_000))
    found = compared(slow, twice, soon, PAIR.dark)
    assert (found.pairs, found.differing, found.slower) == (4, 0, 1)
    of_long = replace(PAIR, served=replace(OLD, duration=100_000), dark=replace(OLD, duration=190_000))
    assert with_pairs(Differences(), [of_long], HERE).slower == 0


def test_a_share_that_differs_holds_it_up_once_there_are_enough_to_say_so() -> None:
    assert too_many(Compared(pairs=FEWEST - 1, differing=FEWEST - 1), 10_000) == ""
    assert too_many(Compared(pairs=100, differing=10), 10_000) == ""
    assert too_many(Compared(pairs=100, differing=11), None) == ""
    held = too_many(Compared(pairs=100, differing=11), 10_000)
    assert held == "11 of 100 requests were answered differently: 11 % and not 10 %."
