"""Column types that mean the same on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_E = TypeVar("_E", bound=StrEnum)
_T = TypeVar("_T")


class Instant(TypeDecorator[datetime]):
    """A moment, kept as whole microseconds since 1970 UTC: sorts and compares alike on both databases."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        return (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Enumeration(TypeDecorator[_E], Generic[_E]):
    """A ``StrEnum`` kept as its value."""

    impl = sa.String(40)
    cache_ok = True

    def __init__(self, of: type[_E]) -> None:
        super().__init__()
        self.of = of

    def process_bind_param(self, value: _E | None, dialect: Dialect) -> str | None:
        return None if value is None else self.of(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> _E | None:
        return None if value is None else self.of(value)


class Json(TypeDecorator[_T], Generic[_T]):
    """A value of a known type (dataclass, struct, list of strings …) kept as JSON text."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, of: Any) -> None:  # Any: msgspec accepts every type form, `list[str]` as well as a class
        super().__init__()
        self.of = of

    def process_bind_param(self, value: _T | None, dialect: Dialect) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> _T | None:
        if value is None:
            return None
        decoded: _T = msgspec.json.decode(value, type=self.of)
        return decoded
