"""A rollout with all that belongs to it, as the API, the commands and the pages show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from andon.feedback.rollouts.model.differing import Differences
from andon.feedback.rollouts.model.pacing import waits_for
from andon.feedback.rollouts.model.records import LookRecord, MetricVerdict, Rollout, StageRecord, VerdictRecord
from andon.feedback.rollouts.model.stages import audience_words
from andon.feedback.rollouts.model.tallying import Tally, counted_in, served_in, tally
from andon.feedback.rollouts.service import RolloutService
from andon.feedback.rollouts.views import (
    DifferencesShape,
    ExampleShape,
    MetricShape,
    RolloutShape,
    StageShape,
    TakeoverShape,
)
from andon.flow.definition.contract import PARTS
from andon.kernel.db import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known of a rollout at one moment."""

    rollout: Rollout
    stages: tuple[StageRecord, ...]
    looks: tuple[LookRecord, ...]
    verdict: VerdictRecord | None
    now: datetime

    @property
    def tally(self) -> Tally:
        return tally(self.rollout, self.looks)

    @property
    def current(self) -> StageRecord | None:
        return next((one for one in self.stages if one.number == self.rollout.stage), None)

    @property
    def waits_for(self) -> str:
        """Empty for one that is over."""
        record = self.current
        if self.rollout.state.ended or record is None:
            return ""
        return waits_for(
            self.rollout.now,
            elapsed=record.elapsed(self.now),
            served=counted_in(self.rollout, self.looks),
            verdict=None if self.verdict is None else self.verdict.verdict,
            because=None if self.verdict is None else self.verdict.because,
        )


def report(service: RolloutService, reading: Reading, rollout: Rollout) -> Report:
    return Report(
        rollout=rollout,
        stages=service.stages(reading, rollout),
        looks=service.looks(reading, rollout),
        verdict=service.verdict(reading, rollout),
        now=reading.now,
    )


def shape_of(one: Report, console: str) -> RolloutShape:
    rollout, verdict, counted = one.rollout, one.verdict, one.tally
    records = {record.number: record for record in one.stages}
    return RolloutShape(
        id=rollout.id,
        deployment=rollout.deployment,
        service=rollout.service,
        environment=rollout.environment,
        takeover=None
        if rollout.takeover is None
        else TakeoverShape(
            service=rollout.takeover.service,
            environment=rollout.takeover.environment,
            requests=rollout.takeover.asked,
            when=list(rollout.takeover.when),
        ),
        commit=rollout.commit,
        former=rollout.former_commit,
        state=rollout.state,
        hold=rollout.hold,
        reason=rollout.reason,
        waits_for=one.waits_for,
        stage=rollout.stage,
        stages=[
            StageShape(
                name=stage.plan.name,
                kind=stage.plan.kind,
                share=stage.plan.parts / PARTS,
                audience=[audience_words(who) for who in stage.audiences],
                seconds=stage.plan.seconds,
                requests=stage.plan.requests,
                entered_at=None if (record := records.get(number)) is None else record.entered_at,
                left_at=None if record is None else record.left_at,
                left=None if record is None else record.left,
                elapsed=0.0 if record is None else record.elapsed(one.now),
                served=round(served_in(number, one.looks)),
            )
            for number, stage in enumerate(rollout.stages)
        ],
        verdict=None if verdict is None else verdict.verdict,
        sentence="" if verdict is None else verdict.sentence,
        metrics=[] if verdict is None else [metric_shape(metric) for metric in verdict.metrics],
        differences=_differences(rollout.differences),
        smallest_harm=rollout.smallest_harm,
        proposal=rollout.proposal,
        unwatched=list(rollout.unwatched),
        requests=counted.requests,
        failed=counted.failed,
        wish=rollout.wish,
        started_at=rollout.started_at,
        ended_at=rollout.ended_at,
        address=f"{console}/rollouts/{rollout.id}",
    )


def metric_shape(metric: MetricVerdict) -> MetricShape:
    return MetricShape(
        metric=metric.metric,
        title=metric.title,
        kind=metric.kind,
        unit=metric.unit,
        verdict=metric.verdict,
        because=metric.because,
        sentence=metric.reason,
        new=metric.canary,
        old=metric.baseline,
        new_above=metric.canary_above,
        old_above=metric.baseline_above,
        new_n=metric.canary_n,
        old_n=metric.baseline_n,
        ratio=metric.ratio,
        low=metric.low,
        high=metric.high,
        confidence=metric.confidence,
    )


def _differences(found: Differences | None) -> DifferencesShape | None:
    if found is None:
        return None
    return DifferencesShape(
        pairs=found.pairs,
        differing=found.differing,
        by=dict(found.by),
        slower=found.slower,
        examples=[
            ExampleShape(method=one.method, path=one.path, differing=list(one.differing), old=one.old, new=one.new)
            for one in found.examples
        ],
    )
