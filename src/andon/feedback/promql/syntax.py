"""A query as a tree. Durations and times are milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from andon.feedback.telemetry.contract.metrics import Matcher


class Moment(StrEnum):
    """What ``@`` may name besides a time: the beginning or the end of the whole query."""

    START = "start()"
    END = "end()"


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """``offset`` and ``@``."""

    offset: int = 0
    at: int | Moment | None = None


@dataclass(frozen=True, slots=True)
class Selector:
    matchers: tuple[Matcher, ...]
    shift: Shift


@dataclass(frozen=True, slots=True)
class Window:
    """``selector[width]``."""

    selector: Selector
    width: int


@dataclass(frozen=True, slots=True)
class Subquery:
    """``inner[width:step]``; a step of ``None`` is the default one."""

    inner: Expression
    width: int
    step: int | None
    shift: Shift


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Grouping:
    """``by`` these labels, or ``without`` them."""

    labels: tuple[str, ...] = ()
    without: bool = False


@dataclass(frozen=True, slots=True)
class Aggregation:
    operator: str
    inner: Expression
    parameter: Expression | None
    grouping: Grouping


class Cardinality(StrEnum):
    ONE_TO_ONE = "one to one"
    MANY_TO_ONE = "group_left"
    ONE_TO_MANY = "group_right"
    MANY_TO_MANY = "many to many"
    """Of the set operators ``and``, ``or``, ``unless``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Which pairs of two vectors belong together: by ``labels`` (``on``), or by all but those (``ignoring``)."""

    labels: tuple[str, ...] = ()
    on: bool = False
    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Expression
    right: Expression
    matching: Matching
    as_bool: bool


@dataclass(frozen=True, slots=True)
class Negation:
    inner: Expression


Expression = Number | Text | Selector | Window | Subquery | Call | Aggregation | Binary | Negation
