"""The same questions, put to the store: its patterns must let no path slip through."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from andon.feedback.graphite.service import Graphite, Question
from andon.feedback.telemetry.contract.metrics import Kind, Series, canonical, metric_name, series_id
from andon.feedback.telemetry.store.engine import DATABASE
from andon.feedback.telemetry.store.schema import upgrade
from tests.feedback.graphite.measured import values_of
from tests.feedback.telemetry.asking.filling import NOW, InStore
from tests.feedback.telemetry.engine import the_engine

START = NOW // 1000 - 600


@pytest.fixture
def store() -> Iterator[InStore]:
    engine = the_engine()
    engine.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")
    engine.command(f"CREATE DATABASE {DATABASE}")
    upgrade(engine)
    made = InStore(engine)
    yield made
    made.close()


def _put(store: InStore, path: str, kind: Kind, values: list[float], **labels: str) -> None:
    id_ = series_id(path if kind is Kind.GAUGE else metric_name(path), canonical(labels))
    one = Series(id=id_, name=metric_name(path), labels=canonical(labels), kind=kind, path=path)
    store.put(one, [(START + 10 + 10 * index) * 1000 for index in range(len(values))], values)


def test_paths_are_found_and_read_in_the_store(store: InStore) -> None:
    _put(store, "servers.web-1.cpu%.user", Kind.GAUGE, [1, 2, 3])
    _put(store, "9lives.cat_total", Kind.GAUGE, [9, 9, 9])
    _put(store, "login.success", Kind.DELTA, [1, 2, 3], service="shop", instance="a")
    _put(store, "login.success", Kind.DELTA, [10, 20, 30], service="shop", instance="b")
    _put(store, "checkout.time", Kind.OBSERVATION, [5, 7, 9], service="shop")
    _put(store, "http_requests_total", Kind.COUNTER, [100, 110, 130], service="shop", code="200")
    graphite = Graphite(store.measurements(), clock=lambda: NOW)

    def asked(target: str) -> dict[str, list[float | None]]:
        question = Question(targets=(target,), start=START, end=START + 30, now=START + 30)
        return {row.name: values_of(row) for row in graphite.rows(question, sight=None)}

    assert asked("servers.web-1.cpu%.user") == {"servers.web-1.cpu%.user": [1, 2, 3]}
    assert asked("servers.{web-1,x}.*.us[a-f]r") == {"servers.web-1.cpu%.user": [1, 2, 3]}
    assert asked("9lives.*") == {"9lives.cat_total": [9, 9, 9]}
    assert asked("stats.counters.login.*.count") == {"stats.counters.login.success.count": [11, 22, 33]}
    assert asked("stats.timers.checkout.time.upper_90") == {"stats.timers.checkout.time.upper_90": [5, 7, 9]}
    assert asked("perSecond(seriesByTag('name=http_requests_total','code=~2'))") == {
        "perSecond(http_requests_total;code=200;service=shop)": [None, 1, 2]
    }
    assert asked("seriesByTag('name=~^login','instance!=a')") == {"login.success;instance=b;service=shop": [10, 20, 30]}
    roots = [one.path for one in graphite.find("*", START, START + 30, sight=None)]
    assert roots == ["9lives", "checkout", "login", "servers", "stats", "stats_counts"]
