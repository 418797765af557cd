"""From the text of a query to its tree.

The grammar and the types of arguments are checked by ``promql-parser``. It is written in Rust and recurses: a query
that nests without bound would end the process, so what may be handed to it is counted first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import promql_parser as rust
from promql_parser import Function, ValueType

from andon.feedback.promql.contract import BadQuery
from andon.feedback.promql.syntax import (
    Aggregation,
    Binary,
    Call,
    Cardinality,
    Expression,
    Grouping,
    Matching,
    Moment,
    Negation,
    Number,
    Selector,
    Shift,
    Subquery,
    Text,
    Window,
)
from andon.feedback.telemetry.contract.metrics import NAME, Comparison, Matcher

LONGEST_QUERY: Final = 32 * 1024
MOST_OPERATORS: Final = 1_000
"""Signs that could begin one more level, wherever they stand."""
DEEPEST: Final = 150

_LOOKS_NESTED = re.compile(r"[-+*/%^(\[=<>!]|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_PIECES = re.compile(r"""(?s)#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`""")
_DURATION_IN_SECONDS = re.compile(
    r"(?:[\[:]|\boffset\b)\s*[-+]?\s*((?:\d[\d_]*\.?\d*|\.\d+)(?:e[-+]?\d+)?(?!\w)|\binf\b|\bnan\b)",
    re.IGNORECASE | re.ASCII,
)
_LONGEST_SECONDS = 1e11
_PANICS = "pyo3_runtime"
_BEFORE_1970 = re.compile(r"@\s*-")

# the parser's enumerations cannot be keys
_COMPARISONS = (
    (rust.MatchOp.Equal, Comparison.EQUAL),
    (rust.MatchOp.NotEqual, Comparison.UNEQUAL),
    (rust.MatchOp.Re, Comparison.LIKE),
    (rust.MatchOp.NotRe, Comparison.UNLIKE),
)
_CARDINALITIES = (
    (rust.VectorMatchCardinality.OneToOne, Cardinality.ONE_TO_ONE),
    (rust.VectorMatchCardinality.ManyToOne, Cardinality.MANY_TO_ONE),
    (rust.VectorMatchCardinality.OneToMany, Cardinality.ONE_TO_MANY),
    (rust.VectorMatchCardinality.ManyToMany, Cardinality.MANY_TO_MANY),
)
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# double_exponential_smoothing under the name that it had before Prometheus 3
rust.register_extra_functions(
    [Function("holt_winters", [ValueType.Matrix, ValueType.Scalar, ValueType.Scalar], ValueType.Vector)]
)


def parse(query: str) -> Expression:
    """The tree of a query. Raises :class:`BadQuery` with the parser's own words."""
    with _complaints():
        return _Reader().expression(_parsed(query), 0)


def pretty(query: str) -> str:
    """The query laid out over several lines where it is long. Raises :class:`BadQuery`."""
    with _complaints():
        return _parsed(query).prettify()


def matchers(selector: str) -> tuple[Matcher, ...]:
    """The conditions of a selector that stands alone, as in ``match[]``. Raises :class:`BadQuery`."""
    found = parse(selector)
    if not isinstance(found, Selector) or found.shift != Shift():
        raise BadQuery(f"`{selector}` is not a selector of series.", remedy='Write `name{label="value"}`.')
    return found.matchers


def _parsed(query: str) -> rust.Expr:
    if len(query) > LONGEST_QUERY:
        raise BadQuery(f"The query is longer than {LONGEST_QUERY:,} characters.", remedy="Ask for less at once.")
    bare = _PIECES.sub('""', query)
    if len(_LOOKS_NESTED.findall(bare)) > MOST_OPERATORS:
        raise BadQuery(f"The query has more than {MOST_OPERATORS:,} operators.", remedy="Ask for less at once.")
    if _BEFORE_1970.search(bare):
        raise BadQuery("`@` names a time before 1970.", remedy="Give seconds since 1970.")
    for duration in _DURATION_IN_SECONDS.findall(bare):
        if not abs(float(duration.replace("_", ""))) < _LONGEST_SECONDS:
            raise _out_of_bounds()
    try:
        return rust.parse(_PIECES.sub(_plainly, query))
    except OverflowError as error:
        raise _out_of_bounds() from error
    except ValueError as error:
        raise BadQuery(f"{error}", remedy="Correct the query.") from error


@contextmanager
def _complaints() -> Iterator[None]:
    """What the parser cannot bear, as a :class:`BadQuery`."""
    try:
        yield
    except (ValueError, OverflowError) as error:  # it counts in larger numbers than Python's durations
        raise _out_of_bounds() from error
    except BaseException as error:
        # a panic in Rust is no Exception, and would end the thread that serves a request; everything else goes on
        if type(error).__module__ != _PANICS:
            raise
        raise BadQuery("The query cannot be parsed.", remedy="Correct the query.") from error


def _out_of_bounds() -> BadQuery:
    return BadQuery("A duration or a time in the query is out of bounds.", remedy="Give a smaller one.")


def _plainly(piece: re.Match[str]) -> str:
    """Raw strings as quoted ones: the parser takes their backslashes for escapes. Comments are left out."""
    text = piece[0]
    if text.startswith("#"):
        return " "
    if not text.startswith("`"):
        return text
    inner = text[1:-1].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{inner}"'


class _Reader:
    def expression(self, node: object, depth: int) -> Expression:
        if depth > DEEPEST:
            raise BadQuery(f"The query nests more than {DEEPEST} levels deep.", remedy="Ask for less at once.")
        deeper = depth + 1
        match node:
            case rust.ParenExpr():
                return self.expression(node.expr, deeper)
            case rust.NumberLiteral():
                return Number(node.val)
            case rust.StringLiteral():
                return Text(node.val)
            case rust.VectorSelector():
                return _selector(node)
            case rust.MatrixSelector():
                return Window(_selector(node.vector_selector), _ms(node.range))
            case rust.SubqueryExpr():
                if node.range is None:
                    raise BadQuery("A subquery needs a range.", remedy="Write `query[1h:1m]`.")
                step = None if node.step is None else _ms(node.step)
                inner = self.expression(node.expr, deeper)
                return Subquery(inner, _ms(node.range), step, _shift(node.offset, node.at))
            case rust.UnaryExpr():
                return Negation(self.expression(node.expr, deeper))
            case rust.Call():
                return Call(node.func.name, tuple(self.expression(one, deeper) for one in node.args))
            case rust.AggregateExpr():
                inner = self.expression(node.expr, deeper)
                parameter = None if node.param is None else self.expression(node.param, deeper)
                return Aggregation(str(node.op), inner, parameter, _grouping(node.modifier))
            case rust.BinaryExpr():
                left, right = self.expression(node.lhs, deeper), self.expression(node.rhs, deeper)
                return _binary(str(node.op), left, right, node.modifier)
        raise BadQuery(f"This form of query is not known here: {type(node).__name__}.", remedy="Use plain PromQL.")


def _binary(operator: str, left: Expression, right: Expression, modifier: rust.BinModifier | None) -> Binary:
    if modifier is None:
        return Binary(operator, left, right, Matching(), as_bool=False)
    filled = modifier.fill_values
    if filled.lhs is not None or filled.rhs is not None:
        raise BadQuery("`fill` is not supported.", remedy="Write `or` with a vector of the wanted values.")
    chosen = modifier.matching
    matching = Matching(
        labels=tuple(chosen.labels) if chosen else (),
        on=chosen is not None and chosen.type == rust.LabelModifierType.Include,
        cardinality=next(ours for theirs, ours in _CARDINALITIES if theirs == modifier.card),
        include=tuple(modifier.group_labels or ()),
    )
    return Binary(operator, left, right, matching, as_bool=modifier.return_bool)


def _grouping(modifier: rust.AggModifier | None) -> Grouping:
    if modifier is None:
        return Grouping()
    return Grouping(tuple(modifier.labels), without=modifier.type == rust.AggModifierType.Without)


def _selector(node: rust.VectorSelector) -> Selector:
    if node.matchers.or_matchers:
        raise BadQuery("`or` between the conditions of a selector is not PromQL.", remedy="Use `=~` with a pattern.")
    conditions = [
        Matcher(one.name, next(ours for theirs, ours in _COMPARISONS if theirs == one.op), one.value)
        for one in node.matchers.matchers
    ]
    if node.name:
        conditions.insert(0, Matcher(NAME, Comparison.EQUAL, node.name))
    return Selector(tuple(conditions), _shift(node.offset, node.at))


def _shift(offset: timedelta | None, at: rust.AtModifier | None) -> Shift:
    moment: int | Moment | None = None
    if at is not None and at.type == rust.AtModifierType.Start:
        moment = Moment.START
    elif at is not None and at.type == rust.AtModifierType.End:
        moment = Moment.END
    elif at is not None and at.at is not None:
        moment = (at.at - _EPOCH) // _MILLISECOND
    return Shift(offset=0 if offset is None else _ms(offset), at=moment)


def _ms(duration: timedelta) -> int:
    return duration // _MILLISECOND
