"""A program in a network of its own, reached through a Unix socket."""

from __future__ import annotations

import hashlib
import os
import signal
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

from andon.kernel.keeper import control, forwarder
from andon.kernel.sandbox.model import Mount
from benchmarks.harness.ports import free_port
from tests.kernel.keeper.conftest import House, wait_until

PROGRAM = Path(forwarder.__file__)

ECHO = """
    import os, signal, socket, sys, threading, time
    def serve(c):
        with c:
            while data := c.recv(65536):
                c.sendall(data)
            c.sendall(b"[end]")
    s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=512)
    print("listening", flush=True)
    while True:
        c, _ = s.accept()
        threading.Thread(target=serve, args=(c,), daemon=True).start()
"""


@contextmanager
def forwarding(program: str, *, wait: bool = True) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="andon-fw-") as folder:
        path = f"{folder}/web.sock"
        argv = [
            sys.executable,
            "-I",
            str(PROGRAM),
            path,
            str(port),
            "--",
            sys.executable,
            "-c",
            textwrap.dedent(program),
        ]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "PORT": str(port)}) as process:
            assert process.stdout is not None
            try:
                if wait:
                    assert process.stdout.readline() == b"listening\n"
                else:
                    # a program that ends at once may have done so before we have looked
                    wait_until(lambda: listens(path) or process.poll() is not None, "somebody listens at the socket")
                yield process, path
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                finally:
                    process.kill()


def reach(path: str) -> socket.socket:
    found = socket.socket(socket.AF_UNIX)
    found.settimeout(60)
    try:
        found.connect(path)
    except OSError:
        found.close()
        raise
    return found


def listens(path: str) -> bool:
    """A socket is there as soon as it is bound, a moment before it listens."""
    try:
        reach(path).close()
    except OSError:
        return False
    return True


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def read_all(sock: socket.socket) -> bytes:
    data = b""
    while more := sock.recv(1 << 20):
        data += more
    return data


def test_bytes_go_both_ways_and_a_half_close_is_passed_on() -> None:
    with forwarding(ECHO) as (_, path), reach(path) as sock:
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
        sock.sendall(b"again")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"again[end]"


def test_large_transfers_arrive_whole_however_slow_the_reader_is() -> None:
    payload = os.urandom(1 << 20) * 24
    with forwarding(ECHO) as (process, path), reach(path) as sock:

        def send() -> None:
            sock.sendall(payload)
            sock.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send)
        thread.start()
        # nobody reads yet: the sender must come to a stop, and the forwarder must not hoard what it sends
        thread.join(1.0)
        assert thread.is_alive()
        status = Path(f"/proc/{process.pid}/status").read_text()
        used = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        assert used < 40_000
        received = read_all(sock)
        thread.join(60)
    assert received[-5:] == b"[end]"
    assert hashlib.sha256(received[:-5]).digest() == hashlib.sha256(payload).digest()


def test_a_slow_reader_gets_everything_from_a_server_that_has_closed() -> None:
    server = """
        import os, socket
        s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
        print("listening", flush=True)
        while True:
            c, _ = s.accept()
            while c.recv(65536): pass
            c.sendall(b"y" * 3_000_000)
            c.close()
    """
    with forwarding(server) as (_, path), reach(path) as sock:
        sock.sendall(b"give me all")
        sock.shutdown(socket.SHUT_WR)
        threading.Event().wait(0.3)  # the server has long sent and closed; nobody has read
        assert len(read_all(sock)) == 3_000_000


def test_many_connections_at_once() -> None:
    with forwarding(ECHO) as (_, path):
        socks = [reach(path) for _ in range(200)]
        for number, sock in enumerate(socks):
            sock.sendall(b"%d" % number)
        for number, sock in enumerate(socks):
            assert sock.recv(100) == b"%d" % number
        for sock in socks:
            sock.close()


def test_an_answer_before_the_end_of_an_upload_arrives() -> None:
    server = """
        import os, socket
        s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
        print("listening", flush=True)
        while True:
            c, _ = s.accept()
            c.recv(10)
            c.sendall(b"413 too large")
            c.shutdown(socket.SHUT_WR)
            c.recv(10_000_000)
    """
    with forwarding(server) as (_, path), reach(path) as sock:
        sock.sendall(b"x" * 10_000)
        assert read_all(sock) == b"413 too large"


def test_a_refused_connection_is_closed() -> None:
    with forwarding("import time; time.sleep(300)", wait=False) as (_, path), reach(path) as sock:
        assert sock.recv(1) == b""


def test_a_program_that_listens_on_ipv6_only_is_reached() -> None:
    if not has_ipv6():
        pytest.skip("this machine has no ::1")
    server = ECHO.replace(
        '("127.0.0.1", int(os.environ["PORT"]))', '("::1", int(os.environ["PORT"])), family=socket.AF_INET6'
    )
    with forwarding(server) as (_, path), reach(path) as sock:
        sock.sendall(b"six")
        assert sock.recv(10) == b"six"


def test_a_graceful_stop_loses_no_request() -> None:
    server = """
        import os, signal, socket, sys, threading, time
        s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
        busy = []
        def finish(*_):
            for t in busy: t.join()
            print("finished", flush=True)
            os._exit(5)
        signal.signal(signal.SIGTERM, finish)
        def serve(c):
            c.recv(100)
            print("got", flush=True)
            time.sleep(0.5)
            c.sendall(b"answer")
            c.close()
        print("listening", flush=True)
        while True:
            c, _ = s.accept()
            t = threading.Thread(target=serve, args=(c,)); busy.append(t); t.start()
    """
    with forwarding(server) as (process, path), reach(path) as sock:
        assert process.stdout is not None
        sock.sendall(b"request")
        assert process.stdout.readline() == b"got\n"
        process.send_signal(signal.SIGTERM)
        assert read_all(sock) == b"answer"
        assert process.wait(60) == 5


@pytest.mark.parametrize(("program", "code"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_exit_code_is_the_programs(program: str, code: int) -> None:
    with forwarding(program, wait=False) as (process, _):
        assert process.wait(60) == code


def test_a_missing_program_and_a_wrong_call_are_told(tmp_path: Path) -> None:
    argv = [sys.executable, "-I", str(PROGRAM)]
    done = subprocess.run([*argv, str(tmp_path / "s"), "80", "--", "no-such-program"], capture_output=True, check=False)
    assert done.returncode == 127
    assert b"no-such-program" in done.stderr
    assert subprocess.run([*argv, "x"], capture_output=True, check=False).returncode == 2


def test_a_kept_sandboxed_program_is_reached_from_outside_and_only_by_its_socket(house: House) -> None:
    sockets = house.folder / "sockets"
    sockets.mkdir()
    port = free_port()
    inside = (
        "python3",
        "/run/forwarder.py",
        "/run/andon/web.sock",
        str(port),
        "--",
        "python3",
        "-c",
        textwrap.dedent(ECHO),
    )
    house.sandboxed(
        "",
        argv=inside,
        environment={"PORT": str(port)},
        mounts=(Mount(PROGRAM, "/run/forwarder.py"), Mount(sockets, "/run/andon", writable=True)),
    )
    wait_until(lambda: house.lines() == ["listening"], "it listens")
    with reach(str(sockets / "web.sock")) as sock:
        sock.sendall(b"hello")
        assert sock.recv(10) == b"hello"
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.1", port))
    control.stop(house.state, "web")
    assert house.lines()[-1] == "[keeper] the program was ended by signal 15"
