"""What is seen of both versions from moment to moment, kept, and shown to the judge."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from andon.feedback.judge.contract import Histogram, Judge, Judgement, Observation
from andon.feedback.rollouts.mirroring import Mirroring
from andon.feedback.rollouts.model.counting import condensed, counters_of, look_of, seen_between, with_measured
from andon.feedback.rollouts.model.judging import kept
from andon.feedback.rollouts.model.pacing import Rhythm, phase_of, phase_seconds
from andon.feedback.rollouts.model.records import LookRecord, Rollout, Seen, StageRecord
from andon.feedback.rollouts.model.stages import compared, compared_share
from andon.feedback.rollouts.model.watching import judged
from andon.feedback.rollouts.ports import Measured, Side, Signals
from andon.feedback.rollouts.service import RolloutService
from andon.flow.definition.contract import PARTS
from andon.flow.environments.contract import Environments, SetId
from andon.flow.routing.contract import Router
from andon.kernel.db import Database, Reading
from andon.kernel.errors import Unavailable

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Memory:
    """What the looks of a phase were; it can be made anew from what is stored."""

    records: list[LookRecord]
    phase_began: datetime
    looked_at: datetime
    telemetry_until: int
    """Milliseconds since 1970 up to which telemetry was asked."""
    answered_at: datetime | None
    """When telemetry answered last."""
    next: int
    history: tuple[LookRecord, ...] = field(default=())


class Looking:
    """Looks, and asks the judge. Nothing is acted upon here."""

    def __init__(
        self,
        *,
        database: Database,
        service: RolloutService,
        environments: Environments,
        router: Router,
        judge: Judge,
        signals: Signals,
        mirroring: Mirroring,
        rhythm: Rhythm,
    ) -> None:
        self._database = database
        self._service = service
        self._environments = environments
        self._router = router
        self._judge = judge
        self._signals = signals
        self._mirroring = mirroring
        self._rhythm = rhythm

    def remember(self, reading: Reading, rollout: Rollout) -> Memory:
        every = self._service.looks(reading, rollout)
        phase = phase_of(rollout.stages, rollout.stage)
        records = [one for one in every if one.stage in phase]
        entered = {one.number: one for one in self._service.stages(reading, rollout)}
        began = entered[phase[0]].entered_at
        now = entered[rollout.stage].entered_at
        last = records[-1] if records else None
        return Memory(
            records=records,
            phase_began=began,
            looked_at=max(now, last.at) if last is not None else now,
            telemetry_until=last.until if last is not None and last.until else _milliseconds(began),
            answered_at=next((one.at for one in reversed(records) if one.slow), None),
            next=every[-1].number + 1 if every else 0,
            history=self._service.history(reading, rollout),
        )

    def _side(self, reading: Reading, name: SetId) -> Side:
        found = self._environments.set(reading, name)
        return Side(set=name, commit=found.commit, instances=tuple(one.id for one in found.instances))

    def _restarts(self, reading: Reading, name: SetId) -> int:
        return sum(one.restarts for one in self._environments.set(reading, name).instances)

    def look(self, rollout: Rollout, memory: Memory) -> Judgement | None:
        """What the judge says with one look more; ``None`` for the first of a stage, which only counts from there."""
        now = self._now()
        with self._database.reading() as reading:
            stage = self._service.stage(reading, rollout)
            other = compared(rollout.now, rollout.sets)
            canary, baseline = self._side(reading, rollout.set), self._side(reading, other)
            restarts = {one: self._restarts(reading, one) for one in (rollout.set, other)}
        assert stage is not None  # noqa: S101 - the loop runs in stages that were entered
        statistics = self._router.statistics()
        current = None if statistics is None else counters_of(statistics, rollout.now, rollout.sets, restarts)
        if rollout.counters is None and current is not None:
            with self._database.transaction() as tx:
                self._service.count_from(tx, rollout.id, current)
            memory.looked_at = now
            return None
        seen = (Seen(), Seen())
        if current is not None and rollout.counters is not None:
            seen = seen_between(rollout.counters, current)
        record = LookRecord(
            number=memory.next,
            stage=rollout.stage,
            at=now,
            offset=(now - memory.phase_began).total_seconds(),
            seconds=max(0.001, (now - memory.looked_at).total_seconds()),
            share=compared_share(rollout.now, rollout.sets),
            canary=seen[0],
            baseline=seen[1],
            slow=False,
            until=memory.telemetry_until,
        )
        record = self._with_telemetry(rollout, memory, record, canary, baseline)
        memory.records.append(record)
        memory.looked_at, memory.next = now, memory.next + 1
        if rollout.now.dark:
            self._mirroring.read(rollout)
        judgement = self.judged(rollout, stage, memory, now)
        with self._database.transaction() as tx:
            self._service.look(tx, rollout.id, record, current, kept(judgement, rollout.watched, now))
        return judgement

    def _with_telemetry(
        self, rollout: Rollout, memory: Memory, record: LookRecord, canary: Side, baseline: Side
    ) -> LookRecord:
        asked = [one for one in rollout.watched if one.telemetry and (one.dark or not rollout.now.dark)]
        end = _milliseconds(record.at) - round(self._rhythm.lag * 1000)
        if not asked or end - memory.telemetry_until < self._rhythm.telemetry * 1000:
            return record
        since = [one for one in [*memory.records, record] if _milliseconds(one.at) > memory.telemetry_until]
        sides = (
            _serving(canary, sum(one.canary.traffic or 0.0 for one in since)),
            _serving(baseline, sum(one.baseline.traffic or 0.0 for one in since)),
        )
        try:
            measured = self._signals.measure(
                rollout.service, rollout.environment, asked, *sides, memory.telemetry_until, end
            )
        except Unavailable as error:
            _log.warning("telemetry does not answer a rollout of %s: %s", rollout.service, error.message)
            measured = Measured({}, {})
        else:
            memory.answered_at = record.at
        memory.telemetry_until = end
        return LookRecord(
            number=record.number,
            stage=record.stage,
            at=record.at,
            offset=record.offset,
            seconds=record.seconds,
            share=record.share,
            canary=with_measured(record.canary, measured.canary),
            baseline=with_measured(record.baseline, measured.baseline),
            slow=memory.answered_at == record.at,
            until=end,
        )

    def judged(self, rollout: Rollout, stage: StageRecord, memory: Memory, now: datetime) -> Judgement:
        """What the judge says of the looks that are remembered."""
        offset = (now - memory.phase_began).total_seconds()
        plan = judged(
            rollout.watched,
            seconds=phase_seconds(rollout.stages, rollout.stage),
            dark=rollout.now.dark,
            both_phases=len({one.dark for one in rollout.stages}) > 1,
            until=offset + rollout.now.plan.seconds - stage.elapsed(now),
            since=(stage.entered_at - memory.phase_began).total_seconds(),
        )
        looks = [look_of(one, rollout.watched) for one in condensed(memory.records)]
        past = [look_of(one, rollout.watched) for one in memory.history]
        if rollout.now.plan.parts < PARTS:
            # Both get slower with the hour and the machine; what the new version does to that is seen beside the old.
            past = [replace(one, baseline=_counted(one.baseline)) for one in past]
        return self._judge.judge(plan, looks, history=past)

    def answers(self, rollout: Rollout, memory: Memory) -> bool:
        if not any(one.telemetry for one in rollout.watched):
            return True
        patience = timedelta(seconds=2 * self._rhythm.telemetry + self._rhythm.lag + self._rhythm.tick)
        return memory.answered_at is not None and self._now() - memory.answered_at <= patience

    def _now(self) -> datetime:
        return self._database.clock.now()


def _counted(seen: Mapping[str, Observation | None]) -> Mapping[str, Observation | None]:
    return {name: one for name, one in seen.items() if not isinstance(one, Histogram)}


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _serving(side: Side, requests: float) -> Side:
    return Side(set=side.set, commit=side.commit, instances=side.instances, requests=requests)
