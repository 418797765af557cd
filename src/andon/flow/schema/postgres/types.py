"""Which changes of a column's type PostgreSQL makes for free, which rewrite the table, which lose values.

From PostgreSQL's documentation of ALTER TABLE ("… the old column contents … binary coercible … no rewrite") and
``ATColumnChangeRequiresRewrite``; each line is proven against a server in the tests, by the table's file number.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from andon.flow.schema.postgres.reading import strings


class Change(StrEnum):
    FREE = "free"
    """No rewrite, and every old value fits."""
    WIDENING = "widening"
    """Every old value fits, but the table is rewritten."""
    NARROWING = "narrowing"
    """Values that fitted no longer do."""
    RELABELLED = "relabelled"
    """Stored alike, but drivers hand it to the code as another type."""
    OTHER = "other"
    """Another kind of value: the table is rewritten, and old code reads something else."""
    UNKNOWN = "unknown"
    """The type it has is not known here."""


SERIALS = {"serial": "int4", "serial4": "int4", "bigserial": "int8", "serial8": "int8", "smallserial": "int2"}
_ALIASES = {"char": "bpchar", "serial2": "int2", **SERIALS}
_INTEGERS = ["int2", "int4", "int8"]
_FLOATS = ["float4", "float8"]
_LENGTHS = {"varchar", "varbit"}
_PRECISIONS = {"timestamp", "timestamptz", "time", "timetz"}
_FORM = re.compile(r"^(?P<name>[^(\[]+)(\((?P<numbers>[\d,-]*)\))?(?P<array>(\[\])*)$")
BUILT_IN = {
    *_INTEGERS,
    *_FLOATS,
    *_PRECISIONS,
    *SERIALS,
    "numeric",
    "varchar",
    "bpchar",
    "text",
    "bool",
    "date",
    "interval",
    "uuid",
    "json",
    "jsonb",
    "bytea",
    "inet",
    "cidr",
    "macaddr",
    "bit",
    "varbit",
    "money",
    "xml",
    "point",
    "tsvector",
    "tsquery",
    "citext",
    "hstore",
    "oid",
    "name",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "int4range",
    "int8range",
    "numrange",
    "daterange",
    "tsrange",
    "tstzrange",
    "pg_lsn",
    "ltree",
    "geometry",
    "geography",
    "vector",
}
"""Types that bring no constraint of their own, as a domain may."""


def normal(type_name: Any) -> str:
    """A TypeName in normal form, such as ``varchar(50)``, ``int4[]``."""
    names = strings(type_name.names)
    if names and names[0] in {"pg_catalog", "public"}:
        names = names[1:]
    name = ".".join(names)
    name = _ALIASES.get(name, name) if name not in SERIALS else name
    numbers = [str(one.a_const.ival.ival) for one in type_name.typmods if one.WhichOneof("node") == "a_const"]
    return name + (f"({','.join(numbers)})" if numbers else "") + "[]" * len(type_name.array_bounds)


def base(type_: str) -> str:
    found = _FORM.match(type_)
    return found["name"] if found else type_


def change(old: str | None, new: str) -> Change:
    """What turning a column of type ``old`` into ``new`` does; both in normal form."""
    if old is None:
        return Change.UNKNOWN
    was, now = _FORM.match(_stored(old)), _FORM.match(_stored(new))
    if was is None or now is None:
        return Change.UNKNOWN
    if was.groupdict() == now.groupdict():
        return Change.FREE
    if was["array"] != now["array"]:
        return Change.OTHER
    return _scalar(was["name"], _numbers(was["numbers"]), now["name"], _numbers(now["numbers"]))


def _stored(type_: str) -> str:
    return SERIALS.get(type_, type_)


def _numbers(text: str | None) -> list[int]:
    return [int(one) for one in text.split(",")] if text else []


def _scalar(old: str, had: list[int], new: str, has: list[int]) -> Change:
    if (old, new) == ("cidr", "inet"):
        return Change.RELABELLED
    if new == "text" and old == "varchar":
        return Change.FREE
    if old == "text" and new == "varchar":
        return Change.NARROWING if has else Change.FREE
    if old == new:
        return _same_kind(old, had, has)
    for family in (_INTEGERS, _FLOATS):
        if old in family and new in family:
            return Change.WIDENING if family.index(new) > family.index(old) else Change.NARROWING
    if old in _INTEGERS and new == "numeric" and not has:
        return Change.WIDENING
    if old in {"int2", "int4"} and new == "float8":
        return Change.WIDENING
    if old in {"numeric", *_FLOATS} and new in _INTEGERS:
        return Change.NARROWING
    if old in {"timestamp", "timestamptz"} and new in {"date", "time"}:
        return Change.NARROWING
    if old in {"text", "varchar"} and new == "bpchar":
        return Change.NARROWING
    return Change.OTHER


def _same_kind(name: str, had: list[int], has: list[int]) -> Change:
    if name in _LENGTHS or name in _PRECISIONS:
        if not has:
            return Change.FREE
        # without a number: no limit of length, or six digits of a second
        before = had[0] if had else (6 if name in _PRECISIONS else None)
        return Change.FREE if before is not None and has[0] >= before else Change.NARROWING
    if name == "numeric":
        if not has:
            return Change.FREE
        if not had:
            return Change.NARROWING
        (precision, scale), (wanted, kept) = ([*had, 0][:2], [*has, 0][:2])
        if kept == scale and wanted >= precision:
            return Change.FREE
        if kept >= scale and wanted - kept >= precision - scale:
            return Change.WIDENING
        return Change.NARROWING
    if name == "bpchar":
        return Change.WIDENING if (has or [1])[0] > (had or [1])[0] else Change.NARROWING
    return Change.OTHER
