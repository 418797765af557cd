"""The shapes in which the API speaks of judged ramps."""

from __future__ import annotations

from datetime import datetime

import msgspec

from andon.feedback.judge.contract import Because, Kind, Verdict


class RampMetric(msgspec.Struct, kw_only=True):
    """Levels are in ``unit``; ``low`` and ``high`` hold the ratio of those who get the variant to the others with a
    confidence of 99 %, for everything that is watched and every look at once. Of ``traffic``, ``others`` is scaled
    to the share of those who get the variant."""

    metric: str
    title: str
    kind: Kind
    unit: str
    verdict: Verdict
    because: Because
    reason: str
    variant: float | None
    others: float | None
    variant_above: float | None
    """Where ``variant`` is null because it lies above the last bound up to which values are told apart: that bound."""
    others_above: float | None
    variant_n: float
    others_n: float
    ratio: float | None
    low: float | None
    high: float | None


class RampVerdict(msgspec.Struct, kw_only=True):
    """What the judge said last of a ramp. ``verdict`` is null while nobody has looked, and where nobody does."""

    ramp: str
    flag: str
    variant: str
    judged: bool
    step: int
    verdict: Verdict | None
    sentence: str
    requests: int
    """Of those who were served the variant, in the whole ramp."""
    failed: int
    at: datetime | None
    metrics: list[RampMetric]
