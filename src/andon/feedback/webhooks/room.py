"""Webhooks: other programs are told what happens."""

from __future__ import annotations

from collections.abc import Sequence

from andon.feedback.webhooks.adapters import HttpPost
from andon.feedback.webhooks.api import webhook_routes
from andon.feedback.webhooks.contract import WEBHOOKS
from andon.feedback.webhooks.delivering import Deliverer
from andon.feedback.webhooks.model.addresses import networks
from andon.feedback.webhooks.pages import webhook_pages
from andon.feedback.webhooks.service import WebhookService, administers, failing
from andon.feedback.webhooks.telling import TELLING, address
from andon.flow.configuration.contract import SecretBox
from andon.kernel.access import Principal
from andon.kernel.access.contract import People
from andon.kernel.db import Database, Reading
from andon.kernel.events import Bell
from andon.web.model import Light, State
from andon.web.room import Room
from andon.web.shell import ADMINISTRATION, NavItem


def webhooks_room(
    *,
    database: Database,
    bell: Bell,
    box: SecretBox,
    people: People,
    source: str,
    plain_http: bool = False,
    private_networks: Sequence[str] = (),
) -> Room:
    """``source`` is the installation's address, as events name it; ``plain_http`` lets http leave this machine, and
    ``private_networks`` are ranges that webhooks of one service may go to."""
    inside = networks(private_networks)
    service = WebhookService(box, plain_http=plain_http, inside=inside)
    post = HttpPost(plain_http=plain_http, inside=inside)
    deliverer = Deliverer(database=database, bell=bell, service=service, post=post, source=source)

    def light(reading: Reading, principal: Principal) -> Light | None:
        silent = failing(service, reading, principal)
        if not silent:
            return None
        said = (
            f"{silent[0].host} takes no webhooks any more" if len(silent) == 1 else f"{len(silent)} webhooks given up"
        )
        return Light(State.WARN, said, address(silent[0].id) if len(silent) == 1 else WEBHOOKS)

    return Room(
        name="webhooks",
        templates="andon.feedback.webhooks",
        handlers=(*webhook_pages(service, deliverer, people), *webhook_routes(service, deliverer)),
        navigation=(NavItem(ADMINISTRATION, "Webhooks", WEBHOOKS, "link", shown_to=administers),),
        light=light,
        telling=TELLING,
        begin=deliverer.begin,
        end=deliverer.end,
    )
