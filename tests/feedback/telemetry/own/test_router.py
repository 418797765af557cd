"""What the router counts becomes rate, errors and duration of every version."""

from __future__ import annotations

import numpy as np

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.metrics import Kind, Level
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.own.router import Places, RouterMetrics, estimated_sum
from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import RouterStatistics, SetStatistics
from tests.flow.installation import Installation

TIMES = ((0.5, 0), (10.0, 90), (250.0, 100))


class Router:
    """The router as it answers; time goes on by five seconds a round."""

    def __init__(self, local: Installation) -> None:
        self.local = local
        self.intake = MemoryIntake()
        self.now = 0
        self.answers = True
        self.metrics = RouterMetrics(
            self.intake,
            statistics=lambda: self.local.plane.statistics() if self.answers else None,
            places=Places(local.environments, local.database.reading),
            now=lambda: self.now,
        )

    def round(self, *sets: SetStatistics, failed_writes: int = 0) -> None:
        self.now += 5000
        self.local.plane.counted = RouterStatistics(sets=sets, failed_writes=failed_writes)
        self.metrics.round()


def deployed(local: Installation) -> SetId:
    local.deploy(local.built(), environment="acceptance")
    live = local.place("acceptance").live
    assert live is not None
    return live.id


def test_each_set_tells_of_its_requests_by_service_environment_version_and_class(local: Installation) -> None:
    one = deployed(local)
    router = Router(local)
    router.round(
        SetStatistics(
            set=one,
            requests=101,
            answers={2: 97, 5: 3},
            active=1,
            pending=2,
            connection_failures=4,
            retried=5,
            times=TIMES,
        ),
        SetStatistics(set=SetId("set_unknown"), requests=7, answers={2: 7}),
    )
    where = {"service": "store", "environment": "acceptance", "version": local.commit_of(one)[:7]}
    intake = router.intake
    assert intake.samples("andon_requests_total", code_class="2xx", **where) == [(5000, 97)]
    assert intake.samples("andon_requests_total", code_class="5xx", **where) == [(5000, 3)]
    assert intake.samples("andon_requests_total", code_class="4xx", **where) == [(5000, 0)]
    assert intake.samples("andon_requests_active", **where) == [(5000, 1)]
    assert intake.samples("andon_requests_pending", **where) == [(5000, 2)]
    assert intake.samples("andon_connect_failures_total", **where) == [(5000, 4)]
    assert intake.samples("andon_request_retries_total", **where) == [(5000, 5)]
    buckets = {
        series.label("le"): intake.samples(series.name, le=series.label("le"))[0][1]
        for series in intake.series
        if series.name == "andon_request_duration_seconds_bucket"
    }
    assert buckets == {"0.0005": 0, "0.01": 90, "0.25": 100, "+Inf": 100}
    assert intake.samples("andon_request_duration_seconds_count") == [(5000, 100)]
    ((_, total),) = intake.samples("andon_request_duration_seconds_sum")
    assert np.isclose(total, (90 * 5.25 + 10 * 130) / 1000)
    assert {one.level for one in intake.series} == {Level.APPLICATION}
    assert {one.kind for one in intake.series if one.name.endswith(("_total", "_bucket", "_sum", "_count"))} == {
        Kind.COUNTER
    }
    assert {one.label("service") for one in intake.series} == {"store"}


def test_the_first_requests_of_a_new_version_are_growth_from_nothing(local: Installation) -> None:
    old, new = deployed(local), deployed(local)
    router = Router(local)
    router.round(SetStatistics(set=old, requests=50, answers={2: 50}))
    router.round(
        SetStatistics(set=old, requests=60, answers={2: 60}), SetStatistics(set=new, requests=3, answers={5: 3})
    )
    first = (
        SetStatistics(set=old, requests=70, answers={2: 70}),
        SetStatistics(set=new, requests=4, answers={5: 4}, times=TIMES),
    )
    router.round(*first)
    assert router.intake.samples("andon_requests_total", set=new, code_class="5xx") == [
        (5000, 0),
        (10_000, 3),
        (15_000, 4),
    ]
    assert router.intake.samples("andon_requests_total", set=old, code_class="2xx") == [
        (5000, 50),  # it was there before anybody looked: nobody knows when these were
        (10_000, 60),
        (15_000, 70),
    ]
    # the times of requests are told later than the requests
    assert router.intake.samples("andon_request_duration_seconds_count", set=new) == [(10_000, 0), (15_000, 100)]


def test_after_a_while_in_which_the_router_could_not_be_asked_nothing_is_taken_for_new(local: Installation) -> None:
    one = deployed(local)
    router = Router(local)
    router.round()
    router.answers = False
    router.round()
    router.answers = True
    router.round(SetStatistics(set=one, requests=1000, answers={2: 1000}))
    assert router.intake.samples("andon_requests_total", code_class="2xx") == [(15_000, 1000)]


def test_lines_that_the_access_log_had_no_room_for_are_counted(local: Installation) -> None:
    router = Router(local)
    for failed_writes in (5, 5, 12, 3, 4):  # it was started anew before the fourth
        router.round(failed_writes=failed_writes)
    assert router.intake.count(Dropped.FULL) == 8


def test_the_sum_of_times_lies_between_the_bounds_of_their_buckets() -> None:
    assert estimated_sum(()) == 0
    assert estimated_sum(((1000.0, 4),)) == 2.0
    assert 1.0 < estimated_sum(((1000.0, 0), (2000.0, 1))) < 2.0
