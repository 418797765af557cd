"""What is proposed, and how it is written down."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from andon.flow.definition.document import ScalarType, scalar_type


class RepositoryKind(StrEnum):
    """What a repository seems to be written in, or failing that how it is built."""

    PYTHON = "python"
    NODE = "node"
    GO = "go"
    MAKE = "make"
    PLAIN = "plain"


@dataclass(slots=True)
class Job:
    """A proposed job."""

    name: str
    commands: list[str]
    caches: list[str] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    network: str | None = None
    """Why the job needs the network."""


@dataclass(slots=True)
class Plan:
    """What can be said about a checkout before it is written as a file."""

    kind: RepositoryKind
    jobs: list[Job]
    command: str | None = None
    """How the service runs; ``None`` if nobody can tell."""
    build: list[str] = field(default_factory=list)
    build_network: str | None = None
    files: list[str] = field(default_factory=lambda: ["**"])
    migrate: str | None = None
    notes: list[str] = field(default_factory=list)


def untested() -> Job:
    """The job for a repository nobody knows how to test: it fails and says what to do."""
    return Job("test", ["echo 'andon.yaml: say here how this repository is tested' >&2", "exit 1"])


def render(plan: Plan, schema_url: str) -> str:
    """The file; what could not be guessed is commented out."""
    address = "".join(one for one in schema_url if one.isprintable() and one != " ")
    lines = [
        f"# yaml-language-server: $schema={address}",
        "# How a commit is tested, packaged and run. Each key is explained in the reference of andon.yaml.",
        "",
        "stages:",
        "  # The first stage: quick checks of every commit. Jobs run side by side, each in its own sandbox.",
        "  commit:",
        "    jobs:",
    ]
    for job in plan.jobs:
        lines += _job_lines(job)
    deploys = [
        "",
        "  # The package is built once, after the first stage, and deployed here; jobs would find it at $ANDON_URL.",
        "  # `flags: [as-in-production, all-on, all-off]` would run each of them once with the feature flags set so.",
        "  acceptance:",
        "    environment: acceptance",
        "",
        "  # The same bytes, when somebody says so. `when: automatic` deploys what passed the stages before.",
        "  production:",
        "    environment: production",
        "    when: manual",
        "",
        "package:",
        *_commands("run", plan.build, 2),
        *([f"  network: host  # {plan.build_network}"] if plan.build_network else []),
        "  # What goes in; ** is everything.",
        f"  files: {_flow(plan.files)}",
        "",
        "run:",
        "  web:",
        "    # Runs in the unpacked package and listens on $PORT.",
        f"    command: {_scalar(plan.command or 'exec ./start')}",
        "    health: {path: /}",
        "",
        "# Asked of each new version before it gets traffic.",
        "smoke:",
        "  front page: {path: /, status: 200}",
        "",
        *(["migrations:", f"  expand: {_scalar(plan.migrate)}", ""] if plan.migrate else []),
        "environments:",
        "  acceptance:",
        "  production:",
        "    instances: {web: 2}",
        "    # Names only: `andon secret set` keeps the values.",
        "    secrets: []",
    ]
    if plan.command is None:
        lines += ["", "# To deploy, say what is packaged and how it runs, and take one # away from each line below."]
        deploys = [_commented(line) for line in deploys]
    return "\n".join([*lines, *deploys]) + "\n"


def _commented(line: str) -> str:
    """One comment sign more: taken away again from a whole block, it leaves prose a comment."""
    return re.sub(r"^( *)# ", r"\1## ", line) if line.lstrip().startswith("# ") else line and f"#{line}"


def _job_lines(job: Job) -> list[str]:
    lines = [f"      {job.name}:", *_commands("run", job.commands, 8)]
    if job.caches:
        lines.append(f"        caches: {_flow(job.caches)}")
    if job.network:
        lines.append(f"        network: host  # {job.network}")
    if job.reports:
        lines.append(f"        reports: {_flow(job.reports)}")
    return lines


def _commands(key: str, commands: Sequence[str], indent: int) -> list[str]:
    if not commands:
        return []
    spaces = " " * indent
    if len(commands) == 1:
        return [f"{spaces}{key}: {_scalar(commands[0])}"]
    return [f"{spaces}{key}: |", *(f"{spaces}  {command}" for command in commands)]


def _scalar(text: str) -> str:
    """``text`` without quotes where YAML reads it the same, else with double ones."""
    bare = re.fullmatch(r"[A-Za-z./$][A-Za-z0-9 ./$_=\"'+*@,-]*(:[A-Za-z0-9 ./$_=\"'+*@,-]+)*", text)
    if bare and ": " not in text and scalar_type(text) is ScalarType.TEXT:
        return text
    return json.dumps(text)


def _flow(texts: Iterable[str]) -> str:
    return "[" + ", ".join(one if re.fullmatch(r"[A-Za-z.][\w./-]*", one) else json.dumps(one) for one in texts) + "]"
