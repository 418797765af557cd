"""The API of logs: searching, following, patterns, and what is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated

import msgspec
from litestar.params import QueryParameter
from litestar.response import Stream

from andon.feedback.logs.addresses import Wanted, wanted_of
from andon.feedback.logs.declared import DeclaredCounts
from andon.feedback.logs.following import LATELY_US, Tails
from andon.feedback.logs.model.ranges import at_of, bars_of
from andon.feedback.logs.patterns import MOST, is_new
from andon.feedback.logs.service import LogsService
from andon.feedback.logs.views import (
    CountedShape,
    CountedShapes,
    CountWanted,
    FacetShape,
    FacetValue,
    FoundLines,
    LineCount,
    LineHistogram,
    LogLineShape,
    Patterns,
    PatternShape,
)
from andon.feedback.telemetry.contract.logs import LogLine, LogQuery, LogStore
from andon.feedback.telemetry.contract.moments import now_us
from andon.feedback.telemetry.contract.ranges import Span
from andon.feedback.telemetry.contract.sight import sight_of
from andon.kernel.access.signing_in import is_still_good
from andon.kernel.errors import Unavailable
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
_Since = Annotated[int, QueryParameter(ge=0, le=2**62)]
_Values = Annotated[int, QueryParameter(ge=1, le=200)]


def log_routes(logs: LogStore, service: LogsService, declared: DeclaredCounts | None, tails: Tails) -> Handlers:
    @api.get("/logs/search")
    def search_logs(
        call: Call,
        q: str = "",
        since: str = "1h",
        until: str = "",
        severity: str = "",
        limit: _Limit = 200,
        before: str = "",
    ) -> FoundLines:
        """Lines that fit, newest first.

        `q` has words, `"a phrase"`, `field:value`, and `-` before what must not be there; `since` and `until` are
        moments or lengths of time such as `6h`; `severity` is the least.
        """
        asked = _asked(q, since, until, severity, before)
        _, query = _query(asked)
        found = logs.search(query, sight=sight_of(call.principal), limit=limit, before=asked.cursor())
        older = f"{found.older.time}.{found.older.tie}" if found.older else ""
        return FoundLines(lines=[shape_of(one) for one in found.lines], older=older)

    @api.get("/logs/histogram")
    def count_logs(call: Call, q: str = "", since: str = "1h", until: str = "", severity: str = "") -> LineHistogram:
        """How many lines fit, over time and by severity."""
        span, query = _query(_asked(q, since, until, severity))
        start, end, width = bars_of(span)
        counted = logs.histogram(
            replace(query, start=start, end=end), sight=sight_of(call.principal), buckets=(end - start) // width
        )
        return LineHistogram(
            width=width // 1000,
            counts=[
                LineCount(time=one.time // 1000, severity=one.severity.name.lower(), lines=one.lines) for one in counted
            ],
        )

    @api.get("/logs/facets")
    def facet_logs(
        call: Call,
        field: str,
        q: str = "",
        since: str = "1h",
        until: str = "",
        severity: str = "",
        limit: _Values = 20,
    ) -> FacetShape:
        """The most frequent values of a field among the lines that fit."""
        _, query = _query(_asked(q, since, until, severity))
        found = logs.facets(query, field[:200], sight=sight_of(call.principal), limit=limit)
        values = [FacetValue(value=value, lines=lines) for value, lines in found.items()]
        return FacetShape(field=field, values=values)

    @api.get("/logs/templates")
    def list_log_templates(
        call: Call, q: str = "", since: str = "24h", until: str = "", severity: str = ""
    ) -> Patterns:
        """The patterns of the lines that fit: what is new since the last deployment first."""
        _, query = _query(_asked(q, since, until, severity))
        found = logs.templates(query, sight=sight_of(call.principal), limit=MOST)
        with call.database.reading() as reading:
            last = {
                one: service.last_deployment(reading, call.principal, one) for one in {two.service for two in found}
            }
        shapes = []
        for one in found:
            deployed = last[one.service]
            came_with = deployed.version if deployed is not None and is_new(one, deployed) else ""
            shapes.append(
                PatternShape(
                    id=str(one.id),
                    text=one.text,
                    service=one.service,
                    first_seen=at_of(one.first_seen),
                    first_version=one.first_version,
                    lines=one.lines,
                    came_with=came_with,
                )
            )
        return Patterns(patterns=sorted(shapes, key=lambda one: not one.came_with))

    @api.get("/logs/follow", media_type="application/x-ndjson")
    async def follow_logs(call: Call, q: str = "", severity: str = "", since: _Since = 0) -> Stream:
        """New lines that fit as they come, one JSON object a line, until one side ends it; an empty line now and then
        says that nothing came. Begins with what was said from `since` (microseconds since 1970) on."""
        asked = _asked(q, "15m", "", severity)
        sight = sight_of(call.principal)
        query = LogQuery(start=now_us() - LATELY_US, end=2**62, terms=asked.terms(), at_least=asked.at_least())
        caller = call.caller
        door = caller.session or caller.token or ""
        tails.check_room(door)

        def still() -> bool:
            with call.database.reading() as reading:
                return is_still_good(reading, caller)

        async def told() -> AsyncIterator[bytes]:
            quiet = 0
            yield b"\n"
            try:
                async for lines in tails.batches(query, sight, door, still, since):
                    quiet = 0 if lines else quiet + 1
                    if lines:
                        yield b"".join(msgspec.json.encode(shape_of(one)) + b"\n" for one in lines)
                    elif quiet % 20 == 0:
                        yield b"\n"
            except Unavailable:
                return  # the answer has begun: it can only end

        return Stream(told(), media_type="application/x-ndjson", headers={"cache-control": "no-store"})

    @api.get("/logs/counted")
    def list_counted_lines(call: Call) -> CountedShapes:
        """Lines that are counted as metrics, by a click and by `andon.yaml`."""
        with call.database.reading() as reading:
            found = [CountedShape.of(one) for one in service.counted_for(reading, call.principal)]
            said = declared.all(reading) if declared is not None else {}
        visible = call.principal.visible_services()
        found += [
            CountedShape(id="", service=name, metric=metric, query=query)
            for name, counts in said.items()
            if visible is None or name in visible
            for metric, query in counts.items()
        ]
        return CountedShapes(counted=sorted(found, key=lambda one: (one.service, one.metric)))

    @api.post("/logs/counted", status=201)
    def count_lines(call: Call, data: CountWanted) -> CountedShape:
        """Count lines of a service as a metric from now on."""
        call.principal.require_sight(data.service)
        with call.database.reading() as reading:
            known = declared is not None and declared.has(reading, data.service, data.metric)
        with call.database.transaction() as tx:
            made = service.count(tx, call.principal, data.service, data.metric, data.query, known=known)
        return CountedShape.of(made)

    @api.delete("/logs/counted/{count:str}")
    def end_counting_lines(call: Call, count: str) -> None:
        """Count these lines no longer; what was counted stays."""
        with call.database.transaction() as tx:
            service.end(tx, call.principal, count)

    return [
        search_logs,
        count_logs,
        facet_logs,
        list_log_templates,
        follow_logs,
        list_counted_lines,
        count_lines,
        end_counting_lines,
    ]


def shape_of(line: LogLine) -> LogLineShape:
    return LogLineShape(
        time=line.time,
        at=at_of(line.time),
        severity=line.severity.name.lower(),
        body=line.body,
        service=line.service,
        environment=line.environment,
        version=line.version,
        instance=line.instance,
        source=line.source.value,
        origin=line.origin,
        template=str(line.template) if line.template else "",
        trace=line.trace,
        span=line.span,
        fields=dict(line.fields),
    )


def _asked(q: str, since: str, until: str, severity: str, before: str = "") -> Wanted:
    return wanted_of({"q": q, "from": since, "to": until, "severity": severity, "before": before})


def _query(asked: Wanted) -> tuple[Span, LogQuery]:
    span = asked.span(now_us())
    return span, asked.query(span)
