"""Processes by pid *and* start time, so that a recycled pid is never mistaken for the process once known.

Only the standard library and little of it: the keeper process imports this module.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple


class ProcessId(NamedTuple):
    """``started`` is field 22 of /proc/<pid>/stat: clock ticks since boot."""

    pid: int
    started: int


def boot_id() -> str:
    """Which life of the machine this is: a ProcessId means nothing after a reboot."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 (pathlib costs the keeper 2 MB)
        return file.read().strip()


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state on (field 3 is item 0); None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - keepers do without pathlib
            data = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # the name in parentheses may itself hold spaces and parentheses: the last ")" ends it
    return data[data.rindex(b")") + 2 :].decode("ascii").split()


def identify(pid: int) -> ProcessId | None:
    """The identity of a running process, or None when no process has this pid (a zombie has one)."""
    fields = _stat(pid)
    return None if fields is None else ProcessId(pid, int(fields[19]))


def alive(process: ProcessId) -> bool:
    """The very same process still runs. A zombie counts as dead."""
    fields = _stat(process.pid)
    return fields is not None and int(fields[19]) == process.started and fields[0] not in "ZX"


@contextmanager
def _handle(process: ProcessId) -> Iterator[int | None]:
    """A pidfd that is sure to mean this process: opened first, identity compared afterwards."""
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield fd if alive(process) else None
    finally:
        os.close(fd)


def send(process: ProcessId, number: int) -> bool:
    """Send a signal to exactly this process; False when it is gone.

    Raises PermissionError when the process belongs to somebody else.
    """
    with _handle(process) as fd:
        if fd is None:
            return False
        try:
            signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            return False
        return True


def wait_gone(process: ProcessId, timeout: float) -> bool:
    """Wait up to ``timeout`` seconds until the process is dead (a zombie is); False when it still lives."""
    with _handle(process) as fd:
        if fd is None:
            return True
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll(max(0, int(timeout * 1000)))
    return not alive(process)


def end(process: ProcessId, grace: float = 0.0, number: int = signal.SIGTERM) -> bool:
    """Ask the process to end, wait ``grace`` seconds, then kill it. True once it is dead."""
    if grace > 0 and send(process, number) and wait_gone(process, grace):
        return True
    send(process, signal.SIGKILL)
    # a process in an uninterruptible wait may take a while; the caller learns of it by False
    return wait_gone(process, 5.0)


def children(pid: int) -> list[int]:
    """The direct children of every thread of a process, oldest first; empty when it is gone."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - keepers do without pathlib
    except (FileNotFoundError, ProcessLookupError):
        return found
    for thread in threads:
        with (
            suppress(FileNotFoundError, ProcessLookupError),
            open(f"/proc/{pid}/task/{thread}/children", "rb") as file,  # noqa: PTH123 - keepers do without pathlib
        ):
            found += [int(word) for word in file.read().split()]
    return found


def descendants(pid: int) -> list[int]:
    """All processes below ``pid``, parents before children. A snapshot: more may be born meanwhile."""
    found: list[int] = []
    pending = children(pid)
    while pending:
        found += pending
        pending = [below for parent in pending for below in children(parent)]
    return found


def signal_tree(root: ProcessId, number: int) -> int:
    """Send a signal to everything below ``root`` (not to it), parents first; how many processes got it.

    A shell must know of the signal before the command that it waits for dies of it: one that ends at the first
    failure (``sh -e``) would else leave without its traps.

    Repeats until a pass finds nobody new, because processes are born while one looks; the number of passes is
    bounded, as a fork bomb would never let it end (kill the root for that).
    """
    reached: set[ProcessId] = set()
    for _ in range(5):
        if not alive(root):
            break
        # once each: one that is adopted while one looks is found in two places
        found = dict.fromkeys(one for pid in descendants(root.pid) if (one := identify(pid)))
        new = [one for one in found if one not in reached]
        if not new:
            break
        for process in new:
            send(process, number)
        reached.update(new)
        time.sleep(0)
    return len(reached)
