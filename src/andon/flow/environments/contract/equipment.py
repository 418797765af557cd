"""What upper rooms give to sandboxes: folders, variables and ways out, for instances, commands and jobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.keeper.ways import WayIn, WayOut, forwarded
from andon.kernel.sandbox.model import Mount


class Purpose(StrEnum):
    INSTANCE = "instance"
    COMMAND = "command"
    """A migration, smoke test or clean-up of a set of instances."""
    JOB = "job"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupant:
    """What a sandbox is for."""

    purpose: Purpose
    service: Service
    environment: str | None
    """``None`` for a job of a stage without one."""
    id: str
    """The instance's, the set's whose command it is, or the job's."""
    commit: CommitHash

    @property
    def version(self) -> str:
        return version_of(self.commit)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the machine, shown read-only at ``target``. It is made, for its owner alone, if it is not there.

    A folder and not a file: what is exchanged in it, such as the socket of a program that was started again, is seen
    inside. A socket in it can be connected to.
    """

    source: Path
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    folders: tuple[Folder, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    """The service's own configuration comes before them."""
    ways_out: tuple[WayOut, ...] = ()
    """To sockets in the folders, with the variables that are true only with them. A sandbox that shares the machine's
    network has none. Nor is there one on the port that the process itself listens on, or one of whose variables the
    service sets itself: it has a program of its own there, or sends elsewhere."""


class Equipper(Protocol):
    """An upper room that has something to give. Asked at every start, also of an instance that is started again by
    another Andon: what it answers has to stay true while the sandbox lives."""

    def equip(self, occupant: Occupant) -> Equipment:
        """Quick, and without effects. What it raises keeps the sandbox from being started."""
        ...

    def withdraw(self, service: Service, environment: str) -> None:
        """The environment is gone with its sandboxes and its data; its folders may go. Safe to repeat."""
        ...


class Bare(Equipper):
    """Gives nothing."""

    def equip(self, occupant: Occupant) -> Equipment:
        return Equipment()

    def withdraw(self, service: Service, environment: str) -> None:
        return


BARE = Bare()


class Together(Equipper):
    """What several give. Of a variable that two of them set, the last one's counts."""

    def __init__(self, *equippers: Equipper) -> None:
        self._equippers = equippers

    def equip(self, occupant: Occupant) -> Equipment:
        given = [one.equip(occupant) for one in self._equippers]
        return Equipment(
            folders=tuple(folder for one in given for folder in one.folders),
            variables={name: value for one in given for name, value in one.variables.items()},
            ways_out=tuple(way for one in given for way in one.ways_out),
        )

    def withdraw(self, service: Service, environment: str) -> None:
        for one in self._equippers:
            one.withdraw(service, environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outfit:
    """What the equipment makes of a sandbox's command; to be added to what it has of its own."""

    argv: tuple[str, ...]
    variables: Mapping[str, str]
    mounts: tuple[Mount, ...]


def outfitted(
    equipper: Equipper,
    occupant: Occupant,
    command: Sequence[str],
    *,
    own_network: bool,
    own: Collection[str] = (),
    way_in: WayIn | None = None,
    ways_out: Sequence[WayOut] = (),
) -> Outfit:
    """The command with its ways in and out, those of the equipment included; makes its folders. ``own`` are the names
    of the variables that the service sets.

    Without ``own_network`` there are no ways at all. Raises ``OSError`` when a folder cannot be made.
    """
    given = equipper.equip(occupant)
    for folder in given.folders:
        folder.source.mkdir(parents=True, exist_ok=True, mode=0o700)
    variables = dict(given.variables)
    if own_network:
        taken = {way.port for way in ways_out} | ({way_in.port} if way_in is not None else set())
        added = [way for way in given.ways_out if way.port not in taken and way.variables.keys().isdisjoint(own)]
        for way in added:
            variables |= way.variables
        argv, mounts = forwarded(command, way_in=way_in, ways_out=(*ways_out, *added))
    else:
        argv, mounts = forwarded(command)
    shown = tuple(Mount(folder.source, folder.target) for folder in given.folders)
    return Outfit(argv=argv, variables=variables, mounts=(*shown, *mounts))


def version_of(commit: CommitHash) -> str:
    """How a commit is called where people read it, and in telemetry."""
    return commit[:7]
