"""The room's tables: repositories, where their refs stand according to the record, and pushes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from andon.flow.sources.contract import CommitHash, PushId, Service
from andon.flow.sources.model import Move, Push, Repository, Update, UpdateState
from andon.kernel.db import Enumeration, Instant, Reading, Transaction, metadata
from andon.kernel.events import Actor

repositories = sa.Table(
    "repositories",
    metadata,
    sa.Column("service", sa.String(40), primary_key=True),
    sa.Column("default_branch", sa.String(200), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
)

# Where each ref stands according to the record; git says where it really stands, the reconciler compares.
refs = sa.Table(
    "repository_refs",
    metadata,
    sa.Column("service", sa.String(40), sa.ForeignKey("repositories.service"), primary_key=True),
    sa.Column("name", sa.String(220), primary_key=True),
    sa.Column("object", sa.String(40), nullable=False),
    sa.Column("moved_at", Instant, nullable=False),
)

pushes = sa.Table(
    "pushes",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("service", sa.String(40), sa.ForeignKey("repositories.service"), nullable=False),
    sa.Column("actor", sa.String(80), nullable=False),
    sa.Column("person", sa.String(40)),
    sa.Column("at", Instant, nullable=False),
    sa.Index(None, "service", "at"),
)

updates = sa.Table(
    "push_updates",
    metadata,
    sa.Column("push", sa.String(40), sa.ForeignKey("pushes.id"), primary_key=True),
    sa.Column("ref", sa.String(220), primary_key=True),
    sa.Column("service", sa.String(40), nullable=False),
    sa.Column("before", sa.String(40), nullable=False),
    sa.Column("after", sa.String(40), nullable=False),
    sa.Column("commit", sa.String(40), nullable=False),
    sa.Column("forced", sa.Boolean, nullable=False),
    sa.Column("state", Enumeration(UpdateState), nullable=False),
    sa.Index(None, "service", "ref", "before"),
    sa.Index(None, "state"),
)


def add_repository(tx: Transaction, repository: Repository) -> None:
    tx.connection.execute(
        repositories.insert().values(
            service=repository.service,
            default_branch=repository.default_branch,
            created_at=repository.created_at,
        )
    )


def find_repository(reading: Reading, service: str) -> Repository | None:
    row = reading.connection.execute(sa.select(repositories).where(repositories.c.service == service)).one_or_none()
    return None if row is None else _repository(row)


def lock_repository(tx: Transaction, service: Service) -> None:
    """Let no other transaction record this repository's moves until this one ends."""
    tx.connection.execute(sa.select(repositories.c.service).where(repositories.c.service == service).with_for_update())


def list_repositories(reading: Reading) -> tuple[Repository, ...]:
    rows = reading.connection.execute(sa.select(repositories).order_by(repositories.c.service))
    return tuple(_repository(row) for row in rows)


def recorded_refs(reading: Reading, service: Service, names: Collection[str] | None = None) -> dict[str, str]:
    """Where refs stand according to the record: full name → object. ``None`` asks for all of them."""
    query = sa.select(refs.c.name, refs.c.object).where(refs.c.service == service)
    if names is not None and len(names) <= 500:  # a longer list would pass the databases' limit of parameters
        query = query.where(refs.c.name.in_(names))
    return {row.name: row.object for row in reading.connection.execute(query)}


def set_ref(tx: Transaction, service: Service, name: str, target: str | None) -> None:
    """Where a ref stands from now on; ``None`` when it is gone."""
    here = sa.and_(refs.c.service == service, refs.c.name == name)
    if target is None:
        tx.connection.execute(refs.delete().where(here))
    elif not tx.connection.execute(refs.update().where(here).values(object=target, moved_at=tx.now)).rowcount:
        tx.connection.execute(refs.insert().values(service=service, name=name, object=target, moved_at=tx.now))


def add_push(tx: Transaction, push: Push, announced: Sequence[Update]) -> None:
    tx.connection.execute(
        pushes.insert().values(
            id=push.id, service=push.service, actor=str(push.actor), person=push.actor.person, at=push.at
        )
    )
    tx.connection.execute(
        updates.insert(),
        [
            {
                "push": push.id,
                "ref": one.move.ref,
                "service": push.service,
                "before": one.move.before,
                "after": one.move.after,
                "commit": one.commit,
                "forced": one.forced,
                "state": UpdateState.ANNOUNCED,
            }
            for one in announced
        ],
    )


def find_push(reading: Reading, push: PushId) -> Push | None:
    row = reading.connection.execute(sa.select(pushes).where(pushes.c.id == push)).one_or_none()
    return None if row is None else _push(row)


def change_state(tx: Transaction, push: PushId, ref: str, to: UpdateState, *, given: Iterable[UpdateState]) -> bool:
    """Move one update into another state if it is in one of ``given``; whether this call did it (the fence)."""
    done = tx.connection.execute(
        updates.update()
        .where(updates.c.push == push, updates.c.ref == ref, updates.c.state.in_(list(given)))
        .values(state=to)
    )
    return bool(done.rowcount)


def updates_of(reading: Reading, push: PushId) -> dict[str, tuple[Update, UpdateState]]:
    rows = reading.connection.execute(sa.select(updates).where(updates.c.push == push))
    return {row.ref: (_update(row), row.state) for row in rows}


def unrecorded_from(
    reading: Reading, service: Service, ref: str, before: str, after: str | None = None
) -> tuple[PushId, Update] | None:
    """The oldest update of a ref away from ``before`` (to ``after``) of which the record does not yet say it moved.

    Announced ones come first; an abandoned one counts only when ``after`` is named.
    """
    query = (
        sa.select(updates)
        .join(pushes, pushes.c.id == updates.c.push)
        .where(updates.c.service == service, updates.c.ref == ref, updates.c.before == before)
        .order_by(sa.case((updates.c.state == UpdateState.ANNOUNCED, 0), else_=1), pushes.c.at, pushes.c.id)
        .limit(1)
    )
    if after is None:
        query = query.where(updates.c.state == UpdateState.ANNOUNCED)
    else:
        query = query.where(updates.c.state != UpdateState.MOVED, updates.c.after == after)
    row = reading.connection.execute(query).one_or_none()
    return None if row is None else (PushId(row.push), _update(row))


def announced_pushes(reading: Reading, until: datetime) -> Mapping[PushId, Service]:
    """Pushes begun no later than ``until`` of which some ref has neither moved nor been given up."""
    rows = reading.connection.execute(
        sa.select(pushes.c.id, pushes.c.service)
        .where(
            pushes.c.at <= until,
            sa.exists().where(updates.c.push == pushes.c.id, updates.c.state == UpdateState.ANNOUNCED),
        )
        .order_by(pushes.c.at, pushes.c.id)
    )
    return {PushId(row.id): Service(row.service) for row in rows}


def _repository(row: sa.Row[tuple[object, ...]]) -> Repository:
    return Repository(service=Service(row.service), default_branch=row.default_branch, created_at=row.created_at)


def _push(row: sa.Row[tuple[object, ...]]) -> Push:
    return Push(id=PushId(row.id), service=Service(row.service), actor=Actor.parse(row.actor, row.person), at=row.at)


def _update(row: sa.Row[tuple[object, ...]]) -> Update:
    return Update(
        move=Move(ref=row.ref, before=row.before, after=row.after),
        commit=CommitHash(row.commit),
        forced=row.forced,
    )
