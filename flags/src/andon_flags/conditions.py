"""Conditions as expressions of Python, put together of our own words: whatever a document says is bound to a name."""

from binascii import crc32
from typing import Optional, Union

from andon_flags.document.model import NUMERIC, SEGMENTAL, TIMED, VERSIONED, Condition, Operator, Scalar
from andon_flags.document.patterns import LONGEST_SUBJECT, compiled
from andon_flags.document.values import number_of, text_of, time_of, unit_of, version_of

_FEW = 4
_SIGNS = {
    Operator.LESS: "<",
    Operator.AT_MOST: "<=",
    Operator.MORE: ">",
    Operator.AT_LEAST: ">=",
    Operator.BEFORE: "<",
    Operator.AFTER: ">",
    Operator.VERSION_LESS: "<",
    Operator.VERSION_AT_LEAST: ">=",
}


class Names:
    """What generated code knows, by the names it knows it by."""

    def __init__(self) -> None:
        self.bound: dict[str, object] = {
            "text": text_of,
            "unit": unit_of,
            "number": number_of,
            "time": time_of,
            "version": version_of,
            "member": member,
            "crc32": crc32,
            "str": str,
            "int": int,
            "float": float,
        }
        self._by_value: dict[tuple[type, object], str] = {}

    def bind(self, value: object) -> str:
        """A name for a value of its own."""
        name = f"c{len(self.bound)}"
        self.bound[name] = value
        return name

    def constant(self, value: Scalar) -> str:
        """A name for a text or a number; the same for the same."""
        key = type(value), value
        if key not in self._by_value:
            self._by_value[key] = self.bind(value)
        return self._by_value[key]


class Attributes:
    """Attributes that are asked for once are read where they are asked for, others at the beginning."""

    def __init__(self, names: Names, asked: "dict[str, int]") -> None:
        self._names = names
        self._variables = {attribute: f"a{at}" for at, attribute in enumerate(asked) if asked[attribute] > 1}

    def expression(self, attribute: str) -> str:
        """Reads it; ``None`` where it is missing."""
        return self._variables.get(attribute) or f"context.get({self._names.constant(attribute)})"

    def beginning(self) -> "list[str]":
        """Statements that read what is asked for more than once."""
        return [
            f"{variable} = context.get({self._names.constant(attribute)})"
            for attribute, variable in self._variables.items()
        ]


def expression(condition: Condition, names: Names, attributes: Attributes, segments: "dict[str, str]") -> str:
    """A condition. ``segments`` has the names that segments' functions are bound to, with whether they ask a unit."""
    operator = condition.operator
    read = attributes.expression(condition.attribute)
    if operator is Operator.PRESENT:
        return f"({read} is not None)"
    if operator is Operator.ABSENT:
        return f"({read} is None)"
    if operator in {Operator.IN, Operator.NOT_IN}:
        return _listed(condition, names, read)
    if operator in SEGMENTAL:
        return _segmental(condition, read, segments)
    if operator in NUMERIC:
        bound = names.constant(condition.values[0])
        plain = f"(v if (v := {read}).__class__ is int or v.__class__ is float else number(v))"
        return f"((n := {plain}) is not None and n {_SIGNS[operator]} {bound})"
    if operator in TIMED:
        return f"((n := time({read})) is not None and n {_SIGNS[operator]} {names.bind(time_of(condition.values[0]))})"
    if operator in VERSIONED:
        bound = names.bind(version_of(condition.values[0]))
        return f"((n := version({read})) is not None and n {_SIGNS[operator]} {bound})"
    return _textual(condition, names, read)


def _text(read: str) -> str:
    return f"(v if (v := {read}).__class__ is str else text(v))"


def _textual(condition: Condition, names: Names, read: str) -> str:
    values = tuple(str(value) for value in condition.values)
    if not values:
        return "False"
    if condition.operator is Operator.STARTS_WITH:
        return f"((n := {_text(read)}) is not None and n.startswith({names.bind(values)}))"
    if condition.operator is Operator.ENDS_WITH:
        return f"((n := {_text(read)}) is not None and n.endswith({names.bind(values)}))"
    if condition.operator is Operator.CONTAINS:
        if len(values) > _FEW:
            return f"((n := {_text(read)}) is not None and {names.bind(_AnyWithin(values))}(n))"
        each = " or ".join(f"{names.constant(value)} in n" for value in values)
        return f"((n := {_text(read)}) is not None and ({each}))"
    return f"((n := {_text(read)}) is not None and {names.bind(_AnyMatch(values))}(n))"


class _AnyWithin:
    def __init__(self, parts: "tuple[str, ...]") -> None:
        self._parts = parts

    def __call__(self, text: str) -> bool:
        return any(part in text for part in self._parts)


class _AnyMatch:
    def __init__(self, patterns: "tuple[str, ...]") -> None:
        self._searches = [compiled(pattern).search for pattern in patterns]

    def __call__(self, text: str) -> bool:
        return len(text) <= LONGEST_SUBJECT and any(search(text) is not None for search in self._searches)


def _segmental(condition: Condition, read: str, segments: "dict[str, str]") -> str:
    named = [segments[str(name)] for name in condition.values]
    each = " or ".join(f"{one}(context, u)" for one in named) or "False"
    asks = any(one.startswith("m") for one in named)
    wanted = f"({each})" if condition.operator is Operator.IN_SEGMENT else f"not ({each})"
    if asks:
        return f"((u := (v if (v := {read}).__class__ is str and v else unit(v))) is not None and {wanted})"
    return f"((u := None) is None and {wanted})"


def _listed(condition: Condition, names: Names, read: str) -> str:
    values = condition.values
    wanted = condition.operator is Operator.IN
    if wanted and not values:
        return "False"
    texts = frozenset(value for value in values if isinstance(value, str))
    booleans = frozenset(value for value in values if isinstance(value, bool))
    numbers = frozenset(value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool))
    if len(texts) == 1 and not booleans and not numbers:
        only = names.constant(next(iter(texts)))
        return f"({_text(read)} == {only})" if wanted else f"((n := {_text(read)}) is not None and n != {only})"
    if texts and not booleans and not numbers:
        bound = names.bind(texts)
        return f"({_text(read)} in {bound})" if wanted else f"((n := {_text(read)}) is not None and n not in {bound})"
    if len(booleans) == 1 and not texts and not numbers:
        return f"({read} is {(True in booleans) is wanted})"
    bound = names.bind((texts, numbers, booleans))
    return f"(member({read}, {bound}) is {wanted})"


Listed = tuple[frozenset[str], frozenset[Union[int, float]], frozenset[bool]]


def member(value: object, listed: Listed) -> Optional[bool]:
    """Whether a value is listed; ``None`` where it is of a kind that is not among those listed.

    Where nothing is listed, every text, number and truth value is of a kind that is.
    """
    texts, numbers, booleans = listed
    every = not texts and not numbers and not booleans
    if isinstance(value, bool):
        return value in booleans if booleans or every else None
    text = text_of(value)
    if text is not None:
        return text in texts if texts or every else None
    number = number_of(value)
    if number is not None:
        return number in numbers if numbers or every else None
    return None
