"""The compiled form and the explanation are written apart from each other, and always say the same."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import given, settings

from andon_flags.compiling import Compiled
from andon_flags.document import changed, read, warnings, write, write_change
from andon_flags.explaining import explain
from andon_flags.outcomes import NOT_HASHED
from tests.flags_client.documents import contexts, documents


@settings(max_examples=80, deadline=None)
@given(documents(), contexts)
def test_what_is_compiled_gives_what_is_explained(said: dict[str, Any], context: dict[str, Any]) -> None:
    document = read(said, strict=True)
    compiled = Compiled(document)
    now = time.time()
    for name, flag in document.flags.items():
        explained = explain(document, name, context, now)
        outcome = compiled.outcome(name, context)
        assert tuple(outcome) == (explained.variant, explained.reason, explained.rule, explained.error), str(explained)
        assert explained.steps
        try:
            value = compiled.function(name)(context)
        except NOT_HASHED:
            assert outcome.variant is None
        else:
            assert value is flag.variants[outcome.variant or ""]


@settings(max_examples=30, deadline=None)
@given(documents(), documents(), contexts)
def test_functions_kept_over_a_change_are_those_of_the_new_document(
    one: dict[str, Any], other: dict[str, Any], context: dict[str, Any]
) -> None:
    first = read(one)
    before = Compiled(first)
    for name in first.flags:
        before.outcome(name, context)
    # of two flags one changes, and the segments of none or all
    mixed = read({**one, "revision": 2, "flags": {**one["flags"], "a": other["flags"]["a"]}})
    second = changed(first, write_change(first, mixed))
    assert write(second) == write(mixed)
    after = Compiled(second, previous=before)
    fresh = Compiled(mixed)
    for name in second.flags:
        assert after.outcome(name, context) == fresh.outcome(name, context)


@settings(max_examples=30, deadline=None)
@given(documents())
def test_a_document_that_is_written_is_read_as_the_same(said: dict[str, Any]) -> None:
    document = read(said, strict=True)
    assert read(write(document), strict=True) == document
    assert write(read(write(document))) == write(document)


@settings(max_examples=80, deadline=None)
@given(documents(), contexts)
def test_a_rule_that_is_said_never_to_match_never_matches(said: dict[str, Any], context: dict[str, Any]) -> None:
    document = read(said)
    dead = {doubt.path for doubt in warnings(document) if ".rules[" in doubt.path}
    unreachable = {doubt.path for doubt in warnings(document) if ".variants." in doubt.path}
    for name, flag in document.flags.items():
        outcome = Compiled(document).outcome(name, context)
        assert f"flags.{name}.variants.{outcome.variant}" not in unreachable
        for at, rule in enumerate(flag.rules):
            if rule.id == outcome.rule:
                assert f"flags.{name}.rules[{at}]" not in dead


def test_more_rules_and_conditions_than_anybody_has_are_compiled() -> None:
    condition = {"attribute": "country", "is": "not-in", "values": ["DE", "FR"]}
    rules = [{"id": f"r{at}", "when": [condition] * 15, "serve": [[at, at + 1, "on"]]} for at in range(200)]
    default = [[at * 100, at * 100 + 100, "on" if at % 2 else "off"] for at in range(1000)]
    flag = {"kind": "boolean", "variants": {"on": True, "off": False}, "off": "off", "rules": rules, "default": default}
    chain = {
        f"f{at}": {**flag, "rules": [], "prerequisites": [{"flag": f"f{at + 1}", "variants": ["on", "off"]}]}
        for at in range(19)
    }
    said = {"format": 1, "service": "s", "environment": "e", "revision": 0, "flags": {**chain, "f19": flag}}
    document = read(said)
    compiled, context = Compiled(document), {"targetingKey": "u1", "country": "IT"}
    for name in ("f0", "f19"):
        explained = explain(document, name, context)
        assert compiled.outcome(name, context)[:3] == (explained.variant, explained.reason, explained.rule)
