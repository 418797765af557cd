"""Webhooks: adding, removing, what is to be sent next, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from andon.feedback.webhooks import storage
from andon.feedback.webhooks.contract import (
    WebhookAdded,
    WebhookFailing,
    WebhookId,
    WebhookRecovered,
    WebhookRemoved,
    WebhookState,
    WebhookTested,
)
from andon.feedback.webhooks.model.addresses import Network, checked_url
from andon.feedback.webhooks.model.choosing import checked_types, matches
from andon.feedback.webhooks.model.pacing import is_given_up, pause
from andon.feedback.webhooks.model.records import Answer, Delivery, Webhook
from andon.feedback.webhooks.model.signing import new_secret
from andon.flow.configuration.contract import SecretBox
from andon.kernel.access import Permission, Principal
from andon.kernel.access.model import is_place
from andon.kernel.access.signing_in import grants_of, person_actor
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from andon.kernel.events import ANDON, Envelope, Facets, append, event_types, page
from andon.kernel.events.record import latest_position
from andon.kernel.ids import new_id

MOST = 100
"""Webhooks of one installation."""
BATCH = 100


class WebhookService:
    def __init__(self, box: SecretBox, *, plain_http: bool = False, inside: Sequence[Network] = ()) -> None:
        self._box = box
        self._inside = tuple(inside)
        self._plain_http = plain_http

    def all(self, reading: Reading, principal: Principal) -> tuple[Webhook, ...]:
        """Those that the asker administers. Raises :class:`Forbidden` for whoever administers nothing."""
        if not administers(principal):
            principal.require(Permission.ADMINISTER)
            raise Forbidden("This token does not administer webhooks.", remedy="Use one that is not bound.")
        return tuple(one for one in storage.every(reading) if _may(principal, one.service))

    def get(self, reading: Reading, principal: Principal, webhook: str) -> Webhook:
        """Raises :class:`NotFound`, the same for what is not there and for what the asker does not administer."""
        found = storage.find(reading, webhook)
        if found is None or not _may(principal, found.service):
            raise NotFound("There is no such webhook.", remedy="`andon webhooks list` shows those there are.")
        return found

    def deliveries(self, reading: Reading, one: Webhook, limit: int = 50) -> tuple[Delivery, ...]:
        """The last tries, newest first."""
        return storage.tries(reading, one.id, limit)

    def add(
        self, tx: Transaction, principal: Principal, *, url: str, types: Sequence[str], service: str | None
    ) -> tuple[Webhook, str]:
        """Send what happens from now on. Answers the secret too, which is shown this once.

        Raises :class:`Invalid` for an address or types that cannot be, :class:`Conflict` when there are too many.
        """
        principal.require(Permission.ADMINISTER, service)
        principal.require(Permission.READ, service)
        if principal.person is None:
            raise Forbidden("A webhook needs somebody whose sight it has.", remedy="Add it as a person.")
        if service is not None and not is_place(service):
            raise Invalid(
                f"No service is called {service[:80]!r}.", safe="Nothing was changed.", remedy="Look at its spelling."
            )
        names = [*event_types(), *(one.cdevents for one in event_types().values() if one.cdevents)]
        if len(storage.every(tx)) >= MOST:
            raise Conflict(f"There are {MOST} webhooks already.", safe="Nothing was changed.", remedy="Remove one.")
        one = Webhook(
            id=WebhookId(new_id("wh")),
            url=checked_url(
                url.strip(), plain_http=self._plain_http, elsewhere=service is not None, inside=self._inside
            ),
            types=checked_types(types, names),
            service=service,
            owner=principal.person,
            created_at=tx.now,
            position=latest_position(tx),
            state=WebhookState.ACTIVE,
            attempts=0,
            failed_since=None,
            next_at=None,
            error="",
            delivered_at=None,
        )
        secret = new_secret()
        storage.add(tx, one, self._box.seal(secret.encode(), context=_context(one.id)))
        append(tx, WebhookAdded(webhook=one.id, host=one.host, types=one.types, service=service), by=principal.actor)
        return one, secret

    def remove(self, tx: Transaction, principal: Principal, webhook: str) -> Webhook:
        one = self.get(tx, principal, webhook)
        storage.remove(tx, one.id)
        append(tx, WebhookRemoved(webhook=one.id, host=one.host, service=one.service), by=principal.actor)
        return one

    # Sending

    def active(self, reading: Reading) -> tuple[Webhook, ...]:
        """Those that may be sent something now."""
        return tuple(
            one
            for one in storage.every(reading)
            if one.state is WebhookState.ACTIVE and (one.next_at is None or _is_due(one, reading))
        )

    def still(self, reading: Reading, webhook: WebhookId) -> Webhook | None:
        """As it is now; ``None`` when it was removed or is not to be sent anything at the moment."""
        return next((one for one in self.active(reading) if one.id == webhook), None)

    def sight(self, reading: Reading, one: Webhook) -> Principal | None:
        """Whoever added it, as they are now; ``None`` when they do not administer it any more."""
        owner = Principal(actor=person_actor(one.owner), person=one.owner, grants=grants_of(reading, one.owner))
        return owner if owner.may(Permission.ADMINISTER, one.service) else None

    def next(self, reading: Reading, one: Webhook, after: int) -> tuple[Envelope | None, int] | None:
        """The oldest event behind ``after`` that is to be sent, and up to where nothing else is; ``None`` when whoever
        added it administers it no more."""
        owner = self.sight(reading, one)
        if owner is None:
            return None
        seen = Facets(service=one.service, sight=owner.sight())
        while True:
            batch = page(reading, seen, after=after, limit=BATCH)
            for envelope in batch:
                if self._wants(one, envelope):
                    return envelope, after
                after = envelope.position
            if len(batch) < BATCH:
                return None, after

    def secret(self, reading: Reading, webhook: WebhookId) -> str:
        """To sign with. Raises ``Unavailable`` when the installation's key is not the one it was sealed with."""
        sealed = storage.secret_of(reading, webhook)
        if sealed is None:
            raise NotFound("There is no such webhook.")
        return self._box.open(sealed, context=_context(webhook)).decode()

    def passed(self, tx: Transaction, webhook: WebhookId, position: int) -> None:
        """Up to here nothing was wanted."""
        storage.moved(tx, webhook, position)

    def settle(self, tx: Transaction, webhook: WebhookId, envelope: Envelope, answer: Answer, chance: float) -> None:
        """Keep what came of a try, and where to go on; both or neither."""
        one = storage.find(tx, webhook)
        if one is None or one.position >= envelope.position:
            return  # removed meanwhile, or another worker was first
        storage.note(tx, webhook, envelope, one.attempts + 1, answer)
        if answer.taken:
            storage.taken(tx, webhook)
            storage.moved(tx, webhook, envelope.position)
            return
        since = one.failed_since or tx.now
        if is_given_up(answer.status, since, tx.now):
            self._give_up(tx, one, answer.problem)
        else:
            wait = pause(one.attempts + 1, chance, answer.retry_after)
            storage.failed(tx, one, answer.problem, since, wait)

    def orphaned(self, tx: Transaction, webhook: WebhookId) -> None:
        """Whoever added it administers it no more: what they might not see must not be sent."""
        one = storage.find(tx, webhook)
        if one is not None and one.state is WebhookState.ACTIVE and self.sight(tx, one) is None:
            self._give_up(tx, one, "Whoever added it is no administrator any more: remove it, and add it again.")

    def _give_up(self, tx: Transaction, one: Webhook, problem: str) -> None:
        storage.failed(tx, one, problem, one.failed_since or tx.now, None)
        append(
            tx,
            WebhookFailing(
                webhook=one.id, host=one.host, service=one.service, attempts=one.attempts + 1, reason=problem
            ),
            by=ANDON,
        )

    # Trying

    def begin_test(self, tx: Transaction, principal: Principal, webhook: str) -> tuple[Webhook, str]:
        """The webhook, and the id of the event that is sent to it."""
        one = self.get(tx, principal, webhook)
        if self.sight(tx, one) is None:
            raise Conflict(
                "Whoever added this webhook is no administrator any more, and what they may not see is not sent.",
                safe="Nothing was sent.",
                remedy="Remove it, and add it again.",
            )
        return one, append(tx, WebhookTested(webhook=one.id, host=one.host, service=one.service), by=principal.actor)

    def end_test(self, tx: Transaction, one: Webhook, envelope: Envelope, answer: Answer) -> Delivery:
        """An answer to a test starts again what was given up, and makes what waits come at once."""
        storage.note(tx, one.id, envelope, 1, answer)
        now = storage.find(tx, one.id)
        if answer.taken and now is not None:
            storage.taken(tx, one.id)
            storage.revived(tx, one.id)
            if now.state is WebhookState.FAILING:
                append(tx, WebhookRecovered(webhook=one.id, host=one.host, service=one.service), by=ANDON)
        return storage.tries(tx, one.id, 1)[0]

    def _wants(self, one: Webhook, envelope: Envelope) -> bool:
        if envelope.subject == f"webhook:{one.id}":
            return False  # what happens to a webhook is told to others: it would be told of its own failing
        other = envelope.cdevents
        return matches(one.types, envelope.type) or (other is not None and matches(one.types, other))


def failing(service: WebhookService, reading: Reading, principal: Principal) -> tuple[Webhook, ...]:
    """Those that were given up, among those that somebody administers."""
    if not administers(principal):
        return ()
    return tuple(one for one in service.all(reading, principal) if one.state is WebhookState.FAILING)


def administers(principal: Principal) -> bool:
    """Whether there is anything of which somebody may add webhooks."""
    places = {None, *(grant.service for grant in principal.grants), *(principal.services or ())}
    return any(_may(principal, place) for place in places)


def _may(principal: Principal, service: str | None) -> bool:
    return principal.may(Permission.ADMINISTER, service) and principal.may(Permission.READ, service)


def _context(webhook: WebhookId) -> str:
    return f"webhook {webhook}"


def _is_due(one: Webhook, reading: Reading) -> bool:
    # what is due later than any pause lasts was put off by a clock that has been set back since
    return one.next_at is None or one.next_at <= reading.now or (one.next_at - reading.now).total_seconds() > 3600
