"""Webhooks over the API."""

from __future__ import annotations

from andon.feedback.webhooks.delivering import Deliverer
from andon.feedback.webhooks.service import WebhookService
from andon.feedback.webhooks.views import (
    DeliveryList,
    DeliveryShape,
    NewWebhook,
    WebhookList,
    WebhookRequest,
    WebhookShape,
)
from andon.web.http import api
from andon.web.http.api import Call, Handlers


def webhook_routes(service: WebhookService, deliverer: Deliverer) -> Handlers:
    @api.get("/webhooks")
    def list_webhooks(call: Call) -> WebhookList:
        """The programs that are told what happens, as far as you administer them."""
        with call.database.reading() as reading:
            found = service.all(reading, call.principal)
        return WebhookList(webhooks=[WebhookShape.of(one) for one in found])

    @api.post("/webhooks", status=201)
    def add_webhook(call: Call, data: WebhookRequest) -> NewWebhook:
        """Tell a program what happens from now on; answers the secret that messages are signed with, this once."""
        with call.database.transaction() as tx:
            one, secret = service.add(tx, call.principal, url=data.url, types=data.types, service=data.service)
        return NewWebhook(webhook=WebhookShape.of(one), secret=secret)

    @api.get("/webhooks/{webhook:str}")
    def get_webhook(call: Call, webhook: str) -> WebhookShape:
        """One webhook."""
        with call.database.reading() as reading:
            return WebhookShape.of(service.get(reading, call.principal, webhook))

    @api.delete("/webhooks/{webhook:str}")
    def remove_webhook(call: Call, webhook: str) -> None:
        """Send nothing there any more, nor what waits."""
        with call.database.transaction() as tx:
            service.remove(tx, call.principal, webhook)

    @api.post("/webhooks/{webhook:str}/test")
    def test_webhook(call: Call, webhook: str) -> DeliveryShape:
        """Send an event about this test now; an answer starts again what was given up."""
        return DeliveryShape.of(deliverer.test(call.principal, webhook))

    @api.get("/webhooks/{webhook:str}/deliveries")
    def list_webhook_deliveries(call: Call, webhook: str) -> DeliveryList:
        """The last tries, newest first."""
        with call.database.reading() as reading:
            found = service.deliveries(reading, service.get(reading, call.principal, webhook), 200)
        return DeliveryList(deliveries=[DeliveryShape.of(one) for one in found])

    return [list_webhooks, add_webhook, get_webhook, remove_webhook, test_webhook, list_webhook_deliveries]
