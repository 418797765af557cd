"""All ways in before one real store, and somebody who can say the same through each of them."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # grpcio carries no types
import httpx

from andon.feedback.telemetry.contract.intake import Dropped, Way
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.writer import DiskWatch, Writer
from andon.feedback.telemetry.ways.browser.beacons import Allowed
from andon.feedback.telemetry.ways.doors.lines import LineDoor
from andon.feedback.telemetry.ways.doors.listening import Tcp
from andon.feedback.telemetry.ways.gathering import Window
from andon.feedback.telemetry.ways.graphite import Graphite
from andon.feedback.telemetry.ways.network import NetworkWays
from andon.feedback.telemetry.ways.otlp.answers import Signal
from andon.feedback.telemetry.ways.otlp.grpc import METHODS
from andon.feedback.telemetry.ways.scrape.scraper import Scraper
from andon.feedback.telemetry.ways.scrape.target import Target
from andon.feedback.telemetry.ways.statsd.way import StatsdWay
from andon.feedback.telemetry.ways.syslog import Syslog
from tests.feedback.telemetry.ways.otlp_messages import CUMULATIVE, attribute, counter, gauge, metrics, resource
from tests.feedback.telemetry.ways.places import DAY, NOW, until
from tests.feedback.telemetry.ways.remote_write_messages import HEADERS, labelled, sample, snappy

LIMIT = 1000
PROTOBUF = {"content-type": "application/x-protobuf"}
_EXPORT = {signal: method for method, signal in METHODS.items()}
Counts = dict[tuple[Way, Dropped], int]


@dataclass(slots=True)
class Page:
    """What the target of the scraper answers."""

    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Everything:
    """Samples are of the service ``shop``, whatever way they take."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.free, self.page = engine, 10**12, Page()
        self.drops = Drops()
        self.book = Book(limit=LIMIT, total=100_000)
        self.disk = DiskWatch(folder, 1000, lambda: self.free)
        tables = Tables(engine, lambda: NOW)
        self.writer = Writer(tables, self.book, self.drops, self.disk, gather=0.01)
        window = Window(lambda: 7 * DAY, lambda: NOW)
        self.ways = NetworkWays(
            self.writer, window, Allowed(knows=lambda service, _: service == "shop", metrics=_Any())
        )
        self.statsd = StatsdWay(
            engine,
            tables,
            self.book,
            self.writer,
            disk=self.disk,
            listening=[("127.0.0.1", 0)],
            past=7 * DAY,
            now=lambda: NOW,
            patience=0.2,
            buffer=4 * 1024**2,
            linger=0.02,
        )
        # as the product has them, but that a full store is waited for less long
        self.graphite = LineDoor(Graphite(self.writer, window), self.writer, patience=0)
        self.syslog = LineDoor(Syslog(window), self.writer, patience=0)
        self._exporter = HTTPServer(("127.0.0.1", 0), _handler(self.page))
        self._serving = threading.Thread(target=self._exporter.serve_forever, kwargs={"poll_interval": 0.02})
        self.target = Target({"service": "shop"}, port=self._exporter.server_port)
        self.scraper = Scraper(self.writer, window, lambda: (), limit=16 * 1024**2)

    def start(self) -> None:
        self.writer.start()
        self.ways.start()
        self.statsd.start()
        self.graphite.start()
        self.syslog.start()
        self._serving.start()
        self.http = self.ways.http.listen(_place())
        self.grpc = self.ways.grpc.listen(_place())
        self.client = httpx.Client(base_url=f"http://{self.http}", timeout=60, trust_env=False)
        self.channel = grpc.insecure_channel(self.grpc, options=[("grpc.enable_http_proxy", 0)])
        self.plain = self.graphite.listen_tcp(_place()).removeprefix("tcp:")
        self.messages = self.syslog.listen_tcp(_place()).removeprefix("tcp:")
        self.datagrams = self.syslog.listen_udp(_place()).removeprefix("udp:")

    def stop(self) -> None:
        self.client.close()
        self.channel.close()
        self.statsd.stop()
        self.scraper.stop()
        self.graphite.stop()
        self.syslog.stop()
        self.ways.stop()
        self.writer.stop()
        self._exporter.shutdown()
        self._serving.join()
        self._exporter.server_close()

    # What became of it

    def counts(self) -> Counts:
        found: Counts = {}
        for (way, why, _), count in self.drops.counts().dropped.items():
            found[way, why] = found.get((way, why), 0) + count
        return found

    @contextmanager
    def dropping(self, way: Way, why: Dropped | None, count: int = 1) -> Iterator[None]:
        """Within, so much is dropped for this reason, or nothing, and nothing else of this way."""
        before = self.counts()
        yield
        wanted = {(way, why): count} if why is not None else {}

        def more() -> Counts:
            now = self.counts()
            return {
                key: number - before.get(key, 0)
                for key, number in now.items()
                if key[0] is way and number != before.get(key, 0)
            }

        with contextlib.suppress(AssertionError):
            until(lambda: more() == wanted, 60 if wanted else 0)
        assert more() == wanted

    def values(self, name: str) -> list[float]:
        return [
            float(str(value))
            for (value,) in self.engine.rows(
                "SELECT value FROM samples WHERE series IN (SELECT id FROM series WHERE name = {name:String})"
                " ORDER BY time",
                {"name": name},
            )
        ]

    def bodies(self, text: str) -> list[str]:
        rows = self.engine.rows("SELECT body FROM logs WHERE body LIKE {text:String} ORDER BY seq", {"text": text})
        return [str(body) for (body,) in rows]

    # Ways to say something

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        return self.client.post(path, content=body, headers=dict(headers))

    def call(self, signal: Signal, body: bytes, *, gzip: bool = False) -> grpc.StatusCode:
        compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        try:
            self.channel.unary_unary(_EXPORT[signal])(body, timeout=60, compression=compression)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    def line(self, where: str, raw: bytes) -> None:
        """Over a connection of its own, until the other side has read it all."""
        host, _, port = where.rpartition(":")
        with socket.create_connection((host, int(port)), 60) as sender:
            sender.sendall(raw + b"\n")
            sender.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                sender.recv(1)

    def datagram(self, where: tuple[str, int], raw: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(raw, where)

    def statsd_line(self, raw: bytes, *, tcp: bool = False) -> None:
        """Until a flush has dealt with it."""
        before = self.statsd.statistics.lines
        host, port = self.statsd.addresses[0]
        if tcp:
            self.line(f"{host}:{port}", raw)
        else:
            self.datagram((host, port), raw)
        until(lambda: self.statsd.statistics.lines > before or len(raw) > 8192)

    def scrape(self, body: bytes, *, zipped: bool = False, service: str = "shop") -> bool:
        self.page.body = body
        self.page.headers = {"Content-Encoding": "gzip"} if zipped else {}
        return self.scraper.scrape(replace(self.target, labels={"service": service}))


class _Any(frozenset[str]):
    """Every name."""

    def __contains__(self, name: object) -> bool:
        return True


def _place() -> Tcp:
    return Tcp(port=0, setting="telemetry.port")


def _handler(page: Page) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            with contextlib.suppress(OSError):  # a scraper that has given up
                self.wfile.write(page.body)

        def log_message(self, format: str, *args: object) -> None: ...

        def address_string(self) -> str:
            return ""

    return Handler


@dataclass(frozen=True, slots=True)
class Sent:
    """A sample as its sender means it."""

    name: str
    value: float = 1.0
    time: int = NOW
    labels: Mapping[str, str] = field(default_factory=dict)
    total: bool = False
    """Whether it is of a counter."""


def by_statsd(all_: Everything, sent: Sent) -> None:
    _by_statsd(all_, sent, tcp=False)


def by_statsd_over_tcp(all_: Everything, sent: Sent) -> None:
    _by_statsd(all_, sent, tcp=True)


def _by_statsd(all_: Everything, sent: Sent, *, tcp: bool) -> None:
    tags = ",".join(f"{name}:{value}" for name, value in {"service": "shop", **sent.labels}.items())
    type_ = "c" if sent.total else "g"
    at = "" if sent.time == NOW else f"|T{sent.time // 1000}"
    all_.statsd_line(f"{sent.name}:{sent.value!r}|{type_}|#{tags}{at}".encode(), tcp=tcp)


def otlp(sent: Sent) -> bytes:
    found = (
        counter(sent.name, 0, time=sent.time, temporality=CUMULATIVE)
        if sent.total
        else gauge(sent.name, sent.value, time=sent.time)
    )
    (point,) = found.sum.data_points if sent.total else found.gauge.data_points
    point.as_double = sent.value
    point.attributes.extend(attribute(key, value) for key, value in sent.labels.items())
    return bytes(metrics(found, of=resource()).SerializeToString())


def by_otlp(all_: Everything, sent: Sent) -> None:
    assert all_.post("/v1/metrics", otlp(sent), PROTOBUF).status_code == 200


def by_otlp_json(all_: Everything, sent: Sent) -> None:
    def attributes(told: Mapping[str, str]) -> list[object]:
        return [{"key": key, "value": {"stringValue": value}} for key, value in told.items()]

    value: object = sent.value
    if not math.isfinite(sent.value):
        value = "NaN" if math.isnan(sent.value) else "Infinity" if sent.value > 0 else "-Infinity"
    points = [{"timeUnixNano": str(sent.time * 1_000_000), "asDouble": value, "attributes": attributes(sent.labels)}]
    data: dict[str, object] = (
        {"sum": {"dataPoints": points, "aggregationTemporality": 2, "isMonotonic": True}}
        if sent.total
        else {"gauge": {"dataPoints": points}}
    )
    of = {"attributes": attributes({one.key: one.value.string_value for one in resource().attributes})}
    told = {"resourceMetrics": [{"resource": of, "scopeMetrics": [{"metrics": [{"name": sent.name, **data}]}]}]}
    raw = json.dumps(told).encode()
    assert all_.post("/v1/metrics", raw, {"content-type": "application/json"}).status_code == 200


def by_otlp_grpc(all_: Everything, sent: Sent) -> None:
    assert all_.call(Signal.METRICS, otlp(sent)) is grpc.StatusCode.OK


def by_remote_write(all_: Everything, sent: Sent) -> None:
    labels = {"__name__": sent.name, "service": "shop", **sent.labels}
    body = labelled(labels, sample(sent.value, sent.time))
    assert all_.post("/api/v1/write", snappy(body), HEADERS).status_code in {204, 400}


def by_scrape(all_: Everything, sent: Sent) -> None:
    labels = ",".join(f'{name}="{value}"' for name, value in sent.labels.items())
    value = "NaN" if math.isnan(sent.value) else f"{sent.value:+}"
    type_ = f"# TYPE {sent.name} counter\n" if sent.total else ""
    assert all_.scrape(f"{type_}{sent.name}{{{labels}}} {value} {sent.time}\n".encode())


def by_graphite(all_: Everything, sent: Sent) -> None:
    tags = "".join(f";{name}={value}" for name, value in {"service": "shop", **sent.labels}.items())
    all_.line(all_.plain, f"{sent.name}{tags} {sent.value!r} {sent.time / 1000}".encode())


def zipped(body: bytes) -> bytes:
    return gzip.compress(body)


def stamp(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Sending = Callable[[Everything, Sent], None]

METRICS: dict[str, tuple[Sending, Way]] = {
    "statsd": (by_statsd, Way.STATSD),
    "statsd over tcp": (by_statsd_over_tcp, Way.STATSD),
    "otlp": (by_otlp, Way.OTLP),
    "otlp json": (by_otlp_json, Way.OTLP),
    "otlp grpc": (by_otlp_grpc, Way.OTLP),
    "remote write": (by_remote_write, Way.REMOTE_WRITE),
    "scrape": (by_scrape, Way.SCRAPE),
    "graphite": (by_graphite, Way.GRAPHITE),
}


def stored(all_: Everything, send: Sending, sent: Sent, count: int = 1) -> None:
    send(all_, sent)
    name = f"{sent.name}_total" if sent.total and not sent.name.endswith("_total") else sent.name
    until(lambda: len(all_.values(name)) + len(all_.values(sent.name)) * (name != sent.name) >= count)


def taken(answer: httpx.Response) -> None:
    assert answer.status_code == 200, answer.text
