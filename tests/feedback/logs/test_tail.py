"""Following lines: what the stream says, and that it ends."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator

import pytest

from andon.feedback.logs.following import IN_ALL, PER_CALLER, Tails
from andon.feedback.telemetry.contract.logs import Cursor, Found, LogQuery
from andon.feedback.telemetry.contract.metrics import Sight
from andon.feedback.telemetry.memory_logs import MemoryLogs
from andon.flow.sources.contract import Service
from andon.kernel.errors import TooMany
from tests.feedback.logs.chatter import Chatter, Followed, now_us
from tests.serving import Browser, Serving

ALL = LogQuery(start=0, end=2**62)


@pytest.fixture(scope="module")
def page(server: Serving) -> Browser:
    return server.administrator()


def events(lines: Iterator[str], wanted: int) -> list[tuple[str, dict[str, object]]]:
    """Events of a stream with what they say."""
    found: list[tuple[str, dict[str, object]]] = []
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            found.append((name, json.loads(line.removeprefix("data: "))))
            if len(found) == wanted:
                break
    return found


def test_the_stream_tells_new_lines_as_the_page_draws_them(page: Browser, logs: Followed, chatter: Chatter) -> None:
    with page.stream("GET", "/logs/tail/stream?q=streamed") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = answer.iter_lines()
        assert next(told) == "retry: 2000"
        logs.until_followed("streamed")
        logs.add(chatter.said(now_us(), "not for us"), chatter.said(now_us(), "streamed <b>this</b>"))
        ((name, news),) = events(told, 1)
    assert name == "lines"
    assert news["lines"] == 1
    html = str(news["html"])
    assert "<mark>streamed</mark> &lt;b&gt;this&lt;/b&gt;" in html
    assert len(re.findall(r'<li class="line ', html)) == 1


def test_whoever_comes_back_is_told_what_they_missed(page: Browser, logs: MemoryLogs, chatter: Chatter) -> None:
    since = now_us()
    logs.add(chatter.said(since - 10, "missed before"), chatter.said(since + 10, "missed after"))
    with page.stream("GET", f"/logs/tail/stream?q=missed&since={since}") as answer:
        ((_, news),) = events(answer.iter_lines(), 1)
    assert news["lines"] == 1
    assert "</mark> after" in str(news["html"])


def test_more_lines_than_anybody_reads_are_counted_and_not_shown(
    page: Browser, logs: MemoryLogs, chatter: Chatter
) -> None:
    since = now_us()
    logs.add(*(chatter.said(since + turn, f"flood {turn}") for turn in range(150)))
    with page.stream("GET", f"/logs/tail/stream?q=flood&since={since}") as answer:
        ((_, news),) = events(answer.iter_lines(), 1)
    assert (news["lines"], news["left_out"]) == (150, 50)
    assert "</mark> 149" in str(news["html"])
    assert "</mark> 49<" not in str(news["html"])


def test_the_stream_says_when_the_store_does_not_answer(page: Browser, logs: MemoryLogs) -> None:
    with page.stream("GET", "/logs/tail/stream") as answer:
        told = answer.iter_lines()
        next(told)
        logs.down = True
        try:
            assert events(told, 1) == [("down", {})]
        finally:
            logs.down = False


def test_a_search_that_cannot_be_read_is_refused_before_the_stream_begins(page: Browser) -> None:
    assert page.get("/logs/tail/stream?q=%22oops").status_code == 400


def test_nobody_follows_a_service_out_of_sight(logs: MemoryLogs, chatter: Chatter) -> None:
    told = logs.follow(ALL, sight=frozenset({Service("catalogue")}))
    assert next(told) == ()
    logs.add(chatter.said(now_us(), "of the store"), chatter.said(now_us(), "of the other", service="catalogue"))
    assert [one.body for one in next(told)] == ["of the other"]


def test_streams_are_bounded_for_each_and_for_all_and_give_their_place_back() -> None:
    async def run() -> None:
        tails = Tails(MemoryLogs())
        mine = [tails.batches(ALL, None, "me", lambda: True) for _ in range(PER_CALLER)]
        for one in mine:
            await anext(one)
        with pytest.raises(TooMany):
            tails.check_room("me")
        tails.check_room("somebody else")
        others = [tails.batches(ALL, None, f"them-{turn}", lambda: True) for turn in range(IN_ALL - PER_CALLER)]
        await asyncio.gather(*(anext(one) for one in others))
        with pytest.raises(TooMany):
            tails.check_room("somebody else")
        for one in (*mine, *others):
            await one.aclose()
        assert tails.open == 0
        tails.check_room("me")

    asyncio.run(run())


def test_all_streams_end_when_the_process_does() -> None:
    async def run() -> None:
        tails = Tails(MemoryLogs())
        told = tails.batches(ALL, None, "me", lambda: True)
        await anext(told)
        tails.end()
        assert [batch async for batch in told] in ([], [()])
        assert tails.open == 0

    asyncio.run(run())


def test_what_comes_while_it_is_searched_for_what_was_missed_is_told_once(chatter: Chatter) -> None:
    class Chatty(MemoryLogs):
        def search(self, query: LogQuery, *, sight: Sight, limit: int = 200, before: Cursor | None = None) -> Found:
            self.add(chatter.said(now_us(), "meanwhile"))
            return super().search(query, sight=sight, limit=limit, before=before)

    async def run() -> None:
        logs = Chatty()
        logs.add(chatter.said(now_us(), "before"))
        told: list[str] = []
        later = [chatter.said(now_us() + 1, "after")]
        async for batch in Tails(logs).batches(ALL, None, "me", lambda: True, since=1):
            told += [one.body for one in batch]
            if "meanwhile" in told and later:
                logs.add(later.pop())
            if "after" in told:
                break
        assert told == ["before", "meanwhile", "after"]

    asyncio.run(run())
