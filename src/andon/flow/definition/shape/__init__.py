"""The shape of ``andon.yaml``: every key there is, what it takes, what it means, what holds without it.

This is the one description. The reader checks files against it, ``schema.py`` publishes it for editors,
``reference.py`` writes the reference page from it. To add a key, add a :class:`Field` here, its meaning to
the contract, and the page with ``python -m andon.flow.definition.reference``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from andon.flow.definition.contract import (
    Definition,
    EnvironmentDefinition,
    HelperService,
    MigrationDefinition,
    OnNewerPush,
    PackageDefinition,
    ProcessDefinition,
    SmokeTest,
    StageDefinition,
    TelemetryDefinition,
)
from andon.flow.definition.kinds import Choice, Field, Record, TableOf, Values
from andon.flow.definition.shape.environments import ENVIRONMENT, EnvironmentDraft
from andon.flow.definition.shape.migrations import MIGRATIONS
from andon.flow.definition.shape.running import PROCESS, SMOKE_TEST
from andon.flow.definition.shape.stages import PACKAGE, SERVICE, STAGE
from andon.flow.definition.shape.telemetry import TELEMETRY
from andon.flow.definition.shape.texts import (
    ENVIRONMENT_NAME,
    OWNER,
    PROCESS_NAME,
    SERVICE_NAME,
    SMOKE_NAME,
    STAGE_NAME,
)

__all__ = ["ROOT"]

_NO_STAGES: Mapping[str, StageDefinition] = {}
_NO_SERVICES: Mapping[str, HelperService] = {}
_NO_PROCESSES: Mapping[str, ProcessDefinition] = {}
_NO_SMOKE_TESTS: Mapping[str, SmokeTest] = {}
_NO_ENVIRONMENTS: Mapping[str, EnvironmentDraft] = {}

STAGES = Field(
    "stages",
    TableOf(STAGE_NAME, STAGE, least=1),
    "The way of a commit, stage by stage, in the order of the file.",
    _NO_STAGES,
    required=True,
)
SERVICES = Field("services", TableOf(SERVICE_NAME, SERVICE), "What jobs may need beside them.", _NO_SERVICES)
PACKAGE_FIELD: Field[PackageDefinition | None] = Field(
    "package", PACKAGE, "What is deployed. Needed as soon as a stage deploys.", None
)
RUN = Field(
    "run",
    TableOf(PROCESS_NAME, PROCESS),
    "How the package runs, one entry for each kind of process. Needed as soon as a stage deploys.",
    _NO_PROCESSES,
)
SMOKE = Field(
    "smoke",
    TableOf(SMOKE_NAME, SMOKE_TEST),
    "What a new version must pass before it gets traffic.",
    _NO_SMOKE_TESTS,
)
MIGRATIONS_FIELD = Field("migrations", MIGRATIONS, "Changes to the database.", MigrationDefinition())
ENVIRONMENTS = Field(
    "environments", TableOf(ENVIRONMENT_NAME, ENVIRONMENT), "Where the package runs.", _NO_ENVIRONMENTS
)
ON_NEWER_PUSH = Field(
    "on_newer_push",
    Choice(OnNewerPush),
    "What becomes of runs of the same branch that still wait when a newer commit is pushed.",
    OnNewerPush.KEEP,
)
OWNER_FIELD: Field[str | None] = Field(
    "owner", OWNER, "Who answers for the service: a team, a person, a channel.", None
)
TELEMETRY_FIELD = Field("telemetry", TELEMETRY, "What the service says of its own telemetry.", TelemetryDefinition())


def _definition(_name: str, values: Values) -> Definition:
    processes = tuple(values[RUN].values())
    return Definition(
        stages=tuple(values[STAGES].values()),
        services=tuple(values[SERVICES].values()),
        package=values[PACKAGE_FIELD],
        processes=processes,
        smoke_tests=tuple(values[SMOKE].values()),
        migrations=values[MIGRATIONS_FIELD],
        environments=tuple(_with_instances(draft, processes) for draft in values[ENVIRONMENTS].values()),
        on_newer_push=values[ON_NEWER_PUSH],
        owner=values[OWNER_FIELD],
        telemetry=values[TELEMETRY_FIELD],
    )


def _with_instances(draft: EnvironmentDraft, processes: tuple[ProcessDefinition, ...]) -> EnvironmentDefinition:
    said = draft.instances
    each = said if isinstance(said, int) else 1
    counts = {process.name: each for process in processes}
    if isinstance(said, Mapping):
        counts |= said
    return replace(draft.definition, instances=counts)


ROOT = Record(
    "the definition",
    "`andon.yaml`, at the top of a repository, says how a commit is tested, packaged and run.",
    (
        STAGES,
        SERVICES,
        PACKAGE_FIELD,
        RUN,
        SMOKE,
        MIGRATIONS_FIELD,
        ENVIRONMENTS,
        ON_NEWER_PUSH,
        OWNER_FIELD,
        TELEMETRY_FIELD,
    ),
    _definition,
)
