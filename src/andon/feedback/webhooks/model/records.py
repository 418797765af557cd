"""What is kept of a webhook and of each try to deliver to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from andon.feedback.webhooks.contract import WebhookId, WebhookState
from andon.kernel.access import PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """``types`` are types of events or what they begin with, ending in ``*``; ``service`` of ``None`` is every one."""

    id: WebhookId
    url: str = field(repr=False)
    types: tuple[str, ...]
    service: str | None
    owner: PersonId
    """What this person may see at the moment is what is sent."""
    created_at: datetime
    position: int
    """Everything in the record up to here is delivered or was not wanted."""
    state: WebhookState
    attempts: int
    """Of the event that stands next, since it was first tried."""
    failed_since: datetime | None
    next_at: datetime | None
    error: str
    delivered_at: datetime | None

    @property
    def host(self) -> str:
        return host_of(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One try. ``status`` is ``None`` where there was no answer; ``problem`` is empty for what was taken."""

    number: int
    event: str
    type: str
    at: datetime
    attempt: int
    status: int | None
    milliseconds: int
    problem: str

    @property
    def taken(self) -> bool:
        return not self.problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of sending. ``retry_after``: seconds that the program asked to wait."""

    status: int | None
    milliseconds: int
    problem: str = ""
    retry_after: float | None = None

    @property
    def taken(self) -> bool:
        return not self.problem


def host_of(url: str) -> str:
    """Host and port of an address, which may be shown to everybody; the rest may hold a key."""
    return urlsplit(url).netloc.rpartition("@")[2][:200]
