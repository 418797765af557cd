"""What to run, with how much of the machine, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the machine shown inside at ``target`` (absolute).

    ``source`` must not lie below anything that a sandboxed command can write to: it could be exchanged for a
    link to somewhere else. A source that is a link itself is refused.
    """

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Overlay:
    """A folder of the machine shown writable at ``target`` while it stays as it is: changes go to ``upper``.

    ``upper`` and the empty ``work`` (the kernel's own) lie on one file system, beside each other, below nothing that
    a sandboxed command can write to. Not every file system can carry them: a launch then fails.
    """

    lower: Path
    upper: Path
    work: Path
    target: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the machine one sandbox may take; ``None`` is no limit.

    ``memory`` in bytes for all processes together, ``cpus`` in cores (0.5 is half a core), ``processes`` is the
    number of tasks (threads count) at one time, ``file_size`` in bytes for any single file.
    """

    memory: int | None = None
    cpus: float | None = None
    processes: int | None = None
    file_size: int | None = None


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """A command and the little world it runs in.

    ``environment`` is complete apart from PATH, HOME, TMPDIR, LANG, USER and LOGNAME, which have defaults. Its
    values never appear in an argv. ``mounts`` come on top of the read-only system folders.
    """

    argv: tuple[str, ...]
    directory: str
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount | Overlay, ...] = ()
    network: bool = False
    limits: Limits = field(default_factory=Limits)
    hostname: str = "andon"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a command ended: exactly one of ``code`` and ``signal`` is set.

    A code of 128+n, by which shells and bubblewrap tell of a death by signal n, is read as that signal.
    ``started`` is false when the command itself never ran (not found, a mount that failed): the reason then
    stands in the log. ``out_of_memory`` is true when the kernel killed something for the memory limit.
    """

    code: int | None
    signal: int | None
    out_of_memory: bool = False
    started: bool = True

    @property
    def status(self) -> int:
        """The number a shell would show."""
        return self.code if self.code is not None else 128 + (self.signal or 0)

    @property
    def ok(self) -> bool:
        """The command ran and ended with 0."""
        return self.started and self.code == 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a sandbox took; None where nothing counts it.

    ``cpu_seconds`` is counted with control groups v2, ``peak_memory`` (bytes, with page cache) wherever a memory
    limit is enforced by a control group.
    """

    cpu_seconds: float | None = None
    peak_memory: int | None = None
    out_of_memory_kills: int = 0
