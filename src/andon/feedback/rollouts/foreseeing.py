"""What is settled before a rollout begins: what is watched, what was before, and what could be seen at all."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from andon.feedback.judge.contract import Expected, Foresight, Judge
from andon.feedback.rollouts.model.expecting import Foreseen, expected_of
from andon.feedback.rollouts.model.pacing import Rhythm
from andon.feedback.rollouts.model.records import LookRecord, Rollout, Watched
from andon.feedback.rollouts.model.stages import Sets, compared_share, stages_of
from andon.feedback.rollouts.model.watching import MEASURED, judged, settled
from andon.feedback.rollouts.ports import Side, Signals, Watchable
from andon.feedback.rollouts.service import RolloutService
from andon.flow.deployments.contract.release import Candidate
from andon.flow.environments.contract import Environments
from andon.kernel.db import Database
from andon.kernel.errors import Unavailable

_log = logging.getLogger(__name__)


class Foreseeing:
    """Begins rollouts."""

    def __init__(
        self,
        *,
        database: Database,
        service: RolloutService,
        environments: Environments,
        judge: Judge,
        signals: Signals,
        rhythm: Rhythm,
    ) -> None:
        self._database = database
        self._service = service
        self._environments = environments
        self._judge = judge
        self._signals = signals
        self._rhythm = rhythm

    def begin(self, candidate: Candidate) -> Rollout:
        """The rollout of the candidate; one that an earlier life began goes on as it was planned then."""
        with self._database.reading() as reading:
            known = self._service.of_deployment(reading, candidate.deployment)
            former = self._environments.set(reading, candidate.former)
            now = round(reading.now.timestamp() * 1000)
        if known is not None:
            return known
        side = Side(set=former.id, commit=former.commit, instances=tuple(one.id for one in former.instances))
        found = self._watchable(candidate, side, now)
        watched, unwatched = settled(
            found.watched, found.unwatched, sum(one.plan.seconds for one in stages_of(candidate.release))
        )
        history = self._history(candidate, now)
        told = foreseen(self._foresight(candidate, watched, history))
        with self._database.transaction() as tx:
            return self._service.begin(
                tx,
                candidate,
                watched=watched,
                unwatched=unwatched,
                smallest_harm=told.smallest_harm,
                proposal=told.proposal,
                history=history,
            )

    def _watchable(self, candidate: Candidate, side: Side, now: int) -> Watchable:
        business, watch = candidate.business, candidate.release.watch
        try:
            return self._signals.watchable(
                candidate.service, candidate.environment, side, business=business, watch=watch, now=now
            )
        except Unavailable as error:
            _log.warning("telemetry did not answer when a rollout of %s began: %s", candidate.service, error.message)
            named = [*business, *watch]
            lost = (f"{', '.join(named)}: telemetry did not answer when the rollout began",) if named else ()
            # what every service is watched by stays required: without an answer the rollout pauses
            return Watchable(watched=MEASURED, unwatched=lost)

    def _history(self, candidate: Candidate, now: int) -> tuple[LookRecord, ...]:
        try:
            return self._signals.history(
                candidate.service,
                candidate.environment,
                candidate.former,
                before=now,
                minutes=self._rhythm.past_minutes,
            )
        except Unavailable:
            return ()

    def _foresight(
        self, candidate: Candidate, watched: Sequence[Watched], history: Sequence[LookRecord]
    ) -> Foresight | None:
        stages = [one for one in stages_of(candidate.release) if not one.dark and one.plan.parts]
        expected = expected_of(history, watched)
        if not stages or not expected:
            return None
        # as if there were no fresh instances of the former version: both arms together are all of the traffic
        sets = Sets(canary=candidate.set, former=candidate.former)
        shares = [(compared_share(one, sets) or 0.0, one.plan.seconds) for one in stages]
        return foresight(self._judge, shares, watched, expected)


def foresight(
    judge: Judge, shares: Sequence[tuple[float, float]], watched: Sequence[Watched], expected: Sequence[Expected]
) -> Foresight:
    """``shares`` are the new side's of all that is compared, 0 to 1, each with the seconds of its stage."""
    known = {one.metric for one in expected}
    seconds = sum(seconds for _, seconds in shares)
    plan = judged(
        [one for one in watched if one.name in known],
        seconds=seconds,
        dark=False,
        both_phases=False,
        until=seconds,
        since=0.0,
    )
    return judge.smallest_harm(plan, shares, expected)


def foreseen(found: Foresight | None) -> Foreseen:
    """What it proposes apart from the rest."""
    if found is None:
        return Foreseen("", "")
    proposal = " ".join(one.sentence for one in found.proposals)
    return Foreseen(found.sentence.removesuffix(proposal).rstrip(), proposal)
