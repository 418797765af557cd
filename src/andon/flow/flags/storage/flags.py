"""The SQL of flags, their settings, versions, proposals and revisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine.row import Row

from andon.flow.flags.contract import FlagName, Origin, ProposalId, ProposalKind, ProposalState
from andon.flow.flags.model.flag import Head, Proposal, Setting, StoredFlag, StoredSetting, Version
from andon.flow.flags.storage.tables import asked, flags, proposals, revisions, settings, versions
from andon.flow.sources.contract import Service
from andon.kernel.ids import new_id


def find(connection: Connection, service: Service, name: str) -> StoredFlag | None:
    row = connection.execute(sa.select(flags).where(flags.c.service == service, flags.c.name == name)).first()
    return None if row is None else StoredFlag(**row._mapping)


def lock(connection: Connection, service: Service, name: str) -> StoredFlag | None:
    """The flag, held against other transactions until this one ends."""
    row = connection.execute(
        sa.select(flags).where(flags.c.service == service, flags.c.name == name).with_for_update()
    ).first()
    return None if row is None else StoredFlag(**row._mapping)


def of_service(connection: Connection, service: Service, *, archived: bool = False) -> tuple[StoredFlag, ...]:
    query = sa.select(flags).where(flags.c.service == service).order_by(flags.c.name)
    if not archived:
        query = query.where(flags.c.archived_at.is_(None))
    return tuple(StoredFlag(**row._mapping) for row in connection.execute(query))


def outline(connection: Connection, service: Service, environment: str) -> tuple[tuple[str, str, int, int], ...]:
    """Id, name, version of the head and version of what is set in an environment, 0 for nothing, by name: enough to
    tell what has changed, and nothing that is large."""
    there = settings.alias()
    query = (
        sa.select(flags.c.id, flags.c.name, flags.c.head_version, sa.func.coalesce(there.c.version, 0))
        .outerjoin(there, sa.and_(there.c.flag == flags.c.id, there.c.environment == environment))
        .where(flags.c.service == service, flags.c.archived_at.is_(None))
        .order_by(flags.c.name)
    )
    return tuple((row[0], row[1], row[2], row[3]) for row in connection.execute(query))


def heads(connection: Connection, identities: Sequence[str]) -> dict[str, Head]:
    """By id; at most some hundred."""
    rows = connection.execute(sa.select(flags.c.id, flags.c.head).where(flags.c.id.in_(identities)))
    return {row.id: row.head for row in rows}


def settings_of_some(connection: Connection, identities: Sequence[str], environment: str) -> dict[str, StoredSetting]:
    """By id; at most some hundred."""
    query = sa.select(settings).where(settings.c.flag.in_(identities), settings.c.environment == environment)
    return {row.flag: _setting(row) for row in connection.execute(query)}


def counts(connection: Connection, services: Iterable[str] | None) -> dict[str, int]:
    """Flags that are not archived, by service."""
    query = sa.select(flags.c.service, sa.func.count()).where(flags.c.archived_at.is_(None)).group_by(flags.c.service)
    if services is not None:
        query = query.where(flags.c.service.in_(list(services)))
    return {row[0]: row[1] for row in connection.execute(query)}


def names(connection: Connection, services: Iterable[str] | None, limit: int) -> tuple[tuple[str, str], ...]:
    """Service and name of flags that are not archived, the newest first."""
    query = sa.select(flags.c.service, flags.c.name).where(flags.c.archived_at.is_(None)).order_by(flags.c.id.desc())
    if services is not None:
        query = query.where(flags.c.service.in_(list(services)))
    return tuple((row.service, row.name) for row in connection.execute(query.limit(limit)))


def count(connection: Connection, service: Service) -> int:
    return connection.execute(sa.select(sa.func.count()).where(flags.c.service == service)).scalar_one()


def insert(
    connection: Connection, service: Service, name: FlagName, origin: Origin, head: Head, now: datetime
) -> str | None:
    """The new flag's id; ``None`` when the name is taken."""
    identity = new_id("flag")
    try:
        with connection.begin_nested():
            connection.execute(
                flags.insert().values(
                    id=identity, service=service, name=name, origin=origin, head=head, head_version=1, created_at=now
                )
            )
    except sa.exc.IntegrityError:
        return None
    return identity


def update(connection: Connection, flag: str, **values: object) -> None:
    connection.execute(flags.update().where(flags.c.id == flag).values(**values))


def setting(connection: Connection, flag: str, environment: str) -> StoredSetting | None:
    row = connection.execute(
        sa.select(settings).where(settings.c.flag == flag, settings.c.environment == environment)
    ).first()
    return None if row is None else _setting(row)


def settings_of(connection: Connection, flag: str) -> dict[str, StoredSetting]:
    rows = connection.execute(sa.select(settings).where(settings.c.flag == flag))
    return {row.environment: _setting(row) for row in rows}


def settings_of_service(connection: Connection, service: Service) -> dict[str, dict[str, StoredSetting]]:
    """What is set anywhere, by the flag's id and the environment; one query, however many flags there are."""
    rows = connection.execute(
        sa.select(settings).join(flags, flags.c.id == settings.c.flag).where(flags.c.service == service)
    )
    found: dict[str, dict[str, StoredSetting]] = {}
    for row in rows:
        found.setdefault(row.flag, {})[row.environment] = _setting(row)
    return found


def settings_at(connection: Connection, service: Service, environment: str) -> dict[str, StoredSetting]:
    """What is set in an environment, by the flag's id."""
    rows = connection.execute(
        sa.select(settings)
        .join(flags, flags.c.id == settings.c.flag)
        .where(flags.c.service == service, settings.c.environment == environment, flags.c.archived_at.is_(None))
    )
    return {row.flag: _setting(row) for row in rows}


def put_setting(connection: Connection, flag: str, environment: str, new: StoredSetting, now: datetime) -> bool:
    """Store a setting; ``False`` when somebody else has stored one since ``new.version - 1``."""
    if new.version == 1:
        try:
            with connection.begin_nested():
                connection.execute(
                    settings.insert().values(
                        flag=flag, environment=environment, version=1, setting=new.setting, changed_at=now
                    )
                )
        except sa.exc.IntegrityError:
            return False
        return True
    changed = connection.execute(
        settings.update()
        .where(settings.c.flag == flag, settings.c.environment == environment, settings.c.version == new.version - 1)
        .values(version=new.version, setting=new.setting, changed_at=now)
    )
    return changed.rowcount > 0


def add_version(connection: Connection, flag: str, one: Version) -> None:
    connection.execute(
        versions.insert().values(
            flag=flag,
            environment=one.environment,
            number=one.number,
            setting=one.setting,
            head=one.head,
            sentence=one.sentence,
            why=one.why,
            actor=one.actor,
            person=one.person,
            at=one.at,
        )
    )


def history(
    connection: Connection, flag: str, environment: str | None = None, *, limit: int = 100
) -> tuple[Version, ...]:
    """Newest first."""
    query = sa.select(versions).where(versions.c.flag == flag)
    if environment is not None:
        query = query.where(versions.c.environment == environment)
    rows = connection.execute(query.order_by(versions.c.at.desc(), versions.c.number.desc()).limit(limit))
    return tuple(_version(row) for row in rows)


def version(connection: Connection, flag: str, environment: str, number: int) -> Version | None:
    row = connection.execute(
        sa.select(versions).where(
            versions.c.flag == flag, versions.c.environment == environment, versions.c.number == number
        )
    ).first()
    return None if row is None else _version(row)


def naming_segment(
    connection: Connection, name: str, *, archived: bool = False
) -> tuple[tuple[Service, str, str], ...]:
    """Service, environment and name of the flags whose rules name a segment; with ``archived`` those too that are."""
    # the text is only a first look: a flag whose rules hold the name elsewhere is left out below
    hint = settings.c.setting.cast(sa.Text)
    query = (
        sa.select(flags.c.service, flags.c.name, settings)
        .join(flags, flags.c.id == settings.c.flag)
        .where(sa.type_coerce(hint, sa.Text).contains(f'"{name}"', autoescape=True))
        .order_by(flags.c.service, settings.c.environment, flags.c.name)
    )
    rows = connection.execute(query if archived else query.where(flags.c.archived_at.is_(None)))
    return tuple(
        (Service(row.service), row.environment, row.name)
        for row in rows
        if name in _as_setting(row._mapping["setting"]).segments()
    )


# Revisions


def revision(connection: Connection, service: Service, environment: str) -> tuple[int, datetime] | None:
    row = connection.execute(
        sa.select(revisions.c.revision, revisions.c.changed_at).where(
            revisions.c.service == service, revisions.c.environment == environment
        )
    ).first()
    return None if row is None else (row.revision, row.changed_at)


def all_revisions(connection: Connection) -> dict[tuple[Service, str], int]:
    rows = connection.execute(sa.select(revisions.c.service, revisions.c.environment, revisions.c.revision))
    return {(Service(row.service), row.environment): row.revision for row in rows}


def raise_revision(connection: Connection, service: Service, environment: str, now: datetime) -> None:
    here = sa.and_(revisions.c.service == service, revisions.c.environment == environment)
    grown = revisions.update().where(here).values(revision=revisions.c.revision + 1, changed_at=now)
    if connection.execute(grown).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(
                revisions.insert().values(service=service, environment=environment, revision=1, changed_at=now)
            )
    except sa.exc.IntegrityError:  # somebody was first
        connection.execute(grown)


# Proposals


def add_proposal(connection: Connection, flag: str, one: Proposal) -> None:
    connection.execute(
        proposals.insert().values(
            id=one.id,
            flag=flag,
            service=one.service,
            name=one.flag,
            kind=one.kind,
            environment=one.environment,
            places=one.places,
            base=one.base,
            setting=one.setting,
            head=one.head,
            ramp=one.ramp,
            sentence=one.sentence,
            why=one.why,
            person=one.person,
            at=one.at,
            state=one.state,
        )
    )


def proposal(connection: Connection, identity: ProposalId, *, lock: bool) -> Proposal | None:
    """With ``lock`` it is held against other transactions until this one ends."""
    query = sa.select(proposals).where(proposals.c.id == identity)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _proposal(row)


def proposals_of(
    connection: Connection,
    *,
    service: Service | None = None,
    flag: str | None = None,
    services: Iterable[str] | None = None,
    state: ProposalState | None = ProposalState.OPEN,
    limit: int | None = 100,
) -> tuple[Proposal, ...]:
    """Newest first."""
    query = sa.select(proposals).order_by(proposals.c.id.desc()).limit(limit)
    if service is not None:
        query = query.where(proposals.c.service == service)
    if flag is not None:
        query = query.where(proposals.c.flag == flag)
    if services is not None:
        query = query.where(proposals.c.service.in_(list(services)))
    if state is not None:
        query = query.where(proposals.c.state == state)
    return tuple(_proposal(row) for row in connection.execute(query))


def proposals_naming_segment(connection: Connection, name: str) -> tuple[tuple[Service, str], ...]:
    """Service and environment of changes that wait and whose rules name a segment."""
    hint = proposals.c.setting.cast(sa.Text)
    rows = connection.execute(
        sa.select(proposals.c.service, proposals.c.environment, proposals.c.setting).where(
            proposals.c.state == ProposalState.OPEN,
            proposals.c.kind == ProposalKind.SETTING,
            sa.type_coerce(hint, sa.Text).contains(f'"{name}"', autoescape=True),
        )
    )
    return tuple((Service(row[0]), str(row[1])) for row in rows if name in _as_setting(row[2]).segments())


def decide(connection: Connection, identity: ProposalId, state: ProposalState, by: str | None, now: datetime) -> bool:
    changed = connection.execute(
        proposals.update()
        .where(proposals.c.id == identity, proposals.c.state == ProposalState.OPEN)
        .values(state=state, decided_by=by, decided_at=now)
    )
    return changed.rowcount > 0


# Who asks


def note_asked(
    connection: Connection, service: Service, environment: str, times: Mapping[str, int], now: datetime
) -> None:
    """Add what was asked for since the last time."""
    for name, number in sorted(times.items()):
        here = sa.and_(asked.c.service == service, asked.c.environment == environment, asked.c.name == name)
        grown = asked.update().where(here).values(times=asked.c.times + number, last_at=now)
        if connection.execute(grown).rowcount:
            continue
        try:
            with connection.begin_nested():
                connection.execute(
                    asked.insert().values(
                        service=service, environment=environment, name=name, times=number, last_at=now
                    )
                )
        except sa.exc.IntegrityError:
            connection.execute(grown)


def asked_for(connection: Connection, service: Service) -> dict[str, dict[str, tuple[int, datetime]]]:
    """How often each name was asked for and when last, by name and environment."""
    found: dict[str, dict[str, tuple[int, datetime]]] = {}
    for row in connection.execute(sa.select(asked).where(asked.c.service == service)):
        found.setdefault(row.name, {})[row.environment] = (row.times, row.last_at)
    return found


def _setting(row: Row[tuple[object, ...]]) -> StoredSetting:
    told = row._mapping
    return StoredSetting(
        environment=str(told["environment"]),
        version=int(str(told["version"])),
        setting=_as_setting(told["setting"]),
        changed_at=told["changed_at"],
    )


def _as_setting(value: object) -> Setting:
    assert isinstance(value, Setting)  # noqa: S101 - the column's own type
    return value


def _version(row: Row[tuple[object, ...]]) -> Version:
    return Version(**{name: row._mapping[name] for name in Version.__slots__})


def _proposal(row: Row[tuple[object, ...]]) -> Proposal:
    values = {name: row._mapping[name] for name in Proposal.__slots__ if name != "flag"}
    return Proposal(**values, flag=FlagName(str(row._mapping["name"])))
