"""Runs *inside* a sandbox: a program that listens on a TCP port there becomes reachable through a Unix socket, and
reaches what is mounted from outside as if it listened on ports of its own loopback.

    python3 forwarder.py [SOCKET PORT] [--out tcp PORT SOCKET]… [--out udp PORT SOCKET]… -- COMMAND…

``SOCKET PORT`` is the way in. Instances have a network of their own, so nobody on the machine's loopback reaches them;
Envoy comes in by the socket, which lies in a folder mounted from outside. Of Andon it imports ``datagrams`` alone, and
that only for ways out of datagrams: nothing else of it is to be seen inside.

``--out`` is a way out: the command reaches what listens on SOCKET as localhost:PORT, and nothing else of the machine's
network. It may come up later than the command, and come up again: the path is looked up each time.

Streams: bytes go both ways between each connection and its target, with half-close and back-pressure: a side that does
not read stops the other side from being read. A refused connection is closed at once.

Datagrams: see ``datagrams``.

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

TYPE_CHECKING = False  # typing itself would be half of what is loaded
if TYPE_CHECKING:
    from andon.kernel.keeper.datagrams import Datagrams

if __name__ == "__main__":  # it is mounted with the folders of its package around it
    sys.path.insert(0, os.path.abspath(f"{os.path.dirname(__file__)}/../../.."))  # noqa: PTH100, PTH120 - pathlib would double what it holds in memory

Addresses = tuple[tuple[socket.AddressFamily, "tuple[str, int] | str"], ...]


class Door:
    """Where connections come in, and where they lead. ``addresses`` are tried in order: family, and what ``connect``
    takes."""

    __slots__ = ("accepting", "addresses", "fd", "outward", "sock")

    def __init__(self, sock: socket.socket, addresses: Addresses, *, outward: bool) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.addresses = addresses
        self.outward = outward
        self.accepting = True


class End:
    """One end of a connection: what waits to be sent to it, and what has been heard from it."""

    __slots__ = ("address", "connecting", "door", "eof", "fd", "interest", "other", "pending", "shut", "sock")

    def __init__(self, sock: socket.socket, door: Door) -> None:
        self.sock = sock
        self.door = door
        self.fd = sock.fileno()
        self.pending: memoryview | None = None  # to be sent to this end
        self.eof = False  # it will send nothing more
        self.shut = False  # we will send nothing more to it
        self.connecting = False
        self.address = 0  # which of the door's addresses is being tried; -1 for who came in by it
        self.interest = 0
        self.other = self


class Forwarder:
    """All connections and datagrams, in one loop."""

    def __init__(self, doors: list[Door], datagrams: list[Datagrams]) -> None:
        self._doors = {door.fd: door for door in doors}
        self._datagrams = {fd: one for one in datagrams for fd in (one.fd, one.out)}
        self._ends: dict[int, End] = {}
        self._epoll = select.epoll()
        for fd in (*self._doors, *(one.fd for one in datagrams)):
            self._epoll.register(fd, _IN)
        self._full: set[int] = set()  # ways out for datagrams that wait for room
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)

    def run(self, child: int, wake: int) -> int:
        """Until the command has ended and everything is delivered; the exit code."""
        self._epoll.register(wake, _IN)
        code: int | None = None
        until = 0.0
        while code is None or (self._ends and time.monotonic() < until):
            events = self._epoll.poll(None if code is None else 0.05)
            doors = []
            for fd, event in events:
                end = self._ends.get(fd)
                if end is not None:
                    self._serve(end, event)
                elif fd == wake:
                    code = self._signals(wake, child, code)
                    until = time.monotonic() + _LAST_WORDS
                elif fd in self._datagrams:
                    self._pass_on(self._datagrams[fd])
                elif fd in self._doors:
                    doors.append(self._doors[fd])
            for door in doors:  # last: a new connection may take the number of one closed just now
                if code is None or door.outward:  # what the command sent as its last words
                    self._accept(door)
            if code is not None:
                self._last_words(quiet=not events)
        for one in set(self._datagrams.values()):
            one.finish()
        return code

    def _pass_on(self, datagrams: Datagrams) -> None:
        passed = datagrams.serve()
        if passed and datagrams.out in self._full:
            self._full.discard(datagrams.out)
            self._epoll.unregister(datagrams.out)
            self._epoll.modify(datagrams.fd, _IN)
        elif not passed and datagrams.out not in self._full:
            self._full.add(datagrams.out)
            self._epoll.modify(datagrams.fd, 0)
            self._epoll.register(datagrams.out, _OUT)

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

    def _last_words(self, *, quiet: bool) -> None:
        """The command has ended: a connection whose bytes from it are delivered needs nobody any more.

        On a way in that is told by its closing it. On a way out it is the client, and what it left running may keep
        connections open without a word: ``quiet`` is that nothing came for a moment.
        """
        for end in list(self._ends.values()):
            if end.other.pending is not None or end.connecting or (end.address < 0) != end.door.outward:
                continue
            if end.eof or (end.door.outward and quiet):
                self._close(end)

    def _accept(self, door: Door) -> None:
        for _ in range(64):
            try:
                sock, _ = door.sock.accept()
            except BlockingIOError:
                return
            except OSError:  # no descriptors left: wait until a connection ends
                self._epoll.modify(door.fd, 0)
                door.accepting = False
                return
            sock.setblocking(False)
            client = End(sock, door)
            client.address = -1
            self._ends[client.fd] = client
            self._epoll.register(client.fd, 0)
            self._connect(client, 0)

    def _connect(self, client: End, address: int) -> None:
        """Reach for what the door leads to; the client is not read before that is done."""
        family, target = client.door.addresses[address]
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        except OSError:
            self._close(client)
            return
        server = End(sock, client.door)
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
        if address + 1 < len(client.door.addresses):
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
        for door in self._doors.values():
            if not door.accepting:
                self._epoll.modify(door.fd, _IN)
                door.accepting = True


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


def _bound(port: int, kind: int) -> list[socket.socket]:
    """Sockets on the port of the loopback: what says "localhost" may well mean ``::1``, where there is that."""
    found = []
    for family, host in _HOSTS:
        try:
            sock = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.bind((host, port))
            if kind == socket.SOCK_STREAM:
                sock.listen(4096)
        except OSError:
            if family == socket.AF_INET:
                raise
        else:
            found.append(sock)
    return found


def _nothing(number: int, frame: object) -> None:
    """Signals reach the loop through the wakeup descriptor."""


def _opened(arguments: list[str]) -> tuple[list[Door], list[Datagrams]] | None:
    """The ways that are asked for; None when nobody could ask for that. Raises OSError."""
    doors: list[Door] = []
    datagrams: list[Datagrams] = []
    while arguments:
        match arguments:
            case ["--out", "tcp", port, path, *arguments] if port.isdecimal():
                target: Addresses = ((socket.AF_UNIX, path),)
                doors += [Door(one, target, outward=True) for one in _bound(int(port), socket.SOCK_STREAM)]
            case ["--out", "udp", port, path, *arguments] if port.isdecimal():
                from andon.kernel.keeper.datagrams import Datagrams  # noqa: PLC0415 - see the module's docstring

                datagrams += [Datagrams(one, path) for one in _bound(int(port), socket.SOCK_DGRAM)]
            case [path, port, *arguments] if port.isdecimal() and not doors and not datagrams:
                addresses = tuple((family, (host, int(port))) for family, host in _HOSTS)
                doors.append(Door(_listen(path), addresses, outward=False))
            case _:
                return None
    return doors, datagrams


def main(arguments: list[str]) -> int:
    """See the module's docstring."""
    dashes = arguments.index("--") if "--" in arguments else 0
    command = arguments[dashes + 1 :]
    ways = _opened(arguments[:dashes]) if dashes and command else None
    if ways is None:
        sys.stderr.write("usage: forwarder.py [SOCKET PORT] [--out (tcp | udp) PORT SOCKET]… -- COMMAND…\n")
        return 2
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for number in (*_FORWARDED, signal.SIGCHLD):
        signal.signal(number, _nothing)
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
    return Forwarder(*ways).run(child, wake)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
