"""What processes take, from one look at ``/proc``; and what control groups say of theirs."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from andon.kernel.keeper.model import KeptState
from andon.kernel.sandbox.attach import counter, read

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_UNLIMITED = 1 << 60
"""Version 1 of control groups writes "no limit" as the largest number of pages there is."""


@dataclass(frozen=True, slots=True)
class Process:
    parent: int
    started: int
    """Clock ticks since boot."""
    cpu: float
    """Seconds, with those of children that it has waited for."""
    resident: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    cpu: float
    """Seconds since it was started. May fall a little where a process ends whose parent does not wait for it."""
    memory: int
    memory_limit: int | None
    """``None`` where nothing limits it."""
    processes: int


class Snapshot:
    """All processes at one moment. Some 10 µs each."""

    def __init__(self, processes: Mapping[int, Process]) -> None:
        self.processes = processes
        self._below: dict[int, list[int]] = {}
        for pid, one in processes.items():
            self._below.setdefault(one.parent, []).append(pid)

    def below(self, pid: int) -> list[int]:
        """Everything that this process has started, and what that has."""
        found: list[int] = []
        pending = list(self._below.get(pid, ()))
        while pending:
            found += pending
            pending = [child for one in pending for child in self._below.get(one, ())]
        return found


def take_snapshot(proc: str = "/proc") -> Snapshot:
    found: dict[int, Process] = {}
    for name in os.listdir(proc):  # noqa: PTH208 - hundreds of them, many times a minute
        if name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                found[int(name)] = _process(f"{proc}/{name}/stat")
    return Snapshot(found)


def _process(path: str) -> Process:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(fd, 4096)
    finally:
        os.close(fd)
    # the name in parentheses may itself hold spaces and parentheses: the last ")" ends it
    fields = data[data.rindex(b")") + 2 :].split()
    ticks = sum(int(one) for one in fields[11:15])
    return Process(int(fields[1]), int(fields[19]), ticks / _TICK, int(fields[21]) * _PAGE)


def taken_by(kept: KeptState, snapshot: Snapshot) -> Taken | None:
    """What a kept program and all it started take; ``None`` while none runs."""
    child = kept.child
    root = None if child is None else snapshot.processes.get(child.pid)
    if child is None or root is None or root.started != child.started:
        return None
    # bubblewrap and its reaper are not the instance's own, but what they have waited for is in their times
    everything = [child.pid, *snapshot.below(child.pid)]
    init = kept.init
    inside = everything if init is None else snapshot.below(init.pid)
    cpu, memory, limit = _group_cpu(kept.cgroups), _group_memory(kept.cgroups), _group_limit(kept.cgroups)
    return Taken(
        cpu=sum(snapshot.processes[one].cpu for one in everything) if cpu is None else cpu,
        memory=sum(snapshot.processes[one].resident for one in inside) if memory is None else memory,
        memory_limit=_address_space(inside) if limit is None else limit,
        processes=len(inside),
    )


def _group_cpu(groups: Iterable[str]) -> float | None:
    for folder in groups:
        if text := read(f"{folder}/cpuacct.usage"):
            return int(text) / 1e9
        if used := counter(read(f"{folder}/cpu.stat"), "usage_usec"):
            return used / 1e6
    return None


def _group_memory(groups: Iterable[str]) -> int | None:
    for folder in groups:
        text = read(f"{folder}/memory.current") or read(f"{folder}/memory.usage_in_bytes")
        if text:
            stat = read(f"{folder}/memory.stat")
            cache = counter(stat, "total_inactive_file") or counter(stat, "inactive_file")
            return max(0, int(text) - cache)
    return None


def _group_limit(groups: Iterable[str]) -> int | None:
    for folder in groups:
        text = read(f"{folder}/memory.max") or read(f"{folder}/memory.limit_in_bytes")
        if text.strip().isdecimal() and int(text) < _UNLIMITED:
            return int(text)
    return None


def _address_space(pids: Iterable[int]) -> int | None:
    """Where no group limits the memory, each process may be kept from reserving more than this."""
    for pid in pids:
        with suppress(OSError):
            soft, _hard = resource.prlimit(pid, resource.RLIMIT_AS)
            return None if soft == resource.RLIM_INFINITY else soft
    return None
