from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.times import moment, seconds_of

NOW = int(datetime(2026, 3, 11, 14, 25, 36, tzinfo=UTC).timestamp())  # a Wednesday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-03-11 14:25:36"),
        ("", "2026-03-11 14:25:36"),
        ("-1h", "2026-03-11 13:25:36"),
        ("now-5min", "2026-03-11 14:20:36"),
        ("now+1d", "2026-03-12 14:25:36"),
        ("-1h30min", "2026-03-11 12:55:36"),
        ("-1mon", "2026-02-09 14:25:36"),
        ("-1y", "2025-03-11 14:25:36"),
        ("midnight", "2026-03-11 00:00:00"),
        ("midnight-1d", "2026-03-10 00:00:00"),
        ("today", "2026-03-11 00:00:00"),
        ("yesterday", "2026-03-10 00:00:00"),
        ("noon yesterday", "2026-03-10 12:00:00"),
        ("teatime", "2026-03-11 16:00:00"),
        ("10:00_20260301", "2026-03-01 10:00:00"),
        ("20260301", "2026-03-01 00:00:00"),
        ("6pm today", "2026-03-11 18:00:00"),
        ("8:30pm yesterday", "2026-03-10 20:30:00"),
        ("03/01/26", "2026-03-01 00:00:00"),
        ("12/31/99", "1999-12-31 00:00:00"),
        ("january 8", "2026-01-08 00:00:00"),
        ("monday", "2026-03-09 00:00:00"),
        ("wednesday", "2026-03-11 00:00:00"),
        ("1767261600", "2026-01-01 10:00:00"),
    ],
)
def test_every_way_in_which_graphite_writes_a_time_is_understood(text: str, expected: str) -> None:
    found = datetime.fromtimestamp(moment(text, now=NOW, zone=UTC), UTC)
    assert found.strftime("%Y-%m-%d %H:%M:%S") == expected


def test_the_day_begins_where_the_asker_lives() -> None:
    zone = ZoneInfo("America/New_York")
    assert moment("midnight", now=NOW, zone=zone) == int(datetime(2026, 3, 11, tzinfo=zone).timestamp())


@pytest.mark.parametrize(
    "text", ["tuna", "-1parsec", "25:00", "13/45/26", "march", "-", "--1h", "99999999999999", "20261399999", "x" * 500]
)
def test_what_is_no_time_is_refused_with_the_ways_to_write_one(text: str) -> None:
    with pytest.raises(BadTarget) as refused:
        moment(text, now=NOW, zone=UTC)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h", 3600), ("-10min", -600), ("+2d", 172_800), ("1w", 604_800), ("1min30s", 90)]
)
def test_spans_are_added_up(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds
