"""The tables of webhooks and of the tries to deliver."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from andon.feedback.webhooks.contract import WebhookId, WebhookState
from andon.feedback.webhooks.model.records import Answer, Delivery, Webhook
from andon.kernel.access import PersonId
from andon.kernel.db import Instant, Reading, Transaction, metadata
from andon.kernel.db.columns import Enumeration, Json
from andon.kernel.events import Envelope

KEPT = 200
"""Tries that are kept of each webhook."""

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("url", sa.String(2000), nullable=False),
    sa.Column("types", Json(tuple[str, ...]), nullable=False),
    sa.Column("service", sa.String(80)),
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("state", Enumeration(WebhookState), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("failed_since", Instant),
    sa.Column("next_at", Instant),
    sa.Column("error", sa.String(300), nullable=False),
    sa.Column("delivered_at", Instant),
)

deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("webhook", sa.String(40), nullable=False),
    sa.Column("event", sa.String(40), nullable=False),
    sa.Column("type", sa.String(120), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("milliseconds", sa.Integer, nullable=False),
    sa.Column("problem", sa.String(300), nullable=False),
    sa.Index(None, "webhook", "number"),
)

_SHOWN = [one for one in webhooks.c if one.name != "secret"]


def every(reading: Reading) -> tuple[Webhook, ...]:
    return tuple(_webhook(row) for row in reading.connection.execute(sa.select(*_SHOWN).order_by(webhooks.c.id)))


def find(reading: Reading, webhook: str) -> Webhook | None:
    row = reading.connection.execute(sa.select(*_SHOWN).where(webhooks.c.id == webhook)).first()
    return None if row is None else _webhook(row)


def secret_of(reading: Reading, webhook: WebhookId) -> bytes | None:
    """Sealed."""
    return reading.connection.execute(sa.select(webhooks.c.secret).where(webhooks.c.id == webhook)).scalar()


def add(tx: Transaction, one: Webhook, secret: bytes) -> None:
    tx.connection.execute(
        webhooks.insert().values(
            id=one.id,
            url=one.url,
            types=one.types,
            service=one.service,
            owner=one.owner,
            secret=secret,
            created_at=one.created_at,
            position=one.position,
            state=one.state,
            attempts=0,
            error="",
        )
    )


def remove(tx: Transaction, webhook: WebhookId) -> None:
    tx.connection.execute(deliveries.delete().where(deliveries.c.webhook == webhook))
    tx.connection.execute(webhooks.delete().where(webhooks.c.id == webhook))


def moved(tx: Transaction, webhook: WebhookId, position: int) -> None:
    """Everything up to here is delivered or not wanted; never backwards."""
    tx.connection.execute(
        webhooks.update()
        .where(webhooks.c.id == webhook, webhooks.c.position < position)
        .values(position=position, attempts=0, failed_since=None, next_at=None, error="")
    )


def taken(tx: Transaction, webhook: WebhookId) -> None:
    tx.connection.execute(webhooks.update().where(webhooks.c.id == webhook).values(delivered_at=tx.now))


def failed(tx: Transaction, one: Webhook, problem: str, since: datetime, pause: timedelta | None) -> None:
    """``pause`` of ``None`` gives it up."""
    tx.connection.execute(
        webhooks.update()
        .where(webhooks.c.id == one.id)
        .values(
            attempts=one.attempts + 1,
            failed_since=since,
            error=problem[:300],
            state=WebhookState.FAILING if pause is None else WebhookState.ACTIVE,
            next_at=None if pause is None else tx.now + pause,
        )
    )


def revived(tx: Transaction, webhook: WebhookId) -> None:
    tx.connection.execute(
        webhooks.update()
        .where(webhooks.c.id == webhook)
        .values(state=WebhookState.ACTIVE, attempts=0, failed_since=None, next_at=None, error="")
    )


def note(tx: Transaction, webhook: WebhookId, envelope: Envelope, attempt: int, answer: Answer) -> None:
    tx.connection.execute(
        deliveries.insert().values(
            webhook=webhook,
            event=envelope.id,
            type=envelope.type,
            at=tx.now,
            attempt=attempt,
            status=answer.status,
            milliseconds=answer.milliseconds,
            problem=answer.problem[:300],
        )
    )
    of_it = deliveries.c.webhook == webhook
    oldest = sa.select(deliveries.c.number).where(of_it).order_by(deliveries.c.number.desc()).offset(KEPT).limit(1)
    # asked first: MAX over what is to be deleted would be NULL for nearly every one, and delete nothing either way
    found = tx.connection.execute(oldest).scalar()
    if found is not None:
        tx.connection.execute(deliveries.delete().where(of_it, deliveries.c.number <= found))


def tries(reading: Reading, webhook: WebhookId, limit: int) -> tuple[Delivery, ...]:
    """Newest first."""
    rows = reading.connection.execute(
        sa.select(deliveries).where(deliveries.c.webhook == webhook).order_by(deliveries.c.number.desc()).limit(limit)
    )
    return tuple(
        Delivery(
            number=row.number,
            event=row.event,
            type=row.type,
            at=row.at,
            attempt=row.attempt,
            status=row.status,
            milliseconds=row.milliseconds,
            problem=row.problem,
        )
        for row in rows
    )


def _webhook(row: sa.Row[tuple[object, ...]]) -> Webhook:
    values = dict(row._mapping)
    values["id"], values["owner"] = WebhookId(str(row.id)), PersonId(str(row.owner))
    return Webhook(**values)
