"""What a ramp's row says where a level has no number."""

from __future__ import annotations

from datetime import UTC, datetime

from andon.feedback.judge.contract import Counts, Histogram, Judgement, Look, Traffic
from andon.feedback.judge.service import Statistics
from andon.feedback.ramps.drawing import shown
from andon.feedback.ramps.model.verdicts import MetricVerdict, kept
from andon.feedback.ramps.model.watching import plan
from andon_flags.watching import BOUNDS
from tests.feedback.ramps.test_sides import RAMP


def judged(*, beyond: float) -> Judgement:
    """As many requests of the variant as that took longer than the client's last bound."""
    fast = (100.0, *(0.0 for _ in BOUNDS))
    slow = (100.0 - beyond, *(0.0 for _ in BOUNDS[1:]), beyond)

    def arm(durations: tuple[float, ...]) -> dict[str, Counts | Histogram | Traffic]:
        told = Histogram(tuple(float(one) for one in BOUNDS), durations)
        latencies = {f"latency-p{quantile}": told for quantile in (50, 95, 99)}
        return {"errors": Counts(0, 100), "traffic": Traffic(100), **latencies}

    looks = [Look(at=at, seconds=2, share=0.5, canary=arm(slow), baseline=arm(fast)) for at in range(2, 42, 2)]
    return Statistics().judge(plan((), seconds=60, since=0, until=60, silence=30), looks)


def test_a_latency_above_the_last_bound_is_told_as_more_and_traffic_that_is_scaled_as_such() -> None:
    found = {one.metric: one for one in kept(judged(beyond=30), (), "on")}
    p99: MetricVerdict = found["latency-p99"]
    assert (p99.variant, p99.variant_above, p99.others_above) == (None, 10_000, None)
    assert "more than 10,000 ms with “on”" in p99.reason
    one = shown(RAMP, said="", metrics=tuple(found.values()), requests=0, failed=0, at=datetime(2027, 1, 1, tzinfo=UTC))
    rows = {row.title: row for row in one.rows}
    assert rows["Latency (p99)"].variant == "more than 10,000 ms"
    assert rows["Latency (p99)"].others.endswith(" ms")
    assert (rows["Traffic"].variant, rows["Traffic"].others) == ("50 /s", "50 /s (scaled to its share)")
