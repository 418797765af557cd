from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.feedback.promql.contract import BadQuery
from andon.feedback.promql.parsing import LONGEST_QUERY, matchers, parse, pretty
from andon.feedback.promql.syntax import (
    Aggregation,
    Binary,
    Call,
    Cardinality,
    Grouping,
    Matching,
    Moment,
    Negation,
    Number,
    Selector,
    Shift,
    Subquery,
    Window,
)
from andon.feedback.telemetry.contract.metrics import NAME, Comparison, Matcher


def _named(name: str, shift: Shift | None = None) -> Selector:
    return Selector((Matcher(NAME, Comparison.EQUAL, name),), shift or Shift())


def test_a_selector_has_its_name_and_conditions_as_matchers() -> None:
    assert parse('up{job="a", pod!="b", x=~"c.*", y!~"d"}') == Selector(
        (
            Matcher(NAME, Comparison.EQUAL, "up"),
            Matcher("job", Comparison.EQUAL, "a"),
            Matcher("pod", Comparison.UNEQUAL, "b"),
            Matcher("x", Comparison.LIKE, "c.*"),
            Matcher("y", Comparison.UNLIKE, "d"),
        ),
        Shift(),
    )


def test_offset_and_at_are_milliseconds() -> None:
    assert parse("up offset -1m30s @ 1.5") == _named("up", Shift(offset=-90_000, at=1_500))
    assert parse("up @ end()") == _named("up", Shift(at=Moment.END))
    assert parse("up[5m] @ start()") == Window(_named("up", Shift(at=Moment.START)), 300_000)


def test_a_subquery_without_a_step_takes_the_default() -> None:
    assert parse("up[1h:] offset 5m") == Subquery(_named("up"), 3_600_000, None, Shift(offset=300_000))
    assert parse("up[1h:30s]") == Subquery(_named("up"), 3_600_000, 30_000, Shift())


def test_power_binds_to_the_right_and_before_the_sign() -> None:
    def power(left: Number | Binary, right: Number | Binary) -> Binary:
        return Binary("^", left, right, Matching(), as_bool=False)

    assert parse("-2 ^ 3 ^ 2") == Negation(power(Number(2), power(Number(3), Number(2))))


def test_matching_says_which_side_has_many() -> None:
    assert parse("a * on(x) group_left(y) b") == Binary(
        "*",
        _named("a"),
        _named("b"),
        Matching(labels=("x",), on=True, cardinality=Cardinality.MANY_TO_ONE, include=("y",)),
        as_bool=False,
    )
    found = parse("a > bool ignoring(x) b")
    assert isinstance(found, Binary)
    assert found.as_bool
    assert found.matching == Matching(labels=("x",))


def test_grouping_stands_before_or_after() -> None:
    wanted = Aggregation("sum", _named("a"), None, Grouping(("x", "y"), without=True))
    assert parse("sum without(x, y) (a)") == wanted
    assert parse("sum(a) without(x, y)") == wanted


def test_holt_winters_is_known_under_its_old_name() -> None:
    assert isinstance(parse("holt_winters(a[5m], 0.5, 0.5)"), Call)


def test_backslashes_in_raw_strings_stay_as_they_are() -> None:
    found = parse('up{a=`\\d+"\n`, b="`"} # `')
    assert isinstance(found, Selector)
    assert [one.value for one in found.matchers] == ["up", '\\d+"\n', "`"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "sum(",
        "rate(up)",
        "up[5m] + 1",
        "nothing(up)",
        'up{a=~"("}',
        'up{a=~"(?=x)"}',
        'up{a=~"(x)\\\\1"}',
        "{}",
        '{a=~".*"}',
        'up{a="1" or b="2"}',
        "1 and 2",
        "1 > 2",
        "up @ -5",
        "up @ -\t5",
        "up @ 1e40",
        "up[9999999999999999y]",
        "up offset 9999999y",
        "rate(up[0s])",
        "rate(up[1e400])",
        "rate(up[99999999999999999999])",
        "rate(up[1h:59999999999999999999])",
        "up offset 1e308",
        "up offset -Inf",
        "up offset NaN",
        "up offset 9999999999999999999",
        "rate(up[0xfffffffffffffffffff])",
    ],
)
def test_what_is_no_query_is_refused_with_a_reason(query: str) -> None:
    with pytest.raises(BadQuery) as caught:
        parse(query)
    assert caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    "query",
    [
        "(" * 5_000 + "1" + ")" * 5_000,
        "-" * 5_000 + "1",
        "1" + "+1" * 15_000,
        "2" + "^2" * 15_000,
        "abs(" * 5_000 + "a" + ")" * 5_000,
        "a[5m:]" * 3_000,
        "a" + " or a" * 5_000,
        "1" * (LONGEST_QUERY + 1),
        "sum by (x) " * 900 + "(a)",
    ],
    ids=lambda query: query[:12],
)
def test_a_query_that_nests_without_bound_ends_nothing_but_itself(query: str) -> None:
    with pytest.raises(BadQuery):
        parse(query)


_WORDS = (
    *("up", "rate", "sum", "by", "(", ")", "[", "]", "{", "}", ":", "5m", "1e400", "9" * 20, "offset", "@", "-"),
    *("end()", "NaN", "Inf", "0x", '"s"', "`r", "'q'", "=~", "on", "group_left", "bool", "+", "^", "\x00", "é"),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(_WORDS), max_size=9).map(" ".join))
def test_whatever_is_written_is_a_query_or_refused(query: str) -> None:
    for read in (parse, pretty):
        with suppress(BadQuery):
            assert read(query)


def test_signs_within_strings_and_comments_count_for_nothing() -> None:
    inner = "(" * 2_000
    assert isinstance(parse(f'up{{a="{inner}"}} # {inner}'), Selector)


def test_a_selector_alone_is_needed_where_series_are_named() -> None:
    assert matchers('{job="a"}') == (Matcher("job", Comparison.EQUAL, "a"),)
    for query in ("rate(a[5m])", "a offset 5m", "1"):
        with pytest.raises(BadQuery):
            matchers(query)


def test_a_query_is_laid_out() -> None:
    assert pretty('sum(rate(a{b="c"}[5m]))by(x)').startswith("sum by (x)")
