"""Runs *inside* a sandbox: a program that listens on a TCP port there becomes reachable through a Unix socket.

    python3 forwarder.py SOCKET PORT -- COMMAND…
    python3 forwarder.py --out PORT SOCKET -- COMMAND…

Instances have a network of their own, so nobody on the machine's loopback reaches them; Envoy comes in by the
socket, which lies in a folder mounted from outside. This one file is mounted into the sandbox: it imports
nothing but the standard library.

The second form is the way out for a job: the command reaches what listens on SOCKET, mounted from outside, as
127.0.0.1:PORT, and nothing else of the machine's network.

Bytes go both ways between each connection and 127.0.0.1:PORT (then ::1), with half-close and back-pressure: a
side that does not read stops the other side from being read. A refused connection is closed at once.

SIGTERM and SIGINT go to the command; connections are served on until it has ended, then what is still in the
buffers is delivered. The exit code is the command's (128+n for a death by signal n).
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress

_BUFFER = 256 * 1024
_HOSTS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_LAST_WORDS = 5.0  # seconds for deliveries after the command has ended
_IN, _OUT, _GONE = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP | select.EPOLLERR
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT)


Addresses = tuple[tuple[socket.AddressFamily, "tuple[str, int] | str"], ...]


class End:
    """One end of a connection: what waits to be sent to it, and what has been heard from it."""

    __slots__ = ("address", "connecting", "eof", "fd", "interest", "other", "pending", "shut", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.pending: memoryview | None = None  # to be sent to this end
        self.eof = False  # it will send nothing more
        self.shut = False  # we will send nothing more to it
        self.connecting = False
        self.address = 0  # which of the forwarder's addresses is being tried
        self.interest = 0
        self.other = self


class Forwarder:
    """All connections, in one loop. ``addresses`` are tried in order: family, and what ``connect`` takes."""

    def __init__(self, listening: socket.socket, addresses: Addresses) -> None:
        self._listening = listening
        self._addresses = addresses
        self._ends: dict[int, End] = {}
        self._epoll = select.epoll()
        self._epoll.register(listening.fileno(), _IN)
        self._accepting = True
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)

    def run(self, child: int, wake: int) -> int:
        """Until the command has ended and everything is delivered; the exit code."""
        self._epoll.register(wake, _IN)
        code: int | None = None
        until = 0.0
        while code is None or (self._ends and time.monotonic() < until):
            events = self._epoll.poll(None if code is None else 0.05)
            accept = False
            for fd, event in events:
                end = self._ends.get(fd)
                if end is not None:
                    self._serve(end, event)
                elif fd == wake:
                    code = self._signals(wake, child, code)
                    until = time.monotonic() + _LAST_WORDS
                else:
                    accept = fd == self._listening.fileno()
            if accept and code is None:  # last: a new connection may take the number of one closed just now
                self._accept()
            if code is not None:
                self._last_words()
        return code

    def _signals(self, wake: int, child: int, code: int | None) -> int | None:
        for number in os.read(wake, 512):
            if number in _FORWARDED and code is None:
                with suppress(ProcessLookupError):
                    os.kill(child, number)
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == child:
                    ended = os.waitstatus_to_exitcode(status)
                    code = ended if ended >= 0 else 128 - ended
        return code

    def _last_words(self) -> None:
        """The command has ended: a connection it has closed and whose bytes are delivered needs nobody any more."""
        for end in list(self._ends.values()):
            if end.eof and end.other.pending is None and end.address >= 0:
                self._close(end)

    def _accept(self) -> None:
        for _ in range(64):
            try:
                sock, _ = self._listening.accept()
            except BlockingIOError:
                return
            except OSError:  # no descriptors left: wait until a connection ends
                self._epoll.modify(self._listening.fileno(), 0)
                self._accepting = False
                return
            sock.setblocking(False)
            client = End(sock)
            client.address = -1
            self._ends[client.fd] = client
            self._epoll.register(client.fd, 0)
            self._connect(client, 0)

    def _connect(self, client: End, address: int) -> None:
        """Reach for the command's port; the client is not read before that is done."""
        family, target = self._addresses[address]
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        except OSError:
            self._close(client)
            return
        server = End(sock)
        server.address = address
        server.connecting = True
        server.other, client.other = client, server
        try:
            if family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(target)
        except BlockingIOError:
            self._ends[server.fd] = server
            server.interest = _OUT
            self._epoll.register(server.fd, _OUT)
            return
        except OSError:
            sock.close()
            self._refused(client, address)
            return
        self._ends[server.fd] = server
        self._epoll.register(server.fd, 0)
        self._connected(server)

    def _refused(self, client: End, address: int) -> None:
        if address + 1 < len(self._addresses):
            self._connect(client, address + 1)
        else:
            client.other = client
            self._close(client)

    def _connected(self, server: End) -> None:
        server.connecting = False
        self._watch(server)
        self._watch(server.other)

    def _serve(self, end: End, event: int) -> None:
        if end.connecting:
            if end.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                client = end.other
                self._forget(end)
                self._refused(client, end.address)
            else:
                self._connected(end)
            return
        if event & _OUT and end.pending is not None:
            self._flush(end)
        if end.fd in self._ends and event & (_IN | _GONE):
            if end.other.connecting:  # the client left before we got through
                self._close(end)
            elif not end.eof and end.other.pending is None:
                self._read(end)
            elif event & _GONE:
                if end.address < 0:  # the client has left altogether
                    self._close(end)
                else:
                    # The command has closed, and what it said is still being delivered. The kernel would tell of
                    # it for ever, so it is not asked until there is room to read the rest.
                    end.interest = -1
                    self._epoll.unregister(end.fd)

    def _read(self, end: End) -> None:
        other = end.other
        try:
            count = end.sock.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            self._close(end)
            return
        if count == 0:
            end.eof = True
            self._shut(other)
            if end.fd in self._ends:
                self._watch(end)
            return
        try:
            sent = other.sock.send(self._view[:count])
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lost(other)
            return
        if sent < count:
            other.pending = memoryview(bytes(self._view[sent:count]))
            self._watch(other)
            self._watch(end)

    def _flush(self, end: End) -> None:
        try:
            while end.pending:
                end.pending = end.pending[end.sock.send(end.pending) :]
        except BlockingIOError:
            return
        except OSError:
            self._lost(end)
            return
        end.pending = None
        if end.other.eof:
            self._shut(end)
        if end.fd in self._ends:
            self._watch(end)
            self._watch(end.other)

    def _lost(self, end: End) -> None:
        """It takes nothing more, but what it has said already (a refusal of a large upload) still has to arrive."""
        end.pending = None
        end.shut = True
        end.other.eof = True
        self._watch(end)
        self._watch(end.other)

    def _shut(self, end: End) -> None:
        """Pass on that the other end has finished, once everything before it is delivered."""
        if end.pending is not None or end.shut:
            return
        end.shut = True
        if end.eof:
            self._close(end)
            return
        try:
            end.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(end)

    def _watch(self, end: End) -> None:
        interest = (0 if end.eof or end.other.pending is not None else _IN) | (_OUT if end.pending is not None else 0)
        if interest == end.interest:
            return
        if end.interest >= 0:
            self._epoll.modify(end.fd, interest)
        elif interest:
            self._epoll.register(end.fd, interest)
        else:
            return
        end.interest = interest

    def _close(self, end: End) -> None:
        self._forget(end)
        if end.other is not end:
            self._forget(end.other)

    def _forget(self, end: End) -> None:
        if self._ends.pop(end.fd, None) is None:
            return
        with suppress(OSError):
            self._epoll.unregister(end.fd)
        end.sock.close()
        if not self._accepting:
            self._epoll.modify(self._listening.fileno(), _IN)
            self._accepting = True


def _listen(path: str) -> socket.socket:
    with suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 (left by a start before this one)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        listening.bind(path)
    finally:
        os.umask(before)
    listening.listen(4096)
    return listening


def _listen_on_port(port: int) -> socket.socket:
    kind = socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    listening = socket.socket(socket.AF_INET, kind, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(4096)
    return listening


def _nothing(number: int, frame: object) -> None:
    """Signals reach the loop through the wakeup descriptor."""


def main(arguments: list[str]) -> int:
    """See the module's docstring."""
    out = arguments[:1] == ["--out"]
    if out:
        arguments = [*reversed(arguments[1:3]), *arguments[3:]]
    if len(arguments) < 4 or arguments[2] != "--" or not arguments[1].isdecimal():
        sys.stderr.write("usage: forwarder.py (SOCKET PORT | --out PORT SOCKET) -- COMMAND…\n")
        return 2
    path, port = arguments[0], int(arguments[1])
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for number in (*_FORWARDED, signal.SIGCHLD):
        signal.signal(number, _nothing)
    listening = _listen_on_port(port) if out else _listen(path)
    addresses: Addresses = ((socket.AF_UNIX, path),) if out else tuple((one, (host, port)) for one, host in _HOSTS)
    command = arguments[3:]
    try:
        child = os.posix_spawnp(
            command[0], command, os.environ, setsigdef=[*_FORWARDED, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ]
        )
    except OSError as error:
        sys.stderr.write(f"{command[0]} could not be started: {error.strerror}\n")
        return 127
    # after the start, so that the command keeps the usual limit; a program with many clients needs two each here
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return Forwarder(listening, addresses).run(child, wake)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
