"""What a start needs once, before any role. It knows no room: to load them all would take longer than to do it."""

from __future__ import annotations

from andon.kernel.access import people, tokens
from andon.kernel.db import Database, open_engine
from andon.kernel.db.schema import migrate
from andon.kernel.events.record import align_positions
from andon.kernel.settings import Settings


def prepare(settings: Settings) -> str | None:
    """Bring the schema to this release's version and write the operator's token.

    Answers the address at which the first administrator is created, as long as there is none. Raises
    :class:`~andon.kernel.db.schema.SchemaFromTheFuture`.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(open_engine(settings.database_url))
    try:
        migrate(database)
        with database.transaction() as tx:
            align_positions(tx)
            tokens.ensure_operator(tx, settings.data / "operator.token")
            link = people.offer_first_administrator(tx)
    finally:
        database.close()
    return None if link is None else f"{settings.address}/welcome?token={link.secret}"
