"""``andon up``: starts the roles, starts them again when they fall, and ends everything when it is told to.

Told by SIGTERM or SIGINT it ends all, instances and Envoy included. Told by SIGHUP (``andon restart``) it ends
the roles, becomes the program that is installed now, and starts them again; instances and Envoy go on.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from andon.app.nursery import Nursery, RoleProcess
from andon.app.preparation import prepare
from andon.app.role import IS_READY, Refused, Role, roles
from andon.feedback.telemetry.heard import read_state, state_file
from andon.kernel.errors import AndonError, Unavailable
from andon.kernel.keeper import control
from andon.kernel.settings import Settings
from andon.kernel.workflows.lease import Lease
from andon.web.http.port import listen
from andon.web.terminal.whereabouts import UP, Whereabouts, local_address, note

LEASE = "andon"
READY_SECONDS = 90.0
STOP_SECONDS = 30.0
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)


_SAFE = "What ran before is untouched; nothing new was started."
_GOES_ON = "Everything else goes on."


@dataclass(slots=True)
class _Child:
    role: Role
    process: RoleProcess
    started: float
    ready: int
    """Where it says that it is up; -1 once it has, or will not any more."""
    falls: int = 0
    again_at: float | None = None
    """When one that fell is started again; ``None`` while it runs."""


class Supervisor:
    """Holds the data directory's lock for its life. ``say`` prints a line for whoever started it."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._lease = Lease(settings.data, LEASE)
        self._nursery = Nursery(settings.data)
        self._children: dict[Role, _Child] = {}
        self._signals: list[int] = []
        self._wake_read, self._wake_write = os.pipe()

    def run(self, told_ready: Callable[[str | None], None]) -> int:
        """Start, watch, stop. ``told_ready`` gets the address at which the first administrator is made, if any.

        Raises :class:`AndonError` when it cannot start; nothing is left running then that was not before.
        """
        self._settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lease.take()
        (self._settings.data / UP).unlink(missing_ok=True)
        try:
            self._watch_signals()
            # Tried here, so that a taken port is told at once and by the one who can be heard.
            for listening in listen(self._settings):
                listening.close()
            first = prepare(self._settings)
            kept_before = _ids(self._settings.data)
            try:
                for role in roles(self._settings):
                    self._start(role)
                if all(self._await_ready(role) for role in self._children if role.essential):
                    self._note_up()
                    told_ready(first)
                    self._watch()
            except AndonError:
                self._stop_roles()
                # What served before this start goes on serving: a faulty setting must not take production down.
                end_all_kept(self._settings.data, spared=kept_before)
                raise
            self._stop_roles()
            if signal.SIGHUP in self._signals:
                self._become_new()
            self.end_kept()
            return 0
        finally:
            (self._settings.data / UP).unlink(missing_ok=True)
            self._lease.give_back()

    def end_kept(self) -> None:
        """End what outlives the roles: instances and Envoy."""
        end_all_kept(self._settings.data)

    # Inside

    def _watch_signals(self) -> None:
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: self._signals.append(number))

    def _start(self, role: Role) -> None:
        read, write = os.pipe()
        try:
            process = self._nursery.start(role, write)
        finally:
            os.close(write)
        falls = self._children[role].falls if role in self._children else 0
        self._children[role] = _Child(role, process, time.monotonic(), read, falls)

    def _await_ready(self, role: Role) -> bool:
        """Whether the role came up; false when a signal ended the waiting."""
        child = self._children[role]
        deadline = time.monotonic() + READY_SECONDS
        try:
            while time.monotonic() < deadline:
                readable, _, _ = select.select([child.ready, self._wake_read], [], [], 0.2)
                if self._signals:
                    return False
                told = os.read(child.ready, select.PIPE_BUF) if child.ready in readable else b""
                if told == IS_READY:
                    return True
                if told:
                    raise _refused(role, told)
                if child.process.poll() is not None:
                    break
        finally:
            os.close(child.ready)
            child.ready = -1
        raise Unavailable(
            f"The {role.value} process did not come up.",
            safe=_SAFE,
            remedy=f"Read {self._settings.data / 'log' / (role.value + '.log')} and run: andon doctor",
        )

    def _watch(self) -> None:
        """Until a signal comes, start again what falls. None waits for another: each has its own pause."""
        while not self._signals:
            waiting = [child.ready for child in self._children.values() if child.ready >= 0]
            readable, _, _ = select.select([self._wake_read, *waiting], [], [], 0.5)
            now = time.monotonic()
            for child in list(self._children.values()):
                if child.ready in readable:
                    self._hear(child)
                if self._signals:
                    return
                if child.again_at is not None:
                    if now >= child.again_at:
                        self._start(child.role)
                elif child.process.poll() is not None:
                    self._fell(child, now)

    def _hear(self, child: _Child) -> None:
        """What a role says when it is up, or will not be."""
        told = os.read(child.ready, select.PIPE_BUF)
        if told and told != IS_READY:
            self._say(str(_refused(child.role, told, _GOES_ON)))
        if told == IS_READY and child.role is Role.TELEMETRY:
            self._say_unheard()
        os.close(child.ready)
        child.ready = -1

    def _say_unheard(self) -> None:
        """What telemetry cannot listen at, which whoever sends it would not notice."""
        state = read_state(state_file(self._settings.data))
        if state is not None and state.trouble:
            self._say(state.trouble)
        for one in state.faults if state is not None else ():
            self._say(f"{one.what} is not taken in: {one.fault} It is tried again until it can be.")

    def _fell(self, child: _Child, now: float) -> None:
        if child.ready >= 0:
            self._hear(child)
        child.falls = 0 if now - child.started > 60 else child.falls + 1
        pause = _PAUSES[min(child.falls, len(_PAUSES) - 1)]
        child.again_at = now + pause
        self._say(
            f"The {child.role.value} process ended with {child.process.returncode}; it is started again in {pause:g} s."
        )

    def _note_up(self) -> None:
        web = self._settings.web
        note(self._settings.data, Whereabouts(local_address(web.host, web.port), self._settings.address))

    def _stop_roles(self) -> None:
        # Web first: nobody is told of work that the worker will not begin any more.
        for role in Role:
            child = self._children.get(role)
            if child is None or child.process.poll() is not None:
                continue
            child.process.send_signal(signal.SIGTERM)
            try:
                child.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self._nursery.close()

    def _become_new(self) -> None:
        self._lease.give_back()
        signal.set_wakeup_fd(-1)
        arguments = [one for one in sys.argv[1:] if one not in {"-d", "--detach"}]
        os.execv(sys.executable, [sys.executable, "-m", "andon", *arguments])  # noqa: S606 - our own program, anew


def _refused(role: Role, told: bytes, safe: str = _SAFE) -> Unavailable:
    try:
        why = msgspec.json.decode(told, type=Refused)
    except msgspec.DecodeError:  # longer than fits into one write
        return Unavailable(f"The {role.value} process did not come up.", safe=safe, remedy="Read its log.")
    return Unavailable(
        f"The {role.value} process did not come up: {why.message}", safe=why.safe or safe, remedy=why.remedy
    )


def end_all_kept(data: Path, *, spared: Collection[str] = ()) -> int:
    """End the keepers of a data directory with what they keep; how many there were."""
    keepers = data / "keepers"
    found = [one for one in _ids(data) if one not in spared]
    if found:
        with ThreadPoolExecutor(min(len(found), 16)) as pool:
            list(pool.map(lambda one: control.stop(keepers, one), found))
    return len(found)


def _ids(data: Path) -> tuple[str, ...]:
    return tuple(one.id for one in control.kept(data / "keepers"))


def running_pid(data: Path) -> int | None:
    """The supervisor's process, if one holds the data directory."""
    lease = Lease(data, LEASE)
    if not data.is_dir():
        return None
    if lease.try_take():
        lease.give_back()
        return None
    holder = lease.holder()
    return int(holder) if holder.isdigit() else None


def stop_running(data: Path, number: int = signal.SIGTERM, *, timeout: float = 90.0) -> bool:
    """Signal the supervisor and wait until it has let go; whether there was one. Raises ``Unavailable``."""
    pid = running_pid(data)
    if pid is None:
        return False
    os.kill(pid, number)
    deadline = time.monotonic() + timeout
    while running_pid(data) is not None:
        if time.monotonic() > deadline:
            raise Unavailable(
                f"Process {pid} has not ended within {timeout:g} s.",
                remedy=f"Look at {data / 'log'}; `kill -9 {pid}` and `andon down` end it for certain.",
            )
        time.sleep(0.05)
    return True
