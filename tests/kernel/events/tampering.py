"""What somebody can do to the record who owns its database."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from andon.kernel.db import Database
from andon.kernel.events import ANDON
from andon.kernel.events.model import digest_of
from andon.kernel.events.seal import SealingKey, seal_next
from andon.kernel.events.storage import events, seals

KEY = SealingKey(Ed25519PrivateKey.generate())
Tamper = Callable[[sa.Connection], object]


def seal(database: Database, key: SealingKey = KEY) -> None:
    with database.transaction() as tx:
        assert seal_next(tx, key) is not None


def tamper(database: Database, change: Tamper) -> None:
    """As someone who owns the database: without the guards."""
    with database.transaction() as tx:
        if database.is_sqlite:
            triggers = tx.connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for name in triggers.scalars().all():
                tx.connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            tx.connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        change(tx.connection)


def positions(connection: sa.Connection) -> list[int]:
    return list(connection.execute(sa.select(events.c.position).order_by(events.c.position)).scalars())


def set_event(number: int, /, **values: object) -> Tamper:
    def change(connection: sa.Connection) -> object:
        return connection.execute(
            events.update().where(events.c.position == positions(connection)[number]).values(values)
        )

    return change


def forge_event(connection: sa.Connection) -> None:
    """Change an event and its digest along with it."""
    row = connection.execute(sa.select(events).order_by(events.c.position).limit(1)).mappings().one()
    data = '{"thing":"z"}'
    digest = digest_of(
        id=row["id"],
        type=row["type"],
        at=row["at"],
        actor=ANDON,
        subject=row["subject"],
        data=data.encode(),
    )
    set_event(0, data=data, digest=digest)(connection)


def remove(number: int) -> Tamper:
    return lambda connection: connection.execute(
        events.delete().where(events.c.position == positions(connection)[number])
    )


def set_seal(number: int, /, **values: object) -> Tamper:
    return lambda connection: connection.execute(seals.update().where(seals.c.number == number).values(values))


def remove_seal(number: int) -> Tamper:
    return lambda connection: connection.execute(seals.delete().where(seals.c.number == number))
