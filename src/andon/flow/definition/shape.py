"""The shape of ``andon.yaml``: every key there is, what it takes, what it means, what holds without it.

This is the one description. The reader checks files against it, ``schema.py`` publishes it for editors,
``reference.py`` writes the reference page from it. To add a key, add a :class:`Field` here, its meaning to
the contract, and the page with ``python -m andon.flow.definition.reference``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from andon.flow.definition.contract import (
    Definition,
    EnvironmentDefinition,
    HealthDefinition,
    HelperService,
    HttpMethod,
    JobDefinition,
    MigrationDefinition,
    Network,
    OnNewerPush,
    PackageDefinition,
    ProcessDefinition,
    SmokeTest,
    StageDefinition,
    Trigger,
)
from andon.flow.definition.document import Node, Scalar, ScalarType, Table
from andon.flow.definition.kinds import (
    Choice,
    Field,
    Json,
    Kind,
    ListOf,
    Number,
    Path,
    Reading,
    Record,
    Refused,
    Size,
    TableOf,
    Text,
    Truth,
    Values,
    Verbatim,
    Whole,
    duration,
    found,
)

MIB = 1024**2
GIB = 1024**3
DAY = 86400.0

# --- the texts ---------------------------------------------------------------------------------------------


def _as_name(text: str) -> str | None:
    """``Build_All`` → ``build-all``."""
    name = re.sub(r"[^a-z0-9]+", "-", text[:40].lower()).strip("-").lstrip("0123456789-")
    return name or None


def _as_variable(text: str) -> str | None:
    name = re.sub(r"[^A-Z0-9_]+", "_", text[:60].upper()).removeprefix("ANDON_").lstrip("0123456789")
    return name if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) else None


def _as_relative(text: str) -> str | None:
    parts = [part for part in text.split("/") if part not in ("", ".", "..", "~", ".git")]
    return "/".join(parts)[:80] or None


_NAME_PATTERN = "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"
# No part may be '..', '.git' or '.'; neither a leading slash nor '~'; no backslash, no control character.
_PATH_PATTERN = r"^(?![/~])(?!(.*/)?(\.|\.\.|\.git)(/|$))[^\u0000-\u001f\u007f\\]*[^\u0000-\u001f\u007f\\/]$"


def _name(what: str, sample: str, *refuses: str) -> Text:
    return Text(
        what=what,
        form="lowercase letters, digits and dashes, a letter first, at most 40",
        sample=sample,
        pattern=_NAME_PATTERN,
        # Words the console and the command line use where a name could stand.
        refuses=("all", "andon", "new", "none", *refuses),
        hint=_as_name,
        limit=40,
    )


STAGE_NAME = _name("the name of a stage", "commit", "package")
JOB_NAME = _name("the name of a job", "test")
SERVICE_NAME = _name("the name of a service", "postgres")
PROCESS_NAME = _name("the name of a kind of process", "web")
ENVIRONMENT_NAME = _name("the name of an environment", "production")
SMOKE_NAME = Text(
    what="the name of a smoke test",
    form="one line of at most 80 characters",
    sample="front page",
    pattern=r"^[^\s\u0000-\u001f\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f])?$",
    limit=80,
)
VARIABLE = Text(
    what="the name of a variable",
    form="capitals, digits and _, no digit first, not beginning with ANDON_",
    sample="LEVEL",
    pattern="^(?!ANDON_)[A-Z_][A-Z0-9_]*$",
    hint=_as_variable,
    limit=128,
)
# An instance is told its port in $PORT.
INSTANCE_VARIABLE = replace(VARIABLE, sample="GREETING", refuses=("PORT",))
FOLDER = Text(what="a folder inside the workspace", sample=".venv", pattern=_PATH_PATTERN, hint=_as_relative, limit=512)
GLOB = Text(
    what="a path or pattern inside the workspace",
    form="* within a folder, ** across folders",
    sample="reports/*.xml",
    pattern=_PATH_PATTERN,
    hint=_as_relative,
    limit=512,
)
BRANCH = Text(
    what="a branch or a pattern of branches",
    sample="main",
    pattern=r"^(?!/)(?!.*\.\.)[^\s\u0000-\u001f\u007f~^:\\]*[^\s\u0000-\u001f\u007f~^:\\/]$",
    limit=255,
)


def _command(sample: str) -> Text:
    return Text(what="a shell command", sample=sample, pattern=r"^[^\u0000]*[^\s\u0000][^\u0000]*$")


URL_PATH = Text(
    what="a path that begins with /",
    sample="/health",
    pattern=r"^/[^\s\u0000-\u001f\u007f#]*$",
    hint=lambda text: f"/{text.split('://')[-1].split('/', 1)[-1].lstrip('/')}"[:80] if text.strip() else None,
    limit=2048,
)
SOCKET = Text(
    what="a socket directly below /run/andon",
    sample="/run/andon/app.sock",
    pattern=r"^/run/andon/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$",
    limit=80,
)
ANY_TEXT = Text(what="text", sample="Parts Unlimited", pattern=r"^[^\u0000]+$")


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


# --- what stands where, and what it becomes ----------------------------------------------------------------
# Defaults come from the contract's own dataclasses, so that both say the same.

_JOB = JobDefinition(name="", command="")

JOB_RUN = Field("run", _command("make test"), "Run by `sh -eu` in the workspace.", _JOB.command, required=True)
JOB_NEEDS = Field("needs", ListOf(JOB_NAME), "Jobs of the same stage that must pass first.", _JOB.needs)
ENV = Field(
    "env",
    TableOf(VARIABLE, Verbatim()),
    "Environment variables. Not for secrets: the file is in the repository.",
    _JOB.environment,
)
JOB_SERVICES = Field(
    "services", ListOf(SERVICE_NAME), "Services of `services` that run beside the job, in its sandbox.", _JOB.services
)
CACHES = Field(
    "caches",
    ListOf(FOLDER),
    "Folders kept between runs of this repository. A job must also succeed without what they held.",
    _JOB.caches,
)
NETWORK = Field(
    "network",
    Choice(Network),
    "What it reaches beyond its sandbox: nothing, or whatever the machine reaches.",
    _JOB.network,
)
JOB_TIMEOUT = Field(
    "timeout", duration(1, DAY, "10m"), "Wall time; then the job and all it started are killed.", _JOB.timeout
)
JOB_MEMORY = Field("memory", Size(16 * MIB, 1024 * GIB, "512MiB"), "Memory of the whole job.", _JOB.memory)
CPUS = Field("cpus", Number(0.05, 1024, 1.5), "Processors it may use.", _JOB.cpus, shown_default="no limit")
PROCESSES = Field("processes", Whole(4, 32768, 256), "Processes and threads at once.", _JOB.processes)
REPORTS = Field(
    "reports", ListOf(GLOB), "JUnit XML files the job leaves; the run's page shows their tests.", _JOB.reports
)


def _job(name: str, values: Values) -> JobDefinition:
    return JobDefinition(
        name=name,
        command=values[JOB_RUN],
        needs=values[JOB_NEEDS],
        environment=values[ENV],
        services=values[JOB_SERVICES],
        caches=values[CACHES],
        network=values[NETWORK],
        timeout=values[JOB_TIMEOUT],
        memory=values[JOB_MEMORY],
        cpus=values[CPUS],
        processes=values[PROCESSES],
        reports=values[REPORTS],
    )


JOB = Record(
    "a job",
    "One command in a sandbox of its own, with the commit's files as its workspace. Jobs of a stage run side by side.",
    (
        JOB_RUN,
        JOB_NEEDS,
        ENV,
        JOB_SERVICES,
        CACHES,
        NETWORK,
        JOB_TIMEOUT,
        JOB_MEMORY,
        CPUS,
        PROCESSES,
        REPORTS,
    ),
    _job,
)

_NO_JOBS: Mapping[str, JobDefinition] = {}

STAGE_JOBS = Field("jobs", TableOf(JOB_NAME, JOB), "The jobs, by name.", _NO_JOBS)
STAGE_ENVIRONMENT: Field[str | None] = Field(
    "environment",
    ENVIRONMENT_NAME,
    "The package is deployed here before the stage's jobs run; they find it at `$ANDON_URL`.",
    None,
)
STAGE_WHEN = Field(
    "when",
    Choice(Trigger),
    "Whether a stage that deploys begins by itself or waits for somebody.",
    Trigger.AUTOMATIC,
)
STAGE_BRANCHES = Field(
    "branches",
    ListOf(BRANCH, least=1),
    "Branches for which the stage runs; `*` stands for any characters.",
    (),
    shown_default="every branch; the default branch for a stage that deploys",
)


def _stage(name: str, values: Values) -> StageDefinition:
    return StageDefinition(
        name=name,
        jobs=tuple(values[STAGE_JOBS].values()),
        environment=values[STAGE_ENVIRONMENT],
        trigger=values[STAGE_WHEN],
        branches=values[STAGE_BRANCHES],
    )


STAGE = Record(
    "a stage",
    "Stages run one after the other, in the order of the file; a stage begins when all of the one before has passed.",
    (STAGE_JOBS, STAGE_ENVIRONMENT, STAGE_WHEN, STAGE_BRANCHES),
    _stage,
    one_of=("jobs", "environment"),
)

_SERVICE = HelperService(name="", command="", ready="")

SERVICE_RUN = Field("run", _command("postgres -D /tmp/db"), "Run by `sh -eu`, beside the job.", "", required=True)
SERVICE_READY = Field(
    "ready",
    _command("pg_isready"),
    "Run again and again until it exits with 0; the job starts then.",
    "",
    required=True,
)
SERVICE_WITHIN = Field(
    "within", duration(0.1, 3600, "30s"), "Time it has to become ready; then the job fails.", _SERVICE.ready_within
)


def _service(name: str, values: Values) -> HelperService:
    return HelperService(
        name=name,
        command=values[SERVICE_RUN],
        ready=values[SERVICE_READY],
        ready_within=values[SERVICE_WITHIN],
        environment=values[ENV],
    )


SERVICE = Record(
    "a service",
    "Something a job needs beside it, such as a database. It lives as long as the job, in the job's sandbox.",
    (SERVICE_RUN, SERVICE_READY, SERVICE_WITHIN, ENV),
    _service,
)

_PACKAGE = PackageDefinition(command="", files=())

PACKAGE_RUN = Field(
    "run",
    _command("make dist"),
    "Builds what goes in, by `sh -eu` in the workspace.",
    _PACKAGE.command,
    shown_default="the files as they are",
)
PACKAGE_FILES = Field(
    "files",
    ListOf(replace(GLOB, sample="store/**"), least=1),
    "What goes into the package.",
    _PACKAGE.files,
    required=True,
)


def _package(_name: str, values: Values) -> PackageDefinition:
    return PackageDefinition(
        command=values[PACKAGE_RUN],
        files=values[PACKAGE_FILES],
        timeout=values[JOB_TIMEOUT],
        caches=values[CACHES],
        network=values[NETWORK],
        memory=values[JOB_MEMORY],
    )


PACKAGE = Record(
    "the package",
    "Built once, after the first stage has passed, and kept by the digest of its bytes; the same bytes go everywhere.",
    (PACKAGE_RUN, PACKAGE_FILES, CACHES, NETWORK, JOB_TIMEOUT, JOB_MEMORY),
    _package,
)

_HEALTH = HealthDefinition()

HEALTH_PATH = Field("path", URL_PATH, "Asked for; healthy is an answer from 200 to 399.", _HEALTH.path)
HEALTH_EVERY = Field("every", duration(0.1, 3600, "1s"), "Time between two probes.", _HEALTH.interval)
HEALTH_TIMEOUT = Field("timeout", duration(0.05, 300, "2s"), "Time an answer may take.", _HEALTH.timeout)
HEALTH_WITHIN = Field(
    "within", duration(0.1, 3600, "30s"), "Time an instance has to become healthy after its start.", _HEALTH.within
)
HEALTH_FAILURES = Field(
    "failures",
    Whole(1, 100, 3),
    "Probes in a row that must fail before a healthy instance counts as unhealthy.",
    _HEALTH.failures,
)


def _health(_name: str, values: Values) -> HealthDefinition:
    return HealthDefinition(
        path=values[HEALTH_PATH],
        interval=values[HEALTH_EVERY],
        timeout=values[HEALTH_TIMEOUT],
        within=values[HEALTH_WITHIN],
        failures=values[HEALTH_FAILURES],
    )


HEALTH = Record(
    "a health check",
    "How Andon finds out whether an instance can answer.",
    (HEALTH_PATH, HEALTH_EVERY, HEALTH_TIMEOUT, HEALTH_WITHIN, HEALTH_FAILURES),
    _health,
)

_PROCESS = ProcessDefinition(name="", command="")

PROCESS_COMMAND = Field(
    "command",
    _command("python3 -m store"),
    "Run by `sh -eu` in the unpacked package. `$PORT` or `$ANDON_SOCKET` says where to listen.",
    "",
    required=True,
)
PROCESS_PORT: Field[int | None] = Field(
    "port",
    Whole(1, 65535, 8000),
    "The port the program listens on. Inside its sandbox: two instances never collide.",
    None,
    shown_default="8000; nowhere for a process without `socket` that is not `routed`",
)
PROCESS_SOCKET: Field[str | None] = Field(
    "socket", SOCKET, "The Unix socket the program listens on, instead of a port.", None
)
PROCESS_HEALTH = Field(
    "health",
    HEALTH,
    "When an instance counts as healthy.",
    _PROCESS.health,
    shown_default="an answer at `/` within 30s",
)
PROCESS_MEMORY = replace(JOB_MEMORY, about="Memory of one instance.", default=_PROCESS.memory)
PROCESS_PROCESSES = replace(PROCESSES, default=_PROCESS.processes)
PROCESS_STOP = Field("stop", duration(0, 3600, "10s"), "Time between SIGTERM and SIGKILL.", _PROCESS.stop_timeout)
PROCESS_ROUTED = Field(
    "routed",
    Truth(),
    "Whether requests are sent here. A worker in the background is not routed.",
    _PROCESS.routed,
)


def _process(name: str, values: Values) -> ProcessDefinition:
    port = values[PROCESS_PORT]
    if not values.has(PROCESS_PORT) and values[PROCESS_SOCKET] is None and values[PROCESS_ROUTED]:
        port = _PROCESS.port
    return ProcessDefinition(
        name=name,
        command=values[PROCESS_COMMAND],
        port=port,
        socket=values[PROCESS_SOCKET],
        health=values[PROCESS_HEALTH],
        network=values[NETWORK],
        memory=values[PROCESS_MEMORY],
        cpus=values[CPUS],
        processes=values[PROCESS_PROCESSES],
        stop_timeout=values[PROCESS_STOP],
        routed=values[PROCESS_ROUTED],
    )


PROCESS = Record(
    "a process",
    "One kind of process of the service. At most one kind is routed; others work in the background.",
    (
        PROCESS_COMMAND,
        PROCESS_PORT,
        PROCESS_SOCKET,
        PROCESS_HEALTH,
        PROCESS_ROUTED,
        NETWORK,
        PROCESS_MEMORY,
        CPUS,
        PROCESS_PROCESSES,
        PROCESS_STOP,
    ),
    _process,
    together=(("port", "socket"),),
)

_SMOKE = SmokeTest(name="")

SMOKE_PATH: Field[str | None] = Field("path", URL_PATH, "Asked for.", None)
SMOKE_METHOD = Field("method", Choice(HttpMethod), "The method of the request.", _SMOKE.method)
SMOKE_BODY: Field[str | None] = Field("body", ANY_TEXT, "Sent with the request.", None)
SMOKE_STATUS = Field("status", Whole(100, 599, 200), "The status the answer must have.", _SMOKE.status)
SMOKE_CONTAINS: Field[str | None] = Field("contains", ANY_TEXT, "Text the answer must contain.", None)
SMOKE_COMMAND: Field[str | None] = Field(
    "command",
    _command("python3 -m store.smoke"),
    "Run in the package, in a sandbox, with `$ANDON_URL` and `$ANDON_SMOKE_IDENTITY`; 0 passes.",
    None,
)
SMOKE_CLEANUP: Field[str | None] = Field(
    "cleanup",
    _command("python3 -m store.smoke --cleanup"),
    "Run afterwards, whatever the outcome, with the same variables.",
    None,
)
SMOKE_TIMEOUT = Field("timeout", duration(0.1, 3600, "30s"), "Time the test may take.", _SMOKE.timeout)


def _smoke_test(name: str, values: Values) -> SmokeTest:
    return SmokeTest(
        name=name,
        path=values[SMOKE_PATH],
        method=values[SMOKE_METHOD],
        body=values[SMOKE_BODY],
        status=values[SMOKE_STATUS],
        contains=values[SMOKE_CONTAINS],
        command=values[SMOKE_COMMAND],
        cleanup=values[SMOKE_CLEANUP],
        timeout=values[SMOKE_TIMEOUT],
    )


SMOKE_TEST = Record(
    "a smoke test",
    "Asked of the new version before any traffic reaches it. Either a request or a command.",
    (
        SMOKE_PATH,
        SMOKE_METHOD,
        SMOKE_BODY,
        SMOKE_STATUS,
        SMOKE_CONTAINS,
        SMOKE_COMMAND,
        SMOKE_CLEANUP,
        SMOKE_TIMEOUT,
    ),
    _smoke_test,
    together=(("path", "command"),),
    one_of=("path", "command"),
    excludes=(("command", ("method", "body", "status", "contains")),),
)

_MIGRATIONS = MigrationDefinition()

EXPAND: Field[str | None] = Field(
    "expand",
    _command("python3 -m store.migrate expand"),
    "Adds what the new version needs; safe to repeat. Runs before the new version starts.",
    None,
)
CONTRACT: Field[str | None] = Field(
    "contract",
    _command("python3 -m store.migrate contract"),
    "Removes what no version needs any more. Runs only when somebody says so, and never while an older "
    "version could be rolled back to.",
    None,
)
MIGRATION_TIMEOUT = Field("timeout", duration(1, DAY, "5m"), "Time either of them may take.", _MIGRATIONS.timeout)


def _migrations(_name: str, values: Values) -> MigrationDefinition:
    return MigrationDefinition(expand=values[EXPAND], contract=values[CONTRACT], timeout=values[MIGRATION_TIMEOUT])


MIGRATIONS = Record(
    "a migration",
    "Changes to the database, in two halves, so that the version before and the version after both work in between.",
    (EXPAND, CONTRACT, MIGRATION_TIMEOUT),
    _migrations,
    one_of=("expand", "contract"),
)

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


@dataclass(frozen=True, slots=True)
class _EnvironmentDraft:
    """An environment before it is known which kinds of process there are."""

    definition: EnvironmentDefinition
    instances: int | Mapping[str, int] | None


def _environment(name: str, values: Values) -> _EnvironmentDraft:
    definition = EnvironmentDefinition(
        name=name,
        keep_warm=values[KEEP_WARM],
        config=values[CONFIG],
        secrets=values[SECRETS],
        port=values[ENVIRONMENT_PORT],
        time_to_live=values[TTL],
    )
    return _EnvironmentDraft(definition, values[INSTANCES])


ENVIRONMENT = Record(
    "an environment",
    "Where the package runs. Acceptance, staging and production are made by one mechanism from this.",
    (INSTANCES, KEEP_WARM, ENVIRONMENT_PORT, CONFIG, SECRETS, TTL),
    _environment,
    may_be_empty=True,
)

_NO_STAGES: Mapping[str, StageDefinition] = {}
_NO_SERVICES: Mapping[str, HelperService] = {}
_NO_PROCESSES: Mapping[str, ProcessDefinition] = {}
_NO_SMOKE_TESTS: Mapping[str, SmokeTest] = {}
_NO_ENVIRONMENTS: Mapping[str, _EnvironmentDraft] = {}

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
MIGRATIONS_FIELD = Field("migrations", MIGRATIONS, "Changes to the database.", _MIGRATIONS)
ENVIRONMENTS = Field(
    "environments", TableOf(ENVIRONMENT_NAME, ENVIRONMENT), "Where the package runs.", _NO_ENVIRONMENTS
)
ON_NEWER_PUSH = Field(
    "on_newer_push",
    Choice(OnNewerPush),
    "What becomes of runs of the same branch that still wait when a newer commit is pushed.",
    OnNewerPush.KEEP,
)


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
    )


def _with_instances(draft: _EnvironmentDraft, processes: tuple[ProcessDefinition, ...]) -> EnvironmentDefinition:
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
    ),
    _definition,
)
