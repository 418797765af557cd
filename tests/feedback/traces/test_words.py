"""Durations, times and attributes as people write and read them."""

from __future__ import annotations

import pytest

from andon.feedback.telemetry.contract.traces import TraceSummary
from andon.feedback.traces.addresses import attributes_of, wanted
from andon.feedback.traces.model.ranges import MS, SECOND, duration_of, said, span_of
from andon.feedback.traces.model.spread import HEIGHT, spread
from andon.feedback.traces.terminal import drawn
from andon.feedback.traces.views import SpanShape, TraceShape
from andon.kernel.errors import Invalid

_NOW = 1_790_000_000 * SECOND


@pytest.mark.parametrize(
    ("nanoseconds", "told"),
    [(0, "0 ns"), (340, "340 ns"), (12_300, "12.3 µs"), (4_250_000, "4.25 ms"), (999_600_000, "1 s"),
     (1_240 * MS, "1.24 s"), (59_960 * MS, "1 m"), (192 * SECOND, "3 m 12 s"), (7_500 * SECOND, "2 h 5 m"),
     (-80 * MS, "−80 ms")],
)  # fmt: skip
def test_a_duration_is_said_in_three_digits(nanoseconds: int, told: str) -> None:
    assert said(nanoseconds) == told


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("250ms", 250 * MS), ("1.5 s", 1500 * MS), ("40", 40 * MS), ("300µs", 300_000), ("", 0), ("2m", 120 * SECOND)],
)
def test_a_duration_is_read_and_a_bare_number_is_milliseconds(text: str, nanoseconds: int) -> None:
    assert duration_of(text) == nanoseconds


@pytest.mark.parametrize("text", ["fast", "-3ms", "1e9s", "٣ms", "1 h 5"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        duration_of(text)


def test_times_are_named_as_on_graphs() -> None:
    assert span_of("6h", "", _NOW).words == "in the last 6 hours"
    assert span_of("", "", _NOW).start == _NOW - 3600 * SECOND
    fixed = span_of("2026-09-21T10:00", "2026-09-21T11:00", _NOW)
    assert fixed.end - fixed.start == 3600 * SECOND
    for start, end in (("1h", "2h"), ("999999w", ""), ("soon", ""), ("9" * 30, "")):
        with pytest.raises(Invalid):
            span_of(start, end, _NOW)


def test_attributes_are_pairs_and_quotes_hold_spaces() -> None:
    assert attributes_of('http.route=/cart  user="a guest" empty=') == {
        "http.route": "/cart",
        "user": "a guest",
        "empty": "",
    }
    for wrong in ("route", "=x", 'a="b', " ".join(f"a{n}=1" for n in range(9))):
        with pytest.raises(Invalid):
            attributes_of(wrong)


def test_everything_asked_for_stands_in_the_address() -> None:
    query = b"service=store&name=GET+%2F&at_least=250ms&failed=1&attributes=a%3Db&from=6h&version=3f2c91a&x=y"
    asked = wanted(query)
    assert wanted(asked.address().partition("?")[2].encode()) == asked
    found = asked.query(asked.span(_NOW))
    assert (found.service, found.name, found.at_least, found.failed) == ("store", "GET /", 250 * MS, True)
    with pytest.raises(Invalid):
        wanted(b"name=" + b"a" * 400)


def _summary(duration: int, start: int = _NOW, errors: int = 0) -> TraceSummary:
    return TraceSummary(
        trace="ab" * 16, start=start, duration=duration, service="a", name="b", spans=1, errors=errors, services=("a",)
    )


@pytest.mark.parametrize("durations", [(0,), (5,), (1, 10**15), (7, 7, 7), tuple(range(1, 400))])
def test_dots_and_bins_lie_inside_the_picture(durations: tuple[int, ...]) -> None:
    drawn_ = spread([_summary(one) for one in durations], _NOW - SECOND, _NOW + SECOND)
    assert drawn_ is not None
    assert all(0 <= dot.x <= 100 and 0 <= dot.y <= HEIGHT for dot in drawn_.dots)
    assert all(0 < one.width <= 100 and one.y >= 0 for one in drawn_.bins)
    assert 1 <= len(drawn_.lines) <= 7
    assert bool(drawn_.slow) == (len(durations) >= 20), "of a few there is no 95th percentile"
    assert all(0 <= drawn_.place(one) <= 100 for one in durations)


def test_nothing_is_drawn_of_nothing() -> None:
    assert spread([], 0, 1) is None


def _shape(id: int, depth: int, start: int, duration: int, *, critical: bool = False, status: str = "ok") -> SpanShape:
    return SpanShape(
        id=f"{id:016x}",
        service="store",
        name=f"step {id}",
        kind="internal",
        start=start,
        duration=duration,
        status=status,
        depth=depth,
        self_time=duration,
        critical=[(start, start + duration)] if critical else [],
    )


def test_the_terminal_draws_bars_where_spans_lie_and_what_was_waited_for_thick() -> None:
    trace = TraceShape(
        trace="ab" * 16, start=0, duration=100, errors=1, complete=True, repeated=0,
        spans=[_shape(1, 0, 0, 100, critical=True), _shape(2, 1, 50, 50, status="error")],
    )  # fmt: skip
    root, child = drawn(trace, width=60)
    assert set(root.bar) == {"━"}
    assert child.bar.strip() == "─" * (len(root.bar) // 2)
    assert child.bar.startswith(" " * (len(root.bar) // 2))
    assert child.failed
    assert child.label.startswith("  ✗ store step 2")


def test_the_terminal_draws_the_longest_and_the_failed_with_the_way_to_them() -> None:
    spans = [_shape(1, 0, 0, 100)] + [_shape(n, 1, 0, n) for n in range(2, 500)]
    spans[3] = _shape(4, 1, 0, 1, status="error")
    trace = TraceShape(trace="ab" * 16, start=0, duration=100, errors=1, complete=True, repeated=0, spans=spans)
    lines = drawn(trace, most=20)
    assert len(lines) == 20
    assert lines[0].label.startswith("store step 1 ")
    assert any(one.failed for one in lines)
