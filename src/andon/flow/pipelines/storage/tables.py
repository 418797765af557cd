"""The tables of pipelines."""

from __future__ import annotations

import sqlalchemy as sa

from andon.flow.definition.contract import Definition
from andon.flow.pipelines.contract import FailureKind, JobState, RunState, StageState
from andon.flow.pipelines.model import JobKind, TestState
from andon.kernel.db import Enumeration, Instant, Json, metadata

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("branch", sa.String(250), nullable=False),
    sa.Column("state", Enumeration(RunState), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("definition", Json(Definition), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    sa.Column("person", sa.String(40)),
    sa.Column("acting_person", sa.String(40)),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("request_key", sa.String(120), unique=True),
    sa.Column("pushed_at", Instant, nullable=False),
    sa.Column("queued_at", Instant, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("cleared_at", Instant),
    sa.UniqueConstraint("service", "number"),
    sa.Index(None, "service", "commit"),
    sa.Index(None, "service", "branch", "state"),
    sa.Index(None, "state"),
    sa.Index(None, "ended_at"),
)

stages = sa.Table(
    "run_stages",
    metadata,
    sa.Column("run", sa.String(40), sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("state", Enumeration(StageState), nullable=False),
    sa.Column("environment", sa.String(80)),
    sa.Column("deployment", sa.String(40)),
    sa.Column("approved", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("approved_by", sa.String(40)),
    sa.Column("started_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("run", sa.String(40), sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("kind", Enumeration(JobKind), nullable=False),
    sa.Column("needs", Json[tuple[str, ...]](tuple[str, ...]), nullable=False),
    sa.Column("state", Enumeration(JobState), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failure", Enumeration(FailureKind)),
    sa.Column("exit_code", sa.Integer),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("started_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("tests", sa.Integer, nullable=False, server_default="0"),
    sa.Column("tests_failed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("run", "stage", "name"),
)

tests = sa.Table(
    "job_tests",
    metadata,
    sa.Column("job", sa.String(40), sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("suite", sa.String(400), nullable=False),
    sa.Column("name", sa.String(400), nullable=False),
    sa.Column("state", Enumeration(TestState), nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
)
