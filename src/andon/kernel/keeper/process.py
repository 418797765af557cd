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
    sys.path.insert(0, os.path.abspath(f"{os.path.dirname(__file__)}/../../.."))  # noqa: PTH100, PTH120 - pathlib would double what a keeper holds in memory

from andon.kernel.keeper.child import Child, start_plain, start_sandboxed
from andon.kernel.keeper.door import Door, tell
from andon.kernel.keeper.layout import LOCK, SOCKET, STATE, VERSION
from andon.kernel.logs.writer import LogWriter
from andon.kernel.sandbox.attach import Attachment, kill_groups, out_of_memory_kills, write
from andon.kernel.sandbox.identity import boot_id, end, identify

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
HEALTHY_AFTER = 60.0
"""Seconds a program must have run for the next pause to be the first one again."""


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
        self.poll = select.poll()
        self.kills_before = 0
        self.door: Door | None = None

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
            with open(draft, "w", encoding="utf-8") as file:  # noqa: PTH123 - without pathlib, see above
                file.write(json.dumps(self.state()))
            os.rename(draft, f"{self.folder}/{STATE}")  # noqa: PTH104 - without pathlib, see above
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
        if self.sandboxed:
            self.child = start_sandboxed(self.argv, self.private, self.limits, self._running, self.note)
        else:
            self._running(start_plain(self.argv, self.environment, self.directory, self.limits))
        assert self.child is not None  # noqa: S101 - both have just set it
        self.poll.register(self.child.output, select.POLLIN)
        self.poll.register(self.child.pidfd, select.POLLIN)

    def _running(self, child: Child) -> None:
        self.child = child
        self.become("running")

    def ended(self) -> None:
        """The child's end: clean up after it, and decide what follows."""
        child = self.child
        if child is None:
            return
        if child.init is not None:
            end(child.init)  # still there if somebody killed bubblewrap alone
        elif child.status < 0:
            child.kill()  # what it left in its session
        child.drain(self.out)
        _, status = os.waitpid(child.outer.pid, 0)
        number = os.waitstatus_to_exitcode(status)
        started = True
        if child.status >= 0:
            inside = child.exit_code_inside()
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
            tell(client, ok=False, error="not understood")
            return
        if what == "status":
            tell(client, ok=True, state=self.state())
        elif what in ("stop", "restart"):
            self.waiting.append(client)
            self.stop(timeout, again=what == "restart")
        else:
            tell(client, ok=False, error=f"unknown order {what!r}")

    def _answer(self, *, ok: bool) -> None:
        for client in self.waiting:
            tell(client, ok=ok, state=self.state())
        self.waiting.clear()

    # The loop

    def run(self) -> None:
        """Until the program has ended for good."""
        wake, woken = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self.poll.register(wake, select.POLLIN)
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
            if not child.read(self.out):  # closed, maybe by a program that lives on: its end is still awaited
                self.poll.unregister(fd)
                child.heard = True
        elif child is not None and fd == child.pidfd:
            self.ended()
        elif fd == wake:
            numbers = os.read(wake, 512)
            if any(number in (signal.SIGTERM, signal.SIGINT) for number in numbers) and not self.stopping:
                self.stop(self.stop_timeout, again=False)
        elif self.door is not None:
            self.door.event(fd)

    def _patience(self) -> int | None:
        if self.unsent:
            return 10
        times = [moment for moment in (self.start_at, self.kill_at) if moment is not None]
        return max(0, int((min(times) - time.monotonic()) * 1000) + 1) if times else None


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
            os.unlink(f"{folder}/{SOCKET}")  # noqa: PTH108 - without pathlib, see above
        keeper = Keeper(folder, order)
        del order
        keeper.door = Door(folder, keeper.poll, keeper.order)
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
    keeper.door.close()
    with suppress(OSError):
        keeper.log.close()
    with suppress(FileNotFoundError):
        os.unlink(f"{folder}/{SOCKET}")  # noqa: PTH108 - without pathlib, see above
    os.close(held)


if __name__ == "__main__":
    main()
