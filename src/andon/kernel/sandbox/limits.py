"""Limits on memory, processors and processes: one port, three ways the kernel may offer.

What is asked for is either enforced or refused (LimitUnavailable) before anything starts. Only limits named in
``may_weaken`` are allowed less: memory then becomes a limit on each process's address space instead of on all
processes together, and CPU or process limits that nothing can enforce are left out.

Kernel interfaces, best first: control groups v2 (in a subtree delegated to us), control groups v1, rlimits.
A hybrid machine uses v1 for the controllers that are bound there. Groups are made *below Andon's own group*,
so that limits an administrator put on Andon hold for everything it starts.
"""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from andon.kernel.sandbox.attach import (
    Attachment,
    attach,
    counter,
    kill_groups,
    out_of_memory_kills,
    read,
    write,
)
from andon.kernel.sandbox.errors import LimitUnavailable
from andon.kernel.sandbox.model import Limits, Usage

_PERIOD_US = 100_000
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")


class Promise(StrEnum):
    """What a limiter can enforce."""

    MEMORY = "memory"  # all processes of a sandbox together
    ADDRESS_SPACE = "address_space"  # each process for itself, counting what it reserves, not what it uses
    CPUS = "cpus"
    PROCESSES = "processes"
    FILE_SIZE = "file_size"


class LimitHandle(Protocol):
    """Limits prepared for one sandbox."""

    @property
    def attachment(self) -> Attachment:
        """Plain data by which another process (a keeper) can apply the same limits."""

    def attach(self, pid: int) -> None:
        """Put a process that has not yet started the payload under the limits."""

    def usage(self) -> Usage:
        """What has been taken so far; fields nobody measures are None."""

    def kill(self) -> None:
        """Kill everything that is under these limits, if the kernel can say what that is."""

    def close(self) -> None:
        """Give back what was made. Safe to repeat; call it after everything inside has ended."""


class Limiter(Protocol):
    """A way to limit what a sandbox takes."""

    @property
    def promises(self) -> frozenset[Promise]:
        """What :meth:`prepare` can enforce."""

    def prepare(self, id: str, limits: Limits) -> LimitHandle:
        """Make the limits ready. Raises LimitUnavailable for one that cannot be had."""


@dataclass(frozen=True, slots=True)
class Handle:
    """The one LimitHandle: groups made for this sandbox, and rlimits."""

    attachment: Attachment

    def attach(self, pid: int) -> None:
        attach(self.attachment, pid)

    def usage(self) -> Usage:
        peak: int | None = None
        seconds: float | None = None
        for folder in self.attachment.cgroups:
            if text := read(f"{folder}/memory.peak") or read(f"{folder}/memory.max_usage_in_bytes"):
                peak = int(text)
            if text := read(f"{folder}/cpuacct.usage"):
                seconds = int(text) / 1e9
            elif used := counter(read(f"{folder}/cpu.stat"), "usage_usec"):
                seconds = used / 1e6
        return Usage(seconds, peak, out_of_memory_kills(self.attachment.cgroups))

    def kill(self) -> None:
        kill_groups(self.attachment.cgroups)

    def close(self) -> None:
        remove_groups(self.attachment.cgroups)


def remove_groups(cgroups: Iterable[str]) -> None:
    """Remove empty control groups; one whose last process is still being buried gets a moment."""
    for folder in cgroups:
        for _ in range(100):
            try:
                os.rmdir(folder)  # noqa: PTH106 (a control group is no ordinary folder: rmdir, never rmtree)
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.005)
            else:
                break


@dataclass(frozen=True, slots=True)
class CgroupV1:
    """Groups below our own in the hierarchies of the v1 controllers that we may write to."""

    folders: tuple[tuple[Promise, Path], ...]

    @property
    def promises(self) -> frozenset[Promise]:
        return frozenset(promise for promise, _ in self.folders)

    def prepare(self, id: str, limits: Limits) -> Handle:
        made: list[str] = []
        wanted = _wanted(limits)
        try:
            for promise, base in self.folders:
                if promise not in wanted:
                    continue
                folder = _make(base, id)
                made.append(folder)
                if promise is Promise.MEMORY and limits.memory is not None:
                    write(f"{folder}/memory.limit_in_bytes", str(limits.memory))
                    with suppress(OSError):  # only with swap accounting; without swap it changes nothing
                        write(f"{folder}/memory.memsw.limit_in_bytes", str(limits.memory))
                elif promise is Promise.PROCESSES and limits.processes is not None:
                    write(f"{folder}/pids.max", str(limits.processes + _OWN_TASKS))
                elif promise is Promise.CPUS and limits.cpus is not None:
                    write(f"{folder}/cpu.cfs_period_us", str(_PERIOD_US))
                    write(f"{folder}/cpu.cfs_quota_us", str(max(1000, int(limits.cpus * _PERIOD_US))))
        except OSError as error:
            remove_groups(made)
            raise _refused(error) from error
        return Handle(Attachment(tuple(made)))


@dataclass(frozen=True, slots=True)
class CgroupV2:
    """One group per sandbox below a delegated group whose children have the controllers switched on."""

    base: Path
    promises: frozenset[Promise]

    def prepare(self, id: str, limits: Limits) -> Handle:
        try:
            folder = _make(self.base, id)
        except OSError as error:
            raise _refused(error) from error
        try:
            if limits.memory is not None and Promise.MEMORY in self.promises:
                write(f"{folder}/memory.max", str(limits.memory))
                with suppress(OSError):  # no file without swap accounting
                    write(f"{folder}/memory.swap.max", "0")
            if limits.processes is not None and Promise.PROCESSES in self.promises:
                write(f"{folder}/pids.max", str(limits.processes + _OWN_TASKS))
            if limits.cpus is not None and Promise.CPUS in self.promises:
                write(f"{folder}/cpu.max", f"{max(1000, int(limits.cpus * _PERIOD_US))} {_PERIOD_US}")
        except OSError as error:
            remove_groups([folder])
            raise _refused(error) from error
        return Handle(Attachment((folder,)))


@dataclass(frozen=True, slots=True)
class Rlimits:
    """What setrlimit can do: needs nothing, promises little.

    The process limit counts per user *and user namespace* since Linux 5.14, thus per sandbox; root is exempt
    from it, so it is promised only to others.
    """

    promises: frozenset[Promise]

    def prepare(self, id: str, limits: Limits) -> Handle:
        found: list[tuple[int, int]] = []
        if limits.memory is not None:
            found.append((resource.RLIMIT_AS, limits.memory))
        if limits.processes is not None and Promise.PROCESSES in self.promises:
            found.append((resource.RLIMIT_NPROC, limits.processes + _OWN_TASKS))
        if limits.file_size is not None:
            found.append((resource.RLIMIT_FSIZE, limits.file_size))
        return Handle(Attachment((), tuple(found)))


# bubblewrap's own reaper is in the group with the payload
_OWN_TASKS = 1


@dataclass(frozen=True, slots=True)
class Layered:
    """Each limit by the first limiter that can enforce it; what none can is refused, or weakened where allowed."""

    limiters: tuple[CgroupV2 | CgroupV1 | Rlimits, ...]
    may_weaken: frozenset[Promise] = frozenset()

    @property
    def promises(self) -> frozenset[Promise]:
        return frozenset[Promise]().union(*(limiter.promises for limiter in self.limiters))

    def prepare(self, id: str, limits: Limits) -> Handle:
        _check(id, limits)
        parts: list[Handle] = []
        rest = limits
        try:
            for limiter in self.limiters:
                mine = _only(rest, limiter.promises)
                if mine != Limits():
                    parts.append(limiter.prepare(id, mine))
                rest = _without(rest, limiter.promises)
            rest = self._weaken(rest, parts, id)
            if rest != Limits():
                raise _cannot(rest)
        except BaseException:
            for part in parts:
                part.close()
            raise
        return Handle(
            Attachment(
                tuple(folder for part in parts for folder in part.attachment.cgroups),
                tuple(pair for part in parts for pair in part.attachment.rlimits),
            )
        )

    def _weaken(self, rest: Limits, parts: list[Handle], id: str) -> Limits:
        if rest.memory is not None and Promise.MEMORY in self.may_weaken:
            parts.append(Rlimits(frozenset()).prepare(id, Limits(memory=rest.memory)))
            rest = replace(rest, memory=None)
        if Promise.CPUS in self.may_weaken:
            rest = replace(rest, cpus=None)
        if Promise.PROCESSES in self.may_weaken:
            rest = replace(rest, processes=None)
        return rest


def best_limiter(*, may_weaken: frozenset[Promise] = frozenset()) -> Layered:
    """Try what this machine offers. ``.promises`` of the answer tells what will be enforced.

    With control groups v2 in a delegated group this may move Andon's own process into a child group
    ("andon.main"), because the kernel allows processes only in leaves.
    """
    found: list[CgroupV2 | CgroupV1 | Rlimits] = []
    if (v2 := _probe_v2()) is not None:
        found.append(v2)
    if (v1 := _probe_v1()) is not None:
        found.append(v1)
    found.append(Rlimits(_rlimit_promises()))
    return Layered(tuple(found), may_weaken)


def _rlimit_promises() -> frozenset[Promise]:
    release = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
    counted_per_sandbox = release >= (5, 14) and os.geteuid() != 0
    return frozenset({Promise.FILE_SIZE, Promise.ADDRESS_SPACE}) | (
        {Promise.PROCESSES} if counted_per_sandbox else frozenset()
    )


_CONTROLLERS = {"memory": Promise.MEMORY, "pids": Promise.PROCESSES, "cpu": Promise.CPUS}
_CONTROL_FILE = {
    Promise.MEMORY: "memory.limit_in_bytes",
    Promise.PROCESSES: "pids.max",
    Promise.CPUS: "cpu.cfs_quota_us",
}


def _memberships() -> dict[str, str]:
    """Controller name ("" for v2) to our group's path, from /proc/self/cgroup."""
    found: dict[str, str] = {}
    for line in read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            found[name] = path
    return found


def _mounts() -> tuple[dict[str, Path], Path | None]:
    """Where each v1 controller and the v2 hierarchy are mounted, with the part of the tree shown there removed."""
    v1: dict[str, Path] = {}
    v2: Path | None = None
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        mountpoint = Path(before.split(" ")[4].replace("\\040", " "))
        if kind == "cgroup2":
            v2 = v2 or mountpoint
        elif kind == "cgroup":
            for option in options.split(","):
                v1.setdefault(option, mountpoint)
    return v1, v2


def _probe_v1() -> CgroupV1 | None:
    mounted, _ = _mounts()
    own = _memberships()
    found: list[tuple[Promise, Path]] = []
    for controller, promise in _CONTROLLERS.items():
        if controller not in mounted or controller not in own:
            continue
        base = mounted[controller] / own[controller].lstrip("/")
        if not base.is_dir():  # in a container the path is the host's, the mount shows only our part
            base = mounted[controller]
        if _can_make(base, _CONTROL_FILE[promise]):
            found.append((promise, base))
    return CgroupV1(tuple(found)) if found else None


def _probe_v2() -> CgroupV2 | None:
    _, mounted = _mounts()
    own = _memberships().get("")
    if mounted is None or own is None:
        return None
    group = mounted / own.lstrip("/")
    if group.name == _MAIN:
        group = group.parent
    available = set(read(f"{group}/cgroup.controllers").split()) & set(_CONTROLLERS)
    if not available or not os.access(group / "cgroup.subtree_control", os.W_OK) or not os.access(group, os.W_OK):
        return None
    if not available <= set(read(f"{group}/cgroup.subtree_control").split()):
        try:
            _move_to_leaf(group)
            write(f"{group}/cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(available)))
        except OSError:
            return None
    if not _can_make(group, "cgroup.procs"):
        return None
    return CgroupV2(group, frozenset(_CONTROLLERS[name] for name in available))


_MAIN = "andon.main"


def _move_to_leaf(group: Path) -> None:
    """The kernel lets a group have controllers for its children or processes, not both (the root may)."""
    leaf = group / _MAIN
    leaf.mkdir(exist_ok=True)
    for word in read(f"{group}/cgroup.procs").split():
        with suppress(ProcessLookupError):
            write(f"{leaf}/cgroup.procs", word)


def _can_make(base: Path, file: str) -> bool:
    probe = base / f"andon.probe.{os.getpid()}"
    try:
        probe.mkdir()
    except OSError:
        return False
    try:
        return os.access(probe / file, os.W_OK) and os.access(probe / "cgroup.procs", os.W_OK)
    finally:
        remove_groups([str(probe)])


def _make(base: Path, id: str) -> str:
    folder = base / f"andon.{id}"
    with suppress(OSError):  # left by an earlier life of the same id: its counters must not speak for this one
        folder.rmdir()
    folder.mkdir()
    return str(folder)


def _check(id: str, limits: Limits) -> None:
    if not _NAME.match(id):
        raise ValueError(f"a sandbox id is made of letters, digits, '_', '.', '-': {id!r}")
    for name, value, least in (
        ("memory", limits.memory, 1 << 20),
        ("cpus", limits.cpus, 0.01),
        ("processes", limits.processes, 1),
        ("file_size", limits.file_size, 0),
    ):
        if value is not None and value < least:
            raise ValueError(f"the {name} limit {value} is below {least}")


def _wanted(limits: Limits) -> set[Promise]:
    pairs = (
        (Promise.MEMORY, limits.memory),
        (Promise.CPUS, limits.cpus),
        (Promise.PROCESSES, limits.processes),
        (Promise.FILE_SIZE, limits.file_size),
    )
    return {promise for promise, value in pairs if value is not None}


def _only(limits: Limits, promises: frozenset[Promise]) -> Limits:
    return Limits(
        limits.memory if Promise.MEMORY in promises else None,
        limits.cpus if Promise.CPUS in promises else None,
        limits.processes if Promise.PROCESSES in promises else None,
        limits.file_size if Promise.FILE_SIZE in promises else None,
    )


def _without(limits: Limits, promises: frozenset[Promise]) -> Limits:
    return _only(limits, frozenset(Promise) - promises)


_REMEDIES = (
    "Run Andon in a delegated control group (a systemd service with `Delegate=yes`, or start it with "
    "`systemd-run --user --scope -p Delegate=yes andon up`), remove the limit, or allow weaker limits in the settings."
)


def _cannot(rest: Limits) -> LimitUnavailable:
    names = ", ".join(sorted(_wanted(rest)))
    return LimitUnavailable(
        f"This machine gives Andon no way to limit: {names}.", remedy=_REMEDIES, safe="Nothing was started."
    )


def _refused(error: OSError) -> LimitUnavailable:
    return LimitUnavailable(
        f"The kernel refused a limit ({error.strerror}: {error.filename or 'control group'}).",
        remedy=_REMEDIES,
        safe="Nothing was started.",
    )
