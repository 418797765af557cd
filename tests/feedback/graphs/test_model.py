"""Ranges, units, panels from series, causes from events, questions from choices: all pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from andon.feedback.graphs.contract import Annotated, AnnotationId, CauseKind, DashboardName
from andon.feedback.graphs.model.answers import Columns, Drawn, colours_of, figures, names_of
from andon.feedback.graphs.model.causes import Cause, cause_of, chosen
from andon.feedback.graphs.model.editing import Choices, functions_for, question
from andon.feedback.graphs.model.exemplars import MOST as MOST_MARKS
from andon.feedback.graphs.model.exemplars import Mark, mark_of, part_of
from andon.feedback.graphs.model.exemplars import chosen as chosen_marks
from andon.feedback.graphs.model.panels import Dashboard, Panel, PanelKind, Query, legend_of
from andon.feedback.graphs.model.ranges import DAY, HOUR, MINUTE, SECOND, range_of, step_for
from andon.feedback.graphs.model.rules import level_panels, value_unit
from andon.feedback.graphs.model.units import said
from andon.feedback.graphs.picture import picture, sentence
from andon.feedback.promql.parsing import parse
from andon.feedback.telemetry.contract.levels import LEVELS
from andon.feedback.telemetry.contract.metrics import Exemplar, Kind, Level, Series, canonical, series_id
from andon.flow.deployments.contract import DeploymentState
from andon.kernel.access import PersonId
from andon.kernel.errors import Invalid
from andon.kernel.events import ANDON, Actor, ActorKind, Envelope, Event
from tests.feedback.graphs.shop import STORE, Shop, finished

NOW = 1_795_000_000_000


def series(name: str, kind: Kind, level: Level = Level.BUSINESS, unit: str = "", **labels: str) -> Series:
    told = canonical({"service": "store", **labels})
    return Series(id=series_id(name, told), name=name, labels=told, kind=kind, level=level, unit=unit)


def envelope(happened: Event, who: Actor = ANDON) -> Envelope:
    return Envelope(
        position=1,
        id="ev_1",
        type=happened.type,
        at=datetime.fromtimestamp(NOW / 1000, UTC),
        actor=who,
        subject="thing:1",
        data=msgspec.json.encode(happened),
        digest="",
        facets={"service": "store", "environment": "production"},
    )


# Ranges


def test_a_range_that_ends_before_it_begins_or_lasts_for_ever_is_refused() -> None:
    for start, end in ((str(NOW), str(NOW - 1)), ("0", "")):
        with pytest.raises(Invalid):
            range_of(start, end, NOW)


def test_the_step_fits_the_width_and_points_lie_on_it() -> None:
    found = range_of("6h", "", NOW, points=500)
    assert found.step == MINUTE
    assert found.live
    assert found.start % found.step == found.end % found.step == 0
    assert step_for(30 * DAY, 500) == 2 * HOUR
    assert not range_of("6h", str(NOW - HOUR), NOW).live
    assert range_of("700d", "", NOW, step=SECOND).length // range_of("700d", "", NOW, step=SECOND).step <= 10_800


def test_a_window_is_never_shorter_than_a_step() -> None:
    for start in ("15m", "6h", "7d", "90d"):
        found = range_of(start, "", NOW)
        assert found.window >= max(found.step, MINUTE)


# Exemplars


def marks(values: Iterable[float | None]) -> list[Mark]:
    return [
        Mark(time=NOW + place, value=value, trace=f"{place:032x}", span="", labels=())
        for place, value in enumerate(values)
    ]


def test_of_many_marks_the_highest_are_kept_in_order_of_time_and_each_once() -> None:
    found = chosen_marks([*marks(float(one % 97) for one in range(1000)), *marks([0.0, 1.0])])
    assert len(found) == MOST_MARKS
    assert [one.time for one in found] == sorted(one.time for one in found)
    assert min(one.value or 0 for one in found) >= 96 - MOST_MARKS // 10
    assert len(chosen_marks([*marks([1.0, None]), *marks([1.0, None])])) == 2


@pytest.mark.parametrize("length", [1, 15 * MINUTE, 6 * HOUR, 90 * DAY + 7])
def test_two_marks_of_each_part_are_no_more_than_a_graph_has(length: int) -> None:
    begin = NOW // part_of(length)
    assert 2 * ((NOW + length) // part_of(length) - begin + 1) <= MOST_MARKS


def test_a_mark_stands_where_the_axis_has_what_was_observed() -> None:
    def marked(kind: Kind, *, measured: bool, value: float = 0.25, **labels: str) -> Mark | None:
        one = series("latency", kind, Level.APPLICATION, "s", **labels)
        return mark_of(Exemplar(series=one.id, time=NOW, value=value, trace="ab" * 16), one, measured=measured)

    placed = marked(Kind.COUNTER, measured=True, le="0.5", version="3f2c91a")
    assert placed is not None
    assert placed.value == 0.25
    assert dict(placed.labels) == {"service": "store", "version": "3f2c91a"}, "a bucket's bound is no place"
    for other in (marked(Kind.COUNTER, measured=True), marked(Kind.OBSERVATION, measured=False)):
        assert other is not None
        assert other.value is None
    assert marked(Kind.OBSERVATION, measured=True, value=float("nan")) is None


# Units


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.0123, "s", "12.3 ms"),
        (340.0, "ms", "340 ms"),
        (5400.0, "s", "90 min"),
        (0.0, "s", "0 s"),
        (4_200_000.0, "By", "4.2 MB"),
        (0.125, "%", "12.5 %"),
        (3120.0, "1/s", "3.12 k /s"),
        (42.0, "", "42"),
        (1.5, "EUR", "1.5 EUR"),
        (float("nan"), "s", "no data"),
        (None, "", "no data"),
    ],
)
def test_numbers_have_their_unit(value: float | None, unit: str, words: str) -> None:
    assert said(value, unit) == words


# Panels


def test_levels_come_business_first_and_a_silent_one_has_no_panel() -> None:
    found = level_panels([series("orders_total", Kind.COUNTER)], "store")
    assert [one.level for one in found] == list(LEVELS)
    assert [bool(one.panels) for one in found] == [True, False, False, False, False]


def test_what_is_measured_of_the_machine_is_not_the_services_own() -> None:
    machine = Series(
        id=series_id("host_memory_available_bytes", ()),
        name="host_memory_available_bytes",
        labels=(),
        kind=Kind.GAUGE,
        level=Level.INFRASTRUCTURE,
    )
    found = {one.level: one for one in level_panels([machine], "store")}
    assert found[Level.INFRASTRUCTURE].panels
    assert not any(one.own for one in found.values())
    cpu = series("andon_instance_cpu_seconds_total", Kind.COUNTER, Level.INFRASTRUCTURE)
    assert {one.level for one in level_panels([machine, cpu], "store") if one.own} == {Level.INFRASTRUCTURE}


def test_what_is_asked_follows_from_the_kind() -> None:
    def asked(*given: Series) -> list[tuple[PanelKind, list[str]]]:
        panels = level_panels(given, "store", "production")[0].panels
        return [(one.kind, [query.text for query in one.queries]) for one in panels]

    where = 'service="store",environment="production"'
    assert asked(series("a_total", Kind.COUNTER)) == [(PanelKind.LINE, [f"sum(rate(a_total{{{where}}}[$window]))"])]
    by_result = (series("b", Kind.DELTA, result="ok"), series("b", Kind.DELTA, result="no"))
    assert asked(*by_result) == [(PanelKind.LINE, [f"sum by (result) (rate(b{{{where}}}[$window]))"])]
    assert asked(series("c", Kind.GAUGE)) == [(PanelKind.LINE, [f"c{{{where}}}"])]
    assert [len(queries) for _, queries in asked(series("d", Kind.OBSERVATION))] == [3, 1]
    buckets = (
        series("e_bucket", Kind.COUNTER, le="1"),
        series("e_sum", Kind.COUNTER),
        series("e_count", Kind.COUNTER),
    )
    assert [kind for kind, _ in asked(*buckets)] == [PanelKind.LINE, PanelKind.HEAT]


def test_every_question_of_a_service_is_promql(shop: Shop) -> None:
    levels = level_panels(shop.series, "store", "production")
    queries = [query.text for one in levels for panel in one.panels for query in panel.queries]
    assert len(queries) > 20
    for text in queries:
        parse(text.replace("$window", "4m").replace("$step", "1m"))


def test_buckets_count_and_what_they_hold_has_a_unit_of_its_own() -> None:
    assert value_unit("http_request_duration_seconds_bucket", "1") == "s"
    assert value_unit("body_bytes_bucket", "") == "By"
    assert value_unit("depth_bucket", "") == ""
    assert value_unit("http_request_duration_bucket", "ms") == "ms"
    assert value_unit("requests_seconds_total", "1") == "1"


def test_a_hostile_label_stays_a_string() -> None:
    (panel, *_) = level_panels([series("a", Kind.GAUGE)], 'x"} or vector(1) #\\')[0].panels
    parse(panel.queries[0].text)
    assert '\\"} or vector(1) #\\\\' in panel.queries[0].text


def test_a_level_has_room_for_so_many_metrics_and_counts_the_rest() -> None:
    found = level_panels([series(f"m{number:03}", Kind.GAUGE) for number in range(60)], "store")[0]
    assert len(found.panels) + found.left_out == 60
    assert found.left_out > 0


# Questions from choices


def test_choices_become_a_question() -> None:
    chosen_ = Choices(metric="a_total", function="rate", filters=(("code", "=~", '5"x'),), by=("version",))
    text = question(chosen_, Kind.COUNTER)
    assert text == 'sum by (version) (rate(a_total{code=~"5\\"x"}[$window]))'
    parse(text.replace("$window", "1m"))
    assert question(Choices(metric="a b"), Kind.GAUGE) == ""


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("metric", ["a", "a_bucket"])
def test_every_function_that_is_offered_can_be_asked(kind: Kind, metric: str) -> None:
    for function in functions_for(kind, metric):
        for by in ((), ("version",)):
            text = question(Choices(metric=metric, function=function.key, by=by), kind)
            parse(text.replace("$window", "1m").replace("$step", "1m"))


# Causes


def test_deployments_say_whether_they_failed() -> None:
    maxine = Actor(ActorKind.TOKEN, "token_1", PersonId("maxine"))
    went, failed, back = (
        cause_of(envelope(finished(0, state, "it answered 503"), maxine))
        for state in (DeploymentState.SUCCEEDED, DeploymentState.FAILED, DeploymentState.ROLLED_BACK)
    )
    assert went
    assert failed
    assert back
    assert (went.kind, went.failed, went.title, went.who) == (
        CauseKind.DEPLOYMENT,
        False,
        "Deployed 3f2c91a",
        "maxine",
    )
    assert (failed.failed, failed.title, failed.detail) == (True, "Could not deploy 3f2c91a", "it answered 503")
    assert (back.failed, back.title) == (True, "Took back 3f2c91a")
    assert went.href == "/deployments/dep_0"
    assert cause_of(envelope(finished(0, DeploymentState.CANCELLED))) is None


def test_an_annotation_happened_when_it_says_so() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    made = cause_of(
        envelope(
            Annotated(
                annotation=AnnotationId("note_1"), service=STORE, environment=None, text="Sale", at=noon, until=None
            )
        )
    )
    assert made
    assert made.time == int(noon.timestamp() * 1000)
    assert made.who == "Andon"


def test_where_there_are_too_many_the_least_telling_are_left_out_and_counted() -> None:
    one = Cause(id="1", kind=CauseKind.INSTANCE, time=1, title="", who="")
    causes = [replace(one, time=at) for at in range(10)]
    causes.append(replace(one, kind=CauseKind.DEPLOYMENT, time=5))
    kept, left_out = chosen(causes, 4)
    assert left_out == 7
    assert [each.time for each in kept] == sorted(each.time for each in kept)
    assert CauseKind.DEPLOYMENT in {each.kind for each in kept}


# Answers


def test_lines_are_called_by_what_tells_them_apart() -> None:
    assert names_of([(("a", "1"), ("b", "x")), (("a", "2"), ("b", "x"))]) == ["1", "2"]
    assert names_of([(("a", "1"),), (("b", "2"),)]) == ["a 1", "b 2"]
    assert names_of([(("a", "1"),)]) == [""]
    assert legend_of("p95 {{ version }} {{none}}", {"version": "3f2c91a"}) == "p95 3f2c91a"


def test_failures_are_drawn_as_failures_and_versions_keep_their_colour() -> None:
    labels = [(("code_class", "5xx"),), (("version", "3f2c91a"),), (("x", "1"),), (("x", "2"),)]
    assert colours_of(labels, {"3f2c91a": 4}) == ["bad", "4", "1", "2"]


def test_figures_of_nothing_are_nothing() -> None:
    assert figures([None]).mean is None
    assert (figures([2, None, 4]).mean, figures([2, None, 4]).last) == (3, 4)


def test_the_servers_bars_stand_on_each_other_and_where_nothing_came_there_is_none() -> None:
    lines = [
        Drawn(label=label, labels=(), values=values, colour=colour)
        for label, values, colour in (("a", (2.0, None, 1.0), "1"), ("b", (None, None, 1.0), "2"))
    ]
    columns = Columns(start=0, end=30, step=10, times=(10, 20, 30), lines=tuple(lines))
    drawn = picture(columns, "1", PanelKind.BARS)
    first, second = re.findall(r'<path d="([^"]*)" fill="#', drawn)
    assert (first.count("M"), second.count("M")) == (2, 1)
    tops = [float(one) for one in re.findall(r"V([\d.]+)H", first)]
    assert tops[0] == tops[1] < float(re.findall(r"V([\d.]+)H", second)[0])


def test_the_servers_picture_has_gaps_and_no_markup_of_others() -> None:
    line = Drawn(label="<script>", labels=(), values=(1.0, None, 3.0, 4.0), colour="1")
    columns = Columns(start=0, end=3000, step=1000, times=(0, 1000, 2000, 3000), lines=(line,))
    cause = Cause(id="1", kind=CauseKind.DEPLOYMENT, time=1500, title='"><b>', who="")
    drawn = picture(columns, "s", PanelKind.LINE, [cause], title="&")
    assert "<script>" not in drawn
    assert "<b>" not in drawn
    assert "style" not in drawn
    (path,) = [part for part in drawn.split("<path") if 'stroke-width="1.5"' in part]
    assert path.split('d="')[1].split('"')[0].count("M") == 2
    assert sentence(columns, "s") == "last 4 s; from 1 s to 4 s"
    assert "no data" in picture(replace(columns, lines=()), "", PanelKind.STACK)


# Dashboards


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": DashboardName("No")},
        {"title": " "},
        {"panels": (Panel(title="x", queries=()),)},
        {"panels": (Panel(title="x", queries=(Query(text=""),)),)},
        {"panels": (Panel(title="x", queries=(Query(text="up"),), unit="<b>"),)},
        {"panels": (Panel(title="x", queries=(Query(text="up"),)),) * 61},
    ],
)
def test_a_dashboard_that_breaks_a_rule_is_refused(wrong: dict[str, object]) -> None:
    good = Dashboard(name=DashboardName("day"), title="Day", panels=(Panel(title="x", queries=(Query(text="up"),)),))
    good.check()
    with pytest.raises(Invalid):
        replace(good, **wrong).check()  # type: ignore[arg-type]  # wrong on purpose
