"""The keeper process. Run as a script with ``python -I -S process.py``; its parent is :mod:`control`.

On standard input comes one JSON object with the specification, the environment and the masks (never on disk,
never in an argv); on standard output goes one line: "ready", or why not. Then it has no terminal, no parent and
no open descriptor of Andon's.

Small on purpose (it is one process per instance): no dataclasses, no pathlib, no subprocess, no threads. One
loop waits for the program's output, its end, the control socket and the clock.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress

if __name__ == "__main__":  # without site there is no path to our own package
    sys.path.insert(0, os.path.abspath(f"{os.path.dirname(__file__)}/../../.."))  # noqa: PTH100, PTH120

from andon.kernel.keeper.layout import LOCK, MOST, SOCKET, STATE, VERSION, listen
from andon.kernel.logs.writer import LogWriter
from andon.kernel.sandbox.attach import Attachment, attach, kill_groups, out_of_memory_kills, write
from andon.kernel.sandbox.identity import ProcessId, boot_id, children, end, identify, send

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
HEALTHY_AFTER = 60.0
"""Seconds a program must have run for the next pause to be the first one again."""

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


class Keeper:
    """The loop and what it knows."""

    def __init__(self, folder: str, order: dict[str, object]) -> None:
        spec = order["spec"]
        if not isinstance(spec, dict):
            raise ValueError("no specification")
        self.folder = folder
        self.id: str = spec["id"]
        self.kind: str = spec["kind"]
        self.argv: list[str] = spec["argv"]
        self.directory: str = spec["directory"]
        self.sandboxed: bool = spec["sandboxed"]
        self.policy: str = spec["restart"]
        self.stop_signal: int = spec["stop_signal"]
        self.stop_timeout: float = spec["stop_timeout"]
        self.log_folder: str = spec["log"]
        self.limits = Attachment(tuple(spec["cgroups"]), tuple((which, value) for which, value in spec["rlimits"]))
        environment, private, masks = order["environment"], order["private"], order["masks"]
        if not isinstance(environment, dict) or not isinstance(private, str) or not isinstance(masks, list):
            raise ValueError("no environment")
        self.environment: dict[str, str] = environment
        self.private = private.encode("utf-8", "surrogateescape")
        self.log = LogWriter(self.log_folder, mask=[mask.encode("utf-8", "surrogateescape") for mask in masks])
        self.me = identify(os.getpid())
        self.boot = boot_id()
        self.child: Child | None = None
        self.status = "starting"
        self.since = time.time()
        self.restarts = -1
        self.last_exit: dict[str, object] | None = None
        self.pause = FIRST_PAUSE
        self.start_at: float | None = None  # monotonic: when to start again
        self.kill_at: float | None = None  # monotonic: when patience with a stopping program ends
        self.unsent = False  # the stop signal: the program was only just being started
        self.stopping = False
        self.restarting = False
        self.waiting: list[socket.socket] = []  # who asked to stop or restart and waits for the answer
        self.clients: dict[int, tuple[socket.socket, bytes]] = {}
        self.poll = select.poll()
        self.kills_before = 0
        self.socket: socket.socket | None = None

    # State

    def become(self, status: str) -> None:
        """Write down a new status before acting on it."""
        self.status = status
        self.since = time.time()
        self.save()

    def state(self) -> dict[str, object]:
        child = self.child
        return {
            "version": VERSION,
            "id": self.id,
            "kind": self.kind,
            "status": self.status,
            "since_ms": int(self.since * 1000),
            "restarts": max(0, self.restarts),
            "keeper": self.me,
            "child": child.outer if child else None,
            "init": child.init if child else None,
            "last_exit": self.last_exit,
            "log": self.log_folder,
            "cgroups": self.limits.cgroups,
            "boot": self.boot,
        }

    def save(self) -> None:
        draft = f"{self.folder}/{STATE}.new"
        try:
            with open(draft, "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write(json.dumps(self.state()))
            os.rename(draft, f"{self.folder}/{STATE}")  # noqa: PTH104
        except OSError as error:
            # a full disk, or the folder is gone: keeping the program up matters more than telling of it
            self.note(f"the state could not be written: {error.strerror}")

    def note(self, text: str) -> None:
        """A line of the keeper's own in the program's log."""
        self.out(f"[keeper] {text}\n".encode("utf-8", "replace"))

    def out(self, data: bytes) -> None:
        with suppress(OSError):  # a full disk must not stop the program; the log has a hole
            self.log.write(data)

    # The program

    def start(self) -> None:
        """Start the program; raises OSError when not even that is possible."""
        self.start_at = None
        self.restarts += 1
        self.kills_before = out_of_memory_kills(self.limits.cgroups)
        self.become("starting")
        with suppress(OSError):
            self.log.section(f"start {self.restarts + 1}")
        self.child = self._sandbox() if self.sandboxed else self._plain()
        self.poll.register(self.child.output, select.POLLIN)
        self.poll.register(self.child.pidfd, select.POLLIN)

    def _sandbox(self) -> Child:
        status_read, status_write = os.pipe()
        pipe, gate_write = os.pipe()
        # open for writing too: if we die with the gate shut, its reader must wait, not see the pipe's end and go on
        gate_read = os.open(f"/proc/self/fd/{pipe}", os.O_RDWR | os.O_CLOEXEC)
        os.close(pipe)
        private = os.memfd_create("andon")
        os.write(private, self.private)
        os.lseek(private, 0, os.SEEK_SET)
        argv = [self.argv[0], "--args", str(private), "--json-status-fd", str(status_write)]
        argv += ["--block-fd", str(gate_read), *self.argv[1:]]
        environment = {"PATH": "/usr/bin:/bin"}
        try:
            pid, output = self._fork(argv, environment, (private, status_write, gate_read))
        finally:
            for fd in (private, status_write, gate_read):
                os.close(fd)
        outer = identify(pid)
        init: ProcessId | None = None
        try:
            data = b""
            while b"\n" not in data:
                more = os.read(status_read, 4096)
                if not more:
                    break
                data += more
            init = identify(int(json.loads(data.partition(b"\n")[0])["child-pid"])) if data else None
            if init is None or outer is None:
                return self._failed(pid, output, status_read)
            attach(self.limits, init.pid)
            child = Child(outer, init, output, status_read, time.monotonic())
            self.child = child
            self.become("running")
            os.write(gate_write, b"1")  # only now, limited and on file, does the program itself start
            os.set_blocking(status_read, False)
            return child
        except OSError as error:
            self.note(f"the program could not be put under its limits: {error.strerror}")
            if init is not None:
                end(init)
            return self._failed(pid, output, status_read)
        finally:
            os.close(gate_write)

    def _failed(self, pid: int, output: int, status: int) -> Child:
        """bubblewrap gave up, or limits could not be had: kill it, and let the loop see its end."""
        found = identify(pid)
        os.kill(pid, signal.SIGKILL)
        return Child(found or ProcessId(pid, 0), None, output, status, time.monotonic())

    def _plain(self) -> Child:
        pid, output = self._fork(self.argv, self.environment, (), own_session=True)
        outer = identify(pid) or ProcessId(pid, 0)
        child = Child(outer, None, output, -1, time.monotonic())
        self.child = child
        self.become("running")
        return child

    def _fork(
        self, argv: list[str], environment: dict[str, str], keep: tuple[int, ...], *, own_session: bool = False
    ) -> tuple[int, int]:
        """Start a process with its output in a pipe; (pid, pipe). Limits of a plain program are attached here."""
        read, write_ = os.pipe()
        nothing = os.open("/dev/null", os.O_RDONLY)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(nothing, 0)
                os.dup2(write_, 1)
                os.dup2(write_, 2)
                for fd in keep:
                    os.set_inheritable(fd, True)
                signal.set_wakeup_fd(-1)
                for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                    signal.signal(number, signal.SIG_DFL)
                if own_session:
                    os.setsid()
                    _die_with_parent(parent)
                    attach(self.limits, os.getpid())
                    os.chdir(self.directory)
                os.execvpe(argv[0], argv, environment)  # noqa: S606
            except BaseException as error:  # noqa: BLE001 (we are a fork: nobody above may go on)
                os.write(2, f"[keeper] {argv[0]} could not be started: {error}\n".encode("utf-8", "replace"))
            finally:
                os._exit(127)
        os.close(write_)
        os.close(nothing)
        os.set_blocking(read, False)
        return pid, read

    def ended(self) -> None:
        """The child's end: clean up after it, and decide what follows."""
        child = self.child
        if child is None:
            return
        if child.init is not None:
            end(child.init)  # still there if somebody killed bubblewrap alone
        elif child.status < 0:
            child.kill()  # what it left in its session
        self._drain(child)
        _, status = os.waitpid(child.outer.pid, 0)
        number = os.waitstatus_to_exitcode(status)
        started = True
        if child.status >= 0:
            inside = _exit_code(child.status)
            started = inside is not None
            number = number if inside is None else inside
            os.close(child.status)
        if not child.heard:
            self.poll.unregister(child.output)
        self.poll.unregister(child.pidfd)
        os.close(child.output)
        os.close(child.pidfd)
        kill_groups(self.limits.cgroups)
        self.child = None
        signal_ = -number if number < 0 else number - 128 if 128 < number < 193 else None
        out_of_memory = out_of_memory_kills(self.limits.cgroups) > self.kills_before
        self.last_exit = {
            "code": None if signal_ is not None else number,
            "signal": signal_,
            "out_of_memory": out_of_memory,
            "at_ms": int(time.time() * 1000),
        }
        lived = time.monotonic() - child.started
        how = f"was ended by signal {signal_}" if signal_ is not None else f"ended with code {number}"
        if not started:
            how = "could not be started"
        if out_of_memory:
            how += " (out of memory)"
        self._after(number, how, lived)

    def _after(self, number: int, how: str, lived: float) -> None:
        self.kill_at = None
        self.unsent = False
        if self.stopping:
            self.note(f"the program {how}")
            self.become("stopped")
        elif self.restarting:
            self.note(f"the program {how}; starting it again as asked")
            self.restarting = False
            self.pause = FIRST_PAUSE
            self.start_at = time.monotonic()
        elif self.policy == "always" or (self.policy == "on-failure" and number != 0):
            if lived >= HEALTHY_AFTER:
                self.pause = FIRST_PAUSE
            self.note(f"the program {how}; starting it again in {self.pause:g} s")
            self.start_at = time.monotonic() + self.pause
            self.pause = min(LONGEST_PAUSE, self.pause * 2)
            self.become("backing-off")
        else:
            self.note(f"the program {how}")
            self.become("stopped" if number == 0 else "failed")

    def _drain(self, child: Child) -> None:
        """What is left in the pipe; bounded, since a stray process might hold the other end and write for ever."""
        until = time.monotonic() + _LEFTOVER
        poll = select.poll()
        poll.register(child.output, select.POLLIN)
        while time.monotonic() < until and poll.poll(50):
            if not self._read(child):
                break

    def _read(self, child: Child) -> bool:
        try:
            data = os.read(child.output, _CHUNK)
        except BlockingIOError:
            return True
        self.out(data)
        return bool(data)

    # Orders

    def stop(self, timeout: float, *, again: bool) -> None:
        """Ask the program to end; the loop sees it, or the end of our patience."""
        self.restarting = again and not self.stopping
        self.stopping = self.stopping or not again
        if self.child is None:
            self.start_at = time.monotonic() if self.restarting else None
            if self.restarting:
                self.restarting = False
                self.pause = FIRST_PAUSE
            else:
                self.become("stopped")
            return
        kill_at = time.monotonic() + max(0.0, timeout)
        if self.kill_at is None:
            self.become("stopping")
            self.kill_at = kill_at
            self.unsent = not self.child.signal(self.stop_signal)
        else:  # asked again, maybe with less patience
            self.kill_at = min(self.kill_at, kill_at)

    def order(self, client: socket.socket, line: bytes) -> None:
        try:
            order = json.loads(line)
            what, timeout = order["do"], float(order.get("timeout", self.stop_timeout))
        except (ValueError, KeyError, TypeError, AttributeError):
            _send(client, {"version": VERSION, "ok": False, "error": "not understood"})
            return
        if what == "status":
            _send(client, {"version": VERSION, "ok": True, "state": self.state()})
        elif what in ("stop", "restart"):
            self.waiting.append(client)
            self.stop(timeout, again=what == "restart")
        else:
            _send(client, {"version": VERSION, "ok": False, "error": f"unknown order {what!r}"})

    def _answer(self, *, ok: bool) -> None:
        for client in self.waiting:
            _send(client, {"version": VERSION, "ok": ok, "state": self.state()})
        self.waiting.clear()

    # The loop

    def run(self) -> None:
        """Until the program has ended for good."""
        wake, woken = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self.poll.register(wake, select.POLLIN)
        if self.socket is not None:
            self.poll.register(self.socket, select.POLLIN)
        while self.status not in ("stopped", "failed"):
            for fd, _ in self.poll.poll(self._patience()):
                self._event(fd, wake)
            now = time.monotonic()
            if self.unsent and self.child is not None:
                self.unsent = not self.child.signal(self.stop_signal)
            if self.kill_at is not None and now >= self.kill_at and self.child is not None:
                self.note("the program did not end in time and was killed")
                self.child.kill()
                self.kill_at = now + 5.0  # and again, should something have survived
            if self.start_at is not None and now >= self.start_at:
                try:
                    self.start()
                except OSError as error:  # no processes or descriptors left on the machine: that may pass
                    self._after(1, f"could not be started: {error.strerror}", 0.0)
                if not self.stopping:
                    self._answer(ok=True)
        self._answer(ok=True)

    def _event(self, fd: int, wake: int) -> None:
        child = self.child
        if child is not None and fd == child.output:
            if not self._read(child):  # closed, maybe by a program that lives on: its end is still awaited
                self.poll.unregister(fd)
                child.heard = True
        elif child is not None and fd == child.pidfd:
            self.ended()
        elif fd == wake:
            numbers = os.read(wake, 512)
            if any(number in (signal.SIGTERM, signal.SIGINT) for number in numbers) and not self.stopping:
                self.stop(self.stop_timeout, again=False)
        elif self.socket is not None and fd == self.socket.fileno():
            self._accept(self.socket)
        elif fd in self.clients:
            self._hear(fd)

    def _patience(self) -> int | None:
        if self.unsent:
            return 10
        times = [moment for moment in (self.start_at, self.kill_at) if moment is not None]
        return max(0, int((min(times) - time.monotonic()) * 1000) + 1) if times else None

    def _accept(self, listening: socket.socket) -> None:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        user = int.from_bytes(credentials[4:8], sys.byteorder)
        if user not in (0, os.geteuid()) or len(self.clients) >= 64:
            client.close()
            return
        client.setblocking(False)
        self.clients[client.fileno()] = (client, b"")
        self.poll.register(client, select.POLLIN)

    def _hear(self, fd: int) -> None:
        client, before = self.clients[fd]
        try:
            more = client.recv(MOST)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        data = before + more
        if more and b"\n" not in data and len(data) < MOST:
            self.clients[fd] = (client, data)
            return
        self.poll.unregister(fd)
        del self.clients[fd]
        if b"\n" in data:
            self.order(client, data.partition(b"\n")[0])
        else:
            client.close()


def _send(client: socket.socket, answer: dict[str, object]) -> None:
    try:
        client.setblocking(True)
        client.settimeout(1.0)
        client.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        pass  # who asked has gone
    finally:
        client.close()


def _exit_code(fd: int) -> int | None:
    try:
        data = os.read(fd, 65536)
    except BlockingIOError:
        return None
    for line in data.splitlines():
        found = json.loads(line)
        if "exit-code" in found:
            return int(found["exit-code"])
    return None


def _die_with_parent(parent: int) -> None:
    """In the child: be killed when the keeper dies. ctypes is loaded only here, not in the keeper itself."""
    import ctypes  # noqa: PLC0415

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(127)


def _lock(folder: str) -> int:
    fd = os.open(f"{folder}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    for _ in range(100):  # somebody may be looking whether it is locked
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno != errno.EWOULDBLOCK:
                raise
            time.sleep(0.01)
        else:
            return fd
    raise BlockingIOError(errno.EWOULDBLOCK, "another keeper has this id")


def _detach() -> None:
    """Leave the session and the parent: init takes over. The first process ends at once, so that it is reaped."""
    if os.fork():
        os._exit(0)


def _silence(folder: str) -> None:
    """No standard stream of Andon's stays open; what we ourselves have to say on stderr goes to a small file."""
    null = os.open("/dev/null", os.O_RDWR)
    own = os.open(f"{folder}/keeper.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(own, 2)
    os.close(null)
    os.close(own)


def _nothing(number: int, frame: object) -> None:
    """Signals reach the loop through the wakeup descriptor."""


def main() -> None:
    """See the module's docstring."""
    os.umask(0o077)
    folder = sys.argv[1]
    order = json.loads(sys.stdin.buffer.read())
    os.chdir("/")
    _detach()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _nothing)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        held = _lock(folder)
        for group in order["spec"]["keeper_cgroups"]:
            write(f"{group}/cgroup.procs", str(os.getpid()))
        with suppress(FileNotFoundError):
            os.unlink(f"{folder}/{SOCKET}")  # noqa: PTH108
        keeper = Keeper(folder, order)
        del order
        keeper.socket = listen(folder)
        keeper.start()
    except BlockingIOError:
        os.write(1, b"kept\n")
        os._exit(1)
    except (OSError, ValueError, KeyError) as error:
        os.write(1, f"failed {error}\n".encode("utf-8", "replace"))
        os._exit(1)
    os.write(1, b"ready\n")
    _silence(folder)
    keeper.run()
    if keeper.socket is not None:
        keeper.socket.close()
    with suppress(OSError):
        keeper.log.close()
    with suppress(FileNotFoundError):
        os.unlink(f"{folder}/{SOCKET}")  # noqa: PTH108
    os.close(held)


if __name__ == "__main__":
    main()
