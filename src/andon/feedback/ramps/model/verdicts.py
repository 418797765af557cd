"""The judge's answers as they are kept, in the words of flags."""

from __future__ import annotations

import math
from dataclasses import dataclass

from andon.feedback.judge.contract import Because, Judgement, Kind, Verdict
from andon.feedback.ramps.model.watching import metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricVerdict:
    """Numbers that are not to be had are ``None``."""

    metric: str
    title: str
    kind: Kind
    unit: str
    verdict: Verdict
    because: Because
    reason: str
    variant: float | None
    others: float | None
    variant_n: float
    others_n: float
    ratio: float | None
    low: float | None
    """The true ratio is between this and ``high`` with the confidence of 99 % for all metrics and looks at once."""
    high: float | None
    variant_above: float | None = None
    """Where the level is above what can be told apart (``variant`` is then ``None``): the last bound."""
    others_above: float | None = None


def kept(judgement: Judgement, events: tuple[str, ...], variant: str) -> tuple[MetricVerdict, ...]:
    known = {one.name: one for one in metrics(events)}
    found = []
    for one in judgement.metrics:
        effect = one.effect
        found.append(
            MetricVerdict(
                metric=one.metric,
                title=one.title,
                kind=known[one.metric].kind,
                unit=known[one.metric].unit,
                verdict=one.verdict,
                because=one.because,
                reason=worded(one.reason, variant),
                variant=None if effect is None else _finite(effect.canary),
                others=None if effect is None else _finite(effect.baseline),
                variant_n=one.n.canary,
                others_n=one.n.baseline,
                ratio=None if effect is None else _finite(effect.ratio),
                low=None if effect is None else _finite(effect.low),
                high=None if effect is None else _finite(effect.high),
                variant_above=None if effect is None else effect.canary_above,
                others_above=None if effect is None else effect.baseline_above,
            )
        )
    return tuple(found)


_WORDS = (
    ("in the old one running beside it", "with the others"),
    ("reached the new version", "were served “{}”"),
    ("how many should have is not known", "how many should have been is not known"),
    ("of the new version", "with “{}”"),
    ("of the old version", "with the others"),
    ("in the new version", "with “{}”"),
    ("The new version", "“{}”"),
    ("the new version", "“{}”"),
    ("what the new one would do", "what “{}” would do"),
    ("one of the versions", "one of the groups"),
    ("both versions", "both groups"),
    ("an old version beside it", "a group without it"),
)


def worded(sentence: str, variant: str) -> str:
    """The judge speaks of versions: here the new one is who gets the variant, and the old one who does not."""
    for version, group in _WORDS:
        sentence = sentence.replace(version, group.format(variant))
    return sentence


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
