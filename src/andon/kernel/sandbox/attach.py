"""Put a process under limits that were prepared elsewhere, and read what they say afterwards.

Plain data and the standard library only: the keeper process imports this module and carries an Attachment in
its specification, so that a restarted child comes under the same limits.
"""

from __future__ import annotations

import os
import resource
import signal
from contextlib import suppress
from typing import NamedTuple

# the payload starts with the usual number of open files and no core dumps whatever Andon itself was given
_ALWAYS: tuple[tuple[int, int], ...] = ((resource.RLIMIT_CORE, 0),)


class Attachment(NamedTuple):
    """Folders of control groups, and pairs of (RLIMIT_*, bytes or count)."""

    cgroups: tuple[str, ...] = ()
    rlimits: tuple[tuple[int, int], ...] = ()


def attach(attachment: Attachment, pid: int) -> None:
    """Put a process, and what it will fork, under the limits. Raises OSError when the kernel refuses."""
    for folder in attachment.cgroups:
        write(f"{folder}/cgroup.procs", str(pid))
    for which, value in (*_ALWAYS, *attachment.rlimits):
        _, hard = resource.prlimit(pid, which)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)  # noqa: PLW2901 (a hard limit can only be lowered)
        resource.prlimit(pid, which, (value, value))


def write(path: str, text: str) -> None:
    """One write(2), as control files want it; never creates a file."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode("ascii"))
    finally:
        os.close(fd)


def read(path: str) -> str:
    """The text of a control file; empty when there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, 65536).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)


def counter(text: str, name: str) -> int:
    """The number after ``name`` in "name number" lines; 0 when there is none."""
    for line in text.splitlines():
        word, _, value = line.partition(" ")
        if word == name:
            return int(value)
    return 0


def out_of_memory_kills(cgroups: tuple[str, ...]) -> int:
    """How many processes the kernel killed in these groups because of the memory limit."""
    return sum(
        counter(read(f"{folder}/memory.events") or read(f"{folder}/memory.oom_control"), "oom_kill")
        for folder in cgroups
    )


def members(folder: str) -> list[int]:
    """The pids in one control group."""
    # a process outside our own pid namespace shows as 0, and kill(0) would end ourselves
    return [pid for word in read(f"{folder}/cgroup.procs").split() if (pid := int(word)) > 0]


def kill_groups(cgroups: tuple[str, ...]) -> None:
    """Kill everything in these groups, by cgroup.kill where there is one, else until nobody is left.

    Only for groups made for one sandbox. Bounded: a fork bomb is stopped by killing its namespace's init.
    """
    for folder in cgroups:
        with suppress(OSError):
            write(f"{folder}/cgroup.kill", "1")
            continue
        for _ in range(50):
            pids = members(folder)
            if not pids:
                break
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
