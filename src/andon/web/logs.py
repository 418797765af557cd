"""What the log viewer asks for, answered out of a log; one address does it all.

A room's page offers it so::

    @data("/runs/{run:str}/jobs/{job:str}/log")     # any handler that answers bytes
    def log(...):
        return Response(log_answer(LogReader(folder), context.query), media_type="application/json")

and draws it with ``{{ ui.log(address, log_lines(reader.tail(200)), …) }}``. Lines are numbered from 1 here, as in
addresses (``#L123``); the log itself counts from 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from andon.kernel.logs.reader import LogPage, LogReader
from andon.kernel.logs.text import spans

MOST_LINES = 1000
MOST_FOUND = 2000

Drawn = tuple[int, list[tuple[str, str]]]
"""A line for the template: its number from 1 and its pieces of (text, CSS classes)."""


def log_lines(page: LogPage) -> list[Drawn]:
    """The lines that the server draws itself, for readers without script."""
    return [(line.number + 1, spans(line.text)) for line in page.lines]


def log_answer(reader: LogReader, query: Mapping[str, str], *, over: bool = False) -> bytes:
    """JSON for the viewer, by what `query` asks. ``over``: nothing more will come, whatever the log itself says (its
    writer was killed, or there never was one).

    ``start`` and ``limit``: ``{"lines": [{"n", "at", "section", "kind", "spans"}], "next", "total", "dropped",
    "complete", "gaps": [[first, count]], "sections": [{"name", "start"}]}``. ``at`` is in milliseconds since 1970; gaps
    (what was dropped) and sections come only when the log is read from its beginning or still grows.
    ``q``: ``{"matches": [n], "more"}``. ``find=error``: ``{"first_error": n or null}``.
    """
    if asked := query.get("q", ""):
        found = reader.search(asked[:500], limit=MOST_FOUND + 1)
        matches = [line.number + 1 for line in found[:MOST_FOUND]]
        return msgspec.json.encode({"matches": matches, "more": len(found) > MOST_FOUND})
    if query.get("find") == "error":
        first = reader.first_error()
        return msgspec.json.encode({"first_error": None if first is None else first + 1})
    start = max(1, _whole(query.get("start"), 1))
    page = reader.lines(start - 1, min(MOST_LINES, max(1, _whole(query.get("limit"), MOST_LINES))))
    answer: dict[str, object] = {
        "lines": [
            {
                "n": line.number + 1,
                "at": line.at_ms,
                "section": line.section,
                "kind": line.kind,
                "spans": spans(line.text),
            }
            for line in page.lines
        ],
        "next": page.next + 1,
        "total": page.total,
        "dropped": page.dropped,
        "complete": page.complete or over,
    }
    if start == 1 or not page.complete:
        answer["gaps"] = [[first + 1, count] for first, count in reader.gaps()]
        answer["sections"] = [{"name": one.name, "start": one.first_line + 1} for one in reader.sections()]
    return msgspec.json.encode(answer)


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else otherwise
