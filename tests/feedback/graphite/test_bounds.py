from __future__ import annotations

from datetime import UTC

import pytest

from andon.feedback.graphite.answers import as_csv, as_raw, told
from andon.feedback.graphite.contract import BadTarget, TookTooLong
from andon.feedback.graphite.service import Graphite, Question
from tests.feedback.graphite.measured import START, Told, every


def one() -> Told:
    return Told().graphite("a.b", every(10, 1, 2, 3, 4, 5, 6))


@pytest.mark.parametrize(
    "target",
    [
        "nothingLikeThis(a.b)",
        "scale(a.b)",
        "scale(a.b,'tuna')",
        "scale(a.b,1,2)",
        "scale(a.b,factr=1)",
        "scale(7,7)",
        "alias(a.b)",
        "movingAverage(a.b,0)",
        "movingAverage(a.b,'-0s')",
        "movingAverage(a.b,99999999999999)",
        "movingWindow(a.b,3,'tuna')",
        "summarize(a.b,'0s')",
        "summarize(a.b,'tuna')",
        "timeShift(a.b,'9999y')",
        "timeStack(a.b,'1d',0,100000)",
        "grep(a.b,'(')",
        "grep(a.b,'(?=x)')",
        "aliasSub(a.b,'a','\\7')",
        "consolidateBy(a.b,'tuna')",
        "filterSeries(a.b,'max','~',1)",
        "log(a.b,1)",
        "round(a.b,400)",
        "divideSeries(a.b,group(a.b,a.b))",
        "asPercent(group(a.b,a.b,a.b),group(a.b,a.b))",
        "template(a.$1,a.b)",
        "constantLine('x')",
        "time('x',0)",
        "a.{" + ",".join("x" * 3_000) + "}",
    ],
)
def test_what_cannot_be_answered_is_refused_with_what_to_do(target: str) -> None:
    with pytest.raises(BadTarget) as refused:
        one().asked(target)
    assert refused.value.message
    assert refused.value.remedy


@pytest.mark.parametrize(
    "target",
    [
        "aliasSub(alias(a.b,'" + "y" * 15_000 + "'),'.','" + "\\0" * 450 + "')",
        "applyByNode(alias(a.b,'" + "y" * 8_000 + "'),0,'" + "%" * 4_000 + "')",
        "template(" + "$1" * 4_000 + ",'" + "y" * 4_000 + "')",
    ],
)
def test_nothing_is_filled_in_until_memory_is_full(target: str) -> None:
    with pytest.raises(BadTarget, match="long"):
        one().asked(target)


def test_a_request_has_so_many_targets_at_most() -> None:
    with pytest.raises(BadTarget, match="51 targets"):
        one().asked(*["a.b"] * 51)


def test_a_pattern_names_so_many_series_at_most() -> None:
    many = Told()
    for number in range(2_001):
        many.graphite(f"a.n{number}", every(10, 1))
    with pytest.raises(BadTarget, match="2,001 series"):
        many.asked("a.*")
    assert len(many.asked("a.n1*")) == 1_111


def test_nested_windows_that_would_be_evaluated_again_and_again_come_to_an_end() -> None:
    target = "a.b"
    for _ in range(20):
        target = f"movingAverage({target},2)"
    with pytest.raises(BadTarget, match="call functions"):
        one().asked(target)


def test_a_request_that_takes_too_long_is_given_up() -> None:
    impatient = Graphite(one().measurements(), clock=lambda: START * 1000, patience=0)
    with pytest.raises(TookTooLong):
        impatient.rows(Question(targets=("scale(a.b,2)",), start=START - 60, end=START, now=START), sight=None)


def test_no_more_points_are_answered_than_can_be_drawn_and_the_same_ones_each_time() -> None:
    long = Told().graphite("a", every(10, *range(360)))
    [row] = long.asked("a", seconds=3_600)
    [shown] = told([row], 60)
    assert len(shown.datapoints) == 60
    apart = {later[1] - earlier[1] for earlier, later in zip(shown.datapoints, shown.datapoints[1:], strict=False)}
    assert apart == {60}
    assert all(at % 60 == 0 for _, at in shown.datapoints)
    [most] = long.asked("consolidateBy(a,'max')", seconds=3_600)
    assert told([most], 60)[0].datapoints[0] == (10, START + 60)
    assert told([row], 1)[0].datapoints == [(179.5, START + 10)]


def test_a_hole_is_null_in_json_none_in_raw_and_empty_in_csv() -> None:
    rows = Told().graphite("a", every(10, 1, None, 3, 4)).asked("a", seconds=40)
    assert told(rows)[0].datapoints[:2] == [(1, START + 10), (None, START + 20)]
    assert as_raw(rows) == f"a,{START + 10},{START + 50},10|1.0,None,3.0,4.0\n"
    assert as_csv(rows, UTC).splitlines()[:2] == ["a,2026-01-01 10:00:10,1.0", "a,2026-01-01 10:00:20,"]


def test_a_name_that_a_spreadsheet_would_run_is_quoted() -> None:
    rows = one().asked("alias(a.b,'=cmd()')", seconds=20)
    assert as_csv(rows, UTC).startswith("'=cmd()")
