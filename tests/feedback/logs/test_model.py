"""Ranges, marks and proposals, by hand."""

from __future__ import annotations

import re

import pytest

from andon.feedback.logs.addresses import origin_address, term_text, trace_address, wanted, with_term
from andon.feedback.logs.model.counting import as_phrases, as_words, metric_of
from andon.feedback.logs.model.marking import Marker, head_and_rest, seen
from andon.feedback.logs.model.ranges import HOUR, bars_of, span_of, width_in_words
from andon.feedback.logs.patterns import is_new
from andon.feedback.logs.service import Deployed
from andon.feedback.telemetry.contract.logs import LogLine, Template, Term, TermKind
from andon.feedback.telemetry.contract.searching import Matching, parse
from andon.feedback.telemetry.store.templates import masked
from andon.kernel.errors import Invalid

NOW = 1_795_415_309_588_707


@pytest.mark.parametrize(("start", "end"), [("0s", ""), ("1h", "2h"), ("900d", ""), ("soon", ""), ("1h", "٣")])
def test_ranges_that_are_none_are_refused(start: str, end: str) -> None:
    with pytest.raises(Invalid):
        span_of(start, end, NOW)


@pytest.mark.parametrize("start", ["1s", "90s", "15m", "1h", "6h", "24h", "7d", "30d", "799d"])
def test_bars_cover_the_whole_range_and_are_as_long_as_people_count(start: str) -> None:
    span = span_of(start, "", NOW)
    first, last, width = bars_of(span)
    assert first <= span.start < first + width
    assert last - width < span.end <= last
    assert (last - first) % width == 0
    assert 10 <= (last - first) // width <= 92
    assert re.fullmatch(r"(\d+ )?(millisecond|second|minute|hour|day|week)s?", width_in_words(width))


def test_a_range_says_itself_in_words() -> None:
    assert span_of("", "", NOW).words == "in the last hour"
    assert span_of("15m", "", NOW).words == "in the last 15 minutes"
    assert span_of("2h", "1h", NOW).words == "in the time chosen"


def test_marks_are_where_the_search_finds_and_keep_the_colours() -> None:
    marker = Marker.of(parse('error "p id" -gone service:store'))
    assert marker.pieces("An \x1b[31mERROR in\x1b[0m errors, p id and gone") == (
        ("An ", "", False),
        ("ERROR", "fg-1", True),
        (" in", "fg-1", False),
        (" errors, ", "", False),
        ("p id", "", True),
        (" and gone", "", False),
    )
    assert Marker.of(parse('"ab"')).pieces("xa\x1b[1mbx") == (
        ("x", "", False),
        ("a", "", True),
        ("b", "b", True),
        ("x", "b", False),
    )
    assert Marker.of(()).pieces("") == ()


def test_a_field_shows_what_a_line_leaves_out() -> None:
    assert seen("a\x00b\u202ec\x1b[1m") == "a�b�c�[1m"
    assert head_and_rest("\nfirst\nsecond\nthird\n") == ("first", "second\nthird")


@pytest.mark.parametrize(
    "line",
    [
        "payment refused by the bank for order 4411",
        'user "maxine" signed in from 10.0.0.1',
        r"C:\temp\x7 was not there: \"quoted\"",
        "\x1b[31mred 17\x1b[0m alert",
        "GET /products/17 200 in 4 ms",
        "ошибка 17 при оплате",
    ],
)
def test_what_is_proposed_for_a_pattern_finds_its_lines(line: str) -> None:
    found = LogLine(time=0, body=line)
    proposed = [one for one in (as_phrases(masked(line)), as_words(masked(line))) if one]
    assert any(Matching(parse(query)).fits(found) for query in proposed), proposed
    assert re.fullmatch(r"[a-z_][a-z0-9_]*", metric_of(masked(line)))


def test_a_metric_is_called_by_the_words_that_mean_something() -> None:
    assert metric_of("payment refused by the bank for order <*>") == "payment_refused_bank_order"
    assert metric_of("<*> 404 <*>") == "lines_404"
    assert metric_of("<*>") == "lines"
    assert metric_of("basket lost", ["basket_lost", "basket_lost_2"]) == "basket_lost_3"


def test_terms_that_no_search_can_say_are_not_offered() -> None:
    assert term_text("user", 'Maxine "C"') == r'user:"Maxine \"C\""'
    assert term_text("user", "x", negated=True) == "-user:x"
    assert term_text("two words", "x") == ""
    assert term_text("user", "x" * 1_000) == ""


def test_a_term_that_is_there_is_taken_away_and_one_against_it_replaced() -> None:
    term = Term(TermKind.FIELD, "store", "service")
    assert with_term(parse("bank"), term) == "bank service:store"
    assert with_term(parse("bank service:store"), term) == "bank"
    assert with_term(parse("bank -service:store"), term) == "bank service:store"


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        ("job:run_01/commit/unit tests/2", "/runs/run_01?job=commit/unit%20tests&attempt=2#L8"),
        ("instance:ins_1/3", "/services/store/environments/production/instances/ins_1#L8"),
        ("instance:../../x/3", ""),
        ("job:run_01/a/b/c", ""),
        ("javascript:alert(1)", ""),
        ("", ""),
    ],
)
def test_an_origin_leads_to_the_very_line_where_it_is_ours(origin: str, address: str) -> None:
    line = LogLine(time=0, body="", service="store", environment="production", origin=origin, position=7)
    assert origin_address(line)[0] == address


def test_a_trace_is_an_address_only_if_it_is_one() -> None:
    assert trace_address("4bf92f3577b34da6a3ce929d0e0e4736") == "/traces/4bf92f3577b34da6a3ce929d0e0e4736"
    assert trace_address("javascript:alert(1)") == trace_address("../..") == trace_address("") == ""


def test_an_address_says_its_search_and_takes_no_more_than_it_can_hold() -> None:
    asked = wanted(b"q=a+%22b%20%20c%22&from=6h&severity=warn&add=user%3Ax")
    assert asked.text == 'a "b  c" user:x'
    assert asked.address() == "/logs?q=a%20%22b%20%20c%22%20user%3Ax&from=6h&severity=warn"
    assert asked.address("/logs/tail", **{"from": ""}) == "/logs/tail?q=a%20%22b%20%20c%22%20user%3Ax&severity=warn"
    assert asked.span(NOW).start == NOW - 6 * HOUR
    with pytest.raises(Invalid):
        wanted(b"q=" + b"x" * 9_000)


@pytest.mark.parametrize(
    ("version", "first_seen", "new"),
    [
        ("b81d07e", 150, True),  # said while the new version was tested
        ("b81d07e", 250, True),
        ("3f2c91a", 50, False),
        ("3f2c91a", 250, True),  # by an instance of the former version, and yet only since
        ("b81d07e", 50, False),  # the version came back, and has said it before the other one was there
        ("", 150, False),
    ],
)
def test_what_came_with_a_deployment_was_first_said_by_its_version_or_since(
    version: str, first_seen: int, new: bool
) -> None:
    last = Deployed(
        deployment="dep",
        service="store",
        environment="production",
        version="b81d07e",
        at=200,
        succeeded=True,
        after=100,
    )
    said = Template(id=1, text="low on <*>", service="store", first_seen=first_seen, first_version=version)
    assert is_new(said, last) is new
    assert not is_new(Template(id=1, text="x", service="till", first_seen=300, first_version=version), last)
