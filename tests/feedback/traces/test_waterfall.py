"""Whatever spans come in, they become a waterfall that tells the truth."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.feedback.telemetry.contract.traces import Span, SpanKind, SpanStatus
from andon.feedback.traces.drawing import rows, ticks
from andon.feedback.traces.model.folding import MOST_ROWS, Folded, view
from andon.feedback.traces.model.insight import causes, colours, parts, repeats
from andon.feedback.traces.model.ranges import SECOND
from andon.feedback.traces.model.waterfall import Waterfall, waterfall
from tests.feedback.traces.request import checkout, span, wide

_AT = 1_790_000_000 * SECOND
_IDS = st.integers(0, 14).map(lambda number: f"{number:016x}")
_SPANS = st.lists(
    st.builds(
        Span,
        trace=st.just("ab" * 16),
        id=_IDS,
        parent=st.one_of(st.just(""), _IDS, st.just("f" * 16)),
        service=st.sampled_from(["store", "payment", ""]),
        instance=st.sampled_from(["1", "2"]),
        name=st.sampled_from(["a", "b", "<i>"]),
        kind=st.sampled_from(SpanKind),
        start=st.integers(-(10**19), 10**19),
        duration=st.integers(-5, 2 * 10**18),
        status=st.sampled_from(SpanStatus),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(_SPANS)
def test_every_span_has_one_place_below_its_parent_whatever_was_sent(spans: list[Span]) -> None:
    whole = waterfall(spans)
    assert len(whole.nodes) + whole.repeated == len(spans)
    assert sorted(whole.order) == list(range(len(whole.nodes)))
    place = {at: number for number, at in enumerate(whole.order)}
    for at, one in enumerate(whole.nodes):
        assert one.depth == (0 if one.parent is None else whole.nodes[one.parent].depth + 1)
        assert one.parent is None or place[one.parent] < place[at]
        assert 0 <= one.self_time <= one.end - one.start
        assert whole.start <= one.start <= one.end <= whole.end


@settings(max_examples=150, deadline=None)
@given(_SPANS)
def test_the_critical_path_is_as_long_as_its_root_and_nothing_on_it_overlaps(spans: list[Span]) -> None:
    whole = waterfall(spans)
    root = whole.nodes[whole.main]
    pieces = sorted(piece for one in whole.nodes for piece in one.critical)
    assert sum(end - start for start, end in pieces) == root.end - root.start
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(pieces))
    assert sum(part.waited for part in parts(whole)) == root.end - root.start


@settings(max_examples=120, deadline=None)
@given(_SPANS, st.integers(1, 12), st.one_of(st.just(""), _IDS), st.one_of(st.just(""), _IDS))
def test_what_is_drawn_and_what_is_counted_are_all_spans_together(
    spans: list[Span], most: int, focus: str, opened: str
) -> None:
    whole = waterfall(spans)
    looked = view(whole, focus=focus, opened=opened, most=most)
    assert looked.drawn + sum(one.spans for one in looked.rows if isinstance(one, Folded)) == looked.inside
    assert looked.drawn <= max(most, 1)
    drawn = rows(whole, looked, colours(one.service for one in spans), {})
    assert len(drawn) == len(looked.rows)
    for row in drawn:
        assert 0 <= row.bar.x <= 100
        assert row.bar.x + row.bar.width <= 100.01
    assert len(ticks(looked)) == 5


def test_a_circle_is_cut_at_its_earliest_span() -> None:
    whole = waterfall([span(1, 3, "a", "first", 0, 9), span(2, 1, "a", "x", 1, 5), span(3, 2, "a", "y", 2, 3)])
    assert [one.span.name for one in whole.nodes if one.cut] == ["first"]
    assert [whole.nodes[at].span.name for at in whole.order] == ["first", "x", "y"]


def test_a_span_whose_parent_is_missing_stands_by_itself_and_says_so() -> None:
    whole = waterfall([span(1, None, "a", "root", 0, 9), span(2, 77, "b", "lost", 1, 5)])
    assert whole.orphans == 1
    assert len(whole.roots) == 2
    assert whole.nodes[whole.main].span.name == "root"


def test_a_callee_whose_clock_is_late_is_drawn_inside_its_call_with_all_below_it() -> None:
    whole = waterfall(checkout(_AT))
    nodes = {one.span.name + one.span.service: one for one in whole.nodes}
    called, caller = nodes["POST /paymentspayment"], nodes["POST /paymentsstore"]
    assert caller.start <= called.start
    assert called.end <= caller.end
    assert called.moved == nodes["chargepayment"].moved == 80 * 10**6
    assert nodes["send receiptmail"].moved == 0, "a message may well be worked on after it was sent"


def test_spans_of_one_clock_are_never_moved() -> None:
    whole = waterfall([span(1, None, "a", "root", 10, 5), span(2, 1, "a", "before", 0, 5)])
    assert whole.moved == 0


def test_a_span_that_came_twice_counts_once_and_one_with_a_shared_id_lies_inside_the_other() -> None:
    client = span(1, None, "a", "call", 0, 9, kind=SpanKind.CLIENT)
    server = span(1, None, "b", "call", 2, 5, kind=SpanKind.SERVER)
    whole = waterfall([client, server, client])
    assert whole.repeated == 1
    assert [whole.nodes[at].span.service for at in whole.order] == ["a", "b"]
    assert whole.nodes[1].depth == 1


def test_own_time_leaves_out_what_calls_took_even_where_they_ran_side_by_side() -> None:
    whole = waterfall([span(1, None, "a", "r", 0, 100), span(2, 1, "a", "x", 10, 40), span(3, 1, "a", "y", 30, 40)])
    assert whole.nodes[0].self_time == 40 * 10**6
    assert [one.waited // 10**6 for one in whole.nodes] == [60, 0, 40], "x was not over when y began"


def test_a_failure_is_traced_to_the_span_that_failed_first() -> None:
    assert [one.span.name for one in causes(waterfall(checkout(_AT)))] == ["charge"]


def test_the_same_call_over_and_over_is_told_of() -> None:
    (found,) = repeats(waterfall(checkout(_AT)))
    assert (found.name, found.calls, found.caller.span.service) == ("SELECT stock", 40, "catalogue")


def test_what_repeats_itself_is_drawn_a_few_times_and_shown_on_demand() -> None:
    whole = waterfall(checkout(_AT))
    (pile,) = [one for one in view(whole).rows if isinstance(one, Folded)]
    assert (pile.name, pile.spans) == ("SELECT stock", 37)
    assert view(whole, focus=f"{5:016x}", opened=f"{5:016x}").drawn == 41


@pytest.fixture(scope="module")
def large() -> Waterfall:
    return waterfall(wide(_AT))


def test_twenty_thousand_spans_are_bounded_and_every_failure_keeps_its_way(large: Waterfall) -> None:
    looked = view(large)
    assert looked.drawn <= MOST_ROWS < looked.inside == 20_000
    drawn = {large.nodes[at].span.id for at in looked.rows if isinstance(at, int)}
    assert {one.span.id for one in large.nodes if one.failed} <= drawn
    assert len(looked.rows) < 4 * MOST_ROWS


def test_a_chain_of_twenty_thousand_calls_is_no_deeper_than_can_be_drawn() -> None:
    chain = [span(n, n - 1 or None, "a", f"n{n % 3}", n, 30_000 - n) for n in range(1, 20_001)]
    random.Random(3).shuffle(chain)
    whole = waterfall(chain)
    assert max(one.depth for one in whole.nodes) == 19_999
    looked = view(whole)
    assert looked.drawn == MOST_ROWS
    (rest,) = [one for one in looked.rows if isinstance(one, Folded)]
    assert rest.spans == 20_000 - MOST_ROWS


def test_a_service_has_its_colour_whatever_else_is_in_the_trace() -> None:
    assert colours(["store"])["store"] == colours(["store", "a-service-of-another-colour"])["store"]
    assert len(set(colours(["a", "b", "c", "d", "e", "f"]).values())) == 6
    assert set(colours([str(number) for number in range(30)]).values()) <= set(range(1, 7))
