"""Sending what happens: each webhook in the record's order, none waiting for another one."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

from andon import __version__
from andon.feedback.webhooks.contract import WebhookId
from andon.feedback.webhooks.model.records import Answer, Delivery, Webhook
from andon.feedback.webhooks.model.signing import signed
from andon.feedback.webhooks.ports import Post
from andon.feedback.webhooks.service import WebhookService
from andon.kernel.access import Principal
from andon.kernel.db import Database, DatabaseUnavailable
from andon.kernel.errors import AndonError
from andon.kernel.events import Bell, Envelope
from andon.kernel.events.cloudevents import to_cloudevent
from andon.kernel.events.record import find

AT_ONCE = 16
"""Webhooks that are sent to at the same time."""
_LOOK = 1.0
_STORED_EVERY = 500

_log = logging.getLogger(__name__)


class Deliverer:
    """The cursor of each webhook stands in its row and moves with what came of the try: after a crash the same event is
    sent once more, with the same ``webhook-id``."""

    def __init__(
        self,
        *,
        database: Database,
        bell: Bell,
        service: WebhookService,
        post: Post,
        source: str,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._bell = bell
        self._service = service
        self._post = post
        self._source = source
        self._chance = chance
        self._passed: dict[WebhookId, int] = {}
        """Up to where nothing is wanted that is not stored yet."""
        self._busy: set[WebhookId] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """What is being sent is left to itself: its outcome is not kept, and it is sent again."""
        self._stopping.set()
        self._bell.ring()
        if self._thread is not None:
            self._thread.join()

    def test(self, principal: Principal, webhook: str) -> Delivery:
        """Send an event about the test itself, now, and say what came of it."""
        with self._database.transaction() as tx:
            one, event = self._service.begin_test(tx, principal, webhook)
            envelope = find(tx, event)
            secret = self._service.secret(tx, one.id)
        assert envelope is not None  # noqa: S101 - appended a moment ago, and nothing leaves the record
        answer = self._send(one, secret, envelope)
        with self._database.transaction() as tx:
            return self._service.end_test(tx, one, envelope, answer)

    def advance(self, webhook: WebhookId) -> None:
        """Send everything that is due to one webhook, until there is no more or a try fails."""
        while not self._stopping.is_set():
            found = self._due(webhook)
            if found is None:
                return
            one, secret, envelope = found
            answer = self._send(one, secret, envelope)
            with self._database.transaction() as tx:
                self._service.settle(tx, webhook, envelope, answer, self._chance())
            if not answer.taken:
                return

    def _run(self) -> None:
        while not self._stopping.is_set():
            position = self._bell.position
            try:
                self._round()
            except DatabaseUnavailable as error:
                _log.warning("webhooks wait: %s", error)
            except Exception:  # noqa: BLE001 - logged whole; the thread must outlive what nobody foresaw
                _log.exception("webhooks stumbled and try again")
            self._bell.wait(position, _LOOK)

    def _round(self) -> None:
        with self._database.reading() as reading:
            active = self._service.active(reading)
        for one in active:
            with self._lock:
                if one.id in self._busy or len(self._busy) >= AT_ONCE:
                    continue
            if not self._waits(one.id):
                continue
            with self._lock:
                self._busy.add(one.id)
            threading.Thread(target=self._work, args=(one.id,), name=f"webhook {one.id}", daemon=True).start()

    def _waits(self, webhook: WebhookId) -> bool:
        try:
            return self._due(webhook) is not None
        except DatabaseUnavailable:
            raise
        except AndonError as error:  # of this one alone: the others are sent to
            _log.warning("webhook %s waits: %s", webhook, error)
            return False

    def _work(self, webhook: WebhookId) -> None:
        try:
            self.advance(webhook)
        except AndonError as error:
            _log.warning("webhook %s waits: %s", webhook, error)
        except Exception:  # noqa: BLE001 - logged whole: the next round tries again
            _log.exception("webhook %s stumbled and tries again", webhook)
        finally:
            with self._lock:
                self._busy.discard(webhook)

    def _due(self, webhook: WebhookId) -> tuple[Webhook, str, Envelope] | None:
        with self._database.reading() as reading:
            one = self._service.still(reading, webhook)
            if one is None:
                self._passed.pop(webhook, None)
                return None
            begin = max(one.position, self._passed.get(webhook, 0))
            found = self._service.next(reading, one, begin)
            secret = "" if found is None or found[0] is None else self._service.secret(reading, webhook)
        if found is None:
            with self._database.transaction() as tx:
                self._service.orphaned(tx, webhook)
            return None
        envelope, passed = found
        self._passed[webhook] = passed
        if envelope is not None:
            return one, secret, envelope
        if passed - one.position >= _STORED_EVERY:
            # what nobody wanted moves the cursor in memory only: after a crash it is read again, for nothing
            with self._database.transaction() as tx:
                self._service.passed(tx, webhook, passed)
        return None

    def _send(self, one: Webhook, secret: str, envelope: Envelope) -> Answer:
        body = to_cloudevent(envelope, self._source)
        timestamp = int(self._database.clock.now().timestamp())
        headers = {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "user-agent": f"Andon/{__version__}",
            **signed(secret, envelope.id, timestamp, body),
        }
        return self._post.post(one.url, headers, body, elsewhere=one.service is not None)
