"""What others may know of webhooks: what happened to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from andon.kernel.events import Event, event

WebhookId = NewType("WebhookId", str)

WEBHOOKS = "/webhooks"
"""Where the console shows them."""


class WebhookState(StrEnum):
    ACTIVE = "active"
    FAILING = "failing"
    """Given up: nothing more is sent until somebody tries it and it answers. What waits is kept."""


@event("dev.andon.webhook.added.v1", subject="webhook")
@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAdded(Event):
    """Events of these types are sent to a program from now on. Its whole address is not told: it may hold a key."""

    webhook: WebhookId
    host: str
    types: tuple[str, ...]
    service: str | None


@event("dev.andon.webhook.removed.v1", subject="webhook")
@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRemoved(Event):
    """Nothing is sent there any more; what waited is not sent."""

    webhook: WebhookId
    host: str
    service: str | None


@event("dev.andon.webhook.tested.v1", subject="webhook")
@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTested(Event):
    """Somebody tried whether the program answers; this event is what it was sent."""

    webhook: WebhookId
    host: str
    service: str | None


@event("dev.andon.webhook.failing.v1", subject="webhook")
@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFailing(Event):
    """Given up: nothing more is sent there until a test succeeds. The events that wait are kept."""

    webhook: WebhookId
    host: str
    service: str | None
    attempts: int
    reason: str


@event("dev.andon.webhook.recovered.v1", subject="webhook")
@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRecovered(Event):
    """It answers again: what waits is sent, from where it stopped."""

    webhook: WebhookId
    host: str
    service: str | None
