"""What a program in a network of its own reaches: sockets it was given, as if they were ports."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from andon.kernel.keeper import control
from andon.kernel.keeper.ways import Transport, WayIn, WayOut, forwarded
from andon.kernel.sandbox.model import Mount
from benchmarks.harness.ports import free_port
from tests.kernel.keeper.conftest import House, wait_until
from tests.kernel.keeper.test_forwarder import PROGRAM, has_ipv6, reach, read_all


@contextmanager
def with_ways_out(program: str, *ways: WayOut, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs with ways out only; it is ended when the test is done with it."""
    argv, _mounts = forwarded((sys.executable, "-c", textwrap.dedent(program)), ways_out=ways)
    argv = tuple(str(PROGRAM) if word.endswith("/forwarder.py") else word for word in argv)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **variables}) as one:
        try:
            yield one
        finally:
            one.kill()


def receiver(path: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    found.settimeout(60)
    found.bind(str(path))
    return found


SENDER = """
    import os, socket, sys
    family = getattr(socket, os.environ.get("FAMILY", "AF_INET"))
    host = {"AF_INET": "127.0.0.1", "AF_INET6": "::1"}[os.environ.get("FAMILY", "AF_INET")]
    s = socket.socket(family, socket.SOCK_DGRAM)
    for line in sys.stdin:
        text, times = line.split()
        for number in range(int(times)):
            s.sendto(f"{text}{number}:1|c".encode(), (host, int(os.environ["PORT"])))
        print("sent", flush=True)
"""


def say(process: subprocess.Popen[bytes], text: str, times: int = 1) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{text} {times}\n".encode())
    process.stdin.flush()
    assert process.stdout.readline() == b"sent\n"


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_datagrams_go_out_to_a_socket(short: Path, family: str) -> None:
    if family == "AF_INET6" and not has_ipv6():
        pytest.skip("this machine has no ::1")
    port = free_port()
    way = WayOut(Transport.UDP, port, str(short / "statsd.sock"))
    with (
        receiver(short / "statsd.sock") as heard,
        with_ways_out(SENDER, way, PORT=str(port), FAMILY=family) as process,
    ):
        say(process, "a", 3)
        assert [heard.recv(100) for _ in range(3)] == [b"a0:1|c", b"a1:1|c", b"a2:1|c"]


def test_datagrams_nobody_takes_are_dropped_and_told_once_somebody_listens_again(short: Path) -> None:
    port = free_port()
    path = short / "statsd.sock"
    with with_ways_out(SENDER, WayOut(Transport.UDP, port, str(path)), PORT=str(port)) as process:
        say(process, "early", 5)  # nobody has ever listened
        _settle(process)
        with receiver(path) as heard:
            say(process, "b")
            assert [heard.recv(100), heard.recv(100)] == [b"andon.forwarder.dropped:5|c", b"b0:1|c"]
        say(process, "between", 2)  # who listened is gone
        _settle(process)
        path.unlink()
        with receiver(path) as heard:  # and has come back under the same name
            say(process, "c")
            assert [heard.recv(100), heard.recv(100)] == [b"andon.forwarder.dropped:2|c", b"c0:1|c"]


def test_a_burst_waits_for_a_slow_receiver_and_none_of_it_is_lost(short: Path) -> None:
    port = free_port()
    way = WayOut(Transport.UDP, port, str(short / "s"))
    with receiver(short / "s") as heard, with_ways_out(SENDER, way, PORT=str(port)) as process:
        say(process, "x", 200)  # many times what a Unix socket holds
        assert [heard.recv(100) for _ in range(200)] == [b"x%d:1|c" % number for number in range(200)]


def test_what_did_not_fit_is_counted_too_and_the_last_words_of_a_command_arrive(short: Path) -> None:
    port = free_port()
    way = WayOut(Transport.UDP, port, str(short / "s"))
    with receiver(short / "s") as heard, with_ways_out(SENDER, way, PORT=str(port)) as process:
        sent = 60_000
        say(process, "y", sent)
        got = told = 0
        while got + told < sent:
            datagram = heard.recv(100)
            if datagram.startswith(b"andon.forwarder.dropped:"):
                told += int(datagram[24:-2])
            else:
                got += 1
            if got == 1000:
                say(process, "z", 1)  # keeps it going: what was dropped is told when there is room again
                sent += 1
        assert told > 0
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


ASKING = """
    import os, socket, sys
    for line in sys.stdin:
        with socket.create_connection(("127.0.0.1", int(os.environ["PORT"]))) as s:
            try:
                s.sendall(b"hello")
                s.shutdown(socket.SHUT_WR)
                heard = s.makefile().read()
            except OSError:
                heard = ""
        print(heard or "closed", flush=True)
"""


def test_connections_go_out_to_a_socket_that_may_come_later_and_come_again(short: Path) -> None:
    port = free_port()
    path = short / "otlp.sock"

    def ask() -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    with with_ways_out(ASKING, WayOut(Transport.TCP, port, str(path)), PORT=str(port)) as process:
        assert ask() == b"closed"
        for answer in (b"one", b"two"):
            with answering(path, answer):
                assert ask() == answer
            path.unlink()
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            client, _ = listening.accept()
            with client:
                read_all(client)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(60)


def test_a_connection_somebody_left_open_does_not_hold_up_the_end(short: Path) -> None:
    port = free_port()
    program = """
        import os, socket, sys
        s = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))
        s.sendall(b"last words")
        if os.fork():
            os._exit(3)
        import time; time.sleep(300)
    """
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short / "o"))
        listening.listen()
        with with_ways_out(program, WayOut(Transport.TCP, port, str(short / "o")), PORT=str(port)) as process:
            client, _ = listening.accept()
            with client:
                assert read_all(client) == b"last words"
            assert process.wait(60) == 3


def test_ways_in_and_out_go_together_and_the_sandbox_has_nothing_else(house: House) -> None:
    sockets, telemetry = house.folder / "sockets", house.folder / "t"
    sockets.mkdir()
    telemetry.mkdir()
    program = """
        import os, socket
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s = socket.create_server(("127.0.0.1", 8000))
        print("listening", sorted(os.listdir("/run/telemetry")), flush=True)
        while True:
            c, _ = s.accept()
            udp.sendto(c.recv(100), ("localhost", 8125))
            try:
                os.unlink("/run/telemetry/statsd.sock")
            except OSError as error:
                c.sendall(type(error).__name__.encode())
            c.close()
    """
    inside = ("python3", "-c", textwrap.dedent(program))
    way = WayOut(Transport.UDP, 8125, "/run/telemetry/statsd.sock")
    argv, mounts = forwarded(inside, way_in=WayIn("/run/andon/http.sock", 8000), ways_out=(way,))
    with receiver(telemetry / "statsd.sock") as heard:
        house.sandboxed(
            "",
            argv=argv,
            mounts=(*mounts, Mount(sockets, "/run/andon", writable=True), Mount(telemetry, "/run/telemetry")),
        )
        wait_until(lambda: house.lines() == ["listening ['statsd.sock']"], "it listens")
        with reach(str(sockets / "http.sock")) as sock:
            sock.sendall(b"n:1|c")
            assert heard.recv(100) == b"n:1|c"
            assert read_all(sock) == b"OSError"
    control.stop(house.state, "web")


def test_a_command_without_ways_is_left_alone() -> None:
    assert forwarded(("run", "it")) == (("run", "it"), ())


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose sockets' paths are short enough."""
    with tempfile.TemporaryDirectory(prefix="andon-fw-") as folder:
        yield Path(folder)


def _settle(process: subprocess.Popen[bytes]) -> None:
    """Until the forwarder has passed on all it was sent: the kernel keeps nothing for it any more."""

    def queued() -> int:
        lines = [*Path("/proc/net/udp").read_text().splitlines()[1:]]
        owned = {link.readlink().name for link in Path(f"/proc/{process.pid}/fd").iterdir()}
        return sum(int(one.split()[4].split(":")[1], 16) for one in lines if f"socket:[{one.split()[9]}]" in owned)

    def sleeps() -> bool:
        return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"

    wait_until(lambda: queued() == 0 and sleeps(), "the forwarder has read everything")
