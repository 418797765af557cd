"""Gaps, what was added without a measurement, who is affected, and shares that are never rounded up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.feedback.registry.drawing import hosts_sentence, strip
from andon.feedback.registry.model.affected import reached
from andon.feedback.registry.model.instrumentation import PathKind, is_looked_at, unmeasured
from andon.feedback.registry.model.known import Availability, Day, Host, listed, share_said
from andon.feedback.registry.model.levels import gaps, own
from andon.feedback.telemetry.contract.levels import LEVELS
from andon.feedback.telemetry.contract.metrics import Kind, Level, MetricName
from andon.web.model import State


def _name(name: str, level: Level = Level.APPLICATION, series: int = 1) -> MetricName:
    return MetricName(name=name, kind=Kind.GAUGE, level=level, unit="", help="", series=series)


def test_a_level_without_a_metric_is_silent_and_has_a_line_that_fills_it() -> None:
    found = gaps([_name("orders", Level.BUSINESS), _name("runs", Level.PIPELINE)])
    assert [one.level for one in found] == list(LEVELS)
    assert [one.level for one in found if one.silent] == [Level.APPLICATION, Level.CLIENT, Level.INFRASTRUCTURE]
    assert all(one.filler.line and one.filler.why for one in found)
    client = next(one for one in found if one.level is Level.CLIENT).filler
    assert 'data-service="till"' in client.of("till")
    assert not client.command, "it belongs into a page and not into a terminal"


def test_a_service_that_andon_does_not_run_is_told_to_write_nothing_that_would_be_refused() -> None:
    found = {one.level: one.filler for one in gaps([], deployed=False)}
    assert all(one.line and one.why for one in found.values())
    assert "beacon" not in found[Level.CLIENT].line
    assert "OTEL_SERVICE_NAME=till" in found[Level.APPLICATION].of("till")


def test_what_names_no_service_is_not_a_services_own() -> None:
    seen = (_name("host_load1", Level.INFRASTRUCTURE, series=2), _name("queue", series=3), _name("orders"))
    common = (_name("host_load1", Level.INFRASTRUCTURE, series=2), _name("queue", series=1))
    assert [one.name for one in own(seen, common)] == ["queue", "orders"]


@pytest.mark.parametrize(
    ("path", "line", "kind", "name"),
    [
        ("a.py", "def pay(card):", PathKind.FUNCTION, "pay"),
        ("a.py", "    async def pay(self):", PathKind.FUNCTION, "pay"),
        ("a.py", '@app.post("/pay")', PathKind.ROUTE, "POST /pay"),
        ("a.py", "@blueprint.route('/pay', methods=['POST'])", PathKind.ROUTE, "/pay"),
        ("a.ts", "export async function pay(card: Card) {", PathKind.FUNCTION, "pay"),
        ("a.js", "const pay = async (card) => {", PathKind.FUNCTION, "pay"),
        ("a.js", "router.get('/pay/:id', show)", PathKind.ROUTE, "GET /pay/:id"),
        ("a.go", "func (s *Server) Pay(w http.ResponseWriter) {", PathKind.FUNCTION, "Pay"),
        ("a.go", '\tmux.HandleFunc("/pay", s.Pay)', PathKind.ROUTE, "/pay"),
        ("A.java", "    public static Receipt pay(Card card) {", PathKind.FUNCTION, "pay"),
        ("A.java", '    @PostMapping("/pay")', PathKind.ROUTE, "POST /pay"),
        ("a.rb", "  def pay(card)", PathKind.FUNCTION, "pay"),
        ("a.rs", "pub async fn pay(card: Card) -> Receipt {", PathKind.FUNCTION, "pay"),
        ("a.php", "    public function pay($card)", PathKind.FUNCTION, "pay"),
    ],
)
def test_a_new_function_or_route_is_seen_with_its_place(path: str, line: str, kind: PathKind, name: str) -> None:
    (found,) = unmeasured(path, "first\n", f"first\n\n{line}\n")
    assert (found.kind, found.name, found.line, found.file) == (kind, name, 3, path)


@pytest.mark.parametrize(
    "measure",
    [
        'metric.increment("paid")',
        "logger.info('paid')",
        "with tracer.start_as_current_span('pay'):",
        "statsd.timing('pay', 3)",
        "PAID.inc()",
        "console.log(card)",
        'tracing::info!("paid")',
        'slog.Info("paid")',
    ],
)
def test_a_file_in_which_something_new_measures_is_let_alone(measure: str) -> None:
    assert unmeasured("a.py", "", f"def pay():\n    {measure}\n") == ()
    assert unmeasured("a.py", "", "def pay():\n    return dialog(catalog)\n"), "words that only look alike are none"


def test_what_was_there_before_is_not_new_wherever_it_stands_now() -> None:
    before = "def a():\n    return 1\n\n\ndef b():\n    return 2\n"
    moved = "def b():\n    return 2\n\n\ndef a(more):\n    return 1\n"
    assert unmeasured("a.py", before, moved) == ()
    assert unmeasured("a.py", before, before) == ()
    old_measure = "def a():\n    log.info('x')\n"
    assert unmeasured("a.py", old_measure, old_measure + "def c():\n    pass\n"), "an old measurement measures old code"


def test_tests_and_what_is_no_code_are_not_looked_at() -> None:
    for path in ("tests/shop.py", "test_shop.py", "shop_test.go", "shop.spec.ts", "README.md", "vendor/a.go", "a.lock"):
        assert not is_looked_at(path), path
    assert is_looked_at("shop/protest.py")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400), st.text(max_size=400), st.sampled_from(["a.py", "a.js", "a.go", "a.java", "a.rb"]))
def test_whatever_a_file_holds_it_is_looked_at(before: str, after: str, path: str) -> None:
    for one in unmeasured(path, before, after):
        assert 1 <= one.line <= after.count("\n") + 1


@pytest.mark.parametrize("evil", ["(" * 100_000, "public " * 40_000, "a.b." * 50_000 + "(", "fn " + "a<" * 60_000])
def test_a_line_made_to_take_long_does_not(evil: str) -> None:
    for path in ("a.py", "a.js", "a.go", "a.java", "a.rb", "a.rs", "a.php"):
        unmeasured(path, "", evil + "\n" + evil)


def test_those_who_need_it_are_found_however_indirectly_and_circles_end() -> None:
    calls = [("front", "store"), ("store", "catalogue"), ("catalogue", "db"), ("db", "front"), ("other", "else")]
    found = reached(["db"], calls)
    assert [(one.service, one.path) for one in found] == [
        ("catalogue", ("catalogue", "db")),
        ("store", ("store", "catalogue", "db")),
        ("front", ("front", "store", "catalogue", "db")),
    ]
    assert reached([], calls) == ()


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef"))),
    st.sets(st.sampled_from("abcdef"), max_size=3),
)
def test_every_way_is_made_of_calls_and_ends_at_the_sick(calls: list[tuple[str, str]], sick: set[str]) -> None:
    for one in reached(sick, calls):
        assert one.path[0] == one.service
        assert one.path[-1] in sick
        assert one.service not in sick
        assert all(pair in calls for pair in zip(one.path, one.path[1:], strict=False))


@pytest.mark.parametrize(
    ("share", "told"),
    [(None, "no data"), (1.0, "100 %"), (0.9999999, "99.999 %"), (0.999, "99.9 %"), (0.5, "50 %"), (0.0, "0 %")],
)
def test_a_share_is_never_rounded_up_to_all(share: float | None, told: str) -> None:
    assert share_said(share) == told


def test_a_day_on_which_nobody_asked_is_no_data_and_never_good() -> None:
    days = (
        Day(start=0, requests=0, failed=0),
        Day(start=1, requests=1000, failed=20),
        Day(start=2, requests=9, failed=0),
    )
    drawn = strip(Availability(service="a", environment="b", days=days))
    assert [one.state for one in drawn.bars] == [State.NONE, State.BAD, State.OK]
    assert drawn.without == 1
    assert drawn.share == "98.017 %"
    assert drawn.said == "98.017 % of 1,009 requests in 3 days did not fail; on 1 of these days nobody asked"
    nothing = strip(Availability(service="a", environment="b", days=days[:1]))
    assert nothing.said == "No data: nobody asked in 1 day"


def test_names_are_listed_as_in_a_sentence() -> None:
    assert [listed(["a", "b", "c"][:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert listed(list("abcdefg")) == "a, b, c, d and 3 more"


@pytest.mark.parametrize(
    ("silent", "told"),
    [(0, "3 machines with 0 instances"), (1, "; web1 tells nothing of itself"), (2, "web2 tell nothing of themselves")],
)
def test_machines_that_are_only_named_are_said_to_tell_nothing(silent: int, told: str) -> None:
    hosts = [Host(name=f"web{place}", placed=(), reported=None if place <= silent else 1) for place in (1, 2, 3)]
    assert hosts_sentence(hosts).endswith(told)
