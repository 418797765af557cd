from __future__ import annotations

import struct

import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    Summary,
    SummaryDataPoint,
)

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.metrics import Kind, Level
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.ways.gathering import Origin, hand_over
from andon.feedback.telemetry.ways.known import Known
from andon.feedback.telemetry.ways.otlp.exponential import MOST_BUCKETS, buckets
from andon.feedback.telemetry.ways.otlp.metrics import MetricsDecoder, Reading
from andon.feedback.telemetry.ways.otlp.names import prometheus_name
from andon.feedback.telemetry.ways.stale import STALE_BITS
from tests.feedback.telemetry.ways.otlp_messages import COMMIT, DELTA, counter, gauge, metrics, resource
from tests.feedback.telemetry.ways.places import NOW, window


class Sent:
    """Requests decoded and handed over, one after the other."""

    def __init__(self) -> None:
        self.intake = MemoryIntake()
        self.decoder = MetricsDecoder(Known(self.intake.knows), window())

    def __call__(self, request: ExportMetricsServiceRequest, origin: Origin | None = None) -> Reading:
        reading = self.decoder.read(request, origin)
        hand_over(self.intake, reading.gathering).result()
        self.decoder.stored(reading)
        return reading


@pytest.mark.parametrize(
    ("sent", "unit", "monotonic", "gauge_", "name"),
    [
        ("http.server.request.duration", "s", False, False, "http_server_request_duration_seconds"),
        ("http.server.active_requests", "{request}", False, False, "http_server_active_requests"),
        ("system.memory.usage", "By", False, False, "system_memory_usage_bytes"),
        ("requests", "", True, False, "requests_total"),
        ("requests_total", "", True, False, "requests_total"),
        ("disk.io", "By", True, False, "disk_io_bytes_total"),
        ("system.cpu.utilization", "1", False, True, "system_cpu_utilization_ratio"),
        ("speed", "m/s", False, True, "speed_meters_per_second"),
        ("queue.seconds", "s", False, True, "queue_seconds"),
        ("2xx", "", False, True, "_2xx"),
        ("a..b//c", "", False, True, "a_b_c"),
    ],
)
def test_names_and_units_follow_the_compatibility_rules(
    sent: str, unit: str, monotonic: bool, gauge_: bool, name: str
) -> None:
    assert prometheus_name(sent, unit, monotonic=monotonic, gauge=gauge_) == name


def test_a_resource_becomes_four_labels_and_one_target_info() -> None:
    sent = Sent()
    sent(metrics(gauge("queue.length", 3), of=resource(host_name="web-1"), scope="my.scope"))
    queue, info = sent.intake.series
    assert queue.name == "queue_length"
    assert queue.path == "queue.length"
    assert dict(queue.labels) == {
        "service": "shop",
        "environment": "production",
        "version": COMMIT[:7],
        "instance": "one",
        "otel_scope_name": "my.scope",
    }
    assert info.name == "target_info"
    assert info.label("host_name") == "web-1"
    assert info.label("service") == "shop"


def test_the_origin_of_a_socket_is_believed_whatever_is_claimed() -> None:
    sent = Sent()
    sent(metrics(gauge("a", 1, service="bank")), Origin(service="till", environment="staging"))
    (series,) = sent.intake.series
    assert (series.label("service"), series.label("environment")) == ("till", "staging")
    assert series.label("exported_service") == "bank"
    assert series.label("version") == COMMIT[:7]


def test_kinds_follow_type_and_temporality() -> None:
    sent = Sent()
    sent(
        metrics(
            gauge("g", 1.5),
            counter("c", 2),
            counter("updown", 3, monotonic=False),
            counter("d", 4, temporality=DELTA),
        )
    )
    assert {one.name: one.kind for one in sent.intake.series} == {
        "g": Kind.GAUGE,
        "c_total": Kind.COUNTER,
        "updown": Kind.GAUGE,
        "d_total": Kind.DELTA,
    }
    assert sent.intake.samples("g") == [(NOW, 1.5)]
    assert sent.intake.samples("d_total") == [(NOW, 4.0)]


def test_a_sender_says_the_level_and_runtimes_are_infrastructure() -> None:
    sent = Sent()
    sent(metrics(gauge("orders", 1, andon_level="business"), gauge("process.cpu.time", 2), gauge("cart", 3)))
    assert {one.name: one.level for one in sent.intake.series} == {
        "orders": Level.BUSINESS,
        "process_cpu_time": Level.INFRASTRUCTURE,
        "cart": Level.APPLICATION,
    }


def test_a_histogram_becomes_cumulative_buckets_with_exemplars() -> None:
    point = HistogramDataPoint(
        time_unix_nano=NOW * 1_000_000,
        count=6,
        sum=7.5,
        bucket_counts=[1, 2, 3],
        explicit_bounds=[0.5, 1],
        exemplars=[
            Exemplar(time_unix_nano=NOW * 1_000_000, as_double=0.7, trace_id=b"\x01" * 16, span_id=b"\x02" * 8),
            Exemplar(time_unix_nano=NOW * 1_000_000, as_double=0.7),
        ],
    )
    sent = Sent()
    histogram = Histogram(data_points=[point], aggregation_temporality=2)  # type: ignore[arg-type]  # cumulative
    sent(metrics(Metric(name="took", unit="s", histogram=histogram)))
    assert [sent.intake.samples("took_seconds_bucket", le=bound)[0][1] for bound in ("0.5", "1", "+Inf")] == [1, 3, 6]
    assert sent.intake.samples("took_seconds_sum") == [(NOW, 7.5)]
    assert sent.intake.samples("took_seconds_count") == [(NOW, 6.0)]
    assert {one.kind for one in sent.intake.series} == {Kind.COUNTER}
    (exemplar,) = sent.intake.exemplars
    assert (exemplar.trace, exemplar.span) == ("01" * 16, "02" * 8)
    (bucket,) = [one for one in sent.intake.series if one.id == exemplar.series]
    assert bucket.label("le") == "1"


def test_a_delta_histogram_is_of_deltas() -> None:
    point = HistogramDataPoint(time_unix_nano=NOW * 1_000_000, count=1, bucket_counts=[1])
    sent = Sent()
    histogram = Histogram(data_points=[point], aggregation_temporality=1)  # type: ignore[arg-type]  # delta
    sent(metrics(Metric(name="took", histogram=histogram)))
    assert {(one.name, one.kind) for one in sent.intake.series} == {
        ("took_count", Kind.DELTA),
        ("took_bucket", Kind.DELTA),
    }


def _exponential(scale: int, offset: int, counts: list[int], zero: int = 0) -> ExponentialHistogramDataPoint:
    buckets_ = ExponentialHistogramDataPoint.Buckets(offset=offset, bucket_counts=counts)
    return ExponentialHistogramDataPoint(
        time_unix_nano=NOW * 1_000_000, scale=scale, positive=buckets_, zero_count=zero, count=sum(counts) + zero
    )


def test_exponential_buckets_have_the_bounds_of_their_scale() -> None:
    assert buckets(_exponential(0, 0, [1, 2, 4])) == [(2.0, 1), (4.0, 2), (8.0, 4)]
    assert buckets(_exponential(1, 1, [5], zero=3)) == [(0.0, 3), (2.0, 5)]
    negative = _exponential(0, 0, [1])
    negative.negative.offset = 1
    negative.negative.bucket_counts.append(7)
    assert buckets(negative) == [(-2.0, 7), (0.0, 0), (2.0, 1)]


def test_fine_and_wide_exponential_histograms_are_merged_without_losing_a_count() -> None:
    fine = buckets(_exponential(20, 1_000_000, [1] * 160))
    assert len(fine) <= 2
    assert sum(count for _, count in fine) == 160
    wide = buckets(_exponential(3, -5000, [1] * 9000))
    assert len(wide) <= MOST_BUCKETS
    assert sum(count for _, count in wide) == 9000
    bounds = [bound for bound, _ in wide]
    assert bounds == sorted(bounds)


def test_bounds_do_not_depend_on_the_scale_they_came_with() -> None:
    at_five = {bound for bound, _ in buckets(_exponential(5, 0, [1] * 96))}
    at_three = {bound for bound, _ in buckets(_exponential(3, 0, [1] * 24))}
    assert at_five == at_three


def test_an_exponential_histogram_is_a_histogram() -> None:
    sent = Sent()
    histogram = ExponentialHistogram(
        data_points=[_exponential(0, 0, [1, 2])],
        aggregation_temporality=2,  # type: ignore[arg-type]  # cumulative
    )
    sent(metrics(Metric(name="took", exponential_histogram=histogram)))
    assert [sent.intake.samples("took_bucket", le=bound)[0][1] for bound in ("2", "4", "+Inf")] == [1, 3, 3]


def test_a_summary_has_quantiles() -> None:
    point = SummaryDataPoint(
        time_unix_nano=NOW * 1_000_000,
        count=9,
        sum=4.5,
        quantile_values=[SummaryDataPoint.ValueAtQuantile(quantile=0.99, value=1.25)],
    )
    sent = Sent()
    sent(metrics(Metric(name="took", summary=Summary(data_points=[point]))))
    assert sent.intake.samples("took", quantile="0.99") == [(NOW, 1.25)]
    assert {one.name: one.kind for one in sent.intake.series} == {
        "took": Kind.GAUGE,
        "took_sum": Kind.COUNTER,
        "took_count": Kind.COUNTER,
    }


def test_a_new_beginning_of_a_sum_is_a_zero() -> None:
    sent = Sent()
    sent(metrics(counter("c", 100, start=NOW - 60_000, time=NOW - 30_000)))
    sent(metrics(counter("c", 150, start=NOW - 60_000, time=NOW - 20_000)))
    sent(metrics(counter("c", 200, start=NOW - 15_000, time=NOW)))
    assert sorted(sent.intake.samples("c_total")) == [
        (NOW - 60_000, 0.0),
        (NOW - 30_000, 100.0),
        (NOW - 20_000, 150.0),
        (NOW - 15_000, 0.0),
        (NOW, 200.0),
    ]


def test_no_recorded_value_is_prometheus_mark_of_the_end() -> None:
    sent = Sent()
    sent(metrics(gauge("g", 0, flags=1)))
    (batch,) = sent.intake.batches
    assert struct.unpack("<Q", np.asarray(batch.values, np.float64).tobytes()) == (STALE_BITS,)


def test_what_cannot_be_taken_in_is_rejected_with_its_reason_and_the_rest_is_taken() -> None:
    sent = Sent()
    reading = sent(
        metrics(
            gauge("fine", 1),
            gauge("no", float("nan"), float("inf")),
            gauge("old", 1, time=0),
            gauge("future", 1, time=NOW + 3_600_000),
            gauge("y2100", 1, time=4_102_444_800_000),
            gauge("n" * 10_000, 1),
            gauge("", 1),
            gauge("tag", 1, long="v" * 2000),
            Metric(name="empty"),
            Metric(name="no temporality", histogram=Histogram(data_points=[HistogramDataPoint()])),
        )
    )
    assert [one.name for one in sent.intake.series] == ["fine"]
    assert reading.rejected == 10
    assert reading.points == 11
    counts = {why: sent.intake.count(why) for why in Dropped if sent.intake.count(why)}
    assert counts == {Dropped.NOT_A_NUMBER: 2, Dropped.TIME: 3, Dropped.NAME: 3, Dropped.MALFORMED: 2}


def test_series_are_named_once_and_again_when_the_store_has_forgotten_them() -> None:
    sent = Sent()
    for value in (1, 2):
        sent(metrics(gauge("g", value)))
    assert [len(batch.series) for batch in sent.intake.batches] == [1, 0]
    sent.intake.forget()
    sent(metrics(gauge("g", 3)))
    assert len(sent.intake.batches[-1].series) == 1


def test_series_of_a_batch_that_was_refused_are_named_again() -> None:
    sent = Sent()
    sent.decoder.read(metrics(gauge("g", 1)), None)
    sent(metrics(gauge("g", 2)))
    assert len(sent.intake.batches[0].series) == 1


def test_the_same_attributes_of_another_type_are_told_apart() -> None:
    first, second = gauge("g", 1, a="1").gauge.data_points[0], gauge("g", 2, a="1").gauge.data_points[0]
    second.attributes[0].value.int_value = 2
    sent = Sent()
    sent(metrics(Metric(name="g", gauge=Gauge(data_points=[first, second]))))
    assert len(sent.intake.series) == 2


def test_malformed_histograms_are_refused_alone() -> None:
    bad = [
        HistogramDataPoint(time_unix_nano=NOW * 1_000_000, bucket_counts=[1, 2], explicit_bounds=[1, 2, 3]),
        HistogramDataPoint(time_unix_nano=NOW * 1_000_000, bucket_counts=[1, 2, 3], explicit_bounds=[2, 1]),
        HistogramDataPoint(
            time_unix_nano=NOW * 1_000_000, bucket_counts=[0] * 2001, explicit_bounds=[float(i) for i in range(2000)]
        ),
    ]
    sent = Sent()
    histogram = Histogram(data_points=bad, aggregation_temporality=2)  # type: ignore[arg-type]  # cumulative
    reading = sent(metrics(Metric(name="h", histogram=histogram)))
    assert reading.rejected == 3
    exponential = ExponentialHistogram(
        data_points=[_exponential(99, 0, [1]), _exponential(0, 2**31 - 1, [1]), _exponential(0, 0, [1] * 20_000)],
        aggregation_temporality=2,  # type: ignore[arg-type]  # cumulative
    )
    assert sent(metrics(Metric(name="e", exponential_histogram=exponential))).rejected == 3
