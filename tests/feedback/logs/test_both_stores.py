"""The lines in memory and those of the real store answer alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from andon.feedback.telemetry.asking.logs import StoredLogs
from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.contract.logs import LogLine, LogQuery, LogStore, Severity
from andon.feedback.telemetry.contract.metrics import Sight
from andon.feedback.telemetry.contract.searching import parse
from andon.feedback.telemetry.memory_logs import MemoryLogs
from andon.feedback.telemetry.store.engine import DATABASE
from andon.feedback.telemetry.store.schema import upgrade
from andon.flow.sources.contract import Service
from tests.feedback.logs.chatter import HOSTILE, HOUR, MINUTE, Chatter, now_us
from tests.feedback.telemetry.asking.filling import InStore
from tests.feedback.telemetry.engine import the_engine

CATALOGUE: Sight = frozenset({Service("catalogue")})
SEARCHES = (
    "",
    "payment refused",
    '"payment refused" -order',
    "service:store bank:north",
    "-service:store",
    "http.status:200 GET",
    "basket -http.status:200",
    "source:otlp",
    "version:b81d07e environment:production",
    "nothing-like-it",
)


@pytest.fixture(scope="module")
def lines() -> tuple[LogLine, ...]:
    chatter = Chatter(now_us(), hours=3)
    hostile = (chatter.said(chatter.now - MINUTE + turn, text) for turn, text in enumerate(HOSTILE))
    return tuple(sorted((*chatter.lines(), *hostile), key=lambda one: one.time))


@pytest.fixture(scope="module")
def stores(lines: tuple[LogLine, ...]) -> Iterator[tuple[LogStore, LogStore]]:
    engine = the_engine()
    engine.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")
    engine.command(f"CREATE DATABASE {DATABASE}")
    upgrade(engine)
    store = InStore(engine)
    assert store.writer.take(Batch(way=Way.JSON, logs=lines)).result(60).logs == len(lines)
    yield StoredLogs(engine), MemoryLogs(lines)
    store.close()


def asked(text: str, severity: Severity = Severity.UNKNOWN) -> LogQuery:
    end = now_us() // MINUTE * MINUTE + MINUTE
    return LogQuery(start=end - 3 * HOUR, end=end, terms=parse(text), at_least=severity)


def plain(found: tuple[LogLine, ...]) -> list[LogLine]:
    return [replace(line, template=0) for line in found]


@pytest.mark.parametrize("text", SEARCHES)
@pytest.mark.parametrize("sight", [None, CATALOGUE], ids=["all", "catalogue"])
def test_both_find_the_same_lines_and_count_them_alike(
    stores: tuple[LogStore, LogStore], text: str, sight: Sight
) -> None:
    stored, memory = stores
    for severity in (Severity.UNKNOWN, Severity.WARN):
        query = asked(text, severity)
        ours = memory.search(query, sight=sight, limit=1000).lines
        assert plain(stored.search(query, sight=sight, limit=1000).lines) == plain(ours)
        assert stored.histogram(query, sight=sight, buckets=36) == memory.histogram(query, sight=sight, buckets=36)
        for field in ("service", "http.status", "version", "source"):
            theirs = stored.facets(query, field, sight=sight)
            assert dict(theirs) == dict(memory.facets(query, field, sight=sight)), field


def test_both_go_back_page_by_page(stores: tuple[LogStore, LogStore]) -> None:
    pages = []
    query = asked("basket")
    for store in stores:
        found, before = list[list[str]](), None
        while True:
            page = store.search(query, sight=None, limit=7, before=before)
            found.append([line.body for line in page.lines])
            before = page.older
            if before is None:
                break
        pages.append(found)
    assert len(pages[0]) > 3
    assert pages[0] == pages[1]


def test_both_tell_the_same_patterns(stores: tuple[LogStore, LogStore]) -> None:
    query = asked("")
    stored, memory = (
        {(one.text, one.service, one.first_version, one.lines) for one in store.templates(query, sight=None)}
        for store in stores
    )
    assert len(stored) > 8
    assert stored == memory


def test_both_tell_what_was_said_around_a_line(stores: tuple[LogStore, LogStore], lines: tuple[LogLine, ...]) -> None:
    middle = lines[len(lines) // 2]
    stored, memory = (store.around(middle, sight=None, lines=5) for store in stores)
    assert plain(tuple(stored)) == plain(tuple(memory))
    assert middle.body in [one.body for one in stored]
