"""Random documents, contexts that fit them more or less, and a small way to write one down."""

from __future__ import annotations

from datetime import date, datetime, timezone
from enum import Enum
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from andon_flags.document import BUCKETS, Operator


class Plan(str, Enum):  # noqa: UP042 - a StrEnum has the hash of its text, this has not
    """Its members are texts, and have hashes of their own."""

    PRO = "pro-plan"
    FREE = "free"


NAMES = ["a", "b", "c"]
ATTRIBUTES = ["targetingKey", "country", "age", "member since", "version"]
TEXTS = ["DE", "FR", "pro-plan", "u1", "u2", "ü", "x" * 257, "", "1", "2026-03-01", "1.10", "1.9-rc.1", "v2"]
NUMBERS: list[int | float] = [0, 1, 1.0, 2.5, -3, 10**18, 1e300]
TIMES = ["2026-03-01", "2026-03-01T08:00:00Z", "2026-03-01 08:00:00.5+02:00", "1969-12-31T23:59:59Z"]
VERSIONS = ["1.10", "1.9", "v2", "1.10.0", "1.9-rc.1", "1.9-rc.2", "1.9-1", "1.9+build"]
PATTERNS = ["^D", "[0-9]+$", "(DE|FR)", "x+", "u[12]?", "."]
VARIANTS = {"on": True, "off": False, "third": True}

scalars = st.sampled_from([*TEXTS, *NUMBERS, True, False])


def values_of(operator: Operator) -> st.SearchStrategy[list[Any]]:
    if operator in {Operator.PRESENT, Operator.ABSENT}:
        return st.just([])
    if operator in {Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST}:
        return st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=1)
    if operator in {Operator.BEFORE, Operator.AFTER}:
        return st.lists(st.sampled_from(TIMES), min_size=1, max_size=1)
    if operator in {Operator.VERSION_LESS, Operator.VERSION_AT_LEAST}:
        return st.lists(st.sampled_from(VERSIONS), min_size=1, max_size=1)
    if operator is Operator.MATCHES:
        return st.lists(st.sampled_from(PATTERNS), max_size=3)
    if operator in {Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH}:
        return st.lists(st.sampled_from([text for text in TEXTS if text]), max_size=6)
    if operator in {Operator.IN_SEGMENT, Operator.NOT_IN_SEGMENT}:
        return st.lists(st.sampled_from(["s", "t"]), max_size=2)
    kinds = [st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.booleans(), scalars]
    return st.one_of(*[st.lists(kind, max_size=4) for kind in kinds])


@st.composite
def conditions(draw: st.DrawFn, *, within: bool = False) -> dict[str, Any]:
    operators = [one for one in Operator if not within or "segment" not in one.value]
    operator = draw(st.sampled_from(operators))
    attribute = draw(st.sampled_from(ATTRIBUTES))
    return {"attribute": attribute, "is": operator.value, "values": draw(values_of(operator))}


@st.composite
def ranges(draw: st.DrawFn, *, whole: bool) -> str | list[list[Any]]:
    if draw(st.booleans()):
        return draw(st.sampled_from(list(VARIANTS)))
    cuts = sorted(draw(st.sets(st.integers(1, BUCKETS - 1), max_size=draw(st.sampled_from([2, 20])))))
    bounds = [0, *cuts, BUCKETS]
    found = []
    for start, end in pairwise(bounds):
        if whole or draw(st.booleans()):
            found.append([start, end, draw(st.sampled_from(list(VARIANTS)))])
    return found


@st.composite
def flags(draw: st.DrawFn, before: list[str]) -> dict[str, Any]:
    rules = draw(st.lists(st.tuples(st.lists(conditions(), max_size=3), ranges(whole=False)), max_size=4))
    made: dict[str, Any] = {
        "kind": "boolean",
        "variants": VARIANTS,
        "enabled": draw(st.sampled_from([True, True, True, False])),
        "off": draw(st.sampled_from(list(VARIANTS))),
        "salt": draw(st.sampled_from(["one", "two", "ü"])),
        "unit": draw(st.sampled_from(["targetingKey", "targetingKey", "country"])),
        "individuals": draw(st.dictionaries(st.sampled_from(["u1", "u2", "7"]), st.sampled_from(list(VARIANTS)))),
        "rules": [{"id": f"r{at}", "when": when, "serve": serve} for at, (when, serve) in enumerate(rules)],
        "default": draw(ranges(whole=True)),
    }
    if before:
        listed = st.tuples(st.sampled_from(before), st.lists(st.sampled_from(list(VARIANTS)), max_size=2))
        made["prerequisites"] = [{"flag": name, "variants": some} for name, some in draw(st.lists(listed, max_size=2))]
    if draw(st.integers(0, 4)) == 0:
        made["from"] = draw(st.sampled_from([None, 0, 4e9]))
        made["until"] = draw(st.sampled_from([None, 5, 5e9]).filter(lambda at: (at or 9e9) > (made["from"] or 0)))
    return made


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    members = st.lists(st.sampled_from(["u1", "u2", "7", "DE"]), unique=True)
    alternatives = st.lists(st.lists(conditions(within=True), min_size=1, max_size=2), max_size=2)
    segments = {
        "s": {"members": draw(members), "when": draw(alternatives)},
        "t": {"members": [], "when": draw(alternatives)},
    }
    made: dict[str, Any] = {}
    for name in NAMES:
        made[name] = draw(flags(list(made)))
    return document(made, segments)


attributes = st.one_of(
    scalars,
    st.sampled_from(
        [None, Plan.PRO, Plan.FREE, float("nan"), float("inf"), 7, [], {}, object(), b"DE", "\ud800", 10**400]
    ),
    st.sampled_from([*TIMES, *VERSIONS]),
    st.sampled_from([datetime(2026, 3, 1, 8, tzinfo=timezone.utc), datetime(2026, 3, 1), date(2026, 3, 1)]),  # noqa: DTZ001, UP017 - without a zone on purpose
)
contexts = st.dictionaries(st.sampled_from(ATTRIBUTES), attributes)


def document(flags: dict[str, Any], segments: dict[str, Any] | None = None, revision: int = 1) -> dict[str, Any]:
    return {
        "format": 1,
        "service": "store",
        "environment": "production",
        "revision": revision,
        "segments": segments or {},
        "flags": flags,
    }


def switch(**more: Any) -> dict[str, Any]:
    """A flag that is off for everybody, but for what is said."""
    return {
        "kind": "boolean",
        "variants": {"on": True, "off": False},
        "enabled": True,
        "off": "off",
        "salt": "new-checkout",
        "unit": "targetingKey",
        "default": "off",
        **more,
    }


def when(attribute: str, operator: str, *values: object) -> dict[str, Any]:
    return {"attribute": attribute, "is": operator, "values": list(values)}
