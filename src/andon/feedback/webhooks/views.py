"""The shapes in which the API speaks of webhooks; shared with the commands."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from andon.feedback.webhooks.contract import WebhookState
from andon.feedback.webhooks.model.records import Delivery, Webhook

Text = Annotated[str, msgspec.Meta(max_length=2000)]


class WebhookRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``types``: types of events, or what they begin with and ``*``. ``service``: only what is about it."""

    url: Text
    types: Annotated[list[Text], msgspec.Meta(max_length=20)]
    service: Text | None = None


class WebhookShape(msgspec.Struct, kw_only=True):
    """``attempts`` are those of the event that stands next; ``next_at`` is when it is tried again."""

    id: str
    url: str
    types: list[str]
    service: str | None
    owner: str
    state: WebhookState
    attempts: int
    error: str
    failed_since: datetime | None
    next_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, one: Webhook) -> WebhookShape:
        return cls(
            id=one.id,
            url=one.url,
            types=list(one.types),
            service=one.service,
            owner=one.owner,
            state=one.state,
            attempts=one.attempts,
            error=one.error,
            failed_since=one.failed_since,
            next_at=one.next_at,
            delivered_at=one.delivered_at,
            created_at=one.created_at,
        )


class NewWebhook(msgspec.Struct, kw_only=True):
    """``secret`` is what messages are signed with; it is shown this once."""

    webhook: WebhookShape
    secret: str


class WebhookList(msgspec.Struct, kw_only=True):
    webhooks: list[WebhookShape]


class DeliveryShape(msgspec.Struct, kw_only=True):
    """``status`` is ``null`` where there was no answer; ``problem`` is empty for what was taken."""

    event: str
    type: str
    at: datetime
    attempt: int
    taken: bool
    status: int | None
    milliseconds: int
    problem: str

    @classmethod
    def of(cls, one: Delivery) -> DeliveryShape:
        return cls(
            event=one.event,
            type=one.type,
            at=one.at,
            attempt=one.attempt,
            taken=one.taken,
            status=one.status,
            milliseconds=one.milliseconds,
            problem=one.problem,
        )


class DeliveryList(msgspec.Struct, kw_only=True):
    deliveries: list[DeliveryShape]
