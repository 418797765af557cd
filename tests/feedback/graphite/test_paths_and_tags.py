from __future__ import annotations

import time

import pytest

from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.service import Graphite
from andon.feedback.telemetry.contract.metrics import Kind
from andon.flow.sources.contract import Service
from tests.feedback.graphite.measured import START, Told, every, values_of


def servers() -> Told:
    told = Told()
    for name in ("web1", "web2", "web10", "db1"):
        told.graphite(f"servers.{name}.cpu", every(10, 1, 2, 3))
    return told


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("servers.*.cpu", ["db1", "web1", "web10", "web2"]),
        ("servers.web?.cpu", ["web1", "web2"]),
        ("servers.web[12].cpu", ["web1", "web2"]),
        ("servers.web[!1].cpu", ["web2"]),
        ("servers.{web1,db*}.cpu", ["db1", "web1"]),
        ("servers.{web,db}1.cpu", ["db1", "web1"]),
        ("*.web*.cpu", ["web1", "web10", "web2"]),
        ("servers.*", []),
        ("servers.*.*.*", []),
    ],
)
def test_patterns_are_graphites(pattern: str, found: list[str]) -> None:
    assert [row.name.split(".")[1] for row in servers().asked(pattern)] == found


def test_a_name_whose_letters_promql_does_not_have_is_found() -> None:
    told = Told().graphite("9lives.a-b%.c d", every(10, 1)).graphite("x.y_total", every(10, 5))
    assert [row.name for row in told.asked("9lives.a-b%.*")] == ["9lives.a-b%.c d"]
    assert told.values("x.y_total")[0] == 5


def test_a_pattern_of_many_stars_takes_no_longer_than_another() -> None:
    told = Told().graphite("a" * 200, every(10, 1))
    began = time.monotonic()
    assert told.asked("*a" * 60 + "b") == []
    assert time.monotonic() - began < 30  # with backtracking it would not end at all


def labelled() -> Told:
    return (
        Told()
        .counter("http_requests_total", every(10, 1, 2, 3), service="shop", code="200")
        .counter("http_requests_total", every(10, 10, 20, 30), service="shop", code="500")
        .counter("http_requests_total", every(10, 5, 5, 5), service="stock", code="200")
        .graphite("load", every(10, 7), host="a")
        .statsd("login", Kind.DELTA, [(12, 2)], service="shop")
    )


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ("'name=http_requests_total','service=shop'", ["200", "500"]),
        ("'name=http_requests_total','service!=shop'", ["200"]),
        ("'name=http_requests_total','code=~5'", ["500"]),
        ("'name=~http_req','code!=~2..'", ["500"]),
        ("'code=200'", ["200", "200"]),
        ("'name=nothing'", []),
    ],
)
def test_series_are_found_by_their_tags(conditions: str, found: list[str]) -> None:
    assert [row.tags["code"] for row in labelled().asked(f"seriesByTag({conditions})")] == found


def test_the_name_of_a_tagged_series_tells_its_tags() -> None:
    [row] = labelled().asked("seriesByTag('name=load')")
    assert row.name == "load;host=a"
    assert row.tags == {"name": "load", "host": "a"}


def test_statsds_paths_are_names_to_look_for_too() -> None:
    [row] = labelled().asked("seriesByTag('name=stats.counters.login.rate','service=shop')")
    assert row.name == "stats.counters.login.rate;service=shop"
    assert values_of(row)[0] == 0.2


def test_series_with_tags_of_their_own_are_not_found_by_path() -> None:
    assert labelled().asked("http_requests_total") == []
    assert labelled().asked("load") == []


def test_series_are_grouped_and_named_by_tags() -> None:
    rows = labelled().asked("groupByTags(seriesByTag('name=http_requests_total'),'sum','service')", seconds=30)
    assert [(row.name, values_of(row)) for row in rows] == [
        ("http_requests_total;service=shop", [11, 22, 33]),
        ("http_requests_total;service=stock", [5, 5, 5]),
    ]
    rows = labelled().asked("aliasByTags(seriesByTag('name=http_requests_total'),'service','code')")
    assert [row.name for row in rows] == ["shop.200", "stock.200", "shop.500"]


def test_tags_and_their_values_are_listed() -> None:
    graphite = Graphite(labelled().measurements())
    window = START, START + 60
    assert graphite.tags((), *window, sight=None) == ["code", "host", "name", "service"]
    assert graphite.values("code", (), *window, sight=None) == {"200": 2, "500": 1}
    assert graphite.values("code", ("service=stock",), *window, sight=None) == {"200": 1}
    assert graphite.tags(("name=load",), *window, sight=None) == ["host", "name"]


@pytest.mark.parametrize("condition", ["'service'", "'=x'", "'service!=shop'", "'service=~.*'", "'service=~('", ""])
def test_conditions_that_are_none_or_fit_everything_are_refused(condition: str) -> None:
    with pytest.raises(BadTarget):
        labelled().asked(f"seriesByTag({condition})")


def test_nobody_sees_what_they_may_not_see() -> None:
    stock = frozenset({Service("stock")})
    rows = labelled().asked("seriesByTag('name=~.+')", "stats.counters.*.count", sight=stock)
    assert [row.name for row in rows] == ["http_requests_total;code=200;service=stock", "load;host=a"]
    graphite = Graphite(labelled().measurements())
    assert "login" not in graphite.paths(START, START + 60, sight=stock)
    assert graphite.values("service", (), START, START + 60, sight=stock) == {"stock": 1}
