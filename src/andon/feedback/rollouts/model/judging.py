"""The judge's answers as they are kept and told."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from andon.feedback.judge.contract import Because, Judgement, MetricJudgement, Verdict
from andon.feedback.rollouts.model.records import BinRecord, MetricVerdict, VerdictRecord, Watched

BOTH = "Both versions do worse than before, so the cause may not be the new one"


def kept(judgement: Judgement, watched: Sequence[Watched], now: datetime) -> VerdictRecord:
    known = {one.name: one for one in watched}
    return VerdictRecord(
        verdict=judgement.verdict,
        because=judgement.because,
        sentence=judgement.sentence,
        looks=judgement.looks,
        metrics=tuple(_metric(one, known[one.metric]) for one in judgement.metrics if one.metric in known),
        at=now,
    )


def told(judgement: Judgement) -> str:
    """Why a version was taken back: the sentence of the metric that says it, and whether both are worse."""
    cause = next((one for one in judgement.metrics if one.verdict is Verdict.FAIL), None)
    said = judgement.sentence if cause is None else cause.reason
    if judgement.because in {Because.BOTH_WORSE, Because.BOTH_BROKEN} and not re.search(
        "oth (versions|services)", said
    ):
        return f"{BOTH}. {said}"
    return said


def of_services(judgement: Judgement) -> Judgement:
    """The same in words of two services, not of two versions of one."""
    metrics = tuple(replace(one, reason=said_of_services(one.reason)) for one in judgement.metrics)
    return replace(judgement, sentence=said_of_services(judgement.sentence), metrics=metrics)


def said_of_services(text: str) -> str:
    return text.replace("he new version", "he new service").replace("oth versions", "oth services")


def _metric(one: MetricJudgement, watched: Watched) -> MetricVerdict:
    effect, evidence = one.effect, one.evidence
    return MetricVerdict(
        metric=one.metric,
        title=watched.title,
        kind=watched.kind,
        unit=watched.unit,
        verdict=one.verdict,
        because=one.because,
        reason=one.reason,
        canary_n=one.n.canary,
        baseline_n=one.n.baseline,
        canary=None if effect is None else finite(effect.canary),
        baseline=None if effect is None else finite(effect.baseline),
        ratio=None if effect is None else finite(effect.ratio),
        low=None if effect is None else finite(effect.low),
        high=None if effect is None else finite(effect.high),
        confidence=0.99 if effect is None else effect.confidence,
        threshold=None if effect is None else finite(effect.threshold),
        p=None if evidence is None else finite(evidence.p),
        boundary=None if evidence is None else finite(evidence.boundary),
        bins=tuple(
            BinRecord(low=bin.low, high=finite(bin.high), canary=bin.canary, baseline=bin.baseline)
            for bin in one.bins
            if math.isfinite(bin.low)
        ),
        against_history=one.against_history,
        canary_above=None if effect is None else effect.canary_above,
        baseline_above=None if effect is None else effect.baseline_above,
    )


def finite(value: float | None) -> float | None:
    """What JSON can say."""
    return value if value is not None and math.isfinite(value) else None
