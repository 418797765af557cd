"""Graphite's HTTP interface, under ``/graphite``: what Grafana's data source for Graphite asks.

Parameters may stand in the query and in a form. What Graphite refuses is refused as Graphite does it, with the reason
as text.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

import litestar
import msgspec
from anyio import to_thread
from litestar import Request, Response
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.enums import HttpMethod

from andon.feedback.graphite.answers import as_csv, as_raw, told
from andon.feedback.graphite.contract import VERSION, BadTarget
from andon.feedback.graphite.functions import FUNCTIONS
from andon.feedback.graphite.requests import REMEMBERED, Fields
from andon.feedback.graphite.service import Graphite
from andon.feedback.graphite.views import (
    FunctionShape,
    Paths,
    PathsByQuery,
    Tag,
    TagDetails,
    TagValue,
    completions,
    function_shape,
    nodes,
    tree,
)
from andon.feedback.telemetry.contract.metrics import Sight
from andon.feedback.telemetry.contract.sight import sight_of
from andon.kernel.access import Principal
from andon.kernel.errors import AndonError
from andon.web.http.api import Call, Handlers

PREFIX = "/graphite"
MOST_FIELDS = 1_000
MOST_VALUES = 10_000
"""Tags or values in an answer."""
_USUAL_VALUES = 100
_FORM = "application/x-www-form-urlencoded"
_PICTURES = {"png", "svg", "pdf"}

_Answer = Callable[[Fields, Sight], Response[bytes]]


def graphite_routes(graphite: Graphite) -> Handlers:
    """All routes answer ``GET`` and ``POST``."""

    def render(fields: Fields, sight: Sight) -> Response[bytes]:
        """Series of targets, with Graphite's functions: `target` (up to 50), `from`, `until`, `maxDataPoints`, `format`
        (json, csv or raw)."""
        format_ = fields.first("format", "png").lower()
        if format_ in _PICTURES:
            raise BadTarget(
                f"Pictures ({format_}) are not drawn here.",
                remedy="Add format=json, csv or raw; the console under /graphs and Grafana draw graphs of them.",
            )
        if format_ not in {"json", "csv", "raw"}:
            raise BadTarget(f"There is no format {format_[:20]!r}.", remedy="Use json, csv or raw.")
        question = fields.question()
        rows = graphite.rows(question, sight=sight)
        if format_ == "csv":
            return _text(as_csv(rows, question.zone), "text/csv; charset=utf-8")
        if format_ == "raw":
            return _text(as_raw(rows))
        return _json(told(rows, fields.number("maxDataPoints"), nulls=not fields.flag("noNullPoints")))

    def find_metrics(fields: Fields, sight: Sight) -> Response[bytes]:
        """The nodes of the tree of paths that a pattern is of: `query`, `format` (treejson, completer or json)."""
        pattern, format_ = fields.required("query"), fields.first("format", "treejson")
        wildcards = fields.flag("wildcards")
        if format_ == "completer":
            pattern = pattern.replace("..", "*.")
            pattern = pattern if pattern.endswith("*") else f"{pattern}*"
        found = graphite.find(pattern, *fields.window(REMEMBERED), sight=sight)
        if fields.flag("leavesOnly"):
            found = [one for one in found if one.is_leaf]
        match format_:
            case "treejson":
                return _json(tree(found, pattern, wildcards=wildcards))
            case "completer":
                return _json(completions(found, wildcards=wildcards))
            case "json":
                return _json(nodes(found))
        raise BadTarget("Invalid value for 'format' parameter", remedy="Use treejson, completer or json.")

    def expand_metrics(fields: Fields, sight: Sight) -> Response[bytes]:
        """The paths that patterns are of: `query` (several), `groupByExpr`, `leavesOnly`."""
        window, leaves_only = fields.window(REMEMBERED), fields.flag("leavesOnly")
        found: dict[str, list[str]] = {}
        for query in fields.all("query")[:_USUAL_VALUES]:
            made = graphite.find(query, *window, sight=sight)
            found[query] = sorted({one.path for one in made if one.is_leaf or not leaves_only})
        if fields.flag("groupByExpr"):
            return _json(PathsByQuery(results=found))
        return _json(Paths(results=sorted({path for paths in found.values() for path in paths})))

    def list_metrics(fields: Fields, sight: Sight) -> Response[bytes]:
        """Every path of the last week."""
        return _json(graphite.paths(*fields.window(REMEMBERED), sight=sight))

    def list_tags(fields: Fields, sight: Sight) -> Response[bytes]:
        """Every tag; `filter` is what its name begins with."""
        found = graphite.tags((), *fields.window(REMEMBERED), sight=sight)
        return _json([Tag(tag=one) for one in _cut(found, fields.first("filter").lstrip("^"), fields, MOST_VALUES)])

    def complete_tags(fields: Fields, sight: Sight) -> Response[bytes]:
        """Tags that begin with `tagPrefix`, of the series that meet all `expr`, less those that `expr` has already."""
        conditions = fields.all("expr", "expr[]")
        found = graphite.tags(conditions, *fields.window(REMEMBERED), sight=sight)
        used = {one.split("=", 1)[0].rstrip("!") for one in conditions}
        return _json(_cut([one for one in found if one not in used], fields.first("tagPrefix"), fields, _USUAL_VALUES))

    def complete_values(fields: Fields, sight: Sight) -> Response[bytes]:
        """Values of `tag` that begin with `valuePrefix`, of the series that meet all `expr`."""
        found = graphite.values(
            fields.required("tag"), fields.all("expr", "expr[]"), *fields.window(REMEMBERED), sight=sight
        )
        return _json(_cut(list(found), fields.first("valuePrefix"), fields, _USUAL_VALUES))

    def find_tagged_series(fields: Fields, sight: Sight) -> Response[bytes]:
        """The series that meet all `expr`."""
        return _json(graphite.series(fields.all("expr", "expr[]"), *fields.window(REMEMBERED), sight=sight))

    def show_tag(fields: Fields, sight: Sight) -> Response[bytes]:
        """The values of one tag, and how many series have each."""
        tag = fields.required("tag")
        found = graphite.values(tag, (), *fields.window(REMEMBERED), sight=sight)
        chosen = _cut(list(found), fields.first("filter").lstrip("^"), fields, MOST_VALUES)
        return _json(TagDetails(tag=tag, values=[TagValue(value=one, count=found[one]) for one in chosen]))

    def list_functions(fields: Fields, sight: Sight) -> Response[bytes]:
        """Every function with its parameters; `grouped` sorts them into groups."""
        shapes = {name: function_shape(one) for name, one in sorted(FUNCTIONS.items())}
        if not fields.flag("grouped"):
            return _json(shapes)
        groups: dict[str, dict[str, FunctionShape]] = {}
        for name, one in shapes.items():
            groups.setdefault(one.group, {})[name] = one
        return _json(groups)

    def show_version(fields: Fields, sight: Sight) -> Response[bytes]:
        """The version of Graphite whose answers these are."""
        return _text(VERSION)

    return [
        _route("/render", render, graphite),
        _route("/metrics/find", find_metrics, graphite),
        _route("/metrics/expand", expand_metrics, graphite),
        _route("/metrics/index.json", list_metrics, graphite),
        _route("/tags", list_tags, graphite),
        _route("/tags/findSeries", find_tagged_series, graphite),
        _route("/tags/autoComplete/tags", complete_tags, graphite),
        _route("/tags/autoComplete/values", complete_values, graphite),
        _route("/tags/{tag:str}", show_tag, graphite),
        _route("/functions", list_functions, graphite),
        _route("/version", show_version, graphite),
    ]


def _route(path: str, answer: _Answer, graphite: Graphite) -> litestar.handlers.HTTPRouteHandler:
    async def handle(call: NamedDependency[Call], request: Request[object, object, State]) -> Response[bytes]:
        sent = [request.scope.get("query_string", b"").decode("latin-1")]
        if request.method == "POST" and request.headers.get("content-type", "").startswith(_FORM):
            sent.append((await request.body()).decode("utf-8", "replace"))
        path_params = [(name, str(value)) for name, value in request.path_params.items()]
        return await to_thread.run_sync(_answered, answer, call.principal, sent, path_params, graphite.now)

    handle.__doc__ = answer.__doc__
    return litestar.route(
        PREFIX + path,
        http_method=[HttpMethod.GET, HttpMethod.POST],
        status_code=200,
        description=answer.__doc__,
        summary=(answer.__doc__ or "").split(".")[0],
        # another program's interface: the document of Andon's own API does not tell of it
        include_in_schema=False,
    )(handle)


def _answered(
    answer: _Answer, principal: Principal, sent: list[str], pairs: list[tuple[str, str]], now: int
) -> Response[bytes]:
    try:
        return answer(Fields([*pairs, *_parsed(sent)], now), sight_of(principal))
    except AndonError as error:
        # Graphite's clients show the text of a refusal, and read no problem document
        return _text(str(error), status=error.status)


def _parsed(sent: list[str]) -> list[tuple[str, str]]:
    try:
        return [pair for text in sent for pair in parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)]
    except ValueError as error:
        raise BadTarget(f"The request has more than {MOST_FIELDS:,} parameters.", remedy="Use patterns.") from error


def _cut(found: list[str], prefix: str, fields: Fields, usual: int) -> list[str]:
    most = min(fields.number("limit") or usual, MOST_VALUES)
    return [one for one in found if one.startswith(prefix)][:most]


def _json(shape: object) -> Response[bytes]:
    return Response(msgspec.json.encode(shape), media_type="application/json", headers=_HEADERS)


def _text(text: str, kind: str = "text/plain; charset=utf-8", *, status: int = 200) -> Response[bytes]:
    return Response(text.encode("utf-8", "replace"), status_code=status, media_type=kind, headers=_HEADERS)


_HEADERS = {"cache-control": "no-store"}
