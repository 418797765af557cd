"""Batches that must be stored exactly once, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from hashlib import blake2b

from andon.feedback.telemetry.contract.intake import Batch, Dropped, Intake, Receipt
from andon.kernel.errors import TooMany, Unavailable


class Delivery:
    """One batch at a time: the same again, with the same token, until the store has it.

    The next is only made when this one is stored, since the store's last position is where a later life goes on: a gap
    before it would never be filled. Used by one thread.
    """

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._batch: Batch | None = None
        self._stored: Callable[[], None] = lambda: None
        self._told: Future[Receipt] | None = None

    def send(self, batch: Batch, stored: Callable[[], None]) -> None:
        """Only when :meth:`ready`. ``stored`` is called from :meth:`ready`, by the same thread."""
        self._batch, self._stored = batch, stored
        self._offer()

    def ready(self) -> bool:
        """Whether another may be sent: nothing is under way."""
        if self._batch is None:
            return True
        if self._told is None:
            self._offer()
        if self._told is None or not self._told.done():
            return False
        error = self._told.exception()
        if isinstance(error, TooMany | Unavailable):
            self._told = None  # it is offered again with the next look: the store may be down for long
            return False
        batch, self._batch, self._told = self._batch, None, None
        if error is not None:
            self._intake.drop(batch.way, Dropped.MALFORMED, len(batch.logs) + len(batch.ids))
            raise error
        self._stored()
        return True

    def wait(self, seconds: float) -> None:
        """Until the store has answered, or the time is over."""
        if self._told is not None:
            try:
                self._told.exception(seconds)
            except TimeoutError:
                return

    def _offer(self) -> None:
        assert self._batch is not None  # noqa: S101 - both callers have looked
        try:
            self._told = self._intake.take(self._batch)
        except (TooMany, Unavailable):
            self._told = None


def token_of(kind: str, *parts: str) -> str:
    """A batch's name for ever, made of what is in it."""
    return f"{kind}/{blake2b(chr(0).join(parts).encode(), digest_size=16).hexdigest()}"
