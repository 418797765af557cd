"""What a deployment would bring: commits, files, migrations, settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from andon.flow.configuration.contract import Configuration
from andon.flow.definition.contract import Definition, EnvironmentDefinition
from andon.flow.deployments.service.deployments import DeploymentService
from andon.flow.environments.contract import SetView
from andon.flow.sources.contract import ChangedFile, Commit, CommitHash, Service, Sources
from andon.kernel.db import Reading
from andon.kernel.errors import AndonError
from andon.web.model import Change, Diff, State
from andon.web.model import Commit as DrawnCommit
from andon.web.rendering import plural

SHOWN = 8
"""Commits drawn; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """What lies between what is and what could be."""

    label: str
    """Such as "4 commits by 3 people · 12 files · 1 migration · 1 setting"."""
    diff: Diff
    files: tuple[ChangedFile, ...]
    undone: tuple[DrawnCommit, ...]
    """Commits that run now and would be taken away."""


def between(
    deployments: DeploymentService,
    sources: Sources,
    configuration: Configuration,
    reading: Reading,
    service: Service,
    environment: str,
    live: SetView | None,
    commit: CommitHash,
) -> Between:
    base = None if live is None else live.commit
    found = sources.difference(service, base, commit)
    changes = [
        *_migrations(deployments, service, base, commit, found.files),
        *_settings(deployments, configuration, reading, service, environment, live, commit),
    ]
    authors = len({one.author for one in found.commits})
    parts = []
    if found.commits:
        people = "1 person" if authors == 1 else f"{authors} people"
        parts.append(f"{plural(len(found.commits), 'commit')}{'+' if found.truncated else ''} by {people}")
    parts.append(plural(len(found.files), "file"))
    for kind in ("migration", "setting"):
        count = sum(one.kind == kind for one in changes)
        if count:
            parts.append(plural(count, kind))
    return Between(
        label=" · ".join(parts),
        diff=Diff(
            commits=tuple(_drawn(one) for one in found.commits[:SHOWN]),
            changes=tuple(changes),
            truncated=max(0, len(found.commits) - SHOWN),
        ),
        files=found.files,
        undone=tuple(_drawn(one) for one in found.undone[:SHOWN]),
    )


def _drawn(one: Commit) -> DrawnCommit:
    return DrawnCommit(one.hash, one.subject, one.author, one.committed_at)


def _migrations(
    deployments: DeploymentService,
    service: Service,
    base: CommitHash | None,
    commit: CommitHash,
    files: tuple[ChangedFile, ...],
) -> list[Change]:
    head = _definition(deployments, service, commit)
    if head is None or head.migrations.expand is None:
        return []
    changed = [one.path for one in files if "migrat" in one.path.lower()]
    before = None if base is None else _definition(deployments, service, base)
    command = before is None or before.migrations.expand != head.migrations.expand
    if not changed and not command:
        return []
    if changed:
        named = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        note = f"Changed: {named}. It only adds, so that what runs now can go on with it."
    else:
        note = "The command is new. It only adds, so that what runs now can go on with it."
    return [Change("migration", head.migrations.expand, State.OK, "expand, before the start", note)]


def _settings(
    deployments: DeploymentService,
    configuration: Configuration,
    reading: Reading,
    service: Service,
    environment: str,
    live: SetView | None,
    commit: CommitHash,
) -> list[Change]:
    if live is None:
        return []
    now = configuration.current_version(reading, service, environment)
    own = configuration.changed_names(reading, service, environment, live.config_version, now)
    written = _names_changed(
        _variables(deployments, reading, service, environment, live.commit),
        _variables(deployments, reading, service, environment, commit),
    )
    return [
        *(Change("setting", name, None, "set since the last deployment") for name in own),
        *(Change("setting", name, None, "changed in andon.yaml") for name in written if name not in own),
    ]


def _names_changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _variables(
    deployments: DeploymentService, reading: Reading, service: Service, environment: str, commit: CommitHash
) -> Mapping[str, str]:
    place = place_of(deployments, reading, service, environment, commit)
    if place is None:
        return {}
    return {**place.config, **dict.fromkeys(place.secrets, "secret")}


def place_of(
    deployments: DeploymentService, reading: Reading, service: Service, environment: str, commit: CommitHash
) -> EnvironmentDefinition | None:
    """``None`` for a commit without it, or whose definition cannot be read."""
    try:
        return deployments.place(reading, service, environment, commit)
    except AndonError:
        return None


def _definition(deployments: DeploymentService, service: Service, commit: CommitHash) -> Definition | None:
    try:
        return deployments.definition(service, commit)
    except AndonError:
        return None
