"""Logs as JSON lines over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Executor
from urllib.parse import parse_qs

import msgspec

from andon.feedback.telemetry.contract.intake import Dropped, Intake, Way
from andon.feedback.telemetry.contract.logs import LogLine, LogSource
from andon.feedback.telemetry.contract.metrics import LONGEST_VALUE
from andon.feedback.telemetry.ways.doors.requests import Answer, Request, Route
from andon.feedback.telemetry.ways.gathering import Gathering, Origin, Window, handed_over
from andon.feedback.telemetry.ways.lines.parse import parse_line
from andon.feedback.telemetry.ways.lines.parsed import Parsed, from_object
from andon.feedback.telemetry.ways.otlp.attributes import short

LONGEST_LINE = 1024**2
"""Bytes of one object."""
_COST_OF_A_LINE = 2
_OWN = {
    "service": ("service", "service.name", "service_name", "app", "serviceName", "dd.service"),
    "environment": ("environment", "env", "deployment.environment.name", "deployment.environment", "dd.env"),
    "version": ("version", "service.version", "dd.version"),
    "instance": ("instance", "service.instance.id", "hostname", "host", "host.name"),
}


def lines_route(intake: Intake, window: Window, executor: Executor) -> Route:
    """``POST /v1/lines``: an object a line, or one JSON list of them.

    ``?service=…&environment=…&version=…&instance=…`` say it for all lines that do not. A line that is no object is
    taken in as text: what a program says when it breaks is seldom JSON.
    """

    async def take(request: Request) -> Answer:
        loop = asyncio.get_running_loop()
        gathering = await loop.run_in_executor(executor, _read, request, window)
        receipt = await handed_over(intake, gathering)
        answer: dict[str, object] = {"taken": receipt.logs}
        if said := gathering.told(receipt):
            answer["dropped"] = said
        return Answer(200, msgspec.json.encode(answer), "application/json")

    return Route("/v1/lines", ("POST",), take, way=Way.JSON)


def _read(request: Request, window: Window) -> Gathering:
    gathering = Gathering(Way.JSON, window)
    asked = {name: values[0] for name, values in parse_qs(request.query, max_num_fields=20).items()}
    for line in _parsed(request.body, gathering):
        found = _line(line, asked, request.origin, gathering.now)
        if gathering.full:
            gathering.drop(Dropped.TOO_LARGE, service=found.service)
        elif gathering.in_time(found.time // 1000):
            gathering.logs.append(found)
        else:
            gathering.drop(Dropped.TIME, service=found.service, example=f"a line at {found.time} µs")
    return gathering


def _parsed(body: bytes, gathering: Gathering) -> list[Parsed]:
    if body.lstrip()[:1] == b"[":
        found = _decoded(body)
        if isinstance(found, list):
            gathering.spend(len(found) * _COST_OF_A_LINE)
            objects = [one for one in found if isinstance(one, dict)]
            if len(objects) < len(found):
                gathering.drop(Dropped.MALFORMED, len(found) - len(objects), example="an element is no object")
            return [from_object(one) for one in objects]
    gathering.spend(body.count(b"\n") * _COST_OF_A_LINE)
    lines = [line for line in body.split(b"\n") if line.strip()]
    if long := sum(len(line) > LONGEST_LINE for line in lines):
        gathering.drop(Dropped.TOO_LARGE, long, example=f"a line is longer than {LONGEST_LINE // 1024} KiB")
    return [_one(line) for line in lines if len(line) <= LONGEST_LINE]


def _decoded(raw: bytes) -> object:
    """``None`` for what is no JSON. Bytes that are no UTF-8 are replaced: a program may break within a letter."""
    try:
        return msgspec.json.decode(raw)
    except UnicodeError:
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            return msgspec.json.decode(raw.decode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        pass
    return None


def _one(line: bytes) -> Parsed:
    found = _decoded(line)
    if isinstance(found, dict) and found:
        return from_object(found)
    return parse_line(line.rstrip(b"\r").decode("utf-8", "replace"))


def _line(parsed: Parsed, asked: dict[str, str], origin: Origin | None, now: int) -> LogLine:
    fields = dict(parsed.fields)
    own: dict[str, str] = {}
    for label, names in _OWN.items():
        for name in names:
            if name in fields:
                own[label] = fields.pop(name)[:LONGEST_VALUE]
                break
        else:
            own[label] = asked.get(label, "")[:LONGEST_VALUE]
    if origin is not None:
        own = origin.over(own)
    return LogLine(
        time=now * 1000 if parsed.time is None else parsed.time,
        body=parsed.body,
        severity=parsed.severity,
        service=own["service"],
        environment=own["environment"],
        version=short(own["version"]),
        instance=own["instance"],
        fields=fields,
        trace=parsed.trace,
        span=parsed.span,
        source=LogSource.JSON,
    )
