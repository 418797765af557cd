"""Reads what both versions answered while requests are mirrored to one of them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from andon.feedback.rollouts.contract import RolloutId
from andon.feedback.rollouts.model.differing import Differences, with_pairs
from andon.feedback.rollouts.model.records import Rollout
from andon.feedback.rollouts.service import RolloutService
from andon.flow.routing.contract import Comparisons
from andon.kernel.db import Database

_PAGES = 10
"""Pages of the router's log in one go: what is behind is caught up with later."""

_log = logging.getLogger(__name__)


class Mirroring:
    """One reader for each rollout, since a reader remembers halves between pages."""

    def __init__(self, *, database: Database, service: RolloutService, open_: Callable[[], Comparisons]) -> None:
        self._database = database
        self._service = service
        self._open = open_
        self._readers: dict[RolloutId, Comparisons] = {}

    def read(self, rollout: Rollout) -> None:
        """Take in what was answered since the last time. A log that cannot be read is missed, and harms nothing."""
        reader = self._readers.setdefault(rollout.id, self._open())
        found = rollout.differences or Differences()
        try:
            for _ in range(_PAGES):
                page = reader.read(found.position)
                ours = [one for one in page.pairs if one.dark.set == rollout.set]
                ended = page.position == found.position
                found = with_pairs(found, ours, page.position, rollout.stage)
                if ended:
                    break
        except OSError as error:
            _log.warning("the router's log cannot be read for a rollout of %s: %s", rollout.service, error)
            return
        with self._database.transaction() as tx:
            self._service.compare(tx, rollout.id, found)

    def forget(self, rollout: RolloutId) -> None:
        self._readers.pop(rollout, None)
