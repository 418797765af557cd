"""One life of a kept program: forked by the keeper, as it is or inside bubblewrap.

The keeper process imports this module: the standard library's smallest only.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from andon.kernel.sandbox.attach import Attachment, attach
from andon.kernel.sandbox.identity import ProcessId, children, end, identify, send

_CHUNK = 65536
_PR_SET_PDEATHSIG = 1
_LEFTOVER = 1.0  # seconds to read what an ended program left in its pipe


class Child:
    """One life of the program."""

    def __init__(self, outer: ProcessId, init: ProcessId | None, output: int, status: int, started: float) -> None:
        self.outer = outer
        self.init = init
        self.output = output
        self.status = status
        self.started = started
        self.pidfd = os.pidfd_open(outer.pid)
        self.heard = False  # its output has ended

    def signal(self, number: int) -> bool:
        """Signal the program itself, inside a sandbox the first process below the init; False if there is none yet."""
        if self.init is None:
            return send(self.outer, number)
        return any(send(found, number) for pid in children(self.init.pid)[:1] if (found := identify(pid)))

    def kill(self) -> None:
        """Everything, now."""
        if self.init is not None:
            send(self.init, signal.SIGKILL)
        else:
            with suppress(ProcessLookupError):
                os.killpg(self.outer.pid, signal.SIGKILL)  # not yet waited for: the number is still ours
        send(self.outer, signal.SIGKILL)

    def read(self, out: Callable[[bytes], None]) -> bool:
        """Carry on what it has printed; False once it has closed its output."""
        try:
            data = os.read(self.output, _CHUNK)
        except BlockingIOError:
            return True
        out(data)
        return bool(data)

    def drain(self, out: Callable[[bytes], None]) -> None:
        """What is left in the pipe; bounded, since a stray process might hold the other end and write for ever."""
        until = time.monotonic() + _LEFTOVER
        poll = select.poll()
        poll.register(self.output, select.POLLIN)
        while time.monotonic() < until and poll.poll(50):
            if not self.read(out):
                break

    def exit_code_inside(self) -> int | None:
        """What bubblewrap says of the program's end; None when the program was never started."""
        try:
            data = os.read(self.status, _CHUNK)
        except BlockingIOError:
            return None
        for line in data.splitlines():
            found = json.loads(line)
            if "exit-code" in found:
                return int(found["exit-code"])
        return None


def start_plain(argv: list[str], environment: dict[str, str], directory: str, limits: Attachment) -> Child:
    """Start a program as it is, in a session of its own. Raises OSError when no process can be had."""
    pid, output = _fork(argv, environment, (), own=(directory, limits))
    outer = identify(pid) or ProcessId(pid, 0)
    return Child(outer, None, output, -1, time.monotonic())


def start_sandboxed(
    argv: list[str],
    private: bytes,
    limits: Attachment,
    running: Callable[[Child], None],
    note: Callable[[str], None],
) -> Child:
    """Start bubblewrap with ``private`` as further arguments. ``running`` is called before the gate opens.

    Raises OSError when no process can be had; what goes wrong afterwards is noted, and the loop sees the child's end.
    """
    status_read, status_write = os.pipe()
    pipe, gate_write = os.pipe()
    # open for writing too: if we die with the gate shut, its reader must wait, not see the pipe's end and go on
    gate_read = os.open(f"/proc/self/fd/{pipe}", os.O_RDWR | os.O_CLOEXEC)
    os.close(pipe)
    more = os.memfd_create("andon")
    os.write(more, private)
    os.lseek(more, 0, os.SEEK_SET)
    whole = [argv[0], "--args", str(more), "--json-status-fd", str(status_write)]
    whole += ["--block-fd", str(gate_read), *argv[1:]]
    try:
        pid, output = _fork(whole, {"PATH": "/usr/bin:/bin"}, (more, status_write, gate_read))
    finally:
        for fd in (more, status_write, gate_read):
            os.close(fd)
    outer = identify(pid)
    init: ProcessId | None = None
    try:
        first = _first_line(status_read)
        init = identify(int(json.loads(first)["child-pid"])) if first else None
        if init is None or outer is None:
            return _failed(pid, output, status_read)
        attach(limits, init.pid)
        child = Child(outer, init, output, status_read, time.monotonic())
        running(child)
        os.write(gate_write, b"1")  # only now, limited and on file, does the program itself start
        os.set_blocking(status_read, False)
        return child
    except OSError as error:
        note(f"the program could not be put under its limits: {error.strerror}")
        if init is not None:
            end(init)
        return _failed(pid, output, status_read)
    finally:
        os.close(gate_write)


def _first_line(fd: int) -> bytes:
    data = b""
    while b"\n" not in data:
        more = os.read(fd, 4096)
        if not more:
            break
        data += more
    return data.partition(b"\n")[0]


def _failed(pid: int, output: int, status: int) -> Child:
    """bubblewrap gave up, or limits could not be had: kill it, and let the loop see its end."""
    found = identify(pid)
    os.kill(pid, signal.SIGKILL)
    return Child(found or ProcessId(pid, 0), None, output, status, time.monotonic())


def _fork(
    argv: list[str],
    environment: dict[str, str],
    keep: tuple[int, ...],
    *,
    own: tuple[str, Attachment] | None = None,
) -> tuple[int, int]:
    """Start a process with its output in a pipe; (pid, pipe). ``own`` are a plain program's directory and limits."""
    read, write = os.pipe()
    nothing = os.open("/dev/null", os.O_RDONLY)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(nothing, 0)
            os.dup2(write, 1)
            os.dup2(write, 2)
            for fd in keep:
                os.set_inheritable(fd, True)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            if own is not None:
                os.setsid()
                _die_with_parent(parent)
                attach(own[1], os.getpid())
                os.chdir(own[0])
            os.execvpe(argv[0], argv, environment)  # noqa: S606 - to run what was ordered is what a keeper is for
        except BaseException as error:  # noqa: BLE001 - we are a fork: nobody above may go on
            os.write(2, f"[keeper] {argv[0]} could not be started: {error}\n".encode("utf-8", "replace"))
        finally:
            os._exit(127)
    os.close(write)
    os.close(nothing)
    os.set_blocking(read, False)
    return pid, read


def _die_with_parent(parent: int) -> None:
    """In the child: be killed when the keeper dies. ctypes is loaded only here, not in the keeper itself."""
    import ctypes  # noqa: PLC0415 - see above

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(127)
