"""Prometheus' HTTP interface under ``/prometheus``: Grafana's data source and ``promtool query`` read it unchanged.

Who asks shows a token as a bearer or as the password of Basic authentication, and is told of the services that they may
see. https://prometheus.io/docs/prometheus/latest/querying/api/ describes every answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyio import to_thread
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.types import ControllerRouterHandler

from andon.feedback.promql.contract import LOOKBACK, Questions
from andon.feedback.promql.directory import Directory
from andon.feedback.promql.envelope import answered, cut, listed, refused
from andon.feedback.promql.parameters import Asked
from andon.feedback.promql.parsing import pretty
from andon.feedback.telemetry.contract.metrics import Measurements
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.contract.sight import sight_of
from andon.kernel.errors import AndonError, NotAuthenticated
from andon.web.http.api import Handlers
from andon.web.http.visit import visit_of

PREFIX = "/prometheus/api/v1"
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_VERSION = "3.0.0"
"""The version of Prometheus whose rules are followed; Grafana chooses its requests by it."""

WebRequest = Request[Any, Any, State]
Answerer = Callable[[Asked, str], bytes]
"""Answers a request; the text is what stands in the path, if anything does."""


def prometheus_routes(questions: Questions, measurements: Measurements) -> Handlers:
    directory = Directory(measurements)

    def query(asked: Asked, _: str) -> bytes:
        return answered(
            questions.instant(
                asked.text("query"),
                asked.time("time", asked.now),
                sight=asked.sight,
                lookback_ms=asked.duration("lookback_delta", LOOKBACK),
                timeout=asked.timeout,
            )
        )

    def query_range(asked: Asked, _: str) -> bytes:
        return answered(
            questions.range(
                asked.text("query"),
                asked.time("start"),
                asked.time("end"),
                asked.duration("step"),
                sight=asked.sight,
                lookback_ms=asked.duration("lookback_delta", LOOKBACK),
                timeout=asked.timeout,
            )
        )

    built = {"version": _VERSION, "revision": "", "branch": "andon", "buildUser": "", "buildDate": "", "goVersion": ""}
    both: dict[str, Answerer] = {
        "/query": query,
        "/query_range": query_range,
        "/query_exemplars": lambda asked, _: listed(directory.exemplars(asked)),
        "/series": lambda asked, _: cut(directory.series(asked), asked.limit),
        "/labels": lambda asked, _: cut(directory.label_names(asked), asked.limit),
        "/format_query": lambda asked, _: listed(pretty(asked.text("query"))),
    }
    only_get: dict[str, Answerer] = {
        "/label/{label:str}/values": lambda asked, label: cut(directory.label_values(asked, label), asked.limit),
        "/metadata": lambda asked, _: listed(directory.metadata(asked)),
        "/status/buildinfo": lambda _asked, _: listed(built),
        "/rules": lambda _asked, _: listed({"groups": []}),
        "/alerts": lambda _asked, _: listed({"alerts": []}),
    }
    return [
        *(_handler(get, path, answer) for path, answer in (both | only_get).items()),
        *(_handler(post, path, answer) for path, answer in both.items()),
    ]


def _handler(kind: Callable[..., Any], path: str, answer: Answerer) -> ControllerRouterHandler:
    # Any: Litestar's decorators are classes with many optional arguments
    async def handle(request: WebRequest) -> Response[bytes]:
        caller = visit_of(request.scope).caller
        if caller is None:
            raise NotAuthenticated(
                "This needs a token.",
                remedy="Send `Authorization: Bearer TOKEN`; in Grafana's data source add it as a custom HTTP header.",
            )
        sight = sight_of(caller.principal)
        asked = Asked(await _fields(request), sight, now_ms())
        label = str(request.path_params.get("label", ""))
        return await to_thread.run_sync(_respond, answer, asked, label)

    handler: ControllerRouterHandler = kind(PREFIX + path, include_in_schema=False, status_code=200)(handle)
    return handler


def _respond(answer: Answerer, asked: Asked, label: str) -> Response[bytes]:
    """An error that Prometheus has a word for is told in its way; others go their own."""
    try:
        return Response(answer(asked, label), media_type=_JSON)
    except AndonError as error:
        told = refused(error)
        if told is None:
            raise
        return Response(told[1], status_code=told[0], media_type=_JSON)


async def _fields(request: WebRequest) -> tuple[tuple[str, str], ...]:
    """Of a form and of the query string, the form's first."""
    fields = tuple((name, value) for name, value in request.query_params.multi_items() if isinstance(value, str))
    if request.method != "POST" or request.content_type[0] != _FORM:
        return fields
    form = await request.form()
    return (*((name, value) for name, value in form.multi_items() if isinstance(value, str)), *fields)
