"""What a keeper keeps, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from andon.kernel.sandbox.attach import Attachment
from andon.kernel.sandbox.identity import ProcessId


class Restart(StrEnum):
    """When a program that ended is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class Status(StrEnum):
    """Where a kept program is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing-off"  # ended, and waiting to be started again
    STOPPING = "stopping"
    STOPPED = "stopped"  # ended as it should; its keeper is gone too
    FAILED = "failed"  # ended as it should not and will not be started again; its keeper is gone too
    LOST = "lost"  # its keeper died without a word; the program died with it


ENDED = frozenset({Status.STOPPED, Status.FAILED, Status.LOST})
"""Nothing runs, and nothing will start it again."""


@dataclass(frozen=True, slots=True)
class KeeperSpec:
    """One program to keep.

    ``argv`` is the complete command. With ``sandboxed`` it is bubblewrap's (``sandbox.command.build(…,
    dies_with_parent=True).argv``): the keeper then passes the environment by ``--args`` (see
    ``sandbox.command.private_arguments``), waits at the gate until limits are attached, and signals the first
    process inside. Without it, the environment given to ``spawn`` is complete, and the program gets its own
    session and dies with the keeper.

    ``stop_signal`` is sent first; after ``stop_timeout`` seconds everything is killed. ``log`` is a folder for
    kernel.logs, ``masks`` are secret values never to be written there (sent with the environment, not kept on
    disk). ``limits`` are prepared by a Limiter; their control groups are given back by ``control.stop``.
    """

    id: str
    kind: str
    argv: tuple[str, ...]
    directory: str
    log: Path
    sandboxed: bool = True
    restart: Restart = Restart.ALWAYS
    stop_signal: int = 15
    stop_timeout: float = 10.0
    limits: Attachment = field(default_factory=Attachment)
    keeper_cgroups: tuple[str, ...] = ()
    masks: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class LastExit:
    """How the program ended the last time: one of ``code`` and ``signal`` is set, times in ms since 1970."""

    code: int | None
    signal: int | None
    out_of_memory: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class KeptState:
    """What the keeper wrote last. ``since_ms`` is when the status began (ms since 1970).

    ``child`` is the process the keeper started (bubblewrap, or the program itself), ``init`` the first process
    of the sandbox's namespace as seen from outside.
    """

    id: str
    kind: str
    status: Status
    since_ms: int
    restarts: int
    keeper: ProcessId
    child: ProcessId | None
    init: ProcessId | None
    last_exit: LastExit | None
    log: Path
    cgroups: tuple[str, ...]
    version: int
