"""The check of migrations as a job of the first stage: real git, a real sandbox, the real parsers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from andon.flow.definition.contract import Definition, JobDefinition, MigrationDefinition, PackageDefinition
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.pipelines.contract import FailureKind, JobState
from andon.flow.pipelines.model import JobKind, JobResult, jobs_of
from andon.flow.schema.contract import Dialect
from andon.flow.sources.contract import CommitHash
from andon.kernel.db import Database
from tests.flow.pipelines.line import commit_files
from tests.flow.pipelines.test_runner import Bench

TABLE = "CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT);\n"
OLD: Mapping[str, str] = {"migrations/0001_orders.expand.sql": TABLE + "DROP TABLE what_was_before;\n"}


@pytest.fixture
def bench(tmp_path: Path, sqlite_database: Database) -> Bench:
    return Bench(tmp_path, sqlite_database)


def checked(bench: Bench, files: Mapping[str, str], migrations: MigrationDefinition, *live: str) -> JobResult:
    commit = commit_files(bench.data, bench.sources._git, files)
    task = bench.task(migrations.sql or "")
    whole = Definition(stages=(), migrations=migrations)
    return bench.perform(
        replace(
            task,
            kind=JobKind.MIGRATIONS,
            commit=CommitHash(commit),
            whole=whole,
            live=tuple(CommitHash(one) for one in live),
        )
    )


FOLDER = MigrationDefinition(folder="migrations", database=Dialect.SQLITE)


def test_what_is_new_since_the_live_version_is_judged_and_told_with_line_and_safe_way(bench: Bench) -> None:
    live = commit_files(bench.data, bench.sources._git, OLD)
    new = {**OLD, "migrations/0002_state.expand.sql": "-- tidy\nALTER TABLE orders RENAME COLUMN state TO status;\n"}
    result = checked(bench, new, FOLDER, live)
    assert (result.outcome, result.failure) == (JobState.FAILED, FailureKind.MIGRATIONS)
    assert result.reason.startswith("migrations/0002_state.expand.sql:2: Two versions live on one schema")
    assert "✗ migrations/0002_state.expand.sql:2: rename:" in bench.log
    assert "ALTER TABLE orders ADD COLUMN status …;" in bench.log, "the safe way is told"
    assert "what_was_before" not in bench.log, "what is live has run and is not judged again"


def test_an_additive_migration_passes(bench: Bench) -> None:
    live = commit_files(bench.data, bench.sources._git, OLD)
    result = checked(
        bench, {**OLD, "migrations/expand/0002-tax.sql": "ALTER TABLE orders ADD COLUMN tax INTEGER;"}, FOLDER, live
    )
    assert result.outcome is JobState.PASSED
    assert "1 file, 1 statement: 1 hint" in bench.log


def test_a_file_counts_as_new_as_long_as_one_live_version_is_without_it(bench: Bench) -> None:
    production = commit_files(bench.data, bench.sources._git, {"migrations/0001_orders.expand.sql": TABLE})
    staging = commit_files(bench.data, bench.sources._git, OLD)
    assert checked(bench, OLD, FOLDER, staging, production).outcome is JobState.FAILED
    assert checked(bench, OLD, FOLDER, staging).outcome is JobState.PASSED


def test_without_a_live_version_there_is_no_old_code_to_break(bench: Bench) -> None:
    assert checked(bench, OLD, FOLDER).outcome is JobState.PASSED
    assert "No version is live yet" in bench.log


def test_links_in_the_folder_are_not_followed(bench: Bench) -> None:
    live = commit_files(bench.data, bench.sources._git, OLD)
    files = {
        **OLD,
        "elsewhere/0002.expand.sql": "DROP TABLE orders;",
        "migrations/0002.expand.sql": "-> ../elsewhere/0002.expand.sql",
    }
    assert checked(bench, files, FOLDER, live).outcome is JobState.PASSED


def test_what_a_command_prints_is_judged(bench: Bench) -> None:
    printed = MigrationDefinition(
        database=Dialect.POSTGRESQL,
        sql="echo 'ALTER TABLE orders ADD COLUMN a int;'; echo \"-- $ANDON_LIVE\"; cat more.sql",
    )
    result = checked(bench, {"more.sql": "\nDROP TABLE orders;\n"}, printed, "0" * 40)
    assert (result.outcome, result.failure) == (JobState.FAILED, FailureKind.MIGRATIONS)
    assert ":4: drop:" in bench.log


def test_a_command_that_prints_and_fails_is_a_failed_job(bench: Bench) -> None:
    result = checked(bench, OLD, MigrationDefinition(database=Dialect.POSTGRESQL, sql="exit 3"))
    assert (result.outcome, result.exit_code) == (JobState.FAILED, 3)


def test_a_command_that_leaves_something_else_than_a_file_is_not_waited_for(bench: Bench) -> None:
    trick = MigrationDefinition(
        database=Dialect.POSTGRESQL, sql="rm .andon-migrations.sql; mkfifo .andon-migrations.sql"
    )
    assert checked(bench, OLD, trick).outcome is JobState.PASSED
    trick = replace(trick, sql="rm .andon-migrations.sql; ln -s /etc/hostname .andon-migrations.sql")
    assert checked(bench, OLD, trick).outcome is JobState.FAILED


def test_the_check_is_a_job_of_the_first_stage_and_the_package_waits_for_it() -> None:
    definition = YamlDefinitionReader().read(
        b"stages: {commit: {jobs: {test: {run: x}}}, later: {jobs: {b: {run: x}}}}\npackage: {files: [a]}\n"
        b"migrations: {folder: migrations, database: sqlite}\n"
    )
    assert [(job.name, kind, job.needs) for job, kind in jobs_of(definition, 0)] == [
        ("test", JobKind.JOB, ()),
        ("migrations", JobKind.MIGRATIONS, ()),
        ("package", JobKind.PACKAGE, ("test", "migrations")),
    ]
    assert [job.name for job, _ in jobs_of(definition, 1)] == ["b"]


def test_where_nothing_is_declared_nothing_is_checked() -> None:
    definition = Definition(
        stages=(replace(_STAGE, jobs=(JobDefinition(name="test", command="x"),)),),
        package=PackageDefinition(command="", files=("a",)),
        migrations=MigrationDefinition(expand="x"),
    )
    assert [job.name for job, _ in jobs_of(definition, 0)] == ["test", "package"]


_STAGE = YamlDefinitionReader().read(b"stages: {commit: {jobs: {test: {run: x}}}}").stages[0]
