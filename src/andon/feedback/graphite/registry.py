"""How a function of Graphite is declared, and what it is given when it is called."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from typing import Protocol

from andon.feedback.graphite.aggregating import CONSOLIDATIONS, NAMES, function_name
from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.rows import Floats, Row
from andon.feedback.graphite.syntax import Expression

Scalar = float | int | str | bool | None
Value = list[Row] | Scalar


class Type(StrEnum):
    """The types of parameters, in the words that editors of targets understand."""

    AGGREGATION = "aggFunc"
    ANY = "any"
    BOOLEAN = "boolean"
    DATE = "date"
    FLOAT = "float"
    INTEGER = "integer"
    INTERVAL = "interval"
    INTEGER_OR_INFINITE = "intOrInf"
    INTEGER_OR_INTERVAL = "intOrInterval"
    NODE = "node"
    NODE_OR_TAG = "nodeOrTag"
    SERIES = "seriesList"
    STRING = "string"
    TAG = "tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    name: str
    type: Type
    required: bool = False
    default: Scalar = None
    multiple: bool = False
    options: tuple[Scalar, ...] = ()
    suggestions: tuple[Scalar, ...] = ()


def needs(name: str, type_: Type, *, multiple: bool = False, options: Sequence[Scalar] = ()) -> Parameter:
    return Parameter(name=name, type=type_, required=True, multiple=multiple, options=_options(type_, options))


def takes(
    name: str, type_: Type, default: Scalar = None, *, multiple: bool = False, options: Sequence[Scalar] = ()
) -> Parameter:
    return Parameter(name=name, type=type_, default=default, multiple=multiple, options=_options(type_, options))


def _options(type_: Type, options: Sequence[Scalar]) -> tuple[Scalar, ...]:
    return NAMES if type_ is Type.AGGREGATION and not options else tuple(options)


SERIES = needs("seriesList", Type.SERIES)
SERIES_LISTS = needs("seriesLists", Type.SERIES, multiple=True)
CONSOLIDATION = needs("consolidationFunc", Type.STRING, options=CONSOLIDATIONS)


class Asked(Protocol):
    """The request that a function is called for: seconds since 1970."""

    start: int
    end: int
    now: int
    zone: tzinfo
    threshold: float | None
    """Graphite's xFilesFactor, where one was set."""
    stacks: MutableMapping[str, Floats]

    def check(self) -> None:
        """Raises :class:`~andon.feedback.graphite.contract.TookTooLong`."""

    def other(self, expression: Expression, start: int, end: int) -> list[Row]:
        """The same expression in another window."""

    def target(self, text: str) -> list[Row]:
        """Another target in the same window."""

    def called(self, function: str, rows: list[Row]) -> list[Row] | None:
        """What a function makes of series alone; ``None`` where there is no function of that name."""

    def applied(self, function: str, lists: Sequence[list[Row]]) -> list[Row]:
        """What a function makes of these lists of series. Raises :class:`BadTarget` where there is no such one."""

    def moment(self, text: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of one call, of the types that were declared."""

    asked: Asked
    function: str
    values: Mapping[str, Value | list[Value]]
    inner: Expression | None
    """The first argument as it was written, for functions that look at more than the window."""

    def rows(self, name: str = "seriesList") -> list[Row]:
        value = self.values.get(name)
        return [row for row in value if isinstance(row, Row)] if isinstance(value, list) else []

    def lists(self, name: str = "seriesLists") -> list[list[Row]]:
        value = self.values.get(name)
        given: list[object] = [*value] if isinstance(value, list) else []
        return [[row for row in one if isinstance(row, Row)] for one in given if isinstance(one, list)]

    def all(self, name: str = "seriesLists") -> list[Row]:
        return [row for rows in self.lists(name) for row in rows]

    def has(self, name: str) -> bool:
        return self.values.get(name) is not None

    def number(self, name: str) -> float:
        value = self.values.get(name)
        return float(value) if isinstance(value, int | float) else math.nan

    def maybe(self, name: str) -> float | None:
        return self.number(name) if self.has(name) else None

    def whole(self, name: str) -> int:
        return int(self.number(name))

    def text(self, name: str) -> str:
        return str(self.values.get(name) or "")

    def flag(self, name: str) -> bool:
        return self.values.get(name) is True

    def plain(self, name: str) -> Scalar:
        value = self.values.get(name)
        return None if isinstance(value, list) else value

    def many(self, name: str) -> list[float | str]:
        value = self.values.get(name)
        given: list[object] = [*value] if isinstance(value, list) else []
        return [one for one in given if isinstance(one, int | float | str)]

    def wider(self, start: int, end: int) -> list[Row]:
        """The first argument's series in another window."""
        return [] if self.inner is None else self.asked.other(self.inner, start, end)


Body = Callable[[Given], list[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    name: str
    group: str
    parameters: tuple[Parameter, ...]
    body: Body

    @property
    def description(self) -> str:
        return inspect.getdoc(self.body) or ""

    @property
    def takes_series_alone(self) -> bool:
        first = self.parameters[:1]
        return bool(first) and first[0].type is Type.SERIES and not any(one.required for one in self.parameters[1:])


def declare(known: dict[str, Function], group: str, names: str, *parameters: Parameter) -> Callable[[Body], Body]:
    """Put a function into a module's table under its names."""

    def put(body: Body) -> Body:
        for name in names.split():
            known[name] = Function(name=name, group=group, parameters=parameters, body=body)
        return body

    return put


def bound(
    function: Function, positional: Sequence[Value], named: Mapping[str, Value]
) -> dict[str, Value | list[Value]]:
    """The arguments by the names of their parameters. Raises :class:`BadTarget`."""
    found: dict[str, Value | list[Value]] = {}
    rest = list(positional)
    for parameter in function.parameters:
        if parameter.multiple:
            given, rest = rest, []
            found[parameter.name] = [_fitting(function.name, parameter, one) for one in given]
            if parameter.required and not given:
                raise _missing(function, parameter)
            continue
        value: Value
        if rest:
            value = rest.pop(0)
        elif parameter.name in named:
            value = named[parameter.name]
        elif parameter.required:
            raise _missing(function, parameter)
        else:
            value = parameter.default
        found[parameter.name] = None if value is None else _fitting(function.name, parameter, value)
    if rest:
        raise BadTarget(f"{function.name}() was given too many arguments.", remedy=_signature(function))
    for name in named:
        if name not in found:
            raise BadTarget(f"{function.name}() has no parameter `{name}`.", remedy=_signature(function))
    return found


def _missing(function: Function, parameter: Parameter) -> BadTarget:
    return BadTarget(f"{function.name}() lacks its argument `{parameter.name}`.", remedy=_signature(function))


def _signature(function: Function) -> str:
    return f"Write it as {signature(function)}."


def signature(function: Function) -> str:
    return f"{function.name}({', '.join(_written(one) for one in function.parameters)})"


def _written(parameter: Parameter) -> str:
    if parameter.multiple:
        return f"*{parameter.name}"
    if parameter.required:
        return parameter.name
    default = parameter.default
    return f"{parameter.name}={repr(default) if isinstance(default, str) else default}"


def _fitting(function: str, parameter: Parameter, value: Value) -> Value:
    try:
        return _converted(parameter.type, value)
    except (TypeError, ValueError, OverflowError) as error:
        told = "series" if isinstance(value, list) else repr(value)[:60]
        raise BadTarget(
            f"{function}(): `{parameter.name}` cannot be {told}.", remedy=f"It must be of the type {parameter.type}."
        ) from error


def _converted(type_: Type, value: Value) -> Value:
    match type_:
        case Type.SERIES:
            if not isinstance(value, list):
                raise TypeError(type_)
            return value
        case Type.ANY:
            return value
    if isinstance(value, list):
        raise TypeError(type_)
    match type_:
        case Type.BOOLEAN:
            return _boolean(value)
        case Type.FLOAT:
            if value is None:
                raise TypeError(type_)
            return float(value)
        case Type.INTEGER | Type.NODE:
            return _integer(value)
        case Type.INTEGER_OR_INFINITE:
            return math.inf if value in {math.inf, "inf"} else _integer(value)
        case Type.INTEGER_OR_INTERVAL:
            return value if isinstance(value, str) else _integer(value)
        case Type.AGGREGATION:
            return function_name(str(value)) and str(value)
        case Type.INTERVAL | Type.STRING | Type.TAG | Type.DATE:
            return _text(value)
    return value


def _integer(value: Scalar) -> int:
    if isinstance(value, str):
        return int(value[:20])
    if value is None or value != int(value):
        raise ValueError(value)
    return int(value)


def _boolean(value: Scalar) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower(), True)
    return bool(value)


def _text(value: Scalar) -> str:
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
