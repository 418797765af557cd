"""What each operator means, written down case by case; and an attribute that is missing or of another type."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from andon_flags import Flags
from andon_flags.buckets import bucket
from andon_flags.document import BUCKETS, Operator
from tests.flags_client.documents import document, switch, when

STAFF = {"staff": {"members": ["u1", "7"], "when": [[when("email", "ends-with", "@parts.example")]]}}
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)  # noqa: UP017 - services run on Python 3.9 as well

CASES: list[tuple[str, list[Any], list[Any], list[Any]]] = [
    # operator, values, for these attributes it holds, for these it does not
    ("in", ["CH", "DE"], ["CH", "DE"], ["FR", "ch", "", 7, None, ["CH"], True]),
    ("in", [1, 2.5], [1, 1.0, 2.5], [2, "1", True, None]),
    ("in", [True], [True], [False, 1, "true", None]),
    ("not-in", ["CH", "DE"], ["FR", "", "ch"], ["CH", "DE", 7, None, ["FR"], True]),
    ("not-in", [1, 2], [3, 2.5], [1, 2.0, "3", None]),
    ("contains", ["part", "shop"], ["a part", "workshop"], ["Part", "", 7, None]),
    ("starts-with", ["un", "re"], ["unicorn", "redo"], ["sun", "Un", 7, None]),
    ("ends-with", ["@parts.example"], ["brent@parts.example"], ["brent@parts.example.org", 7, None]),
    ("matches", ["^u[0-9]+$", "^guest"], ["u12", "guest-1"], ["x", "au1", 12, None]),
    ("less", [18], [17, 17.99, -1], [18, 19, "17", None, True]),
    ("at-most", [18], [18, 17], [18.01, "18", None]),
    ("more", [18], [18.01, 19], [18, "19", None]),
    ("at-least", [18], [18, 19], [17.99, "18", None]),
    ("before", ["2026-03-01T12:00:00Z"], ["2026-03-01T11:59:59Z", "2026-03-01T12:30:00+01:00", "2026-02-28"], [NOON]),
    ("after", ["2026-03-01"], ["2026-03-01T00:00:01Z", NOON], ["2026-03-01T00:00:00Z", "yesterday", "", None]),
    ("version-less", ["1.10"], ["1.9", "v1.9.7", "1.10-rc.1"], ["1.10", "1.10.0", "2", "new", None]),
    ("version-at-least", ["1.10"], ["1.10", "1.10.0", "1.11", "2"], ["1.9", "1.10-rc.1", "new", None]),
    ("present", [], ["", 0, False, "x"], [None]),
    ("absent", [], [None], ["", 0, False, "x"]),
    ("in-segment", ["staff"], ["u1", "7", 7], ["u2", "", None, ["u1"]]),
    ("not-in-segment", ["staff"], ["u2", 8], ["u1", 7, None]),
]


def asking(operator: str, values: list[Any]) -> Flags:
    rules = [{"id": "r", "when": [when("asked", operator, *values)], "serve": "on"}]
    return Flags(document=document({"f": switch(rules=rules)}, STAFF), variables={})


def test_every_operator_is_written_down_here() -> None:
    assert {operator for operator, *_ in CASES} == {one.value for one in Operator}


@pytest.mark.parametrize(
    ("operator", "values", "holds", "does_not"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES]
)
def test_an_operator_means_this(operator: str, values: list[Any], holds: list[Any], does_not: list[Any]) -> None:
    flags = asking(operator, values)
    assert [flags.boolean("f", {"asked": one}) for one in holds] == [True] * len(holds)
    assert [flags.boolean("f", {"asked": one}) for one in does_not] == [False] * len(does_not)
    assert flags.boolean("f", {}) is (operator == "absent"), "one that is missing fulfils nothing else"


@pytest.mark.parametrize(
    ("operator", "values", "says"),
    [
        ("not-in", ["CH"], "asked is a list, which is of another kind than the values"),
        ("less", [18], "asked is a list"),
        ("before", ["2026-03-01"], "asked is a list"),
    ],
)
def test_an_attribute_of_another_type_is_told_as_such(operator: str, values: list[Any], says: str) -> None:
    explained = asking(operator, values).explain("f", {"asked": [1]})
    assert explained.variant == "off"
    assert says in str(explained)


def test_all_conditions_of_a_rule_hold_and_any_alternative_of_a_segment() -> None:
    both = [when("country", "in", "CH"), when("age", "at-least", 18)]
    inside = [when("u", "in-segment", "swiss-or-old")]
    segments = {"swiss-or-old": {"members": [], "when": [[both[0]], [both[1]]]}}
    flags = Flags(
        document=document(
            {
                "all": switch(rules=[{"id": "r", "when": both, "serve": "on"}]),
                "any": switch(rules=[{"id": "r", "when": inside, "serve": "on"}]),
            },
            segments,
        ),
        variables={},
    )
    people = [{"u": "1", "country": country, "age": age} for country in ("CH", "FR") for age in (20, 10)]
    assert [flags.boolean("all", one) for one in people] == [True, False, False, False]
    assert [flags.boolean("any", one) for one in people] == [True, True, True, False]


def test_the_order_is_switch_time_prerequisites_individuals_rules_default() -> None:
    everybody = [{"id": "r", "when": [], "serve": "rule"}]
    variants = {"off": "off", "named": "named", "rule": "rule", "rest": "rest"}

    def served(**more: Any) -> Any:
        flag = switch(kind="string", variants=variants, default="rest", **more)
        return Flags(document=document({"f": flag, "no": switch()}), variables={}).string("f", {"targetingKey": "u1"})

    named = {"individuals": {"u1": "named"}}
    needs = {"prerequisites": [{"flag": "no", "variants": ["on"]}]}
    assert served() == "rest"
    assert served(rules=everybody) == "rule"
    assert served(rules=everybody, **named) == "named"
    assert served(rules=everybody, **named, **needs) == "off"
    assert served(rules=everybody, **named, until=1) == "off"
    assert served(rules=everybody, **named, **{"from": 9e9}) == "off"
    assert served(rules=everybody, **named, enabled=False) == "off"


def test_a_thousandth_of_a_percent_is_one_bucket_of_a_hundred_thousand() -> None:
    units = (f"user-{number}" for number in range(2_000_000))
    mine = next(one for one in units if bucket("new-checkout", one) == 41_000)
    flags = Flags(
        document=document(
            {
                "it": switch(default=[[0, 41_000, "off"], [41_000, 41_001, "on"], [41_001, BUCKETS, "off"]]),
                "next": switch(default=[[0, 41_000, "on"], [41_000, 41_001, "off"], [41_001, BUCKETS, "on"]]),
            }
        ),
        variables={},
    )
    user = {"targetingKey": mine}
    assert (flags.boolean("it", user), flags.boolean("next", user, default=True)) == (True, False)
