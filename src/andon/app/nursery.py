"""Where roles come from: one process that has loaded the whole program and forks each role from itself.

A role is there as quickly as a fork, after a fall as at the beginning, and the program is in memory once. The nursery
has one thread, no connection and no file open but the socket to the supervisor; it ends with the supervisor, and the
roles end with it. It is the supervisor's process that is asked for roles: see :class:`Nursery`.
"""

from __future__ import annotations

import array
import gc
import importlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec
from setproctitle import setproctitle

from andon.app.role import PARENT, READY, Role, begin, die_with_parent
from andon.kernel.titles import title_of_role

_SOCKET = "ANDON_NURSERY_FD"
_LARGEST = 4096
_BIRTH_SECONDS = 60.0
_TOLD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""By which others tell to end; the nursery ends with the supervisor, and not before it."""


class _Wanted(msgspec.Struct, tag="wanted"):
    """To the nursery: a role is wanted, which says that it is up where the descriptor that comes along leads."""

    number: int
    role: Role


class _Born(msgspec.Struct, tag="born"):
    number: int
    pid: int


class _Ended(msgspec.Struct, tag="ended"):
    number: int
    returncode: int


_told = msgspec.json.Decoder(_Born | _Ended)
_asked = msgspec.json.Decoder(_Wanted)


class RoleProcess:
    """One role's process, as :class:`subprocess.Popen` has it. ``returncode`` is negative for a signal."""

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery
        self.pid: int | None = None
        self.returncode: int | None = None

    def poll(self) -> int | None:
        self._nursery.hear(0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing happens to one that has ended."""
        deadline = time.monotonic() + _BIRTH_SECONDS
        while self.pid is None and self.returncode is None and time.monotonic() < deadline:
            self._nursery.hear(0.5)  # the nursery is still loading
        if self.pid is not None and self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended this moment
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Raises ``subprocess.TimeoutExpired``."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            left = 1.0 if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired("role", timeout or 0.0)
            self._nursery.hear(min(left, 1.0))
        return self.returncode


class Nursery:
    """The supervisor's side; for one thread. The process is started with the first role, and again when it was lost."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._roles: dict[int, RoleProcess] = {}
        self._number = 0

    def start(self, role: Role, ready: int) -> RoleProcess:
        """Returns at once. ``ready`` is where the role says that it is up; the caller closes its own copy."""
        if self._socket is None:
            self._open()
        self._number += 1
        made = self._roles[self._number] = RoleProcess(self)
        handles = array.array("i", [ready])
        message = msgspec.json.encode(_Wanted(self._number, role))
        try:
            assert self._socket is not None  # noqa: S101 - opened above
            self._socket.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handles)])
        except OSError:
            self._lost()
        return made

    def hear(self, seconds: float) -> None:
        """Learn what has become of the roles; waits for news at most so long."""
        while self._socket is not None:
            readable, _, _ = select.select([self._socket], [], [], seconds)
            if not readable:
                return
            try:
                news = self._socket.recv(_LARGEST)
            except OSError:
                news = b""
            if not news:
                return self._lost()
            self._note(_told.decode(news))
            seconds = 0.0
        return None

    def close(self) -> None:
        """End the nursery; roles that are still there end with it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()  # it may be loading still
            self._process.wait()
            self._process = None

    # Inside

    def _open(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "andon.app.nursery", str(self._data)],
                env={**os.environ, _SOCKET: str(theirs.fileno()), PARENT: str(os.getpid())},
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                # A group of its own: Ctrl-C in the terminal reaches the supervisor alone, which ends them in order.
                process_group=0,
            )
        self._socket = ours

    def _note(self, news: _Born | _Ended) -> None:
        match news:
            case _Born(number=number, pid=pid):
                self._roles[number].pid = pid
            case _Ended(number=number, returncode=returncode):
                self._roles.pop(number).returncode = returncode

    def _lost(self) -> None:
        """The nursery has ended, and what it had started is killed with it."""
        self.close()
        for one in self._roles.values():
            one.returncode = -signal.SIGKILL
        self._roles.clear()


# The nursery's own process


def main() -> int:
    die_with_parent(int(os.environ.pop(PARENT, "0")), signal.SIGKILL)
    control = socket.socket(fileno=int(os.environ.pop(_SOCKET)))
    for number in _TOLD:
        signal.signal(number, signal.SIG_IGN)
    _load()
    found = _serve(control)
    if found is None:
        return 0
    role, ready = found
    os.environ[READY] = str(ready)
    data = Path(sys.argv[1])
    setproctitle(title_of_role(role.value, data))
    return begin(role, data)


def _load() -> None:
    """All that a role is made of. What cannot be imported is told by the role that needs it."""
    with suppress(Exception):  # whatever it is: the role meets it again, where it can be told
        for role in ("telemetry", "web", "worker"):
            importlib.import_module(f"andon.app.{role}")
    gc.collect()
    # The collector would write into each object that it looks at, and so make a copy of it in each role.
    gc.freeze()


def _serve(control: socket.socket) -> tuple[Role, int] | None:
    """Fork what is asked for. Returns in the child, with its role and where it says that it is up; in the nursery when
    the supervisor has let go of it."""
    children: dict[int, int] = {}
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    while True:
        readable, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in readable:
            os.read(woken, _LARGEST)
            _tell_ended(control, children)
        if control.fileno() not in readable:
            continue
        message, handles, _, _ = socket.recv_fds(control, _LARGEST, 1)
        if not message:
            return None
        wanted = _asked.decode(message)
        parent = os.getpid()
        # Held back until the child can heed it: told to end the moment it was born, it would ignore that as we do.
        signal.pthread_sigmask(signal.SIG_BLOCK, _TOLD)
        pid = os.fork()
        if pid == 0:
            control.close()
            signal.set_wakeup_fd(-1)
            os.close(woken)
            os.close(waking)
            _leave_home(parent)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD)
            return wanted.role, handles[0]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD)
        for handle in handles:
            os.close(handle)
        children[pid] = wanted.number
        _send(control, _Born(wanted.number, pid))


def _leave_home(parent: int) -> None:
    """What the child must not have of its parent."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setpgid(0, 0)
    # Killed at once and not asked: the next supervisor must not find the port and the worker's lock still taken.
    die_with_parent(parent, signal.SIGKILL)


def _tell_ended(control: socket.socket, children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        _send(control, _Ended(children.pop(pid), os.waitstatus_to_exitcode(status)))


def _send(control: socket.socket, news: _Born | _Ended) -> None:
    with suppress(OSError):  # the supervisor is gone, and so is whoever would have read it
        control.send(msgspec.json.encode(news))


if __name__ == "__main__":
    sys.exit(main())
