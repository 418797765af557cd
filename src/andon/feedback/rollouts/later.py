"""What telemetry says later of versions that it could not confirm when they got all traffic."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from datetime import datetime, timedelta

from andon.feedback.judge.contract import Judge, Judgement, Verdict
from andon.feedback.rollouts.confirming import judged, served
from andon.feedback.rollouts.model.judging import told
from andon.feedback.rollouts.model.pacing import Rhythm
from andon.feedback.rollouts.model.records import LookRecord, Seen
from andon.feedback.rollouts.ports import Signals
from andon.feedback.rollouts.service import RolloutService
from andon.flow.deployments.contract.release import DOUBTED_FOR, Doubted, Doubts
from andon.kernel.db import Database
from andon.kernel.errors import AndonError

_WARM = 120.0
"""Seconds after the switch in which instances get warm: nothing is confirmed so early, and nothing slow counts."""
_MINUTE = 60.0
_LONGEST = DOUBTED_FOR.total_seconds()
"""Beside it is laid as much of the past, minute by minute."""
_AWAY = 3
"""Questions one after the other that telemetry does not answer: then it answers none."""

_log = logging.getLogger(__name__)


class LateConfirmation:
    """Looks once a minute. Stateless: what it judges is what telemetry knows of both versions."""

    def __init__(
        self,
        *,
        database: Database,
        deployments: Doubts,
        service: RolloutService,
        judge: Judge,
        signals: Signals,
        rhythm: Rhythm,
    ) -> None:
        self._database = database
        self._deployments = deployments
        self._service = service
        self._judge = judge
        self._signals = signals
        self._rhythm = rhythm

    def look(self) -> None:
        now = self._database.clock.now()
        with self._database.reading() as reading:
            found = self._deployments.doubted(reading, since=now - DOUBTED_FOR)
        unanswered = 0
        for one in found:
            try:
                self._look(one, now - timedelta(seconds=self._rhythm.lag))
                unanswered = 0
            except AndonError as error:
                # one service may have more than the store can answer: the others do not wait for it
                _log.warning(
                    "nobody can say how %s does in %s of %s: %s", one.commit[:7], one.environment, one.service, error
                )
                unanswered += 1
                if unanswered == _AWAY:
                    return  # there is a next minute

    def _look(self, one: Doubted, until: datetime) -> None:
        looks = self._looks(one, until)
        if not looks:
            return
        past = self._signals.history(
            one.service,
            one.environment,
            one.former,
            before=round(one.began_at.timestamp() * 1000),
            minutes=round(_LONGEST / _MINUTE),
        )
        if not past:
            return
        judgement = judged(self._judge, looks, past, seconds=_LONGEST, soonest=_WARM, grace=_WARM)
        requests, failed = served(looks)
        match judgement.verdict:
            case Verdict.PASS:
                with self._database.transaction() as tx:
                    reason = f"no worse than before: {requests:,} requests, {failed:,} failed"
                    self._deployments.confirm(tx, one, reason)
            case Verdict.FAIL:
                self._refute(one, judgement, failed)
            case Verdict.INCONCLUSIVE:
                pass

    def _refute(self, one: Doubted, judgement: Judgement, harmed: int) -> None:
        reason = told(judgement)
        cause = next(each for each in judgement.metrics if each.verdict is Verdict.FAIL)
        with self._database.transaction() as tx:
            obstacle = self._deployments.refute(tx, one, reason)
            if obstacle is not None:
                self._service.refute(tx, one, metric=cause.metric, reason=reason, harmed=harmed, stays=obstacle)

    def _looks(self, one: Doubted, until: datetime) -> tuple[LookRecord, ...]:
        """Whole minutes of the version itself, with seconds since its instances got the traffic.

        Fresh ones have to get warm again; what they are laid beside stays what was before the version.
        """
        minutes = math.ceil((until - one.switched_at).total_seconds() / _MINUTE)
        if minutes < 1:
            return ()
        found = self._signals.history(
            one.service, one.environment, one.set, before=round(until.timestamp() * 1000), minutes=minutes
        )
        return tuple(
            replace(look, offset=(look.at - one.switched_at).total_seconds(), canary=look.baseline, baseline=Seen())
            for look in found
        )
