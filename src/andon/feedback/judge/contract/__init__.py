"""What others may know of the judge: what it is shown, what it answers, and how it is asked.

``Judge.judge`` takes a plan and every look so far and answers anew each time; nothing is kept between two calls. So
it may be asked again after a crash, and the page shows what the workflow acted on.
"""

from __future__ import annotations

from andon.feedback.judge.contract.harms import Expected, Foresight, Proposal, Visible
from andon.feedback.judge.contract.looks import Counts, Gauges, Histogram, Look, Observation, Samples, Traffic
from andon.feedback.judge.contract.plans import Direction, Kind, Metric, Plan
from andon.feedback.judge.contract.questions import Judge
from andon.feedback.judge.contract.verdicts import (
    Arms,
    Because,
    Bin,
    Effect,
    Evidence,
    Judgement,
    MetricJudgement,
    Verdict,
)

__all__ = [
    "Arms",
    "Because",
    "Bin",
    "Counts",
    "Direction",
    "Effect",
    "Evidence",
    "Expected",
    "Foresight",
    "Gauges",
    "Histogram",
    "Judge",
    "Judgement",
    "Kind",
    "Look",
    "Metric",
    "MetricJudgement",
    "Observation",
    "Plan",
    "Proposal",
    "Samples",
    "Traffic",
    "Verdict",
    "Visible",
]
