from __future__ import annotations

import contextlib
import gzip
import math
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.metrics import Kind
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.ways.scrape.exposition import Families, Line, samples, series_of
from andon.feedback.telemetry.ways.scrape.scraper import Scraper
from andon.feedback.telemetry.ways.scrape.target import Target
from andon.feedback.telemetry.ways.stale import STALE_BITS
from tests.feedback.telemetry.ways.places import NOW, until, window

CLASSIC = "text/plain; version=0.0.4"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"

PAGE = r"""
# HELP http_requests_total The total.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400",} 3
# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\" }{"} 1.458255915e9
metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045
# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.01"} NaN
rpc_duration_seconds_sum 1.7560473e+07
{"my.dotted.name", "a b"="c"} 5
"""


def read(text: str, *, openmetrics: bool = False) -> list[Line | None]:
    return list(samples(text, Families(), openmetrics=openmetrics))


def test_the_text_format_is_read() -> None:
    families = Families()
    found = [line for line in samples(PAGE, families, openmetrics=False) if line is not None]
    assert [(line.value, line.time) for line in found[:2]] == [(1027.0, 1395066363000), (3.0, None)]
    assert series_of(found[0].series) == ("http_requests_total", {"method": "post", "code": "200"})
    assert series_of(found[2].series)[1] == {
        "path": "C:\\DIR\\FILE.TXT", "error": 'Cannot find file:\n"FILE.TXT" }{'
    }  # fmt: skip
    assert (found[4].value, found[4].time) == (math.inf, -3982045)
    assert math.isnan(found[5].value)
    assert series_of(found[7].series) == ("my.dotted.name", {"a b": "c"})
    assert families.types == {"http_requests_total": "counter", "rpc_duration_seconds": "summary"}
    assert families.helps == {"http_requests_total": "The total."}


def test_openmetrics_has_seconds_exemplars_and_an_end() -> None:
    page = (
        "# TYPE took histogram\n# UNIT took seconds\n"
        'took_bucket{le="1.0"} 5 1520879607.789 # {trace_id="abc"} 0.5 1520879606.5\n'
        'took_bucket{le="+Inf"} 6 # {} 2\n# EOF\nafter 1\n'
    )
    first, second = read(page, openmetrics=True)
    assert first is not None
    assert second is not None
    assert first.time == 1520879607789
    assert first.exemplar == ({"trace_id": "abc"}, 0.5, 1520879606500)
    assert second.exemplar == ({}, 2.0, None)


@pytest.mark.parametrize(
    "line", ["a", "a{", 'a{b="c} 1', "a b", "1a 1", "a 1 2 3", "a 1_0", 'a{b="c"', "{} x", "é 1", "a 1 nan"]
)
def test_lines_that_cannot_be_read_are_passed_over(line: str) -> None:
    bad, fine = read(f"{line}\nfine 1")
    assert bad is None
    assert fine == Line("fine", 1.0, None, None)


@pytest.mark.parametrize("text", ["a{b=c}", 'a{b="c" d="e"}', 'a{b="c",b="d"}', '{"a","b"}', 'a{b="c"}}'])
def test_labels_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="label"):
        series_of(text)


@given(st.text(max_size=300) | st.text('a{}="\\,#1 .\n', max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_the_reader(text: str) -> None:
    for line in read(text, openmetrics=True):
        if line is not None:
            try:
                series_of(line.series)
            except ValueError:
                continue


@pytest.mark.parametrize("line", ['a{b="' + '\\"' * 30_000, "a{" + 'b="c",' * 9000, "a{" * 30_000, "a " * 30_000])
def test_hostile_lines_cost_no_more_than_their_length(line: str) -> None:
    for _ in range(20):  # would take minutes, and time out, if the cost grew faster
        assert read(line) == [None]


class Exporter:
    """A real server whose page the test writes."""

    def __init__(self) -> None:
        self.page, self.kind, self.status, self.compressed = "", CLASSIC, 200, False
        self.asked: list[dict[str, str]] = []
        self.hold: threading.Event | None = None


def handler(exporter: Exporter) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            exporter.asked.append(dict(self.headers))
            if exporter.hold is not None:
                exporter.hold.wait(20)
            body = exporter.page.encode()
            if exporter.compressed:
                body = gzip.compress(body)
            self.send_response(exporter.status)
            self.send_header("Content-Type", exporter.kind)
            if exporter.compressed:
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):  # a scraper that has given up
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

        def address_string(self) -> str:
            return ""

    return Handler


@contextmanager
def served(server: Any) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def exporter() -> Exporter:
    return Exporter()


@pytest.fixture
def target(exporter: Exporter) -> Iterator[Target]:
    server = HTTPServer(("127.0.0.1", 0), handler(exporter))
    with served(server):
        yield Target({"service": "shop", "instance": "one"}, port=server.server_port)


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@contextmanager
def scraper(intake: MemoryIntake, *targets: Target, **more: Any) -> Iterator[Scraper]:
    made = Scraper(intake, window(), lambda: targets, **more)
    try:
        yield made
    finally:
        made.stop()


def stale(intake: MemoryIntake, name: str) -> list[bool]:
    return [
        np.float64(value).tobytes() == np.uint64(STALE_BITS).tobytes()
        for _, value in intake.samples(name, service="shop")
    ]


def test_a_page_becomes_series_of_its_target(intake: MemoryIntake, exporter: Exporter, target: Target) -> None:
    exporter.compressed = True
    exporter.page = (
        "# HELP hits How many.\n# TYPE hits counter\nhits 3\n# TYPE took histogram\n"
        'took_bucket{le="1"} 2\nx{service="other"} NaN\nbroken{\n'
    )
    with scraper(intake, target) as found:
        assert found.scrape(target)
        assert found.scrape(target)
    assert intake.samples("hits", service="shop", instance="one") == [(NOW, 3.0), (NOW, 3.0)]
    kinds = {one.name: one.kind for one in intake.series}
    assert kinds["hits"] is Kind.COUNTER
    assert kinds["took_bucket"] is Kind.COUNTER
    assert kinds["x"] is Kind.GAUGE
    (x,) = [one for one in intake.series if one.name == "x"]
    assert x.label("exported_service") == "other"
    assert [value for _, value in intake.samples("up")] == [1.0, 1.0]
    assert [value for _, value in intake.samples("scrape_samples_scraped")] == [3.0, 3.0]
    assert len(intake.samples("scrape_duration_seconds")) == 2
    assert intake.count(Dropped.MALFORMED) == 2
    assert exporter.asked[0]["Accept-Encoding"] == "gzip"
    assert [one.help for one in intake.series if one.name == "hits"] == ["How many."]


def test_what_vanishes_and_what_does_not_answer_is_marked_as_ended(
    intake: MemoryIntake, exporter: Exporter, target: Target
) -> None:
    with scraper(intake, target) as found:
        exporter.page = "stays 1\ngoes 1\ntimed 1 " + str(NOW)
        found.scrape(target)
        exporter.page = "stays 2"
        found.scrape(target)
        assert stale(intake, "goes") == [False, True]
        assert stale(intake, "stays") == [False, False]
        assert stale(intake, "timed") == [False]
        exporter.status = 500
        assert not found.scrape(target)
        assert found.states()[0][2] == "it answered 500"
    assert stale(intake, "stays") == [False, False, True]
    assert [value for _, value in intake.samples("up")] == [1.0, 1.0, 0.0]


def test_exemplars_of_openmetrics_are_kept(intake: MemoryIntake, exporter: Exporter, target: Target) -> None:
    exporter.kind = OPEN
    exporter.page = f'took_bucket{{le="1"}} 2 # {{trace_id="{"ab" * 16}"}} 0.5\n# EOF\n'
    with scraper(intake, target) as found:
        found.scrape(target)
    (exemplar,) = intake.exemplars
    assert (exemplar.trace, exemplar.value) == ("ab" * 16, 0.5)


def test_a_page_that_is_too_large_is_not_taken(intake: MemoryIntake, exporter: Exporter, target: Target) -> None:
    exporter.page = "a 1\n" + "#" * 200_000
    with scraper(intake, target, limit=100_000) as found:
        for compressed in (False, True):
            exporter.compressed = compressed
            assert not found.scrape(target)
    assert not intake.samples("a")


def test_a_socket_is_asked_like_a_port(intake: MemoryIntake, exporter: Exporter, tmp_path: Path) -> None:
    exporter.page = "a 1"
    path = tmp_path / "metrics.sock"
    with served(socketserver.UnixStreamServer(str(path), handler(exporter))):
        target = Target({"service": "shop"}, socket=path)
        with scraper(intake, target) as found:
            assert found.scrape(target)
    assert intake.samples("a") == [(NOW, 1.0)]


def test_targets_are_asked_again_and_again_until_they_are_none_any_more(
    intake: MemoryIntake, exporter: Exporter, target: Target
) -> None:
    exporter.page = "a 1"
    current = [target]
    made = Scraper(intake, window(), lambda: list(current), interval=0.3)
    made.start()
    try:
        until(lambda: len(intake.samples("a")) >= 3)
        current.clear()
        until(lambda: made.states() == ())
    finally:
        made.stop()
    assert stale(intake, "a")[-1]
    assert stale(intake, "up")[-1]


def test_a_target_that_never_ends_is_given_up(intake: MemoryIntake, exporter: Exporter, target: Target) -> None:
    exporter.hold = threading.Event()
    with scraper(intake, target, timeout=0.2) as found:
        assert not found.scrape(target)
        exporter.hold.set()
    assert [value for _, value in intake.samples("up")] == [0.0]


def test_a_full_store_costs_a_scrape_and_is_counted(intake: MemoryIntake, exporter: Exporter, target: Target) -> None:
    exporter.page = "a 1"
    intake.full = True
    with scraper(intake, target) as found:
        found.scrape(target)
        assert intake.count(Dropped.FULL) == 4
        intake.full = False
        found.scrape(target)
    assert intake.samples("a") == [(NOW, 1.0)]
