"""Stages and their jobs, what jobs need beside them, and the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from andon.flow.definition.contract import (
    FlagState,
    HelperService,
    JobDefinition,
    Network,
    PackageDefinition,
    StageDefinition,
    Trigger,
)
from andon.flow.definition.kinds import (
    Choice,
    Field,
    ListOf,
    Number,
    Record,
    Several,
    Size,
    TableOf,
    Values,
    Verbatim,
    Whole,
    duration,
)
from andon.flow.definition.shape.texts import (
    BRANCH,
    ENVIRONMENT_NAME,
    FOLDER,
    GLOB,
    JOB_NAME,
    SERVICE_NAME,
    VARIABLE,
    command,
)

MIB = 1024**2
GIB = 1024**3
DAY = 86400.0

# Defaults come from the contract's own dataclasses, so that both say the same.


_JOB = JobDefinition(name="", command="")

JOB_RUN = Field("run", command("make test"), "Run by `sh -eu` in the workspace.", _JOB.command, required=True)
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

_AS_THEY_ARE: tuple[FlagState, ...] = ()
STAGE_FLAGS = Field(
    "flags",
    Several(FlagState),
    "The jobs run once for each of these, one after the other, on what was deployed once: meanwhile the flags of the "
    "environment are as production's, all on, or all off. Afterwards it has its own again.",
    _AS_THEY_ARE,
    shown_default="once, with the flags as they are there",
)


def _stage(name: str, values: Values) -> StageDefinition:
    return StageDefinition(
        name=name,
        jobs=tuple(values[STAGE_JOBS].values()),
        environment=values[STAGE_ENVIRONMENT],
        trigger=values[STAGE_WHEN],
        branches=values[STAGE_BRANCHES],
        flags=values[STAGE_FLAGS],
    )


STAGE = Record(
    "a stage",
    "Stages run one after the other, in the order of the file; a stage begins when all of the one before has passed.",
    (STAGE_JOBS, STAGE_ENVIRONMENT, STAGE_WHEN, STAGE_BRANCHES, STAGE_FLAGS),
    _stage,
    one_of=("jobs", "environment"),
)

_SERVICE = HelperService(name="", command="", ready="")

SERVICE_RUN = Field("run", command("postgres -D /tmp/db"), "Run by `sh -eu`, beside the job.", "", required=True)
SERVICE_READY = Field(
    "ready",
    command("pg_isready"),
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
    command("make dist"),
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
