"""The flags, and every way to ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from andon_flags.client import Flags
from andon_flags.document import Kind, Value

Context = Mapping[str, object]
Setting = dict[str, object]
"""As the API takes it."""

HALF = {"on": 50.0, "off": 50.0}
PRO = {"when": [{"attribute": "plan", "is": "in", "values": ["pro"]}], "id": "pro"}


@dataclass(frozen=True, slots=True)
class Planned:
    """``head`` is what holds for it everywhere; the rest is for production."""

    name: str
    setting: Setting
    head: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Case:
    """One question. ``context`` is how its user is called in ``PEOPLE``."""

    key: str
    kind: Kind
    default: Value
    who: str


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody is told of a flag; of an error the value is the default of their code, and there is no variant."""

    value: object
    variant: str | None
    reason: str
    error: str | None
    rule: str | None = None


def _switch(name: str, **setting: object) -> Planned:
    return Planned(name, {"default": "on", **setting}, {})


def _of(name: str, kind: Kind, variants: Mapping[str, object], default: str, **setting: object) -> Planned:
    head = {"kind": kind.value, "variants": variants, "off": next(iter(variants))}
    return Planned(name, {"default": default, **setting}, head)


def _when(attribute: str, operator: str, *values: object) -> list[Setting]:
    condition = {"attribute": attribute, "is": operator, "values": list(values)}
    return [{"when": [condition], "serve": "on", "id": attribute}]


FLAGS = (
    _switch("static"),
    _switch("static-off", default="off"),
    _switch("disabled", enabled=False),
    _switch("not-yet", **{"from": "2100-01-01T00:00:00Z"}),
    _switch("over", until="2001-01-01T00:00:00Z"),
    _switch("depends", prerequisites=[{"flag": "disabled", "variants": ["on"]}]),
    _switch("depended-on", prerequisites=[{"flag": "static", "variants": ["on"]}]),
    _switch("named", default="off", individuals={"u1": "on", "ключ-✓-ß": "on"}),
    _switch("staff", default="off", rules=_when("email", "ends-with", "@parts.example")),
    _switch("grown-up", default="off", rules=_when("age", "at-least", 18)),
    _switch("joined-late", default="off", rules=_when("joined", "after", "2026-01-01T00:00:00Z")),
    _switch("new-app", default="off", rules=_when("app", "version-at-least", "2.9.0")),
    _switch("no-mail", default="off", rules=_when("email", "absent")),
    _switch("rolled", default={"on": 30.0, "off": 70.0}),
    _switch("rolled-to-pro", default="off", rules=[{**PRO, "serve": {"on": 50.0}}]),
    Planned("by-company", {"default": HALF}, {"unit": "company"}),
    _of("banner", Kind.STRING, {"none": "", "blue": "#00f", "greeting": 'Grüße, "du" ✓\n\\'}, "greeting"),
    _of("no-banner", Kind.STRING, {"none": "", "blue": "#00f"}, "none", rules=[{**PRO, "serve": "blue"}]),
    _of("page-size", Kind.NUMBER, {"none": 0, "few": 10, "fewer": -3}, "none", rules=[{**PRO, "serve": "few"}]),
    _of("ratio", Kind.NUMBER, {"whole": 1, "half": 0.5, "tiny": 1e-7}, "whole", rules=[{**PRO, "serve": "tiny"}]),
    _of("largest", Kind.NUMBER, {"most": 2**53 - 1}, "most"),
    _of("layout", Kind.OBJECT, {"old": {}, "new": {"columns": [1, 2.5], "in": {"on": True, "no": None}}}, "new"),
    _of("no-layout", Kind.OBJECT, {"old": {}, "new": {"columns": 2}}, "old"),
    _of("steps", Kind.OBJECT, {"list": ["one", 2, {"three": 3}]}, "list"),
    _switch("x" * 100),
    _switch("checkout.v2-new_one"),
)
A_LIST = "steps"
"""What it serves is JSON, but no object: OFREP's description knows no lists, and the SDKs take them."""

PEOPLE: dict[str, Context] = {
    "nobody": {},
    "u1": {"targetingKey": "u1"},
    "staff": {
        "targetingKey": "u7",
        "email": "brent@parts.example",
        "plan": "pro",
        "age": 42,
        "joined": "2026-03-01T10:00:00Z",
        "app": "2.10.0",
        "company": "parts unlimited",
    },
    "guest": {
        "targetingKey": "g",
        "plan": "free",
        "age": 17,
        "joined": "2020-03-01T10:00:00+02:00",
        "app": "2.9.0-rc.1",
    },
    "of another type": {"targetingKey": "u9", "email": 7, "age": "42", "app": True, "plan": ["pro"]},
    "abroad": {"targetingKey": "ключ-✓-ß", "email": "ü@parts.example"},
    "nested": {"targetingKey": "u3", "user": {"plan": "pro", "list": [1, {"two": 2}]}, "plan": "pro"},
    "long": {"targetingKey": "k" * 2_000, "company": "c" * 2_000},
    "without a key": {"plan": "pro", "company": "parts unlimited"},
}
INVALID: Context = {"targetingKey": 7}
DEFAULTS: dict[Kind, Value] = {Kind.BOOLEAN: True, Kind.STRING: "default", Kind.NUMBER: 77, Kind.OBJECT: {"default": 1}}
MISSING = "no-such-flag"


def cases(users: int) -> Iterator[Case]:
    """Each flag by everybody, each as the three things that it is not, one that is missing, and shares by many."""
    for flag in FLAGS:
        kind = Kind(str(flag.head.get("kind", "boolean")))
        default: Value = 7.5 if flag.name == "ratio" else DEFAULTS[kind]
        for who in PEOPLE:
            yield Case(flag.name, kind, default, who)
        for other in Kind:
            if other is not kind:
                yield Case(flag.name, other, DEFAULTS[other], "staff")
    for kind in Kind:
        yield Case(MISSING, kind, DEFAULTS[kind], "u1")
    for at in range(users):
        for name in ("rolled", "rolled-to-pro", "by-company"):
            yield Case(name, Kind.BOOLEAN, False, f"user {at}")


def context_of(who: str) -> Context:
    if who.startswith("user "):
        return {"targetingKey": who, "plan": "pro", "company": f"company {who}"}
    return PEOPLE[who]


def expected(flags: Flags, case: Case) -> Told:
    """What the document evaluates to, in the process."""
    found = flags.details(case.key, context_of(case.who), case.default, kind=case.kind)
    error = None if found.error is None else found.error.value
    return Told(found.value, found.variant, found.reason.value, error, found.rule)


def same(one: object, other: object) -> bool:
    """Of the same type and value; what is a whole number here may be a fraction there."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
