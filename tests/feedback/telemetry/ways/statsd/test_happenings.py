"""DogStatsD's events and service checks."""

from __future__ import annotations

import pytest

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.logs import LogSource, Severity
from andon.feedback.telemetry.ways.statsd.happenings import check, event
from andon.feedback.telemetry.ways.statsd.lines import Refused
from andon.feedback.telemetry.ways.statsd.origins import ANYONE, Origin
from tests.feedback.telemetry.ways.statsd.station import NOW


def test_an_event_is_a_line_of_the_log() -> None:
    line = event(
        "_e{7,14}:Größe|one|two\\nthree|d:1790000001|h:web-1|p:low|k:sizes|s:app|t:warning|#env:live,a:b".encode(),
        NOW,
        Origin("shop"),
    )
    assert (line.body, line.severity, line.source) == ("Größe\none|two\nthree", Severity.WARN, LogSource.STATSD)
    assert (line.time, line.service, line.environment, line.instance) == (
        1_790_000_001_000_000,
        "shop",
        "live",
        "web-1",
    )
    assert line.fields == {
        "a": "b",
        "priority": "low",
        "aggregation_key": "sizes",
        "source_type": "app",
        "alert_type": "warning",
    }


@pytest.mark.parametrize(
    "sent",
    [
        b"_e{5,4}:title|tex",
        b"_e{0,4}:|text",
        b"_e{5}:title",
        b"_e{99999,99999}:title|text",
        b"_e{5,4}:title|text#a",
        b"_e{5,4}:title|text|d:now",
        b"_e{-1,4}:title|text",
    ],
)
def test_an_event_with_wrong_lengths_is_none(sent: bytes) -> None:
    with pytest.raises(Refused) as refused:
        event(sent, NOW, ANYONE)
    assert refused.value.why is Dropped.MALFORMED


def test_a_service_check_is_a_gauge_and_its_message_a_line() -> None:
    found = check(b"_sc|db.up|2|h:db-1|#env:live|m:refused\\nagain", NOW, ANYONE)
    assert (found.series.name, found.status, found.time) == ("db_up", 2.0, NOW)
    assert dict(found.series.labels) == {"environment": "live", "instance": "db-1"}
    assert found.line is not None
    assert (found.line.body, found.line.severity) == ("refused\nagain", Severity.ERROR)
    assert found.line.fields == {"check": "db.up"}


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"_sc|db|4", Dropped.MALFORMED),
        (b"_sc|db", Dropped.MALFORMED),
        (b"_sc||0", Dropped.NAME),
        (b"_sc|\xff|0", Dropped.NAME),
        (b"_sc|" + b"x" * 10_000 + b"|0", Dropped.TOO_LARGE),
    ],
)
def test_a_check_that_is_none_says_why(sent: bytes, why: Dropped) -> None:
    with pytest.raises(Refused) as refused:
        check(sent, NOW, ANYONE)
    assert refused.value.why is why
