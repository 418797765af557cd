"""The tables of flags and segments."""

from __future__ import annotations

import sqlalchemy as sa

from andon.flow.definition.contract import FlagState
from andon.flow.flags.contract import Origin, ProposalKind, ProposalState, RampState
from andon.flow.flags.model.flag import Head, Setting, Step
from andon.flow.flags.model.segment import MemberChange, SegmentChange, When
from andon.kernel.db import Enumeration, Instant, Json, metadata
from andon_flags.document import Condition

flags = sa.Table(
    "flags",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("origin", Enumeration(Origin), nullable=False),
    sa.Column("head", Json(Head), nullable=False),
    sa.Column("head_version", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("archived_at", Instant),
    sa.UniqueConstraint("service", "name"),
)

settings = sa.Table(
    "flag_settings",
    metadata,
    sa.Column("flag", sa.String(40), sa.ForeignKey("flags.id"), primary_key=True),
    sa.Column("environment", sa.String(80), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("setting", Json(Setting), nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
)

versions = sa.Table(
    "flag_versions",
    metadata,
    sa.Column("flag", sa.String(40), sa.ForeignKey("flags.id"), primary_key=True),
    # empty for what holds in all of them
    sa.Column("environment", sa.String(80), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("setting", Json(Setting)),
    sa.Column("head", Json(Head)),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
    sa.Column("actor", sa.String(100), nullable=False),
    sa.Column("person", sa.String(40)),
    sa.Column("at", Instant, nullable=False),
)

proposals = sa.Table(
    "flag_proposals",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("flag", sa.String(40), sa.ForeignKey("flags.id"), nullable=False),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("kind", Enumeration(ProposalKind), nullable=False),
    # empty for what holds in all of them
    sa.Column("environment", sa.String(80), nullable=False),
    sa.Column("places", Json(tuple[str, ...]), nullable=False),
    sa.Column("base", sa.Integer, nullable=False),
    sa.Column("setting", Json(Setting)),
    sa.Column("head", Json(Head)),
    sa.Column("ramp", sa.Text, nullable=False, server_default=""),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
    sa.Column("person", sa.String(40)),
    sa.Column("at", Instant, nullable=False),
    sa.Column("state", Enumeration(ProposalState), nullable=False),
    sa.Column("decided_by", sa.String(40)),
    sa.Column("decided_at", Instant),
    sa.Index(None, "service", "state"),
    sa.Index(None, "flag"),
)

revisions = sa.Table(
    "flag_revisions",
    metadata,
    sa.Column("service", sa.String(80), primary_key=True),
    sa.Column("environment", sa.String(80), primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
)

# the environments that serve other flags than their own, while a stage's jobs run
pretences = sa.Table(
    "flag_pretences",
    metadata,
    sa.Column("service", sa.String(80), primary_key=True),
    sa.Column("environment", sa.String(80), primary_key=True),
    sa.Column("state", Enumeration(FlagState), nullable=False),
    sa.Column("run", sa.String(40), nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    # as services read it: what is changed meanwhile changes nothing of it
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("began_at", Instant, nullable=False),
)

segments = sa.Table(
    "flag_segments",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("when", Json(tuple[tuple[Condition, ...], ...]), nullable=False),
    sa.Column("edition", sa.Integer, nullable=False, server_default="0"),
    sa.Column("size", sa.Integer, nullable=False, server_default="0"),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("uploading", sa.Integer, nullable=False, server_default="0"),
    sa.Column("handed", sa.Integer, nullable=False, server_default="0"),
)

# those of segments that are gone stay: their numbers go on when the name is used anew
segment_versions = sa.Table(
    "flag_segment_versions",
    metadata,
    sa.Column("segment", sa.String(100), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("when", Json(When), nullable=False),
    sa.Column("members", Json(MemberChange), nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
    sa.Column("actor", sa.String(100), nullable=False),
    sa.Column("person", sa.String(40)),
    sa.Column("at", Instant, nullable=False),
)

segment_proposals = sa.Table(
    "flag_segment_proposals",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("segment", sa.String(100), nullable=False),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("base", sa.Integer, nullable=False),
    sa.Column("change", Json(SegmentChange), nullable=False),
    sa.Column("members", Json(MemberChange), nullable=False),
    sa.Column("places", Json(tuple[tuple[str, str], ...]), nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
    sa.Column("person", sa.String(40)),
    sa.Column("at", Instant, nullable=False),
    sa.Column("state", Enumeration(ProposalState), nullable=False),
    sa.Column("decided_by", sa.String(40)),
    sa.Column("decided_at", Instant),
    sa.Index(None, "segment", "state"),
    sa.Index(None, "state"),
)

members = sa.Table(
    "flag_segment_members",
    metadata,
    sa.Column("segment", sa.String(100), primary_key=True),
    sa.Column("edition", sa.Integer, primary_key=True, autoincrement=False),
    # the unsigned hash of the document, moved into what a database can hold
    sa.Column("hash", sa.BigInteger, primary_key=True, autoincrement=False),
    # as it was given while the segment is small enough to be shown; empty in large ones
    sa.Column("member", sa.String(1000), nullable=False, server_default=""),
)

ramps = sa.Table(
    "flag_ramps",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("flag", sa.String(40), sa.ForeignKey("flags.id"), nullable=False),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("environment", sa.String(80), nullable=False),
    sa.Column("rule", sa.String(100), nullable=False, server_default=""),
    sa.Column("variant", sa.String(100), nullable=False),
    sa.Column("steps", Json(tuple[Step, ...]), nullable=False),
    sa.Column("done", sa.Integer, nullable=False, server_default="0"),
    sa.Column("percent", sa.Float, nullable=False),
    sa.Column("state", Enumeration(RampState), nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
    sa.Column("person", sa.String(40)),
    sa.Column("began_at", Instant, nullable=False),
    sa.Column("next_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("judged", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("stepped_at", Instant),
    sa.Column("said", sa.Text, nullable=False, server_default=""),
    sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("remaining", sa.Float),
    sa.Column("paused_at", Instant),
    sa.Column("paused_by", sa.String(40)),
    sa.Column("paused_why", sa.Text, nullable=False, server_default=""),
    sa.Index(None, "state", "next_at"),
    sa.Index(None, "flag"),
)

asked = sa.Table(
    "flag_asked",
    metadata,
    sa.Column("service", sa.String(80), primary_key=True),
    sa.Column("environment", sa.String(80), primary_key=True),
    # also of flags that are not there, or not any more
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("times", sa.BigInteger, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
)
