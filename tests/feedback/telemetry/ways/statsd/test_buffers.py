"""What has been received, before anything is known of it."""

from __future__ import annotations

from andon.feedback.telemetry.ways.statsd.buffers import Buffer


def test_lines_are_counted_whatever_stands_before_the_runs_they_are_in() -> None:
    buffer = Buffer(1 << 20)
    # an origin and a time made of line feeds, and a run that is longer than one byte of seven bits tells
    line_feeds = 0x0A0A0A0A0A0A0A0A
    for lines in (3, 1, 5_000):
        place = buffer.begin()
        told = b"hits:1|c\n" * lines
        buffer.bytes[place : place + len(told)] = told
        buffer.end(place + len(told), line_feeds, line_feeds >> 1)
    assert buffer.lines() == 5_004
    buffer.clear()
    assert buffer.lines() == 0
