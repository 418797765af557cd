"""What a repository says about itself in ``andon.yaml``, once it has been read and found sound.

Everything here is already validated: names are known, graphs have no cycle, paths stay in the tree,
durations are seconds and sizes bytes. Defaults have been filled in. Other rooms take these values as they
are and never look at YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from andon.flow.definition.contract.faults import DEFINITION_FILE, FAULTS_PRINTED, DefinitionInvalid, Fault
from andon.flow.definition.contract.release import (
    PARTS,
    Audience,
    FlagPolicy,
    FlagState,
    Harm,
    Ignored,
    MirrorDefinition,
    MirrorStep,
    ReleaseDefinition,
    ReleaseStage,
    Sticky,
    Strategy,
    Unit,
    Varying,
    share_text,
)
from andon.flow.schema.contract import Dialect

__all__ = [
    "DEFINITION_FILE",
    "FAULTS_PRINTED",
    "PARTS",
    "Audience",
    "Definition",
    "DefinitionInvalid",
    "DefinitionReader",
    "EnvironmentDefinition",
    "Fault",
    "FlagPolicy",
    "FlagState",
    "Harm",
    "HealthDefinition",
    "HelperService",
    "HttpMethod",
    "Ignored",
    "JobDefinition",
    "MigrationDefinition",
    "MirrorDefinition",
    "MirrorStep",
    "Network",
    "OnNewerPush",
    "PackageDefinition",
    "ProcessDefinition",
    "ReleaseDefinition",
    "ReleaseStage",
    "SmokeTest",
    "StageDefinition",
    "Sticky",
    "Strategy",
    "TelemetryDefinition",
    "Trigger",
    "Unit",
    "Varying",
    "share_text",
]


class Trigger(StrEnum):
    """When a stage that deploys begins."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class Network(StrEnum):
    """What a job or an instance reaches beyond its sandbox."""

    NONE = "none"
    HOST = "host"


class HttpMethod(StrEnum):
    """How a smoke test asks."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    OPTIONS = "OPTIONS"


class OnNewerPush(StrEnum):
    """What happens to queued runs of a branch when a newer commit arrives."""

    KEEP = "keep"
    SUPERSEDE = "supersede"


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperService:
    """A process a job needs beside it, such as a database; lives as long as the job, in its sandbox."""

    name: str
    command: str
    ready: str
    """A command run in the sandbox until it exits 0."""
    ready_within: float = 30.0
    """Seconds."""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDefinition:
    name: str
    command: str
    """Run by ``sh -eu`` in the workspace."""
    needs: tuple[str, ...] = ()
    """Names of jobs of the same stage that must pass first."""
    environment: Mapping[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    """Workspace-relative folders kept between runs of this repository."""
    network: Network = Network.NONE
    timeout: float = 600.0
    """Seconds of wall time."""
    memory: int = 2 * 1024**3
    """Bytes, for the whole job."""
    cpus: float = 0.0
    """Processors; 0 is no limit."""
    processes: int = 512
    reports: tuple[str, ...] = ()
    """Globs of JUnit XML files in the workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDefinition:
    name: str
    jobs: tuple[JobDefinition, ...]
    environment: str | None = None
    """The package is deployed here before the stage's jobs run; they find it at ``$ANDON_URL``."""
    trigger: Trigger = Trigger.AUTOMATIC
    branches: tuple[str, ...] = ()
    """Globs; empty is every branch. A stage that deploys defaults to the default branch only."""
    flags: tuple[FlagState, ...] = ()
    """The jobs run once for each, one after the other, with the environment's flags set to it; empty leaves them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageDefinition:
    """The package is built once, after the first stage, and stored by its digest."""

    command: str
    """Run by ``sh -eu``; empty takes the files as they are."""
    files: tuple[str, ...]
    """Globs, workspace-relative, of what goes in."""
    timeout: float = 600.0
    caches: tuple[str, ...] = ()
    network: Network = Network.NONE
    memory: int = 2 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthDefinition:
    path: str = "/"
    interval: float = 1.0
    """Seconds between probes."""
    timeout: float = 2.0
    within: float = 30.0
    """Seconds an instance has to become healthy after its start."""
    failures: int = 3
    """Probes in a row that must fail before a healthy instance counts as unhealthy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessDefinition:
    """How one kind of process of the service runs."""

    name: str
    command: str
    """Run by ``sh -eu`` in the unpacked package; ``$PORT`` (or ``$ANDON_SOCKET``) says where to listen."""
    port: int | None = 8000
    """The port the program listens on inside its sandbox; ``None`` when it listens on a socket, or nowhere.

    A process that listens nowhere is not routed: it is healthy as long as it runs.
    """
    socket: str | None = None
    """Path of the Unix socket the program listens on, inside its sandbox, below ``/run/andon``."""
    health: HealthDefinition = field(default_factory=HealthDefinition)
    network: Network = Network.NONE
    memory: int = 1024**3
    cpus: float = 0.0
    processes: int = 256
    stop_timeout: float = 10.0
    """Seconds between SIGTERM and SIGKILL."""
    routed: bool = True
    """Whether the router sends traffic here; a background worker is not routed. At most one kind is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTest:
    """Run against the candidate set before any traffic reaches it. Either a request or a command."""

    name: str
    path: str | None = None
    method: HttpMethod = HttpMethod.GET
    body: str | None = None
    status: int = 200
    contains: str | None = None
    command: str | None = None
    """Run in the package, in a sandbox, with ``$ANDON_URL`` and ``$ANDON_SMOKE_IDENTITY``."""
    cleanup: str | None = None
    """Run afterwards whatever the outcome, with the same environment."""
    timeout: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationDefinition:
    expand: str | None = None
    """Additive, safe to repeat; runs before the candidate set starts."""
    contract: str | None = None
    """Removes what no version needs any more; runs only on an explicit, later action."""
    timeout: float = 600.0
    """Seconds that expand, contract or one batch of a backfill may take."""
    backfill: str | None = None
    """Fills what expand has added; run batch by batch after the switch, until it says that nothing is left."""
    batch: int = 1_000
    """Rows of one batch, told to the command as ``$ANDON_BATCH``."""
    pause: float = 1.0
    """Seconds between two batches."""
    database: Dialect | None = None
    """What the files are written for; given whenever they are checked."""
    folder: str | None = None
    """Where the files of SQL are that are checked."""
    sql: str | None = None
    """Prints the SQL that is checked, instead of files."""
    old_schema: bool = False
    """Whether the new version is to work on the old schema, too: rehearsals try it there before expand runs."""

    @property
    def checked(self) -> bool:
        return self.database is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentDefinition:
    name: str
    instances: Mapping[str, int] = field(default_factory=dict)
    """Process name → how many; every process of the definition is named."""
    keep_warm: int = 1
    """How many former sets stay running as rollback targets."""
    config: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Names that must be set with ``andon secret set`` before a deployment here may begin."""
    port: int | None = None
    """The router's port; ``None`` lets Andon choose one from its range and keep it."""
    time_to_live: float | None = None
    """Seconds; ``None`` is for good."""
    release: ReleaseDefinition = field(default_factory=ReleaseDefinition)
    """How a new version comes to its traffic."""
    flags: FlagPolicy = field(default_factory=FlagPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryDefinition:
    """What a service says of its own telemetry. Nothing here is needed: it measures without."""

    business: tuple[str, ...] = ()
    """Names of metrics, or patterns of names with ``*``, that say how the business does."""
    count: Mapping[str, str] = field(default_factory=dict)
    """Name of a metric → what the lines of the log that it counts are found with."""
    scrape: str | None = None
    """The path at which each instance shows metrics in Prometheus' form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A sound ``andon.yaml``."""

    stages: tuple[StageDefinition, ...]
    services: tuple[HelperService, ...] = ()
    package: PackageDefinition | None = None
    processes: tuple[ProcessDefinition, ...] = ()
    smoke_tests: tuple[SmokeTest, ...] = ()
    migrations: MigrationDefinition = field(default_factory=MigrationDefinition)
    environments: tuple[EnvironmentDefinition, ...] = ()
    on_newer_push: OnNewerPush = OnNewerPush.KEEP
    owner: str | None = None
    """Who answers for the service: a team, a person, a channel."""
    telemetry: TelemetryDefinition = field(default_factory=TelemetryDefinition)

    def environment(self, name: str) -> EnvironmentDefinition | None:
        return next((one for one in self.environments if one.name == name), None)

    @property
    def production(self) -> str | None:
        """The environment that a change comes to last."""
        return next((one.environment for one in reversed(self.stages) if one.environment is not None), None)

    def stage(self, name: str) -> StageDefinition | None:
        return next((one for one in self.stages if one.name == name), None)


class DefinitionReader(Protocol):
    """Reads an ``andon.yaml``."""

    def read(self, source: bytes, *, file: str = DEFINITION_FILE) -> Definition:
        """The definition in ``source``.

        Raises ``DefinitionInvalid`` (an :class:`andon.kernel.errors.Invalid`) that names file, line, column,
        what was expected and the nearest known word, for every fault found, not only the first.
        """
        ...
