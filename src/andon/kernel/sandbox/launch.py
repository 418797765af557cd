"""Start a sandbox, hold it, end it.

The order makes every crash harmless: entry in the spool → bubblewrap starts and waits at a gate (``--block-fd``)
→ its namespace's init is put under the limits and written down → the gate opens → the payload starts.
Nothing runs that is not limited and on file, and no launcher process stands between bubblewrap and the payload.
"""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from andon.kernel.sandbox.command import Command, build
from andon.kernel.sandbox.errors import LaunchFailed, LimitUnavailable
from andon.kernel.sandbox.identity import ProcessId, boot_id, end, identify, send, signal_tree
from andon.kernel.sandbox.limits import Limiter, LimitHandle, best_limiter
from andon.kernel.sandbox.model import Exit, SandboxSpec, Usage
from andon.kernel.sandbox.spool import MARK, Entry, path_of, remove_entry, write_entry

_SIGNALS = {int(number) for number in signal.valid_signals()}
_BOOT = boot_id()


class Sandboxed:
    """A running sandbox. Every method may be called from any thread."""

    def __init__(
        self,
        id: str,
        state_dir: Path,
        process: subprocess.Popen[bytes],
        outer: ProcessId,
        init: ProcessId,
        status_fd: int,
        handle: LimitHandle,
    ) -> None:
        self.id = id
        self._state_dir = state_dir
        self._process = process
        self.outer = outer
        self.init = init
        self._status_fd = status_fd
        self._handle = handle
        self._pidfd = os.pidfd_open(outer.pid)
        self._lock = threading.Lock()
        self._exit: Exit | None = None
        self._usage: Usage | None = None

    @property
    def pid(self) -> int:
        """bubblewrap itself, outside."""
        return self.outer.pid

    @property
    def child_pid(self) -> int:
        """The namespace's init, as seen from outside: with it everything inside dies."""
        return self.init.pid

    @property
    def usage(self) -> Usage:
        """What it has taken so far."""
        return self._usage or self._handle.usage()

    def wait(self, timeout: float | None = None) -> Exit:
        """Wait for the end, clean up, and say how it ended. Raises TimeoutError after ``timeout`` seconds.

        However bubblewrap ended, nothing that ran inside is left afterwards.
        """
        if self.running and not self._ended(timeout):
            raise TimeoutError(f"sandbox {self.id} still runs after {timeout} s")
        with self._lock:
            if self._exit is None:
                self._exit = self._finish()
            return self._exit

    @property
    def running(self) -> bool:
        """Nobody has yet learnt by :meth:`wait` or :meth:`poll` that it ended."""
        return self._exit is None

    def _ended(self, timeout: float | None) -> bool:
        poll = select.poll()
        with self._lock:
            if self._exit is not None:
                return True
            # a descriptor of our own: the thread that finishes first closes the shared one
            watched = os.dup(self._pidfd)
        try:
            poll.register(watched, select.POLLIN)
            return bool(poll.poll(None if timeout is None else max(0, int(timeout * 1000))))
        finally:
            os.close(watched)

    def poll(self) -> Exit | None:
        """How it ended, or None while it runs."""
        try:
            return self.wait(0)
        except TimeoutError:
            return None

    def terminate(self) -> int:
        """SIGTERM to every process inside; how many got it."""
        return signal_tree(self.init, signal.SIGTERM)

    def kill(self) -> None:
        """Kill everything inside, now and for certain. :meth:`wait` then says so."""
        send(self.init, signal.SIGKILL)
        self._handle.kill()

    def end(self, grace: float) -> Exit:
        """:meth:`terminate`, give it ``grace`` seconds, :meth:`kill`."""
        self.terminate()
        try:
            return self.wait(grace)
        except TimeoutError:
            self.kill()
            return self.wait()

    def _finish(self) -> Exit:
        _, status = os.waitpid(self.outer.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)  # Popen need not wait again
        end(self.init)  # still there if somebody killed bubblewrap alone
        before = self._handle.usage()
        self._usage = before
        code = _exit_code(self._status_fd)
        os.close(self._status_fd)
        os.close(self._pidfd)
        self._handle.close()
        remove_entry(self._state_dir, self.id)
        return _exit(self._process.returncode, code, before.out_of_memory_kills > 0)


def _exit(returned: int, code: int | None, out_of_memory: bool) -> Exit:
    """bubblewrap writes an exit code to its status pipe only if the payload was started."""
    number = returned if code is None else code
    if number < 0:
        return Exit(None, -number, out_of_memory)
    if number > 128 and number - 128 in _SIGNALS:
        return Exit(None, number - 128, out_of_memory)
    return Exit(number, None, out_of_memory, started=code is not None)


def _exit_code(fd: int) -> int | None:
    with suppress(BlockingIOError):
        for line in os.read(fd, 65536).splitlines():
            with suppress(ValueError, TypeError):
                found = json.loads(line)
                if isinstance(found, dict) and "exit-code" in found:
                    return int(found["exit-code"])
    return None


def launch(
    spec: SandboxSpec,
    *,
    id: str,
    state_dir: Path,
    stdout: int,
    stderr: int | None = None,
    stdin: int | None = None,
    dies_with_parent: bool = True,
    limiter: Limiter | None = None,
    extra_toolchains: Sequence[Path] = (),
) -> Sandboxed:
    """Start a command in a sandbox; returns once it is limited, on file and let go.

    ``id`` names it in ``state_dir`` (a folder only we write to, made if missing) and in control groups; it must
    not be in use. ``stdout``, ``stderr`` and ``stdin`` are file descriptors that stay the caller's; stderr goes
    where stdout goes unless given, stdin is empty unless given.

    With ``dies_with_parent`` everything inside is killed when this process ends, even by SIGKILL. The kernel
    binds that to the thread that starts a process, so bubblewrap is started by one thread that never ends.

    Raises InvalidSandbox, SandboxMissing, LimitUnavailable, or LaunchFailed when bubblewrap itself gave up.
    """
    command = build(spec, dies_with_parent=dies_with_parent, extra_toolchains=extra_toolchains)
    handle = (limiter or best_limiter()).prepare(id, spec.limits)
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        groups = handle.attachment.cgroups
        write_entry(state_dir, Entry(id, None, None, groups, _BOOT))
        try:
            return _start(command, handle, id, state_dir, (stdin, stdout, stderr))
        except BaseException:
            remove_entry(state_dir, id)
            raise
    except BaseException:
        handle.close()
        raise


def _start(
    command: Command,
    handle: LimitHandle,
    id: str,
    state_dir: Path,
    streams: tuple[int | None, int, int | None],
) -> Sandboxed:
    stdin, stdout, stderr = streams
    status_read, status_write = os.pipe()
    gate_read, gate_write = gate()
    private = memory_file(command.private)
    argv = with_descriptors(command.argv, private, status_write, gate_read)
    # bubblewrap's own environment holds nothing of the payload's (see command.py)
    own = {"PATH": "/usr/bin:/bin", MARK: str(path_of(state_dir, id).resolve())}

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=stdout,
            stderr=subprocess.STDOUT if stderr is None else stderr,
            env=own,
            cwd="/",
            pass_fds=(private, status_write, gate_read),
        )

    try:
        try:
            process = _SPAWNER.run(start)
        finally:
            for fd in (private, status_write, gate_read):
                os.close(fd)
        outer = identify(process.pid)
        init = init_of(status_read)
        if init is None or outer is None:
            process.kill()
            code = process.wait()
            raise LaunchFailed(
                f"bubblewrap ended with {code} before the command {command.argv[-1]!r} could be started.",
                remedy="The command's log holds bubblewrap's own words; `andon doctor` checks the machine.",
                safe="Nothing of the command ran.",
            )
        try:
            handle.attach(init.pid)
        except OSError as error:
            end(init)
            process.kill()
            process.wait()
            raise LimitUnavailable(
                f"The kernel refused to put the sandbox under its limits ({error.strerror}).",
                remedy="Run `andon doctor`, remove the limit, or allow weaker limits in the settings.",
                safe="Nothing of the command ran.",
            ) from error
        write_entry(state_dir, Entry(id, outer, init, handle.attachment.cgroups, _BOOT))
        os.write(gate_write, b"1")
        os.set_blocking(status_read, False)
        return Sandboxed(id, state_dir, process, outer, init, status_read, handle)
    except BaseException:
        os.close(status_read)
        raise
    finally:
        os.close(gate_write)


def with_descriptors(argv: Sequence[str], private: int, status: int, gate: int) -> list[str]:
    """Insert the per-start descriptors after the program's name. The keeper does the same."""
    return [argv[0], "--args", str(private), "--json-status-fd", str(status), "--block-fd", str(gate), *argv[1:]]


def gate() -> tuple[int, int]:
    """The two sides of a gate: one byte written to the second lets through who reads the first.

    The first is open for writing too, so that its reader never sees the end of the pipe: when we die with the
    gate shut, bubblewrap must not take that for leave to start the payload without its limits.
    """
    read, write = os.pipe()
    try:
        return os.open(f"/proc/self/fd/{read}", os.O_RDWR | os.O_CLOEXEC), write
    finally:
        os.close(read)


def memory_file(data: bytes) -> int:
    """A descriptor from which ``data`` can be read; nothing touches a disk."""
    fd = os.memfd_create("andon", os.MFD_CLOEXEC)
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def init_of(status: int) -> ProcessId | None:
    """Read which process is the namespace's init; None when bubblewrap ends without having made one."""
    data = b""
    while b"\n" not in data:
        more = os.read(status, 4096)
        if not more:
            return None
        data += more
    found = json.loads(data.partition(b"\n")[0])
    return identify(int(found["child-pid"]))


class _Spawner:
    """One thread that starts all sandboxes and ends only with the process (see ``dies_with_parent``)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._wanted: queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], _Answer]] = queue.SimpleQueue()

    def run(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._owner != os.getpid():  # first use, or we are a fork of the process that had the thread
                self._wanted = queue.SimpleQueue()
                threading.Thread(target=self._work, args=(self._wanted,), name="sandbox-spawner", daemon=True).start()
                self._owner = os.getpid()
        answer = _Answer()
        self._wanted.put((start, answer))
        return answer.get()

    @staticmethod
    def _work(wanted: queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], _Answer]]) -> None:
        while True:
            start, answer = wanted.get()
            try:
                answer.put(start(), None)
            except BaseException as error:  # noqa: BLE001 (handed to the thread that asked)
                answer.put(None, error)


class _Answer:
    """What the spawner hands back to one waiting thread."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._error: BaseException | None = None

    def put(self, process: subprocess.Popen[bytes] | None, error: BaseException | None) -> None:
        self._process, self._error = process, error
        self._ready.set()

    def get(self) -> subprocess.Popen[bytes]:
        self._ready.wait()
        if self._process is None:
            raise self._error or RuntimeError("no process and no error")
        return self._process


_SPAWNER = _Spawner()
