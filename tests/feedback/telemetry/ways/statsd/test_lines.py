"""One line is read exactly, and what is wrong with it is said."""

from __future__ import annotations

import pytest

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.metrics import Kind, Level, series_id
from andon.feedback.telemetry.ways.statsd.lines import MOST_COPIES, Refused, Type, judge, number, read
from andon.feedback.telemetry.ways.statsd.origins import ANYONE, Origin


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"no colon", Dropped.MALFORMED),
        (b"a:1", Dropped.MALFORMED),
        (b"a|c:1", Dropped.MALFORMED),
        (b"a:1|zz", Dropped.MALFORMED),
        (b"a:1|", Dropped.MALFORMED),
        (b"a:1|c|@0", Dropped.MALFORMED),
        (b"a:1|c|@1.5", Dropped.MALFORMED),
        (b"a:1|c|@-0.5", Dropped.MALFORMED),
        (b"a:1|c|@often", Dropped.MALFORMED),
        (b"a:1|c|@nan", Dropped.NOT_A_NUMBER),
        (b"a:1|c|surprise", Dropped.MALFORMED),
        (b"a:1|c|Tnoon", Dropped.MALFORMED),
        (b"a:1|c|T1|T2", Dropped.MALFORMED),
        (b":1|c", Dropped.NAME),
        (b"x" * 256 + b":1|c", Dropped.NAME),
        (b"x" * 10_000 + b":1|c", Dropped.TOO_LARGE),
        (b"\xff\xfe:1|c", Dropped.NAME),
        (b"a:1|c|#k:\xff", Dropped.NAME),
        (b"a\x00b:1|c", Dropped.NAME),
        (b"a:1|c|#k:a\x01b", Dropped.NAME),
    ],
)
def test_a_line_that_is_none_says_why(line: bytes, why: Dropped) -> None:
    with pytest.raises(Refused) as refused:
        read(line)
    assert refused.value.why is why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", Dropped.MALFORMED),
        (b"x", Dropped.MALFORMED),
        (b"1_0", Dropped.MALFORMED),
        (b" 1", Dropped.MALFORMED),
        (b"0x10", Dropped.MALFORMED),
        (b"e5", Dropped.MALFORMED),
        (b".", Dropped.MALFORMED),
        (b"1e", Dropped.MALFORMED),
        (b"NaN", Dropped.NOT_A_NUMBER),
        (b"-inf", Dropped.NOT_A_NUMBER),
        (b"Infinity", Dropped.NOT_A_NUMBER),
        (b"1e999", Dropped.NOT_A_NUMBER),
        (b"1e-999", Dropped.NOT_A_NUMBER),
    ],
)
def test_a_value_is_a_finite_number(text: bytes, why: Dropped) -> None:
    with pytest.raises(Refused) as refused:
        number(text)
    assert refused.value.why is why


def test_everything_a_line_may_say_is_read() -> None:
    line = read(b"login.time:1.5:-2:+3e2|ms|@0.1|#a:b,c|T1656581400|c:ci-83c0|e:it-false\r")
    assert (line.name, line.type, line.rate, line.time) == ("login.time", Type.TIMER, 0.1, 1656581400)
    assert [number(value) for value in line.values] == [1.5, -2.0, 300.0]


def test_unified_tags_become_the_labels_that_everybody_uses() -> None:
    key = b"http.requests:0|c|#env:live,version:abc1234,service:shop,pod_name:p,host:h,http.route:/a:b,beta,:x,,empty:"
    series = judge(key, ANYONE).series
    assert (series.name, series.path) == ("http_requests", "http.requests")
    assert dict(series.labels) == {
        "environment": "live",
        "version": "abc1234",
        "service": "shop",
        "instance": "h",
        "http_route": "/a:b",
        "beta": "true",
    }
    assert series.id == series_id(series.name, series.labels)


def test_the_order_of_tags_makes_no_other_series() -> None:
    assert judge(b"a:0|c|#x:1,y:2", ANYONE).series == judge(b"a:0|c|@0.5|#y:2,x:1", ANYONE).series


def test_what_is_known_of_an_origin_overrides_what_it_says() -> None:
    told = judge(b"a:0|c|#service:bank,env:live,version:1", Origin("shop", "test", "abc1234", "i-1")).series
    assert dict(told.labels) == {
        "service": "shop",
        "environment": "test",
        "version": "abc1234",
        "instance": "i-1",
    }
    partly = judge(b"a:0|c|#service:bank,env:live", Origin("shop")).series
    assert dict(partly.labels) == {"service": "shop", "environment": "live"}


@pytest.mark.parametrize(
    ("key", "level"),
    [
        (b"business.orders:0|c", Level.BUSINESS),
        (b"orders:0|c|#level:business", Level.BUSINESS),
        (b"orders:0|c|#andon.level:client", Level.CLIENT),
        (b"business.orders:0|c|#andon_level:application", Level.APPLICATION),
        (b"orders:0|c|#level:high", Level.APPLICATION),
        (b"businesslike:0|c", Level.APPLICATION),
    ],
)
def test_the_level_is_said_by_a_tag_or_by_the_name(key: bytes, level: Level) -> None:
    assert judge(key, ANYONE).series.level is level


@pytest.mark.parametrize(
    ("key", "kind", "unit", "multiplier", "copies"),
    [
        (b"a:0|c|@0.1", Kind.DELTA, "", 10.0, 1.0),
        (b"a:0|g|@0.1", Kind.GAUGE, "", 1.0, 1.0),
        (b"a:0|ms|@0.25", Kind.OBSERVATION, "ms", 1.0, 4.0),
        (b"a:0|h", Kind.OBSERVATION, "", 1.0, 1.0),
        (b"a:0|d|@0.0001", Kind.OBSERVATION, "", 1.0, float(MOST_COPIES)),
        (b"a:0|s", Kind.GAUGE, "", 1.0, 1.0),
    ],
)
def test_a_type_says_what_the_numbers_mean(key: bytes, kind: Kind, unit: str, multiplier: float, copies: float) -> None:
    meaning = judge(key, ANYONE)
    assert (meaning.series.kind, meaning.series.unit) == (kind, unit)
    assert (meaning.multiplier, meaning.copies) == (multiplier, copies)


def test_only_a_gauge_with_a_sign_is_relative() -> None:
    assert [judge(key, ANYONE).relative for key in (b"a:+0|g", b"a:-0|g", b"a:0|g", b"a:-0|c")] == [
        True,
        True,
        False,
        False,
    ]


def test_more_or_longer_labels_than_are_kept_are_refused_with_their_service() -> None:
    many = ",".join(f"k{n}:v" for n in range(65)).encode()
    for tags in (many, b"k:" + b"v" * 1025, b"k" * 256 + b":v"):
        with pytest.raises(Refused) as refused:
            judge(b"a:0|c|#service:shop," + tags, ANYONE)
        assert refused.value.why is Dropped.NAME
