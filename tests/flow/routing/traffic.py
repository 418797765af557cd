"""Customers of a real Envoy: each with their own cookies, and a crowd that never stops asking."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path

from andon.flow.routing.adapters import EnvoyDataPlane
from andon.flow.routing.contract import PARTS, Arm, Forwarding, Match, Mirror, Plan, SegmentUse, Share, Sticky
from andon.flow.routing.model import Listener, Live, rules_of
from benchmarks.harness.ports import free_port
from tests.flow.routing.test_envoy import ONE, TWO, listener


def canary(
    parts: int,
    *,
    sticky: Sticky | None = None,
    matches: tuple[Match, ...] = (),
    segments: tuple[SegmentUse, ...] = (),
) -> Plan:
    """TWO is the canary beside ONE."""
    return Plan(
        shares=(Share(ONE, PARTS - parts), Share(TWO, parts)),
        arms={ONE: Arm.STABLE, TWO: Arm.CANARY},
        sticky=sticky,
        matches=matches,
        segments=segments,
    )


def dark(parts: int, methods: tuple[str, ...] = ("GET", "HEAD")) -> Plan:
    """TWO is dark behind ONE."""
    return Plan(
        shares=(Share(ONE, PARTS),),
        arms={ONE: Arm.STABLE, TWO: Arm.DARK},
        mirror=Mirror(TWO, parts, methods),
        sticky=None,
    )


def divided(
    plane: EnvoyDataPlane,
    name: str,
    plan: Plan,
    port: int | None = None,
    members: Mapping[str, frozenset[str]] | None = None,
) -> Listener:
    one = listener(plane, name, port or free_port(), plan.stable)
    return replace(
        one,
        rules=tuple(rules_of(Live(set=plan.stable, plan=plan), Forwarding(), {}, one.name)),
        mirror=plan.mirror,
        members=members or {},
        dark=str(plane.entry(f"{one.name}.dark")),
    )


@dataclass
class Customer:
    """A browser: it sends what it was given."""

    connection: HTTPConnection
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)
    """Each Set-Cookie, whole."""

    def ask(self, path: str = "/", method: str = "GET", body: bytes | None = None) -> str:
        return self.answer(path, method, body)[1]

    def answer(self, path: str = "/", method: str = "GET", body: bytes | None = None) -> tuple[HTTPResponse, str]:
        sent = dict(self.headers)
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.connection.request(method, path, body, sent)
        answer = self.connection.getresponse()
        said = answer.read().decode()
        for cookie in answer.headers.get_all("set-cookie") or []:
            self.given.append(cookie)
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer, said


@contextmanager
def asking(port: int) -> Iterator[HTTPConnection]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        yield connection


class Crowd:
    """Asks over and over from several connections, and remembers each answer."""

    def __init__(self, port: int, *, connections: int = 3, cookie: str = "") -> None:
        self._port = port
        self._cookie = cookie
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(connections)]
        self.answers: list[tuple[int, str]] = []
        self.broken: list[str] = []

    def __enter__(self) -> Crowd:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for one in self._threads:
            one.join()

    def _ask(self) -> None:
        with asking(self._port) as connection:
            customer = Customer(connection, headers={"Cookie": self._cookie} if self._cookie else {})
            while not self._ending.is_set():
                customer.cookies.clear()  # somebody else each time
                try:
                    answer, said = customer.answer()
                except (OSError, HTTPException) as error:
                    self.broken.append(repr(error))
                    connection.close()
                    continue
                self.answers.append((answer.status, said))


_INSTANCE = """
import sys
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer

class Server(ThreadingMixIn, UnixStreamServer):
    request_queue_size = 128

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(sys.argv[2])))
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
    def log_message(self, *arguments):
        pass

server = Server(sys.argv[1], Handler)
print("listening", flush=True)
server.serve_forever()
"""


@contextmanager
def instance(path: Path, said: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is a process of its own, and can be killed."""
    with subprocess.Popen([sys.executable, "-c", _INSTANCE, str(path), said], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"listening\n"
            yield process
        finally:
            process.kill()
