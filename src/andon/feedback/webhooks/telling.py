"""How webhooks are told."""

from __future__ import annotations

from andon.feedback.webhooks.contract import (
    WEBHOOKS,
    WebhookAdded,
    WebhookFailing,
    WebhookId,
    WebhookRecovered,
    WebhookRemoved,
    WebhookTested,
)
from andon.kernel.events import Event
from andon.web.model import State
from andon.web.rendering import plural
from andon.web.telling import Names, Sentence, Telling

_ICON = "link"


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case WebhookAdded(webhook=webhook, host=host):
            then = f"for what happens to {happened.service}" if happened.service else "for what happens"
            return Sentence("added the webhook", host, address(webhook), then, ", ".join(happened.types), _ICON)
        case WebhookRemoved(host=host):
            return Sentence("removed the webhook", host, WEBHOOKS, icon=_ICON, state=State.WARN)
        case WebhookTested(webhook=webhook, host=host):
            return Sentence("tried the webhook", host, address(webhook), icon=_ICON)
        case WebhookFailing(webhook=webhook, host=host):
            then = f"up after {plural(happened.attempts, 'attempt')}: what happens waits for it"
            return Sentence("gave the webhook", host, address(webhook), then, happened.reason, _ICON, State.BAD)
        case WebhookRecovered(webhook=webhook, host=host):
            then = "again, which answers: what waited is sent"
            return Sentence("tells the webhook", host, address(webhook), then, icon=_ICON, state=State.OK)
    return None


def address(webhook: WebhookId) -> str:
    return f"{WEBHOOKS}/{webhook}"


TELLING = Telling(tell=tell)
