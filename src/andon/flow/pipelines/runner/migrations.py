"""The check of a commit's migrations, as a job of the first stage."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from andon.flow.pipelines.contract import FailureKind, JobState
from andon.flow.pipelines.model import JobResult, JobTask
from andon.flow.schema.contract import Dialect, Report, SchemaCheck
from andon.flow.schema.contract.words import lines, summary
from andon.flow.sources.contract import Sources

PRINTED = ".andon-migrations.sql"
"""Where a command's output is left in the workspace."""
_MOST_PRINTED = 4_000_000


def to_be_printed(task: JobTask) -> JobTask:
    """The job with its command's output in a file; it is read once the command has ended."""
    command = f"( {task.definition.command}\n) > {PRINTED}"
    variables = {**task.definition.environment, "ANDON_LIVE": task.live[0] if task.live else ""}
    return replace(task, definition=replace(task.definition, command=command, environment=variables))


def check_files(
    task: JobTask, tree: Path, sources: Sources, check: SchemaCheck, say: Callable[[str], None]
) -> JobResult:
    """Judge the files that have not run everywhere yet."""
    migrations = task.whole.migrations
    assert migrations.folder is not None  # noqa: S101 - the caller chose by it
    assert migrations.database is not None  # noqa: S101 - that makes the job
    if not task.live:
        say("No version is live yet, so there is no old code that a migration could break.")
        return JobResult(outcome=JobState.PASSED, exit_code=0)
    judged: set[str] | None = set()
    for commit in task.live:
        found = sources.difference(task.service, commit, task.commit)
        judged = None if judged is None or found.truncated else judged | {one.path for one in found.files}
    say(f"Files that differ from what is live ({', '.join(one[:7] for one in task.live)}) are judged.")
    return _told(check.below(tree, migrations.folder, migrations.database, judged=judged), say)


def check_printed(task: JobTask, workspace: Path, check: SchemaCheck, say: Callable[[str], None]) -> JobResult:
    """Judge what the command has printed."""
    migrations = task.whole.migrations
    assert migrations.sql is not None  # noqa: S101 - the caller chose by it
    assert migrations.database is not None  # noqa: S101 - that makes the job
    return _told(_read(workspace / PRINTED, migrations.sql, migrations.database, check), say)


def _read(path: Path, command: str, dialect: Dialect, check: SchemaCheck) -> Report:
    # The command may put anything in the place of the file.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        text = file.read(_MOST_PRINTED).decode("utf-8", "replace") if regular else ""
    return check.printed(text, command, dialect)


def _told(report: Report, say: Callable[[str], None]) -> JobResult:
    for line in lines(report):
        say(line)
    if not report.refused:
        return JobResult(outcome=JobState.PASSED, exit_code=0)
    first = report.refused[0]
    return JobResult(
        outcome=JobState.FAILED,
        failure=FailureKind.MIGRATIONS,
        reason=f"{first.file}:{first.line}: {first.breaks} {first.safe} ({summary(report)})"[:2000],
    )
