"""What a verdict's row says where there is little to say."""

from __future__ import annotations

from dataclasses import replace

from andon.feedback.judge.contract import Because, Kind, Verdict
from andon.feedback.rollouts.drawing import rows_of
from andon.feedback.rollouts.model.records import MetricVerdict
from andon.feedback.rollouts.reports import metric_shape
from andon.feedback.rollouts.terminal import levels

ERRORS = MetricVerdict(
    metric="errors",
    title="Errors",
    kind=Kind.SHARE,
    unit="",
    verdict=Verdict.FAIL,
    because=Because.WORSE,
    reason="",
    canary_n=110,
    baseline_n=1129,
    canary=0.318,
    baseline=0.0,
    ratio=None,
    low=23.4,
    high=None,
    confidence=0.99,
    threshold=None,
    p=None,
    boundary=None,
    bins=(),
    against_history=False,
)


def test_a_difference_from_nothing_is_told_by_its_lower_end() -> None:
    (row,) = rows_of([ERRORS])
    assert (row.old, row.new, row.difference) == ("0 %", "31.8 %", "at least × 23.4 (99 %)")
    (unsure,) = rows_of([replace(ERRORS, low=None)])
    assert unsure.difference == "from nothing"


def test_a_level_that_is_scaled_to_the_other_says_so() -> None:
    traffic = replace(ERRORS, metric="traffic", kind=Kind.TRAFFIC, unit="/s", canary=9.2, baseline=9.5)
    plain, scaled = rows_of([ERRORS, traffic])
    assert (plain.scaled, scaled.scaled) == ("", "old scaled to the new one's share")
    assert levels(metric_shape(traffic)) == "9.5 /s → 9.2 /s (old scaled to the new one's share)"
    assert levels(metric_shape(ERRORS)) == "0 % → 31.8 %"


def test_a_difference_that_is_hardly_known_is_told_without_powers_of_ten() -> None:
    (row,) = rows_of([replace(ERRORS, ratio=3.36, low=0.0000177, high=4.72e6)])
    assert row.difference == "× 3.36 (under 0.001 to over 1,000, 99 %)"


def test_what_is_not_over_has_no_level_yet_and_what_was_not_measured_has_no_data() -> None:
    silent = replace(
        ERRORS, verdict=Verdict.INCONCLUSIVE, canary=None, baseline=None, low=None, canary_n=0, baseline_n=0
    )
    early, unmeasured = rows_of(
        [replace(silent, because=Because.TOO_EARLY), replace(silent, because=Because.NO_TELEMETRY)]
    )
    assert (early.old, early.new, early.difference) == ("not yet", "not yet", "not yet")
    assert (unmeasured.old, unmeasured.new, unmeasured.difference) == ("no data", "no data", "")
