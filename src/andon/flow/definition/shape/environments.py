"""Environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from andon.flow.definition.contract import (
    EnvironmentDefinition,
)
from andon.flow.definition.document import Node, Scalar, ScalarType, Table
from andon.flow.definition.kinds import (
    Field,
    Json,
    Kind,
    ListOf,
    Path,
    Reading,
    Record,
    Refused,
    TableOf,
    Values,
    Verbatim,
    Whole,
    duration,
    found,
)
from andon.flow.definition.shape.release import FLAGS, RELEASE
from andon.flow.definition.shape.stages import DAY
from andon.flow.definition.shape.texts import (
    INSTANCE_VARIABLE,
    PROCESS_NAME,
)


@dataclass(frozen=True, slots=True)
class InstanceCounts(Kind[int | Mapping[str, int] | None]):
    """How many instances: one number for every kind of process, or a number for each."""

    each = Whole(0, 100, 2)
    by_process = TableOf(PROCESS_NAME, Whole(0, 100, 2))

    def read(self, node: Node, path: Path, reading: Reading) -> int | Mapping[str, int] | None:
        if isinstance(node, Table):
            return self.by_process.read(node, path, reading)
        if isinstance(node, Scalar) and node.type is ScalarType.INTEGER:
            return self.each.read(node, path, reading)
        raise Refused(node.mark, f"{found(node)} stands here", self.words())

    def schema(self) -> Mapping[str, Json]:
        return {"anyOf": [self.each.schema(), self.by_process.schema()]}

    def words(self) -> str:
        return f"{self.each.words()}, or a mapping: kind of process → number, such as {{web: 2}}"

    def example(self) -> Json:
        return {"web": 2}


_ENVIRONMENT = EnvironmentDefinition(name="")
_ONE_EACH: int | Mapping[str, int] | None = None

INSTANCES = Field(
    "instances",
    InstanceCounts(),
    "How many of each kind of process; one number goes for every kind.",
    _ONE_EACH,
    shown_default="1 of each",
)
KEEP_WARM = Field(
    "keep_warm",
    Whole(0, 10, 1),
    "How many former versions stay running, so that a rollback takes no start.",
    _ENVIRONMENT.keep_warm,
)
ENVIRONMENT_PORT: Field[int | None] = Field(
    "port",
    Whole(1, 65535, 8080),
    "The machine's port under which the environment is reached.",
    None,
    shown_default="one that is free, kept from then on",
)
CONFIG = Field(
    "config",
    TableOf(INSTANCE_VARIABLE, Verbatim()),
    "Environment variables of the instances here.",
    _ENVIRONMENT.config,
)
SECRETS = Field(
    "secrets",
    ListOf(replace(INSTANCE_VARIABLE, sample="PAYMENT_KEY")),
    "Names of variables whose values are set with `andon secret set`, encrypted, never in the repository. "
    "A deployment is refused while one is missing.",
    _ENVIRONMENT.secrets,
)
TTL: Field[float | None] = Field(
    "ttl", duration(60, 365 * DAY, "7d"), "After this time the environment is destroyed.", None, shown_default="never"
)
RELEASE_FIELD = Field("release", RELEASE, "How a new version comes to its customers.", _ENVIRONMENT.release)
FLAGS_FIELD = Field("flags", FLAGS, "What changing a flag takes here.", _ENVIRONMENT.flags)


@dataclass(frozen=True, slots=True)
class EnvironmentDraft:
    """An environment before it is known which kinds of process there are."""

    definition: EnvironmentDefinition
    instances: int | Mapping[str, int] | None


def _environment(name: str, values: Values) -> EnvironmentDraft:
    definition = EnvironmentDefinition(
        name=name,
        keep_warm=values[KEEP_WARM],
        config=values[CONFIG],
        secrets=values[SECRETS],
        port=values[ENVIRONMENT_PORT],
        time_to_live=values[TTL],
        release=values[RELEASE_FIELD],
        flags=values[FLAGS_FIELD],
    )
    return EnvironmentDraft(definition, values[INSTANCES])


ENVIRONMENT = Record(
    "an environment",
    "Where the package runs. Acceptance, staging and production are made by one mechanism from this.",
    (INSTANCES, KEEP_WARM, ENVIRONMENT_PORT, CONFIG, SECRETS, TTL, RELEASE_FIELD, FLAGS_FIELD),
    _environment,
    may_be_empty=True,
)
