"""A real Envoy, told by files."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

import httpx
import pytest

from andon.flow.environments.contract import SetId
from andon.flow.routing.adapters import KEEPER, EnvoyDataPlane, envoy_binary, envoy_version
from andon.flow.routing.model import PASSED, Listener, Table, Upstream
from andon.flow.sources.contract import Service
from andon.kernel.errors import Missing, Unavailable
from andon.kernel.keeper import control
from benchmarks.harness.ports import free_port
from tests.flow.environments.place import wait_until

ONE, TWO = SetId("set_1"), SetId("set_2")


class Answering(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def upstream(path: Path, said: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said.encode())

        def do_POST(self) -> None:
            # whoever closes with a body unread resets the connection, and the answer is lost on its way
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(501)

        def log_message(self, format: str, *arguments: object) -> None:
            return

    server = Answering(str(path), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"unix:{path}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def running_plane(data: Path) -> Iterator[EnvoyDataPlane]:
    (data / "sockets").mkdir(mode=0o700)
    made = EnvoyDataPlane(
        binary=envoy_binary(), folder=data / "router", sockets=data / "sockets", keepers=data / "keepers"
    )
    made.start()
    try:
        yield made
    finally:
        made.stop()
    assert control.kept(data / "keepers") == ()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvoyDataPlane]:
    with running_plane(tmp_path_factory.mktemp("d")) as running:
        yield running


@pytest.fixture(scope="module")
def sockets(plane: EnvoyDataPlane) -> Path:
    return plane.entry("x").parent.parent


@pytest.fixture(scope="module")
def endpoints(sockets: Path) -> Iterator[tuple[Upstream, Upstream]]:
    with upstream(sockets / "one.sock", "one") as one, upstream(sockets / "two.sock", "two") as two:
        yield Upstream(set=ONE, endpoints=(one,)), Upstream(set=TWO, endpoints=(two,))


def listener(plane: EnvoyDataPlane, name: str, port: int, to: SetId = ONE) -> Listener:
    return Listener(
        service=Service(name),
        environment="production",
        host="127.0.0.1",
        port=port,
        set=to,
        entry=str(plane.entry(f"{name}.production")),
    )


def get(port: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/", timeout=60, trust_env=False).text


def test_it_follows_to_and_fro(plane: EnvoyDataPlane, endpoints: tuple[Upstream, Upstream]) -> None:
    port, other = free_port(), free_port()
    assert plane.follow(Table(listeners=(listener(plane, "shop", port),), upstreams=endpoints)) == frozenset()
    assert get(port) == "one"
    both = (listener(plane, "shop", port, TWO), listener(plane, "mail", other))
    assert plane.follow(Table(listeners=both, upstreams=endpoints)) == frozenset()
    assert (get(port), get(other)) == ("two", "one")
    with httpx.Client(
        transport=httpx.HTTPTransport(uds=str(plane.entry("shop.production"))), trust_env=False, timeout=60
    ) as local:
        assert local.get("http://shop/").text == "two"
    served = plane.served(TWO)
    assert served is not None
    assert (served.requests, served.failed) == (2, 0)
    assert plane.served(SetId("set_unknown")) is None
    plane.follow(Table(listeners=both[1:], upstreams=endpoints[:1]))
    wait_until(lambda: nobody_listens(port))
    assert get(other) == "one"
    plane.follow(Table(listeners=(), upstreams=()))


def nobody_listens(port: int) -> bool:
    with closing(socket.socket()) as asking:
        return asking.connect_ex(("127.0.0.1", port)) != 0


def test_its_admin_is_its_owners_alone_and_hard_to_guess(plane: EnvoyDataPlane, sockets: Path) -> None:
    (admin,) = sockets.glob("*/admin.sock")
    assert stat.S_IMODE(admin.stat().st_mode) == 0o600
    assert stat.S_IMODE(admin.parent.stat().st_mode) == 0o700
    assert len(admin.parent.name) >= 24


def test_a_taken_port_holds_nobody_else_up(plane: EnvoyDataPlane, endpoints: tuple[Upstream, Upstream]) -> None:
    port = free_port()
    with closing(socket.socket()) as thief:
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        taken = int(thief.getsockname()[1])
        wanted = (listener(plane, "shop", port), listener(plane, "mail", taken))
        for to, said in ((ONE, "one"), (TWO, "two")):
            wanted = (listener(plane, "shop", port, to), wanted[1])
            assert plane.follow(Table(listeners=wanted, upstreams=endpoints)) == {"mail.production"}
            assert get(port) == said
    assert plane.follow(Table(listeners=wanted, upstreams=endpoints)) == frozenset()
    assert get(taken) == "one"
    plane.follow(Table(listeners=(), upstreams=()))


def test_two_installations_never_share_a_port(
    plane: EnvoyDataPlane, endpoints: tuple[Upstream, Upstream], tmp_path_factory: pytest.TempPathFactory
) -> None:
    port = free_port()
    plane.follow(Table(listeners=(listener(plane, "shop", port),), upstreams=endpoints))
    with running_plane(tmp_path_factory.mktemp("o")) as other:
        nothing = (Upstream(set=ONE, endpoints=("unix:/nobody",)),)
        wanted = (listener(other, "mail", port),)
        assert other.follow(Table(listeners=wanted, upstreams=nothing)) == {"mail.production"}
        assert {get(port) for _ in range(20)} == {"one"}
    plane.follow(Table(listeners=(), upstreams=()))


def test_a_killed_one_comes_back_with_what_it_had(plane: EnvoyDataPlane, endpoints: tuple[Upstream, Upstream]) -> None:
    port = free_port()
    table = Table(listeners=(listener(plane, "shop", port),), upstreams=endpoints)
    plane.follow(table)
    keepers = plane.entry("x").parents[2] / "keepers"
    before = control.state(keepers, KEEPER)
    assert before is not None
    assert before.init is not None
    os.kill(before.init.pid, signal.SIGKILL)
    wait_until(lambda: (control.state(keepers, KEEPER) or before).restarts > before.restarts)
    wait_until(lambda: not nobody_listens(port))
    assert get(port) == "one"
    plane.start()
    plane.follow(table)
    assert plane.served(ONE) is not None
    plane.follow(Table(listeners=(), upstreams=()))


def test_what_it_cannot_take_is_said(plane: EnvoyDataPlane, endpoints: tuple[Upstream, Upstream]) -> None:
    port = free_port()
    plane.follow(Table(listeners=(listener(plane, "shop", port),), upstreams=endpoints))
    broken = (Upstream(set=ONE, endpoints=("unix:" + "/too-long" * 20,)), endpoints[1])
    with pytest.raises(Unavailable) as told:
        plane.follow(Table(listeners=(listener(plane, "shop", port),), upstreams=broken))
    assert "refused the new sets; it last said" in told.value.message
    assert "andon doctor" in told.value.remedy
    assert get(port) == "one"
    plane.follow(Table(listeners=(), upstreams=()))


def test_a_machine_without_envoy_is_told_so(tmp_path: Path) -> None:
    none = EnvoyDataPlane(
        binary=tmp_path / "envoy", folder=tmp_path / "r", sockets=tmp_path / "s", keepers=tmp_path / "k"
    )
    with pytest.raises(Missing):
        none.start()
    with pytest.raises(Missing):
        envoy_version(tmp_path / "envoy")
    assert none.served(ONE) is None
    assert "1." in envoy_version(envoy_binary())


@contextmanager
def hostile(path: Path, heard: list[str]) -> Iterator[Upstream]:
    """A service that keeps the cookies it is sent, and tries to set one of the console's."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            heard.extend(self.headers.get_all("Cookie") or [])
            self.send_response(200)
            self.send_header("Set-Cookie", "andon-session-7766=theirs; Path=/")
            self.send_header("Set-Cookie", "=andon-session-7766=theirs; Path=/")
            self.send_header("Set-Cookie", " = andon-session-7766=theirs; Path=/")
            self.send_header("Set-Cookie", "basket=3; Path=/")
            self.send_header("Set-Cookie", "andon-theme-1=dark")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            return

    server = Answering(str(path), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Upstream(set=ONE, endpoints=(f"unix:{path}",))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        path.unlink()


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("andon-session-7766=secret", []),
        ("=andon-session-7766=secret", []),
        ("a=1; andon-session-7766=secret; andon-visitor-7766=seed; b=x=y", ["a=1; b=x=y"]),
        ("a=1;__Host-andon-session-443=secret", ["a=1"]),
        ("andon-theme-1=dark; andon-session-7766=secret; andon-session-=a", ["andon-theme-1=dark; andon-session-=a"]),
        ("not-andon-session-1=1; b=andon-session-1", ["not-andon-session-1=1; b=andon-session-1"]),
    ],
)
def test_a_hostile_service_is_not_handed_the_consoles_session_and_cannot_set_one(
    plane: EnvoyDataPlane, sockets: Path, sent: str, arrives: list[str]
) -> None:
    """A browser sends its cookies to every port of a host: the console's to each environment beside it, too."""
    heard: list[str] = []
    port = free_port()
    with hostile(sockets / "hostile.sock", heard) as there:
        plane.follow(Table(listeners=(listener(plane, "shop", port),), upstreams=(there,)))
        answer = httpx.get(f"http://127.0.0.1:{port}/", headers={"Cookie": sent}, timeout=60, trust_env=False)
    plane.follow(Table(listeners=(), upstreams=()))
    assert heard == arrives
    assert answer.headers.get_list("set-cookie") == ["basket=3; Path=/", "andon-theme-1=dark"]


def test_blanks_in_a_cookie_do_not_hold_up_the_router(plane: EnvoyDataPlane, sockets: Path) -> None:
    """All environments share its few threads: what a pattern tries again and again at one, all of them wait for."""
    port, heard = free_port(), list[str]()
    cookie = f"andon-x=1; a=b{' ' * 58_000}c"
    request = f"GET / HTTP/1.1\r\nHost: shop\r\nCookie: {cookie}\r\n\r\n".encode()
    with hostile(sockets / "hostile.sock", heard) as there:
        plane.follow(Table(listeners=(listener(plane, "shop", port),), upstreams=(there,)))
        deadline, answers = time.monotonic() + 20, b""
        with socket.create_connection(("127.0.0.1", port)) as pipelined:
            pipelined.settimeout(20)
            pipelined.sendall(request * 10)
            while answers.count(b"HTTP/1.1 200 OK") < 10 and time.monotonic() < deadline:
                answers += pipelined.recv(65_536)
    plane.follow(Table(listeners=(), upstreams=()))
    assert heard == [cookie] * 10


UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "a2V5", "Sec-WebSocket-Version": "13"}


@pytest.mark.parametrize("headers", [{}, UPGRADE])
def test_a_request_that_goes_round_is_ended(
    plane: EnvoyDataPlane, endpoints: tuple[Upstream, Upstream], sockets: Path, headers: dict[str, str]
) -> None:
    """An instance made its socket a link to an environment's own: its own, or one that leads back to it."""
    itself, there, back = SetId("set_itself"), SetId("set_there"), SetId("set_back")
    shop, mail, news = (
        listener(plane, name, free_port(), to) for name, to in (("shop", itself), ("mail", there), ("news", back))
    )
    fine = listener(plane, "fine", free_port())
    links = []
    for one, entry in ((itself, shop.entry), (there, news.entry), (back, mail.entry)):
        link = sockets / f"{one}.sock"
        link.symlink_to(entry)
        links.append(Upstream(set=one, endpoints=(f"unix:{link}",)))
    plane.follow(Table(listeners=(shop, mail, news, fine), upstreams=(*links, endpoints[0])))
    for asked in (shop, mail, news):
        answer = httpx.get(f"http://127.0.0.1:{asked.port}/", headers=headers, timeout=60, trust_env=False)
        assert answer.status_code == 508
        assert f"it has come to {asked.service} production 3 times already" in answer.text
    assert get(fine.port) == "one"
    plane.follow(Table(listeners=(), upstreams=()))
    for linked in links:
        (sockets / f"{linked.set}.sock").unlink()


def test_coming_back_now_and_then_is_no_round(
    plane: EnvoyDataPlane, endpoints: tuple[Upstream, Upstream], sockets: Path
) -> None:
    """A gateway called by what it calls; each program on the way may join the header's lines to one."""
    shop = listener(plane, "shop", free_port())
    mail = listener(plane, "mail", free_port(), SetId("set_there"))
    link = sockets / "gateway.sock"
    link.symlink_to(shop.entry)
    there = Upstream(set=SetId("set_there"), endpoints=(f"unix:{link}",))
    plane.follow(Table(listeners=(shop, mail), upstreams=(endpoints[0], there)))
    mark = hashlib.sha256(b"shop.production").hexdigest()[:16]
    for before, status in ((f"{mark}, {mark}", 200), (f"{mark},other,{mark}, {mark}", 508)):
        answer = httpx.get(f"http://127.0.0.1:{mail.port}/", headers={PASSED: before}, timeout=60, trust_env=False)
        assert answer.status_code == status
    plane.follow(Table(listeners=(), upstreams=()))
    link.unlink()
