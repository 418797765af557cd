"""Following: lines of a search as they come."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator

import msgspec
from anyio import to_thread
from litestar import get
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from andon.feedback.logs.addresses import bar, wanted
from andon.feedback.logs.drawing import line_views
from andon.feedback.logs.following import LATELY_US, Tails
from andon.feedback.logs.model.marking import Marker
from andon.feedback.logs.pages.searching import LOGS
from andon.feedback.telemetry.contract.logs import LogLine, LogQuery, LogStore
from andon.feedback.telemetry.contract.moments import now_us
from andon.feedback.telemetry.contract.sight import sight_of
from andon.kernel.access.signing_in import is_still_good
from andon.kernel.errors import Invalid, Unavailable
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.http.plain import in_thread
from andon.web.shell import Page

SHOWN = 50
"""Lines that are there when one begins to follow."""
AT_ONCE = 100
"""Lines of one message: nobody reads more in a second."""
HEARTBEAT = 10
"""Empty batches between two signs of life."""
_TAIL = "/logs/tail"
_LATELY = 3600 * 1_000_000


class News(msgspec.Struct):
    """``html`` has the lines as the page draws them, newest first; ``left_out`` were too many to show."""

    html: str
    lines: int
    left_out: int


def tail_pages(logs: LogStore, tails: Tails) -> Handlers:
    @page(_TAIL)
    def tail(context: PageContext) -> Html:
        asked = wanted(context.scope["query_string"])
        sight = sight_of(context.principal)
        if "add" in context.query:
            return context.go(asked.address(_TAIL))
        head = Page(
            title="Live tail",
            sentence="Lines as they come",
            crumbs=(LOGS,),
            wide=True,
        )
        command = f"andon lines {shlex.quote(asked.text)} --follow" if asked.text else "andon lines --follow"
        if asked.floor:
            command += f" --severity {shlex.quote(asked.floor)}"
        try:
            end = now_us()
            query = LogQuery(start=end - _LATELY, end=end + 60_000_000, terms=asked.terms(), at_least=asked.at_least())
        except Invalid as error:
            above = bar(asked, error, path=_TAIL, ranges=False)
            return context.page(
                "logs/tail.html", head, status=400, bar=above, lines=(), down=None, command=command, newest=0, stream=""
            )
        down: Unavailable | None = None
        lines: tuple[LogLine, ...] = ()
        try:
            lines = logs.search(query, sight=sight, limit=SHOWN).lines
        except Unavailable as error:
            down = error
        return context.page(
            "logs/tail.html",
            head,
            bar=bar(asked, path=_TAIL, ranges=False),
            lines=line_views(lines, Marker.of(query.terms)),
            down=down,
            command=command,
            newest=lines[0].time if lines else end,
            stream=asked.address("/logs/tail/stream", **{"from": "", "to": ""}),
        )

    async def stream(context: PageContext) -> Stream:
        asked = wanted(context.scope["query_string"])
        sight = sight_of(context.principal)
        terms, at_least = asked.terms(), asked.at_least()
        marker = Marker.of(terms)
        since = context.query.get("since", "")
        query = LogQuery(start=now_us() - LATELY_US, end=2**62, terms=terms, at_least=at_least)
        caller = context.caller
        door = caller.session or caller.token or ""
        tails.check_room(door)  # before the answer begins: afterwards it could only be cut off

        def still() -> bool:
            with context.database.reading() as reading:
                return is_still_good(reading, caller)

        def message(lines: tuple[LogLine, ...]) -> bytes:
            shown = lines[-AT_ONCE:][::-1]
            html = context.part("logs/lines.html", lines=line_views(shown, marker), days=False).content
            news = News(html, len(lines), len(lines) - len(shown))
            newest = max(one.time for one in lines)
            return b"id: %d\nevent: lines\ndata: %s\n\n" % (newest, msgspec.json.encode(news))

        async def told() -> AsyncIterator[bytes]:
            yield b"retry: 2000\n: here\n\n"
            quiet = 0
            try:
                from_ = int(since) if since.isascii() and since.isdecimal() and len(since) < 18 else 0
                async for lines in tails.batches(query, sight, door, still, from_):
                    quiet = 0 if lines else quiet + 1
                    if lines:
                        yield await to_thread.run_sync(message, lines)
                    elif quiet % HEARTBEAT == 0:
                        yield b": alive\n\n"
            except Unavailable:
                yield b"event: down\ndata: {}\n\n"

        return Stream(
            told(),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    handler: ControllerRouterHandler = get(f"{_TAIL}/stream", include_in_schema=False)(in_thread(stream, ()))
    return [tail, handler]
