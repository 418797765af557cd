"""What is wrong with a request that does not fit, in words: which field, what was expected, what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
from litestar.exceptions import HTTPException, SerializationException
from litestar.types import Scope

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)
_KIND = re.compile(r"Expected `(?P<wanted>[\w| ]+)`(?: (?P<bound>[<>]=? \S+))?(?:, got `(?P<got>\w+)`)?")
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
    "datetime": "a moment such as 2026-01-31T09:00:00Z",
}
_LONGEST = 500
_LONGEST_NAME = 60


def in_words(error: HTTPException, scope: Scope) -> str:
    """One sentence for each thing that does not fit; empty where the error says nothing of its own."""
    body = _body_of(scope)
    if isinstance(error.extra, list):
        told = [_sentence(one, body) for one in error.extra if isinstance(one, dict) and "message" in one]
        return " ".join(told)[:_LONGEST]
    if error.status_code == 400 and body is not None and isinstance(error.__cause__, SerializationException):
        return f"The body is not valid JSON. {_expectation(body)}"
    return error.detail.split("\n", 1)[0][:_LONGEST] if error.status_code == 400 else ""


def _sentence(one: dict[str, Any], body: object) -> str:
    key, message = str(one.get("key", "")), str(one["message"])
    in_body = one.get("source") == "body"
    if in_body and key == "data":
        key = ""
        if message == "'data'":
            return f"The body is missing. {_expectation(body)}"
    if unknown := _UNKNOWN.fullmatch(message):
        known = _listed(_fields(_at(body, key)))
        return f"`{_shown(unknown['name'])}` is not a field of {_thing(key)}; known are {known or 'none'}."
    if missing := _MISSING.fullmatch(message):
        return f"`{missing['name']}` is missing from {_thing(key)}."
    subject = f"`{_shown(key)}`" if key else "The body"
    if kind := _KIND.fullmatch(message):
        wanted = " or ".join(_WORDS.get(name, name) for name in kind["wanted"].split(" | "))
        bound = f" {kind['bound']}" if kind["bound"] else ""
        got = f", not {_WORDS.get(kind['got'], kind['got'])}" if kind["got"] else ""
        return f"{subject} should be {wanted}{bound}{got}."
    if message == f"'{key}'":
        return f"{subject} is missing."
    return f"{subject}: {message}."


def _expectation(body: object) -> str:
    names = _listed(_fields(_at(body, "")))
    return f"Send a JSON object with {names}." if names else "Send a JSON object."


def _listed(fields: tuple[msgspec.structs.FieldInfo, ...]) -> str:
    return ", ".join(f"`{one.encode_name}`" + ("" if one.required else " (may be left out)") for one in fields)


def _thing(key: str) -> str:
    return f"`{_shown(key)}`" if key else "the body"


def _shown(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"


def _body_of(scope: Scope) -> object:
    """The type that a route's body has; ``None`` for no route, or one without a body."""
    handler = scope.get("route_handler")
    field = getattr(handler, "parsed_data_field", None)
    return None if field is None else field.annotation


def _fields(kind: object) -> tuple[msgspec.structs.FieldInfo, ...]:
    return () if kind is None else msgspec.structs.fields(kind)  # type: ignore[arg-type]  # a struct, by _structs


def _at(kind: object, path: str) -> object:
    """The struct at a path such as ``roles[...]`` in a body."""
    found = next(_structs(kind), None)
    for step in filter(None, path.split(".")):
        name = step.partition("[")[0]
        inner = next((one.type for one in _fields(found) if one.encode_name == name), None)
        found = next(_structs(inner), None)
    return found


def _structs(kind: object) -> Iterator[object]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for one in get_args(kind):
        yield from _structs(one)
