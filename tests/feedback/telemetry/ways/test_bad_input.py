"""Every kind of bad input through every way in that it can take, before one real store.

What cannot be kept is counted by its way and reason; whatever came, a sound sample of the same way is stored after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import grpc  # type: ignore[import-untyped]  # grpcio carries no types
import pytest
from google.protobuf.json_format import MessageToJson  # type: ignore[import-untyped]  # carries no types
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from andon.feedback.telemetry.contract.intake import Dropped, Way
from andon.feedback.telemetry.store.offenders import Offender, offenders
from andon.feedback.telemetry.ways.otlp.answers import Signal
from tests.feedback.telemetry.ways import everything
from tests.feedback.telemetry.ways.everything import LIMIT, METRICS, PROTOBUF, Everything, Sending, Sent, stored, taken
from tests.feedback.telemetry.ways.otlp_messages import attribute, gauge, metrics
from tests.feedback.telemetry.ways.places import DAY, NOW, until
from tests.feedback.telemetry.ways.remote_write_messages import HEADERS, sample, series, snappy

MINUTE = 60_000
JSON = {"content-type": "application/json"}

PROMETHEUS = {Way.REMOTE_WRITE, Way.SCRAPE}
"""NaN and infinities are values there."""


@pytest.fixture(params=METRICS)
def metric(request: pytest.FixtureRequest) -> tuple[str, Sending, Way]:
    send, way = METRICS[request.param]
    return str(request.param).replace(" ", "_"), send, way


Metric = tuple[str, Sending, Way]


# Metrics


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda name: Sent(name + "n" * 10_000), id="a name of 10 kB"),
        pytest.param(lambda name: Sent(name, labels={"user": "v" * 10_000}), id="a value of 10 kB"),
        pytest.param(lambda name: Sent(name, labels={"l" * 10_000: "v"}), id="a label of 10 kB"),
    ],
)
def test_a_name_label_or_value_of_10_kb_is_refused_and_counted(
    all_: Everything, metric: Metric, bad: Callable[[str], Sent]
) -> None:
    name, send, way = metric
    # lines of StatsD have an end, datagram or not
    why = Dropped.TOO_LARGE if way is Way.STATSD else Dropped.NAME
    with all_.dropping(way, why):
        send(all_, bad(f"long_{name}"))
    stored(all_, send, Sent(f"long_{name}_after"))
    assert all_.values(f"long_{name}") == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinities_are_dropped_where_they_mean_nothing_and_kept_where_prometheus_does(
    all_: Everything, metric: Metric, value: float
) -> None:
    name, send, way = metric
    sent = Sent(f"unreal_{name}_{str(value).replace('-', 'minus_')}", value)
    with all_.dropping(way, None if way in PROMETHEUS else Dropped.NOT_A_NUMBER):
        send(all_, sent)
        if way in PROMETHEUS:
            until(lambda: len(all_.values(sent.name)) == 1)
    assert [repr(one) for one in all_.values(sent.name)] == ([repr(value)] if way in PROMETHEUS else [])
    stored(all_, send, Sent(f"{sent.name}_after"))


def test_a_negative_counter_is_kept_where_it_may_be_one_and_refused_where_it_is_said_to_grow(
    all_: Everything, metric: Metric
) -> None:
    name, send, way = metric
    sent = Sent(f"negative_{name}_total", -5.0, total=True)
    with all_.dropping(way, Dropped.MALFORMED if way is Way.OTLP else None):
        send(all_, sent)
        if way is not Way.OTLP:
            until(lambda: all_.values(sent.name) == [-5.0])
    stored(all_, send, Sent(f"negative_{name}_after_total", 5.0, total=True))


@pytest.mark.parametrize("time", [0, 4_102_444_800_000], ids=["1970", "2100"])
def test_times_of_1970_and_2100_are_refused_and_counted(all_: Everything, metric: Metric, time: int) -> None:
    name, send, way = metric
    sent = Sent(f"far_{name}_{time}", time=time)
    with all_.dropping(way, Dropped.TIME):
        send(all_, sent)
    stored(all_, send, Sent(f"{sent.name}_after"))
    assert all_.values(sent.name) == []


@pytest.mark.parametrize(
    ("skew", "kept"), [(9 * MINUTE, True), (11 * MINUTE, False), (-6 * DAY, True), (-8 * DAY, False)]
)
def test_a_clock_that_is_somewhat_off_is_believed_and_one_that_is_far_off_is_counted(
    all_: Everything, metric: Metric, skew: int, kept: bool
) -> None:
    name, send, way = metric
    sent = Sent(f"skewed_{name}_{'in' if kept else 'out'}_{abs(skew)}", time=NOW + skew)
    with all_.dropping(way, None if kept else Dropped.TIME):
        send(all_, sent)
        if kept:
            until(lambda: all_.values(sent.name) == [1.0])


def test_two_clients_that_disagree_about_a_type_are_not_mixed_whatever_ways_they_take(
    all_: Everything, metric: Metric
) -> None:
    name, send, way = metric
    counted = f"disputed_{name}"
    all_.statsd_line(f"{counted}:1|ms|#{_labels(way)}".encode())
    until(lambda: all_.values(counted) == [1.0])
    for _ in range(3):  # nor later, when a client no longer says what its series are
        with all_.dropping(way, Dropped.KIND):
            send(all_, Sent(counted, 7.0))
    assert all_.values(counted) == [1.0]
    all_.statsd_line(f"{counted}:2|ms|#{_labels(way)}".encode())
    until(lambda: all_.values(counted) == [1.0, 2.0])


def _labels(way: Way) -> str:
    """Those that this way's samples have in the helpers, so that both mean the same series."""
    if way is not Way.OTLP:
        return "service:shop"
    return "service:shop,environment:production,version:0123456,instance:one"


def test_a_label_with_more_values_than_a_service_may_have_is_named_and_others_go_on(
    all_: Everything, metric: Metric
) -> None:
    name, send, way = metric
    # of a service of its own for each way: what one has filled up is full for the day
    service = f"greedy-{name.replace('_', '-')}"
    greedy = _many(all_, send, service, LIMIT + 20)
    too_many = 20 + (3 if way is Way.SCRAPE else 0)  # what the scraper says of its target comes last
    with all_.dropping(way, Dropped.CARDINALITY, too_many):
        greedy()
    assert all_.drops.counts().dropped[way, Dropped.CARDINALITY, service] == too_many

    def crowded() -> list[Offender]:
        return [one for one in offenders(all_.engine, LIMIT, lambda: NOW) if one.service == service and one.full]

    until(lambda: len(crowded()) == 1)
    (found,) = crowded()
    assert (found.names[0].label, found.names[0].values) == ("user", LIMIT)
    stored(all_, send, Sent(f"modest_{name}"))


def _many(all_: Everything, send: Sending, service: str, count: int) -> Callable[[], None]:
    users = range(count)
    of = Resource(attributes=[attribute("service.name", service)])
    exported = metrics(*(gauge("visits", 1, user=f"u{user}") for user in users), of=of)

    def statsd(*, tcp: bool) -> None:
        for begin in range(0, count, 200):
            some = users[begin : begin + 200]
            raw = b"\n".join(f"visits:1|g|#service:{service},user:u{user}".encode() for user in some)
            all_.statsd_line(raw, tcp=tcp)

    def remote() -> None:
        body = b"".join(series("visits", sample(1), service=service, user=f"u{user}") for user in users)
        assert all_.post("/api/v1/write", snappy(body), HEADERS).status_code == 400

    def scraped() -> None:
        page = "".join(f'visits{{user="u{user}"}} 1\n' for user in users).encode()
        all_.scrape(page, service=service)

    ways: dict[Sending, Callable[[], None]] = {
        everything.by_statsd: lambda: statsd(tcp=False),
        everything.by_statsd_over_tcp: lambda: statsd(tcp=True),
        everything.by_otlp: lambda: taken(all_.post("/v1/metrics", exported.SerializeToString(), PROTOBUF)),
        everything.by_otlp_json: lambda: taken(all_.post("/v1/metrics", MessageToJson(exported).encode(), JSON)),
        everything.by_otlp_grpc: lambda: _called(all_.call(Signal.METRICS, exported.SerializeToString())),
        everything.by_remote_write: remote,
        everything.by_scrape: scraped,
        everything.by_graphite: lambda: all_.line(
            all_.plain, b"\n".join(f"visits;service={service};user=u{user} 1 N".encode() for user in users)
        ),
    }
    return ways[send]


def _called(code: grpc.StatusCode) -> None:
    assert code is grpc.StatusCode.OK
