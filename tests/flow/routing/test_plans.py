"""What a division may be, and who gets which number by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.flow.environments.contract import SetId
from andon.flow.routing.access import Told
from andon.flow.routing.comparing import MOST_WAITING, WAITS, Pairing
from andon.flow.routing.contract import (
    PARTS,
    Access,
    Arm,
    Comparison,
    Condition,
    Forward,
    Forwarding,
    Match,
    Mirror,
    Plan,
    PlanInvalid,
    SegmentUse,
    Share,
    Sticky,
    StickyBy,
    TrafficDivided,
    TrafficForwarded,
    Where,
)
from andon.flow.routing.contract.dividing import MOST_MATCHES, MOST_SETS, arm_shares
from andon.flow.routing.contract.forwarding import ForwardedShare
from andon.flow.routing.memory import Imagined, InMemoryDataPlane
from andon.flow.routing.model import Listener, Live, Table, rules_of, scaled, shuffle, weights_of
from andon.flow.routing.telling import tell
from andon.flow.sources.contract import Service
from tests.flow.routing.test_envoy import ONE, TWO
from tests.flow.routing.traffic import canary, dark

THREE = SetId("set_3")
EMPLOYEES = (Condition(Where.HEADER, "X-Employee", Comparison.PRESENT),)
BOTH = {ONE: Arm.STABLE, TWO: Arm.CANARY}


def whole(**other: object) -> Callable[[], Plan]:
    def make() -> Plan:
        given: dict[str, object] = {"shares": (Share(ONE, PARTS),), "arms": {ONE: Arm.STABLE}} | other
        return Plan(**given)  # type: ignore[arg-type] # each case is wrong in its own way

    return make


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (whole(shares=(Share(ONE, PARTS), Share(TWO, 1)), arms=BOTH), "100,001 parts together"),
        (whole(shares=(Share(ONE, 50_000), Share(ONE, 50_000))), "one share"),
        (whole(shares=(Share(ONE, 60_000), Share(TWO, 40_000))), "has an arm"),
        (whole(arms=BOTH), "has an arm"),
        (whole(arms={ONE: Arm.CANARY}), "stable"),
        (whole(shares=(Share(ONE, PARTS), Share(TWO, 0)), arms={ONE: Arm.STABLE, TWO: Arm.STABLE}), "one set at most"),
        (whole(mirror=Mirror(TWO, 1)), "dark set"),
        (whole(arms={ONE: Arm.STABLE, TWO: Arm.DARK}), "dark set"),
        (whole(shares=(Share(ONE, PARTS), Share(TWO, 0)), arms=BOTH, mirror=Mirror(TWO, 1)), "dark set"),
        (whole(arms=BOTH, matches=(Match(EMPLOYEES, TWO),) * (MOST_MATCHES + 1)), "matches"),
        (
            whole(
                shares=(Share(ONE, PARTS), *(Share(SetId(f"set_x{n}"), 0) for n in range(MOST_SETS))),
                arms={ONE: Arm.STABLE},
            ),
            "sets",
        ),
        (lambda: Share(ONE, -1), "-1 parts"),
        (lambda: Share(ONE, PARTS + 1), "100001 parts"),
        (lambda: Mirror(TWO, PARTS + 1), "100001 parts"),
        (lambda: Mirror(TWO, 1, ()), "one to sixteen"),
        (lambda: Mirror(TWO, 1, ("get",)), "capital"),
        (lambda: Mirror(TWO, 1, ("CONNECT",)), "CONNECT"),
        (lambda: Match((), TWO), "without a condition"),
        (lambda: Match(EMPLOYEES * 9, TWO), "More than 8"),
        (lambda: Match((Condition(Where.PATH, value="/a"), Condition(Where.PATH, value="/b")), TWO), "once"),
        (lambda: Condition(Where.PATH, "x", value="/"), "no name"),
        (lambda: Condition(Where.PATH, how=Comparison.PRESENT), "always present"),
        (lambda: Condition(Where.PATH, value="api"), "slash"),
        (lambda: Condition(Where.PATH, value="/a?b"), "query"),
        (lambda: Condition(Where.PATH, value="/" + "a" * 1024), "at most 1024"),
        (lambda: Condition(Where.HEADER, "a b", Comparison.PRESENT), "no name"),
        (lambda: Condition(Where.HEADER, ":path", Comparison.PRESENT), "no name"),
        (lambda: Condition(Where.HEADER, "Cookie", Comparison.PRESENT), "its own name"),
        (lambda: Condition(Where.HEADER, "Andon-Number", value="1"), "router's own"),
        (lambda: Condition(Where.COOKIE, "andon-session-1", Comparison.PRESENT), "router's own"),
        (lambda: Condition(Where.HEADER, "a"), "needs a value"),
        (lambda: Condition(Where.HEADER, "a", Comparison.PRESENT, "x"), "needs a value"),
        (lambda: Condition(Where.HEADER, "a", value="x\n"), "printable"),
        (lambda: Condition(Where.QUERY, "a&b", value="x"), "no name"),
        (lambda: Sticky(StickyBy.VISITOR, "x"), "stick by visitor"),
        (lambda: Sticky(StickyBy.HEADER), "stick by header"),
        (lambda: Sticky(StickyBy.HEADER, "cookie"), "Nobody is known"),
        (lambda: Sticky(StickyBy.COOKIE, "andon-side"), "Nobody is known"),
        (lambda: Sticky(salt="x" * 101), "100 printable"),
        (lambda: Sticky(salt="\ud800"), "100 printable"),
        (lambda: Forward(service=Service("s"), environment="e", parts=-1), "-1 parts"),
        (lambda: Forwarding(forwards=(Forward(service=Service("s"), environment="e"),) * 33), "32 rules"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_the_reason(make: Callable[[], object], said: str) -> None:
    with pytest.raises(PlanInvalid) as refused:
        make()
    assert said in refused.value.message


@given(st.text(max_size=100))
def test_a_shuffle_gives_each_number_exactly_once(salt: str) -> None:
    factor, offset = shuffle(salt)
    assert factor % 2
    assert factor % 5
    assert 0 <= offset < PARTS
    step = pow(factor, -1, PARTS)
    assert all(((number * factor + offset) - offset) * step % PARTS == number for number in range(0, PARTS, 997))


@given(
    st.lists(st.integers(0, 50_000), min_size=2, max_size=2), st.lists(st.integers(0, 50_000), min_size=2, max_size=2)
)
def test_whoever_has_the_canary_or_the_baseline_keeps_it_while_both_grow(first: list[int], more: list[int]) -> None:
    def served(parts: list[int]) -> list[SetId]:
        plan = Plan(
            shares=(Share(THREE, parts[1]), Share(ONE, PARTS - sum(parts)), Share(TWO, parts[0])),
            arms={**BOTH, THREE: Arm.BASELINE},
        )
        imagined = InMemoryDataPlane()
        imagined.follow(Table(listeners=(imagined_listener(plan),), upstreams=()))
        return [imagined.serves("shop.production", Imagined(number=n)) or ONE for n in range(0, PARTS, 499)]

    before = served(first)
    after = served([min(50_000, have + grown) for have, grown in zip(first, more, strict=True)])
    assert all(then == now for then, now in zip(before, after, strict=True) if then != ONE)


def imagined_listener(
    plan: Plan, *, forwarding: Forwarding | None = None, live: dict[str, Live] | None = None
) -> Listener:
    others = {(Service(name), "production"): one for name, one in (live or {}).items()}
    own = Live(set=plan.stable, plan=plan)
    return Listener(
        service=Service("shop"),
        environment="production",
        host="127.0.0.1",
        port=1,
        set=plan.stable,
        entry="/e",
        rules=tuple(rules_of(own, forwarding or Forwarding(), others, "shop.production")),
    )


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8), st.integers(0, PARTS))
def test_proportions_of_a_part_lose_nothing_by_rounding(raw: list[int], parts: int) -> None:
    total = sum(raw) or 1
    weights, below = [], 0
    for number, one in enumerate(raw):
        upper = PARTS if number == len(raw) - 1 else below + one * PARTS // total
        weights.append((SetId(f"set_{number}"), upper - below))
        below = upper
    made = scaled(tuple(weights), parts)
    assert sum(one for _, one in made) == parts
    assert all(abs(now - then * parts / PARTS) <= 1 for (_, then), (_, now) in zip(weights, made, strict=True))


def test_what_is_forwarded_comes_first_then_matches_then_shares() -> None:
    plan = canary(10_000, sticky=Sticky(salt="d1"), matches=(Match(EMPLOYEES, TWO),))
    api = (Condition(Where.PATH, how=Comparison.PREFIX, value="/api"),)
    forwarding = Forwarding(
        forwards=(
            Forward(service=Service("away"), environment="production"),  # nothing is live there
            Forward(service=Service("new"), environment="production", when=api, parts=40_000),
        )
    )
    imagined = InMemoryDataPlane()
    one = imagined_listener(plan, forwarding=forwarding, live={"new": Live(set=THREE, plan=None)})
    imagined.follow(Table(listeners=(one,), upstreams=()))

    def served(path: str, number: int, **headers: str) -> SetId | None:
        asked = Imagined(path=path, number=number, headers={"X-Employee": "1"} if headers else {})
        return imagined.serves("shop.production", asked)

    assert [served("/api/v1", number) for number in (0, 39_999, 40_000, 45_999, 46_000, 99_999)] == [
        THREE,
        THREE,
        TWO,
        TWO,
        ONE,
        ONE,
    ]
    assert served("/api/v1", 99_999, employee="1") == ONE
    assert served("/", 99_999, employee="1") == TWO
    assert [served("/", number) for number in (0, 9_999, 10_000)] == [TWO, TWO, ONE]
    assert imagined.serves("nobody.production", Imagined()) is None
    assert one.sets == (ONE, THREE, TWO)


def test_another_services_division_counts_for_what_is_forwarded_to_it() -> None:
    there = Live(
        set=THREE,
        plan=Plan(
            shares=(Share(THREE, 75_000), Share(SetId("set_4"), 25_000)),
            arms={THREE: Arm.STABLE, SetId("set_4"): Arm.CANARY},
            sticky=None,
        ),
    )
    forwarding = Forwarding(forwards=(Forward(service=Service("new"), environment="production"),), version=1)
    own = Live(set=ONE, plan=None)
    (rule,) = rules_of(own, forwarding, {(Service("new"), "production"): there}, "shop.production")
    assert rule.weights == weights_of(there) == ((SetId("set_4"), 25_000), (THREE, 75_000))
    assert (rule.rescue, rule.sticky) == (THREE, None)


def test_arms_are_told_in_one_order() -> None:
    plan = dark(5_000)
    assert [(one.set, one.arm, one.parts) for one in arm_shares(plan)] == [
        (ONE, Arm.STABLE, PARTS),
        (TWO, Arm.DARK, 5_000),
    ]
    assert (plan.of(Arm.DARK), plan.of(Arm.CANARY), plan.stable) == (TWO, None, ONE)


class Plainly:
    """Names as they are."""

    def person(self, id: str) -> str:
        return id

    def of(self, kind: str, id: str, otherwise: str) -> str:
        return id

    def title(self, service: str, commit: str) -> str:
        return ""


def test_divisions_and_forwards_are_told_in_sentences() -> None:
    divided = TrafficDivided(
        environment="production",
        service=Service("shop"),
        deployment="d1",
        shares=arm_shares(replace(canary(1_000), matches=(Match(EMPLOYEES, TWO),))),
        matches=1,
        sticky=True,
    )
    told = tell(divided, Plainly())
    assert told is not None
    assert (told.what, told.then) == ("divided the traffic of", "1 % to set_2")
    assert told.detail == "99 % stay; one rule comes before"
    led = tell(replace(divided, segments=(SegmentUse(name="employees", version=4),)), Plainly())
    assert led is not None
    assert led.detail == "99 % stay; one rule comes before; members of employees as of version 4"
    forwarded = TrafficForwarded(
        environment="production",
        service=Service("shop"),
        version=1,
        forwards=(ForwardedShare(service=Service("new"), environment="p", parts=500, path="/api", conditions=1),) * 4,
    )
    sentence = tell(forwarded, Plainly())
    assert sentence is not None
    assert sentence.then.startswith("to others: 0.5 % of /api under conditions by new/p, ")
    assert sentence.then.endswith(" and 1 more")
    nothing = tell(replace(forwarded, forwards=()), Plainly())
    assert nothing is not None
    assert (nothing.what, nothing.then) == ("took back what was forwarded from", "")


def line(request: str, *, dark: bool, time: int = 0, compared: bool = True, service: str = "shop") -> Told:
    access = Access(
        time=time, duration=1, service=Service(service), environment="production", local=False, set=ONE, endpoint="",
        method="GET", path="/", status=200, flags="", received=0, sent=1, request=request, traceparent="",
    )  # fmt: skip
    return Told(access=access, dark=dark, compared=compared, content_type="", digest="d" if dark else "s")


def test_halves_find_each_other_in_any_order_and_only_their_own() -> None:
    pairing = Pairing()
    pairs, unpaired = pairing.join([line("a", dark=True), line("b", dark=False), line("c", dark=False, compared=False)])
    assert (pairs, unpaired) == ([], 0)
    pairs, unpaired = pairing.join([
        line("a", dark=False, service="mail"), line("b", dark=True), line("a", dark=False), line("", dark=True),
    ])  # fmt: skip
    assert [(one.request, one.served.digest, one.dark.digest) for one in pairs] == [("b", "s", "d"), ("a", "s", "d")]
    assert unpaired == 1  # without an id there is nobody to wait for


def test_an_id_that_a_client_uses_again_is_answered_in_turn() -> None:
    pairs, _ = Pairing().join([line("a", dark=False, time=1), line("a", dark=False, time=2), line("a", dark=True)] * 2)
    assert [one.time for one in pairs] == [1, 2]


def test_halves_whose_other_one_never_comes_are_given_up_and_counted() -> None:
    pairing = Pairing()
    assert pairing.join([line("a", dark=False), line("b", dark=False), line("b", dark=True)]) == (
        pairing_of("b"),
        0,
    )
    assert pairing.join([line("z", dark=False, time=WAITS)]) == ([], 1)
    assert pairing.join([line("a", dark=True, time=WAITS)]) == ([], 0)  # too late: nobody knows of the first
    flood = Pairing()
    _, unpaired = flood.join([line(f"{number}", dark=False) for number in range(MOST_WAITING + 50)])
    assert unpaired == 50


def pairing_of(request: str) -> list[object]:
    return [*Pairing().join([line(request, dark=False), line(request, dark=True)])[0]]
