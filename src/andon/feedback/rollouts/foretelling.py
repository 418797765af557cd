"""What a takeover could see, told before it begins: from the old service's own answers in the router's log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from andon.feedback.judge.contract import Judge
from andon.feedback.rollouts.foreseeing import foreseen, foresight
from andon.feedback.rollouts.model.expecting import Foreseen, expected_of
from andon.feedback.rollouts.model.judging import said_of_services
from andon.feedback.rollouts.model.pacing import Rhythm
from andon.feedback.rollouts.model.records import LookRecord, Seen
from andon.feedback.rollouts.model.stages import stages_of
from andon.feedback.rollouts.model.takeovers import release_of
from andon.feedback.rollouts.model.taking import WATCHED, Led, Side, seen_of, sorted_out
from andon.feedback.rollouts.service.takeovers import Wanted
from andon.flow.definition.contract import PARTS
from andon.flow.environments.contract import Environments, SetId
from andon.flow.routing.contract import Access, AccessLog, Router
from andon.flow.sources.contract import Service
from andon.kernel.db import Database, Reading
from andon.kernel.errors import NotFound

_BYTES = 16 * 1024 * 1024
"""Of the router's log are read, which is of all services: some 45,000 requests, in a third of a second."""
_PAGES = 40
"""What is written meanwhile is not run after for ever."""
_log = logging.getLogger(__name__)


class Foretelling:
    """Reads a log, so nothing of it belongs into a transaction. Safe to share between threads."""

    def __init__(
        self,
        *,
        database: Database,
        environments: Environments,
        router: Router,
        judge: Judge,
        log: Callable[[], AccessLog],
        rhythm: Rhythm | None = None,
    ) -> None:
        self._database = database
        self._environments = environments
        self._router = router
        self._judge = judge
        self._open = log
        self._rhythm = rhythm or Rhythm()

    def of(self, wanted: Wanted) -> Foreseen:
        """What the takeover could see with the traffic of the last minutes, or why nobody can say.

        Raises ``StagesInvalid``. Whether somebody may begin it is not asked here.
        """
        release = release_of(wanted.stages)
        takeover = wanted.takeover
        with self._database.reading() as reading:
            led = Led(takeover, self._router.forwarding(reading, wanted.service, wanted.environment))
        try:
            read, seconds = self._lately()
        except OSError as error:
            _log.warning("the router's log cannot be read for %s: %s", takeover.words, error)
            return Foreseen(
                "The router's log cannot be read, so nothing can be said of what this takeover could see.", ""
            )
        here = (wanted.service, wanted.environment)
        requests = led.of(one for one in read if (one.service, one.environment) == here)
        with self._database.reading() as reading:
            sides = sides_of(reading, self._environments, here, (takeover.service, takeover.environment), requests)
        old = sorted_out(requests, sides, 0)[1]
        if not old.requests:
            return Foreseen(_nothing(led, seconds), "")
        past = LookRecord(
            number=0,
            stage=0,
            at=self._database.clock.now(),
            offset=0.0,
            seconds=seconds,
            share=None,
            canary=Seen(),
            baseline=seen_of(old),
            slow=False,
        )
        # some may be served by the new side already: how the old one answers, but how much is asked of both
        expected = [replace(one, exposure=len(requests) / seconds) for one in expected_of([past], WATCHED)]
        shares = [(one.plan.parts / PARTS, one.plan.seconds) for one in stages_of(release)]
        told = foreseen(foresight(self._judge, shares, WATCHED, expected))
        basis = f"That is from {len(requests):,} such requests in the router's log, of {_span(seconds)}."
        return Foreseen(f"{said_of_services(told.smallest_harm)} {basis}", said_of_services(told.proposal))

    def _lately(self) -> tuple[list[Access], float]:
        """The last requests of all services, and of how many seconds they are all."""
        now = round(self._database.clock.now().timestamp() * 1_000_000)
        begins = now - self._rhythm.past_minutes * 60 * 1_000_000
        log, found = self._open(), list[Access]()
        position = log.end(before=_BYTES)
        for _ in range(_PAGES):
            page = log.read(position)
            found += page.requests
            ended, position = page.position == position, page.position
            if ended:
                break
        oldest = max(begins, min((one.time for one in found), default=begins))
        return [one for one in found if begins <= one.time <= now], max(1.0, (now - oldest) / 1_000_000)


def sides_of(
    reading: Reading,
    environments: Environments,
    old: tuple[Service, str],
    new: tuple[Service, str],
    requests: Iterable[Access],
) -> Mapping[SetId, Side]:
    """Whose each set is: both services may be deployed meanwhile, whatever is live counts."""
    ends, found = {old: Side.OLD, new: Side.NEW}, dict[SetId, Side]()
    for name in {one.set for one in requests if one.set is not None}:
        try:
            whose = environments.set(reading, name)
        except NotFound:  # gone between the request and now
            continue
        side = ends.get((whose.service, whose.environment))
        if side is not None:
            found[name] = side
    return found


def _nothing(led: Led, seconds: float) -> str:
    if led.untold:
        return (
            f"The router's log does not tell which requests have {led.untold}, so what this takeover could see is not "
            "known beforehand."
        )
    return (
        f"The router's log of {_span(seconds)} has no answer of the old service to such a request, so nothing can be "
        "said of what this takeover could see."
    )


def _span(seconds: float) -> str:
    return f"the last {seconds / 60:.0f} min" if seconds >= 120 else f"the last {seconds:.0f} s"
