"""The words for times that addresses of graphs, logs and traces share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from andon.feedback.graphs.model.ranges import range_of
from andon.feedback.logs.model import ranges as of_logs
from andon.feedback.telemetry.contract.ranges import Unit, length_of, moment_of, span_of
from andon.feedback.traces.model import ranges as of_traces
from andon.kernel.errors import Invalid

NOW = 1_795_000_000_123
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", NOW),
        ("now", NOW),
        (" 6h ", NOW - 6 * HOUR),
        ("-6h", NOW - 6 * HOUR),
        ("now-30m", NOW - 30 * MINUTE),
        ("500ms", NOW - 500),
        ("2w", NOW - 14 * DAY),
        ("1795415309588", 1_795_415_309_588),
        ("0", 0),
        ("2026-11-23", 1_795_392_000_000),
        ("2026-11-23T06:00", 1_795_413_600_000),
        ("2026-11-23T06:00:00.250+01:00", 1_795_410_000_250),
        ("1969-12-31T23:59:59Z", -1000),
    ],
)
def test_the_same_words_are_the_same_moment_in_every_unit(text: str, moment: int, unit: Unit) -> None:
    assert moment_of(text, NOW * unit, unit) == moment * unit


def test_a_finer_unit_keeps_what_a_finer_clock_told() -> None:
    assert moment_of("2026-11-23T06:00:00.000001", 0, Unit.NS) == 1_795_413_600_000_001_000
    assert moment_of("2026-11-23T06:00:00.000001", 0, Unit.MS) == 1_795_413_600_000


@pytest.mark.parametrize(
    "wrong", ["yesterday", "6 hours", "-1", "1e99", "9" * 14, "9" * 30, "٣", "٣h", "6H", "9999-01-01", "now-", "h"]
)
def test_what_is_no_moment_or_does_not_fit_a_number_of_64_bits_is_refused(wrong: str) -> None:
    for unit in Unit:
        with pytest.raises(Invalid):
            moment_of(wrong, NOW * unit, unit)


@given(some.text(max_size=40), some.sampled_from(Unit))
def test_any_text_is_a_moment_of_64_bits_or_refused(text: str, unit: Unit) -> None:
    try:
        found = moment_of(text, NOW * unit, unit)
    except Invalid:
        return
    assert abs(found) < 2**63


def test_a_length_is_told_in_its_unit_and_nothing_else_is_one() -> None:
    assert length_of("90s") == 90_000
    assert length_of("now-1d", Unit.US) == DAY * 1000
    for wrong in ("", "now", "6", "1.5h"):
        with pytest.raises(Invalid):
            length_of(wrong)


def test_a_range_says_itself_in_words_and_whether_it_goes_on() -> None:
    told = {
        (start, end): (span.words, span.live)
        for start, end in (("", ""), ("15m", "now"), ("now-1d", ""), ("2h", "1h"), ("1794990000000", ""))
        for span in [span_of(start, end, NOW, usual="1h", days=800)]
    }
    assert told == {
        ("", ""): ("in the last hour", True),
        ("15m", "now"): ("in the last 15 minutes", True),
        ("now-1d", ""): ("in the last day", True),
        ("2h", "1h"): ("in the time chosen", False),
        ("1794990000000", ""): ("in the time chosen", True),
    }


@pytest.mark.parametrize(("start", "end"), [("0s", ""), ("1h", "2h"), ("900d", ""), ("soon", ""), ("1h", "٣")])
def test_ranges_that_are_none_are_refused(start: str, end: str) -> None:
    for unit in Unit:
        with pytest.raises(Invalid):
            span_of(start, end, NOW * unit, unit, usual="1h", days=800)


def test_an_address_means_the_same_time_on_graphs_among_logs_and_among_traces() -> None:
    for start, end in (
        ("24h", ""),
        ("7d", "1d"),
        ("1794990000000", "1794993600000"),
        ("2026-11-01", "2026-11-02T12:00"),
    ):
        graph = range_of(start, end, NOW, step=1000)
        lines, spans = of_logs.span_of(start, end, NOW * 1000), of_traces.span_of(start, end, NOW * 1_000_000)
        assert lines.start * 1000 == spans.start
        assert lines.end * 1000 == spans.end
        assert graph.start == lines.start // 1000 // graph.step * graph.step
        assert graph.end == lines.end // 1000 // graph.step * graph.step
