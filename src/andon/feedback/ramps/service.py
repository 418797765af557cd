"""Looking at ramps, and what the room of flags is told of them."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from andon.feedback.judge.contract import Because, Judge, Verdict
from andon.feedback.ramps import storage
from andon.feedback.ramps.model.looks import LookRecord, condensed, expected_share, look_of
from andon.feedback.ramps.model.verdicts import kept, worded
from andon.feedback.ramps.model.watching import Rhythm, plan
from andon.feedback.ramps.ports import Outcomes
from andon.feedback.ramps.storage import Watch
from andon.flow.flags.contract import Flags, Judgement, RampGate, RampId, RampView
from andon.flow.flags.contract import Verdict as GateVerdict
from andon.flow.sources.contract import Service
from andon.kernel.db import Database, Reading
from andon.kernel.errors import Unavailable

_log = logging.getLogger(__name__)

_LONGEST_LOOK = 600_000
"""Milliseconds: what telemetry kept for longer while nobody asked it is not waited for."""
_SLACK = 100
"""Looks more than the judge is shown before they are put together in the database too."""


class RampWatch(RampGate):
    """Looks at every judged ramp, and answers for them from what was found. Nothing is remembered in the process."""

    def __init__(
        self, *, database: Database, flags: Flags, judge: Judge, outcomes: Outcomes, rhythm: Rhythm | None = None
    ) -> None:
        self._database = database
        self._flags = flags
        self._judge = judge
        self._outcomes = outcomes
        self._rhythm = rhythm or Rhythm()

    # What flags ask

    def judge(self, reading: Reading, ramp: RampView, *, due: bool) -> Judgement:
        if not ramp.judged:
            return Judgement(GateVerdict.GO)
        found = storage.find(reading.connection, ramp.id)
        if found is None or found.verdict is None or found.at is None:
            return self._unseen(reading.now, ramp, ramp.stepped_at)
        if found.verdict is Verdict.FAIL:
            harmed = f" {found.failed:,} of {found.requests:,} requests with “{ramp.variant}” failed in all."
            return Judgement(GateVerdict.TAKE_BACK, found.sentence + harmed)
        if found.step != ramp.step or (reading.now - found.at).total_seconds() > self._rhythm.stale:
            return self._unseen(reading.now, ramp, max(found.at, ramp.stepped_at or found.at))
        return Judgement(GateVerdict.GO if found.verdict is Verdict.PASS else GateVerdict.WAIT, found.sentence)

    def watches(self, reading: Reading, service: Service, environment: str) -> bool:
        found = storage.listener(reading.connection, service, environment)
        return found is not None and (reading.now - found[1]).total_seconds() <= self._rhythm.memory

    def found(self, reading: Reading, ramp: RampId) -> Watch | None:
        """What was found of a ramp last."""
        return storage.find(reading.connection, ramp)

    # What is done regularly

    def turn(self) -> None:
        """Look at the ramps that are due. Safe to repeat at any moment; what telemetry does not answer stays unseen."""
        with self._database.reading() as reading:
            ramps = self._flags.judged_ramps(reading)
        for one in ramps:
            if one.stepped_at is not None:
                try:
                    self._look(one, one.stepped_at)
                except Unavailable as error:
                    _log.warning("telemetry does not tell of the ramp of %s: %s", one.flag, error.message)

    def listen(self) -> None:
        """Remember which services can tell outcomes."""
        now = self._database.clock.now()
        try:
            found = self._outcomes.listeners(_milliseconds(now - timedelta(minutes=5)), _milliseconds(now))
        except Unavailable as error:
            _log.warning("telemetry does not say who tells outcomes: %s", error.message)
            return
        if found:
            with self._database.transaction() as tx:
                for (service, environment), events in found.items():
                    storage.heard(tx.connection, service, environment, events, now)

    # Inside

    def _look(self, ramp: RampView, stepped_at: datetime) -> None:
        now = self._database.clock.now()
        stepped = _milliseconds(stepped_at)
        with self._database.reading() as reading:
            watch = storage.find(reading.connection, ramp.id)
            records = storage.looks_of(reading.connection, ramp.id)
            known = storage.listener(reading.connection, ramp.service, ramp.environment)
        if watch is None:
            watch = Watch(ramp=ramp.id, began=stepped, until=stepped, events=() if known is None else known[0])
        end, step = _milliseconds(now) - round(self._rhythm.lag * 1000), ramp.step
        if watch.until < stepped:  # what is left of the step before
            end, step = min(end, stepped), ramp.step - 1
            wait = 0.0
        else:
            wait = self._rhythm.between((now - stepped_at).total_seconds())
        start = max(watch.until, end - _LONGEST_LOOK)
        if end <= start or end - start < wait * 1000:
            return
        since = (stepped - watch.began) / 1000
        due = ramp.due_at(now)
        until = since if due is None else (_milliseconds(due) - watch.began) / 1000
        # of the step as it was planned: a pause makes nobody learn anew how many requests are the variant's
        quarter = stepped + round(ramp.step_seconds * 250)
        record = LookRecord(
            number=records[-1].number + 1 if records else 0,
            step=step,
            until=end,
            seconds=(end - start) / 1000,
            share=expected_share(records, step, stepped, quarter) if step == ramp.step and start >= quarter else None,
            sides=self._outcomes.measure(ramp, start, end),
        )
        self._keep(ramp, watch, [*records, record], since, until)

    def _keep(self, ramp: RampView, watch: Watch, records: list[LookRecord], since: float, until: float) -> None:
        shown = condensed(records)
        judgement = self._judge.judge(
            plan(watch.events, seconds=ramp.seconds, since=since, until=until, silence=self._rhythm.silence),
            [look_of(one, watch.began, watch.events) for one in shown],
        )
        last = records[-1]
        seen = [one.sides.variant for one in shown if one.sides is not None]
        sentence = judgement.sentence
        if judgement.because is Because.NO_TELEMETRY:
            sentence = f"Nobody can say yet: nothing is told of how requests of {ramp.service} with this flag end."
        watch = replace(
            watch,
            until=last.until,
            step=last.step,
            verdict=judgement.verdict,
            because=judgement.because,
            sentence=worded(sentence, ramp.variant),
            metrics=kept(judgement, watch.events, ramp.variant),
            requests=round(sum(one.requests for one in seen)),
            failed=round(sum(one.errors for one in seen)),
            at=self._database.clock.now(),
        )
        with self._database.transaction() as tx:
            storage.put(tx.connection, watch)
            if len(records) > len(shown) + _SLACK:
                storage.exchange(tx.connection, ramp.id, shown)
            else:
                storage.add(tx.connection, ramp.id, last)

    def _unseen(self, now: datetime, ramp: RampView, since: datetime | None) -> Judgement:
        """Nothing was seen of the step, or not of late: that is no reason to go on."""
        if since is None or (now - since).total_seconds() <= self._rhythm.stale:
            return Judgement(GateVerdict.WAIT, f"Step {ramp.step} has just begun: its first numbers are on their way.")
        return Judgement(
            GateVerdict.WAIT,
            f"Nobody can say how “{ramp.variant}” does: telemetry has not answered since {since:%Y-%m-%d %H:%M} UTC.",
        )


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
