from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.logs import LONGEST_BODY, MOST_FIELDS, Severity
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.ways.lines.http import lines_route
from andon.feedback.telemetry.ways.lines.parse import parse_line
from andon.feedback.telemetry.ways.lines.times import moment
from tests.feedback.telemetry.ways.places import NOW, opened

_2026 = 1_767_225_600_000_000
"""The first moment of 2026, in microseconds."""


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("INFO:root:started", Severity.INFO),
        ("WARNING:django.request:Not Found: /x", Severity.WARN),
        ("2026-01-01 00:00:00,123 - shop.cart - ERROR - it broke", Severity.ERROR),
        ("2026-01-01 00:00:00.123  INFO 1234 --- [           main] c.e.App : Started", Severity.INFO),
        ("2026-01-01 00:00:00.123  WARN 1234 --- [main] c.e.App : careful", Severity.WARN),
        ("2026-01-01 00:00:00,123 [main] DEBUG com.example.App - hello", Severity.DEBUG),
        ("2026/01/01 00:00:00 [error] 31#31: *1 open() failed", Severity.ERROR),
        ("2026/01/01 00:00:00 ERROR no such file", Severity.ERROR),
        ("2026/01/01 00:00:00 listening on :8080", Severity.UNKNOWN),
        ("E0102 15:04:05.678901   123 server.go:12] broke", Severity.ERROR),
        ("[2026-01-01T00:00:00Z WARN  my::crate] careful", Severity.WARN),
        ('INFO:     127.0.0.1:5000 - "GET / HTTP/1.1" 200 OK', Severity.INFO),
        ("\x1b[32mINFO\x1b[0m:     Application startup complete.", Severity.INFO),
        ("[error] it broke", Severity.ERROR),
        ("error: it broke", Severity.ERROR),
        ("panic: runtime error: index out of range", Severity.FATAL),
        ("Traceback (most recent call last):", Severity.ERROR),
        ("CRITICAL something", Severity.FATAL),
        ("no ERROR was found", Severity.UNKNOWN),
        ("errors were few", Severity.UNKNOWN),
        ("Information about you", Severity.UNKNOWN),
        ("fatal accidents in 2020", Severity.UNKNOWN),
        ("GET /error: 200", Severity.UNKNOWN),
        ("", Severity.UNKNOWN),
    ],
)
def test_severities_are_read_where_loggers_put_them_and_nowhere_else(line: str, severity: Severity) -> None:
    parsed = parse_line(line)
    assert parsed.severity is severity
    assert parsed.body == line


@pytest.mark.parametrize(
    ("line", "severity", "body", "fields"),
    [
        ('{"level":30,"time":1767225600000,"pid":1,"msg":"pino"}', Severity.INFO, "pino", {"pid": "1"}),
        (
            '{"level":"warn","ts":1767225600.0,"caller":"a.go:1","msg":"zap"}',
            Severity.WARN,
            "zap",
            {"caller": "a.go:1"},
        ),
        (
            '{"time":"2026-01-01T00:00:00Z","level":"INFO+2","msg":"slog","http":{"status":200,"ok":true}}',
            Severity.INFO,
            "slog",
            {"http.status": "200", "http.ok": "true"},
        ),
        ('{"@timestamp":"2026-01-01T00:00:00.000Z","log.level":"ERROR","message":"ecs"}', Severity.ERROR, "ecs", {}),
        ('{"@t":"2026-01-01T00:00:00Z","@l":"Warning","@m":"serilog"}', Severity.WARN, "serilog", {}),
        (
            '{"timestamp":"2026-01-01T00:00:00+00:00","level":"critical","event":"structlog"}',
            Severity.FATAL,
            "structlog",
            {},
        ),
        ('{"severity":"NOTICE","message":"gcp","time":1767225600000000000}', Severity.INFO, "gcp", {}),
        ('{"level":3,"short_message":"gelf","timestamp":1767225600.0}', Severity.ERROR, "gelf", {}),
        (
            'level=error ts=2026-01-01T00:00:00Z msg="log \\"fmt\\"" took=3ms',
            Severity.ERROR,
            'log "fmt"',
            {"took": "3ms"},
        ),
    ],
)
def test_objects_and_logfmt_are_taken_apart(line: str, severity: Severity, body: str, fields: dict[str, str]) -> None:
    parsed = parse_line(line)
    assert (parsed.severity, parsed.body, dict(parsed.fields), parsed.time) == (severity, body, fields, _2026)


def test_traces_are_found_in_their_usual_places() -> None:
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    for told in (
        {"trace_id": trace, "span_id": span},
        {"traceId": trace.upper(), "spanId": span},
        {"trace": {"id": trace}, "span": {"id": span}},
        {"traceparent": f"00-{trace}-{span}-01"},
        {"logging.googleapis.com/trace": f"projects/x/traces/{trace}", "logging.googleapis.com/spanId": span},
    ):
        parsed = parse_line(json.dumps({"msg": "x", **told}))
        assert (parsed.trace, parsed.span, dict(parsed.fields)) == (trace, span, {})
    nothing = parse_line(json.dumps({"msg": "x", "trace_id": "0" * 32, "other": trace}))
    assert (nothing.trace, dict(nothing.fields)) == ("", {"other": trace})


def test_times_without_a_zone_are_not_guessed_from_lines() -> None:
    assert parse_line("2026-01-01 00:00:00,5 - a - INFO - x").time is None
    assert parse_line("2026-01-01T00:00:00.5Z INFO x").time == _2026 + 500_000
    assert parse_line("2026-01-01T01:00:00+01:00 x").time == _2026


@pytest.mark.parametrize("value", [1767225600, 1767225600.0, 1767225600000, 1767225600000000, 1767225600000000000])
def test_the_unit_of_a_number_is_told_by_its_size(value: float) -> None:
    assert moment(value) == _2026
    assert moment(str(value)) == _2026


@pytest.mark.parametrize(
    "value", [None, True, "", "soon", "nan", float("inf"), -1, 10**40, 10**400, "9999-99-99T00:00:00Z", []]
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert moment(value) is None


@given(st.text(max_size=400) | st.text('{}[]="\\ :-INFOerror0123456789', max_size=400))
@settings(max_examples=200, deadline=None)
def test_no_line_breaks_the_reader(text: str) -> None:
    parsed = parse_line(text)
    assert len(parsed.fields) <= MOST_FIELDS
    parsed.body.encode()


_NAMES = st.sampled_from(("time", "ts", "level", "msg", "service", "trace_id", "traceparent", "a", ""))
_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from((10**400, -(10**4000))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(_NAMES, _ANYTHING, max_size=6))
@settings(max_examples=200, deadline=None)
def test_no_object_breaks_the_reader(found: dict[str, object]) -> None:
    parsed = parse_line(json.dumps(found))
    assert len(parsed.fields) <= MOST_FIELDS
    parsed.body.encode()


@pytest.mark.parametrize(
    "line",
    [
        "[" * 60_000,
        '{"a":' * 30_000 + "1" + "}" * 30_000,
        "a=" + '"\\' * 8000,
        "a.b -" * 20_000,
        "1 " * 30_000,
        "=" * 60_000,
        "2026-01-01 00:00:00" + "." * 60_000,
    ],
)
def test_hostile_lines_cost_no_more_than_their_length(line: str) -> None:
    for _ in range(50):  # would take minutes, and time out, if the cost grew faster
        assert parse_line(line).body


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
def client(intake: MemoryIntake) -> Iterator[httpx.Client]:
    with opened(lambda to, window, executor: [lines_route(to, window, executor)], intake) as client:
        yield client


def test_json_lines_are_taken_in_with_what_they_say_of_themselves(client: httpx.Client, intake: MemoryIntake) -> None:
    lines = [
        json.dumps(
            {"time": NOW, "level": 50, "msg": "<script>alert(1)</script>", "service": "shop", "user": {"id": 7}}
        ),
        json.dumps({"message": "no service", "env": "staging"}),
        "",
        "Traceback (most recent call last):",
        '{"msg": "cut of',
    ]
    answer = client.post("/v1/lines?service=till&environment=production", content="\n".join(lines))
    assert answer.json() == {"taken": 4}
    first, second, third, fourth = intake.logs
    assert (first.service, first.environment, first.severity) == ("shop", "production", Severity.ERROR)
    assert (first.body, dict(first.fields), first.time) == ("<script>alert(1)</script>", {"user.id": "7"}, NOW * 1000)
    assert (second.service, second.environment, second.time) == ("till", "staging", NOW * 1000)
    assert third.severity is Severity.ERROR
    assert fourth.body == '{"msg": "cut of'


def test_a_list_of_objects_is_taken_too(client: httpx.Client, intake: MemoryIntake) -> None:
    answer = client.post("/v1/lines", json=[{"msg": "a"}, 5, {"msg": "b"}])
    assert answer.json()["taken"] == 2
    assert "does not follow" in answer.json()["dropped"]
    assert [line.body for line in intake.logs] == ["a", "b"]


def test_a_great_many_lines_and_very_long_ones_are_refused(client: httpx.Client, intake: MemoryIntake) -> None:
    assert client.post("/v1/lines", content=b"{}\n" * 300_000).status_code == 413
    assert client.post("/v1/lines", content=b"[" + b"1," * 300_000 + b"1]").status_code == 413
    assert client.post("/v1/lines", content=b'{"msg":"' + b"x" * 1024**2 + b'"}').json()["taken"] == 0
    assert intake.count(Dropped.TOO_LARGE) == 1


def test_lines_that_are_not_utf_8_or_too_long_or_too_old_are_bounded(
    client: httpx.Client, intake: MemoryIntake
) -> None:
    body = (
        b"\xff\xfe broken\n" + b'{"msg":"' + b"x" * 200_000 + b'"}\n' + b'{"msg":"old","time":"1970-01-02T00:00:00Z"}\n'
    )
    body += json.dumps({"msg": "wide", **{f"k{index}": index for index in range(5000)}}).encode()
    assert client.post("/v1/lines", content=body).json()["taken"] == 3
    assert intake.logs[0].body == "\ufffd\ufffd broken"
    assert len(intake.logs[1].body.encode()) <= LONGEST_BODY
    assert len(intake.logs[2].fields) <= MOST_FIELDS
    assert intake.count(Dropped.TIME) == 1
