"""A document is taken whole or not at all, and every fault is told with its path."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon_flags.document import BUCKETS, DocumentError, Outdated, allocate, changed, read, shares, warnings
from andon_flags.document.model import Hashed, Range, hash_of
from andon_flags.document.patterns import LONGEST_SUBJECT, PatternError, compiled
from tests.flags_client.documents import document, switch, when


def faults(flag: dict[str, Any] | None = None, **others: Any) -> list[str]:
    said = document({"checkout": switch(**(flag or {})), **others.pop("flags", {})}, others.pop("segments", None))
    with pytest.raises(DocumentError) as caught:
        read({**said, **others}, strict=True)
    return [str(fault) for fault in caught.value.faults]


def one(found: list[str]) -> str:
    assert len(found) == 1, found
    return found[0]


def rule(*conditions: dict[str, Any], serve: Any = "on", id: str = "r1") -> dict[str, Any]:
    return {"id": id, "when": list(conditions), "serve": serve}


def test_every_fault_is_told_with_its_path() -> None:
    found = faults({"rules": [rule(when("age", "less", "old"), serve=[[0, 10, "no"], [5, 20, "on"]])], "unit": 7})
    assert found == [
        "flags.checkout.unit: is 7 and must be a text",
        "flags.checkout.rules[0].when[0].values[0]: is “old” and must be a number",
        "flags.checkout.rules[0].serve[0]: “no” is no variant of this flag; there are on, off",
        "flags.checkout.rules[0].serve[1]: begins at 5, within the range before it, which ends at 10",
    ]


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ({"kind": "bool"}, ".kind: is “bool”; there are boolean, string, number and object"),
        ({"enabled": 1}, ".enabled: is 1 and must be true or false"),
        ({"off": "of"}, ".off: “of” is no variant of this flag; there are on, off"),
        ({"default": [[0, 30000, "on"]]}, ".default: covers 30 %; the default must cover 100 %"),
        ({"default": [[0, 100001, "on"]]}, ".default[0]: must begin before it ends, in whole"),
        ({"default": [[0, True, "on"]]}, ".default[0]: must begin before it ends, in whole"),
        ({"default": [[0, 1e5, "on"]]}, ".default[0]: must begin before it ends, in whole"),
        ({"default": None}, ".default: is null and must be a variant, or a list"),
        ({"from": 5, "until": 5}, ".until: is not after “from”"),
        ({"from": float("nan")}, ".from: is nan and must be a number"),
        ({"surprise": 1}, ": has “surprise”, which nothing knows"),
        ({"salt": "\ud800"}, ".salt: has half a character in it"),
        ({"salt": "x" * 201}, ".salt: has 201 characters; 200 are the most"),
        ({"individuals": {"u1": "blue"}}, ".individuals.u1: “blue” is no variant"),
        ({"individuals": {f"u{n}": "on" for n in range(10_001)}}, ".individuals: has 10,001 units"),
        ({"rules": [rule()] * 2}, ".rules[1].id: “r1” is the id of another rule"),
        ({"rules": [rule(when("a", "like", "b"))]}, ".rules[0].when[0].is: “like” is no operator; there are in,"),
        ({"rules": [rule(when("a", "present", "b"))]}, ".rules[0].when[0].values: must be empty"),
        ({"rules": [rule(when("a", "less", 1, 2))]}, ".rules[0].when[0].values: has 2 values"),
        ({"rules": [rule(when("a", "before", "soon"))]}, ".rules[0].when[0].values[0]: “soon” is no time"),
        ({"rules": [rule(when("a", "version-less", "x"))]}, ".rules[0].when[0].values[0]: “x” is no version"),
        ({"rules": [rule(when("a", "in-segment", "none"))]}, ".rules[0].when[0].values: “none” is no segment"),
        ({"rules": [rule(when("a", "in", *range(10_001)))]}, ".rules[0].when[0].values: has 10,001 values"),
        ({"rules": [rule(when("a", "in", None))]}, ".rules[0].when[0].values[0]: is null and must be a number"),
        ({"prerequisites": [{"flag": "x", "variants": ["on"]}]}, ".prerequisites[0].flag: “x” is no flag"),
        ({"kind": "object", "variants": {"on": {}, "off": 1}}, ".variants.off: is 1 and must be an object"),
        ({"kind": "number", "variants": {"on": 1e999, "off": 1}}, ".variants.on: is inf and must be a number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_in_words(flag: dict[str, Any], says: str) -> None:
    assert any(found.startswith(f"flags.checkout{says}") for found in faults(flag)), faults(flag)


def test_a_value_of_others_stays_short_and_on_one_line_in_a_fault() -> None:
    said = one(faults({"off": "a\nb\x1b[31m" + "x" * 10_000}))
    assert "\n" not in said
    assert "\x1b" not in said
    assert len(said) < 200


def test_prerequisites_that_go_round_in_a_circle_are_told_by_name() -> None:
    def needs(name: str) -> dict[str, Any]:
        return switch(prerequisites=[{"flag": name, "variants": ["on"]}])

    said = one(faults(needs("b"), flags={"b": needs("c"), "c": needs("b")}))
    assert said == "flags.c.prerequisites: go round in a circle: b → c → b"
    assert "circle: checkout → checkout" in one(faults(needs("checkout")))


def test_prerequisites_that_multiply_are_refused() -> None:
    def layer(at: int) -> dict[str, Any]:
        wanted = [{"flag": f"f{at + 1}", "variants": ["on"]}] * 4 if at < 10 else []
        return switch(prerequisites=wanted)

    assert "1000 flags are the most" in one(faults(flags={f"f{at}": layer(at) for at in range(11)}))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (b"[" * 100_000, "is nested too deep"),
        (b'{"revision": ' + b"9" * 10_000 + b"}", "is no JSON"),
        (b'{"revision": NaN}', "is no JSON: “NaN is no number of JSON”"),
        (b"\xff", "is no JSON"),
        (b"", "is no JSON"),
        (b"[]", "is a list and must be an object"),
        (b'{"format": 2}', "format: is 2; this version of andon-flags reads format 1"),
        (b'{"format": true}', "format: is true; this version of andon-flags reads format 1"),
    ],
)
def test_what_is_no_document_is_refused(source: bytes, says: str) -> None:
    with pytest.raises(DocumentError, match=re.escape(says)):
        read(source)


def test_an_object_that_contains_itself_is_refused() -> None:
    round_and_round: dict[str, Any] = {}
    round_and_round["again"] = round_and_round
    found = faults({"kind": "object", "variants": {"on": round_and_round, "off": {}}})
    assert any("deep" in said for said in found)


def test_at_the_hundredth_fault_nobody_reads_on() -> None:
    assert len(faults(flags={f"Bad {at}": {} for at in range(5000)})) == 100


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    ),
    st.sampled_from([*switch(), "rules", "individuals", "prerequisites", "from"]),
)
def test_whatever_stands_anywhere_is_read_or_refused(anything: Any, key: str) -> None:
    for said in (
        anything,
        document(anything),
        document({"checkout": anything}),
        document({"checkout": switch(**{key: anything})}),
        document({"checkout": switch(rules=[rule(anything)])}),
        document({"checkout": switch(rules=[rule(when("a", "in", anything), serve=anything)])}),
        document({}, {"s": anything}),
        document({}, {"s": {"members": anything, "when": [anything]}}),
    ):
        try:
            read(said, strict=True)
        except DocumentError:
            continue


def test_what_a_later_version_says_besides_is_passed_over() -> None:
    assert read({**document({"a": switch(owner="somebody")}), "signature": "x"}).flags["a"].off == "off"


def test_a_million_members_are_eight_megabytes_and_found_at_once() -> None:
    members = sorted(hash_of(f"user-{at}") for at in range(100_000))
    content = base64.b64encode(b"".join(member.to_bytes(8, "big") for member in members)).decode()
    found = read(document({}, {"many": {"hashed": content}})).segments["many"].members
    assert isinstance(found, Hashed)
    assert len(found) == 100_000
    assert all(f"user-{at}" in found for at in range(0, 100_000, 997))
    assert not any(f"other-{at}" in found for at in range(1000))


@pytest.mark.parametrize("hashed", ["no base64", "AAAA", 7, base64.b64encode(b"\1" * 16).decode()])
def test_hashes_that_are_none_are_refused(hashed: object) -> None:
    assert one(faults(segments={"many": {"hashed": hashed}})).startswith("segments.many.hashed: ")


def test_a_segment_within_a_segment_is_refused() -> None:
    found = faults(segments={"a": {"when": [[when("x", "in-segment", "a")]]}, "b": {"when": [[]]}})
    assert [said.partition(":")[0] for said in found] == ["segments.a.when[0][0]", "segments.b.when[0]"]


# Changes


def test_a_change_leaves_everything_else_the_very_same() -> None:
    old = read(document({"a": switch(), "b": switch()}))
    new = changed(old, {"from": 1, "revision": 2, "flags": {"b": switch(enabled=False), "c": switch()}})
    assert new.revision == 2
    assert new.flags["a"] is old.flags["a"]
    assert not new.flags["b"].enabled
    assert old.flags["b"].enabled
    assert set(changed(new, {"from": 2, "revision": 3, "flags": {"a": None}}).flags) == {"b", "c"}


def test_a_change_of_another_revision_is_outdated() -> None:
    with pytest.raises(Outdated, match="begins at revision 5, and here is 1"):
        changed(read(document({})), json.dumps({"from": 5, "revision": 6, "flags": {}}))


def test_a_change_that_would_leave_something_unexplained_is_refused() -> None:
    old = read(document({"a": switch(), "b": switch(prerequisites=[{"flag": "a", "variants": ["on"]}])}))
    with pytest.raises(DocumentError, match="“a” is no flag"):
        changed(old, {"from": 1, "revision": 2, "flags": {"a": None}})
    with pytest.raises(DocumentError, match="1 does not follow 1"):
        changed(old, {"from": 1, "revision": 1})


# Ranges


def test_a_share_of_101_percent_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"The shares are 101 % together \(on 30 %, off 71 %\); there is 100 %."):
        allocate((), {"on": 30_000, "off": 71_000})


shares_wanted = st.dictionaries(st.sampled_from("abcd"), st.integers(0, BUCKETS // 4))


@settings(max_examples=25, deadline=None)
@given(st.lists(shares_wanted, min_size=2, max_size=6))
def test_a_share_that_is_raised_takes_nobody_out_and_the_fewest_move(steps: list[dict[str, int]]) -> None:
    def owners(ranges: tuple[Range, ...]) -> list[str | None]:
        found: list[str | None] = [None] * BUCKETS
        for start, end, variant in ranges:
            found[start:end] = [variant] * (end - start)
        return found

    ranges: tuple[Range, ...] = ()
    for wanted in steps:
        new = allocate(ranges, wanted)
        before, after = owners(ranges), owners(new)
        had = shares(ranges)
        assert shares(new) == {variant: share for variant, share in wanted.items() if share}
        assert all(end > start for start, end, _ in new)
        for variant, share in wanted.items():
            if share >= had.get(variant, 0):
                assert all(now == variant for was, now in zip(before, after, strict=True) if was == variant)
        raised = sum(max(0, share - had.get(variant, 0)) for variant, share in wanted.items())
        lowered = sum(max(0, share - wanted.get(variant, 0)) for variant, share in had.items())
        assert sum(was != now for was, now in zip(before, after, strict=True)) == max(raised, lowered)
        ranges = new


def test_who_was_in_at_ten_percent_comes_back_first() -> None:
    ten = allocate((), {"on": 10_000})
    assert allocate(allocate(ten, {"on": 50_000}), {"on": 10_000}) == ten
    assert allocate(allocate(ten, {}), {"on": 10_000}) == ten


# Patterns


@pytest.mark.parametrize(
    "pattern",
    [
        r"^.*@example\.(com|org)$",
        r"^\d+(\.\d+)?$",
        "beta|alpha",
        r"^[a-z]+\.[a-z]+@parts\.com$",
        "[]x]",
        "[^a-z-]+",
        "x{2,3}",
    ],
)
def test_patterns_as_people_write_them_are_taken(pattern: str) -> None:
    assert compiled(pattern).pattern == pattern


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", "(a*)*", "(.*)(.*)(.*)(.*)x", "a?" * 40 + "a" * 40, "(a|a)" * 40 + "b", r"(a)\1", "(?=a)",
     "(?i)a", "(?P<n>a)", "a**", "a*+", "a{5000}", "(a{1,200}){1,200}", "(", ")", "[", "[a", "*a", "a{", "\\",
     r"\d+\d+\d+\d+x",
     "x" * 201, "((((((((((((a))))))))))))", "^*", "[[:alpha:]]", "[a--b]"],
)  # fmt: skip
def test_patterns_that_could_run_away_or_are_none_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compiled(pattern)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab.*+?|()[]{}1,^$\\d-", max_size=24))
def test_no_pattern_that_is_taken_runs_away(pattern: str) -> None:
    try:
        ready = compiled(pattern)
    except PatternError:
        return
    began = time.process_time()
    for subject in ("a" * LONGEST_SUBJECT, "ab" * (LONGEST_SUBJECT // 2), "1" * (LONGEST_SUBJECT - 1) + "b"):
        ready.search(subject)
    assert time.process_time() - began < 20  # what runs away takes years


# Doubts


def doubts(flag: dict[str, Any], **others: Any) -> list[str]:
    segments = {"nobody": {"members": []}, "staff": {"members": ["u1"]}}
    return [
        str(doubt)
        for doubt in warnings(read(document({"a": switch(**flag), **others}, segments)))
        if "flags.a" in str(doubt)
    ]


@pytest.mark.parametrize(
    ("conditions", "says"),
    [
        ([when("country", "in")], "never matches: “country” is compared with an empty list"),
        ([when("country", "starts-with")], "never matches: “country” is compared with an empty list"),
        ([when("country", "in", "DE"), when("country", "in", "FR")], "contradicts itself"),
        ([when("country", "in", "DE"), when("country", "not-in", "DE", "FR")], "contradicts itself"),
        ([when("country", "in", "DE"), when("country", "starts-with", "F")], "contradicts itself"),
        ([when("country", "absent"), when("country", "in", "DE")], "contradicts itself"),
        ([when("age", "less", 18), when("age", "at-least", 18)], "contradicts itself"),
        ([when("age", "less", 18), when("age", "in", "x")], "contradicts itself"),
        ([when("born", "before", "2020-01-01"), when("born", "after", "2021-01-01")], "contradicts itself"),
        ([when("app", "version-less", "1.9"), when("app", "version-at-least", "1.10")], "contradicts itself"),
        ([when("k", "in-segment", "staff"), when("k", "not-in-segment", "staff")], "contradicts itself"),
        ([when("k", "in-segment", "nobody")], "never matches: nobody is in nobody"),
    ],
)
def test_a_rule_that_cannot_match_is_told(conditions: list[dict[str, Any]], says: str) -> None:
    found = doubts({"rules": [rule(*conditions), rule(id="r2")]})
    assert says in one(found)
    assert found[0].startswith("flags.a.rules[0]: ")


def test_a_rule_behind_one_that_serves_everybody_is_told() -> None:
    found = doubts({"rules": [rule(), rule(when("country", "in", "DE"), id="r2")], "individuals": {"u1": "off"}})
    assert one(found) == "flags.a.rules[1]: never matches: rule 1 before it, “r1”, serves everybody"
    narrower = [rule(when("x", "in", 1)), rule(when("x", "in", 1), when("y", "present"), id="r2")]
    assert "all whom this one could match" in one(doubts({"rules": narrower}))


def test_a_share_of_nothing_and_a_variant_of_nobody_are_told() -> None:
    found = doubts({"rules": [rule(serve=[])]})
    assert found == [
        "flags.a.rules[0]: never serves anybody: its share is 0 %",
        "flags.a.variants.on: nobody gets this variant",
    ]


def test_a_prerequisite_that_cannot_hold_is_told() -> None:
    needs = {"prerequisites": [{"flag": "b", "variants": ["on"]}], "default": "on"}
    assert "“b” never serves on" in one(doubts(needs, b=switch()))
    assert "while “b” is disabled" in one(doubts(needs, b=switch(default="on", enabled=False)))
    assert doubts(needs, b=switch(default="on")) == []


def test_a_document_without_doubts_has_none() -> None:
    between = [when("age", "at-least", 18), when("age", "at-most", 18)]
    assert doubts({"rules": [rule(*between), rule(when("age", "in", 18, "old"), id="r2", serve=[[0, 1, "on"]])]}) == []
