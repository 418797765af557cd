"""Kinds of number: durations in seconds, sizes in bytes, plain ones, and true or false."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

from andon.flow.definition.contract import PARTS, share_text
from andon.flow.definition.document import Node, ScalarType
from andon.flow.definition.kinds.kind import Kind, Reading, Refused, found, scalar_of
from andon.flow.definition.kinds.texts import python_pattern
from andon.flow.definition.kinds.words import Json, Path, listing


@dataclass(frozen=True, slots=True)
class Measure(Kind[float]):
    """A number with a unit, held in the base unit."""

    noun: str
    units: tuple[tuple[str, float], ...]
    least: float
    most: float
    sample: str
    shows: Callable[[float], str]

    def read(self, node: Node, path: Path, reading: Reading) -> float:
        scalar = scalar_of(node, self)
        if scalar.type in (ScalarType.INTEGER, ScalarType.FLOAT):
            units = listing(unit for unit, _ in self.units)
            raise Refused(
                scalar.mark, f"{scalar.text[:40]} has no unit", f"{self.noun} in {units}, such as {self.sample}"
            )
        match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([A-Za-z]+)", scalar.text)
        if scalar.type is not ScalarType.TEXT or match is None:
            raise Refused(scalar.mark, f"{found(node)} is not {self.noun}", self.words())
        factors = dict(self.units)
        unit = match[2]
        if unit not in factors or not re.fullmatch(python_pattern(self.pattern()), scalar.text):
            raise Refused(
                scalar.mark,
                f"{found(node)} is not {self.noun}",
                self.words(),
                f"{match[1]}{self._unit_meant(unit)}" if self._unit_meant(unit) else None,
            )
        value = float(match[1]) * factors[unit]
        if not self.least <= value <= self.most:
            raise Refused(scalar.mark, f"{scalar.text} is out of range", self.words())
        return value

    def _unit_meant(self, unit: str) -> str | None:
        known = [name for name, _ in self.units]
        lowered = unit.lower()
        same = [name for name in known if name.lower() == lowered]
        # "10min", "3days"; the longest, so that "5msec" is not minutes
        begun = sorted((name for name in known if lowered.startswith(name.lower())), key=len, reverse=True)
        # "512M" is binary to most tools that take it, so MiB comes before MB.
        first = [name for name in known if name.lower().startswith(lowered[:1])]
        binary = [name for name in first if "i" in name]
        return next(iter([*same, *begun, *binary, *first]), None)

    def pattern(self) -> str:
        return rf"^[0-9]{{1,15}}(\.[0-9]{{1,15}})?({'|'.join(unit for unit, _ in self.units)})$"

    def schema(self) -> Mapping[str, Json]:
        return {"type": "string", "pattern": self.pattern()}

    def words(self) -> str:
        return f"{self.noun} from {self.shows(self.least)} to {self.shows(self.most)}, such as {self.sample}"

    def example(self) -> Json:
        return self.sample

    def text(self, value: object) -> str:
        return self.shows(float(cast(float, value)))


_DURATIONS = (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0))
_SIZES = (
    *(("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12)),
    *(("KiB", 2.0**10), ("MiB", 2.0**20), ("GiB", 2.0**30), ("TiB", 2.0**40)),
)


def duration_text(seconds: float) -> str:
    """``600.0`` → ``10m``."""
    return _shortest(seconds, _DURATIONS)


def size_text(size: float) -> str:
    """``2147483648`` → ``2GiB``."""
    return _shortest(size, [one for one in _SIZES if one[0] == "B" or "i" in one[0]])


def _shortest(value: float, units: Sequence[tuple[str, float]]) -> str:
    for unit, factor in reversed(units):
        if value >= factor and (value / factor).is_integer():
            return f"{value / factor:.0f}{unit}"
    unit, factor = units[0]
    return f"{value / factor:g}{unit}"


def duration(least: float, most: float, sample: str) -> Measure:
    """Seconds."""
    return Measure("a duration", _DURATIONS, least, most, sample, duration_text)


@dataclass(frozen=True, slots=True)
class Size(Kind[int]):
    """Bytes."""

    least: int
    most: int
    sample: str

    def _measure(self) -> Measure:
        return Measure("a size", _SIZES, self.least, self.most, self.sample, size_text)

    def read(self, node: Node, path: Path, reading: Reading) -> int:
        return int(self._measure().read(node, path, reading))

    def schema(self) -> Mapping[str, Json]:
        return self._measure().schema()

    def words(self) -> str:
        return self._measure().words()

    def example(self) -> Json:
        return self.sample

    def text(self, value: object) -> str:
        return self._measure().text(value)


@dataclass(frozen=True, slots=True)
class Whole(Kind[int]):
    least: int
    most: int
    sample: int

    def read(self, node: Node, path: Path, reading: Reading) -> int:
        scalar = scalar_of(node, self)
        digits = re.fullmatch(r"[-+]?[0-9]{1,18}", scalar.text)
        if scalar.type is not ScalarType.INTEGER:
            raise Refused(scalar.mark, f"{found(node)} stands here", self.words())
        if digits is None or not self.least <= int(scalar.text) <= self.most:
            raise Refused(scalar.mark, f"{scalar.text[:40]} is out of range", self.words())
        return int(scalar.text)

    def schema(self) -> Mapping[str, Json]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def words(self) -> str:
        return f"a whole number from {self.least} to {self.most}, such as {self.sample}"

    def example(self) -> Json:
        return self.sample


@dataclass(frozen=True, slots=True)
class Number(Kind[float]):
    least: float
    most: float
    sample: float

    def read(self, node: Node, path: Path, reading: Reading) -> float:
        scalar = scalar_of(node, self)
        if scalar.type not in (ScalarType.INTEGER, ScalarType.FLOAT):
            raise Refused(scalar.mark, f"{found(node)} stands here", self.words())
        # Bounded in length, so that the numbers a text can spell stay ordinary ones.
        plain = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?", scalar.text)
        if plain is None or not self.least <= float(scalar.text) <= self.most:
            raise Refused(scalar.mark, f"{scalar.text[:40]} is out of range", self.words())
        return float(scalar.text)

    def schema(self) -> Mapping[str, Json]:
        return {"type": "number", "minimum": self.least, "maximum": self.most}

    def words(self) -> str:
        return f"a number from {self.least:g} to {self.most:g}, such as {self.sample:g}"

    def example(self) -> Json:
        return self.sample

    def text(self, value: object) -> str:
        return f"{cast(float, value):g}"


@dataclass(frozen=True, slots=True)
class Percent(Kind[int]):
    """A share, in parts of 100,000."""

    sample: str

    def read(self, node: Node, path: Path, reading: Reading) -> int:
        scalar = scalar_of(node, self)
        if scalar.type in (ScalarType.INTEGER, ScalarType.FLOAT):
            raise Refused(scalar.mark, f"{scalar.text[:40]} has no unit", self.words(), f"{scalar.text[:20]}%")
        match = re.fullmatch(python_pattern(_PERCENT), scalar.text)
        if match is None:
            raise Refused(scalar.mark, f"{found(node)} is not a share", self.words())
        parts = Fraction(match[1]) * PARTS / 100
        if not 1 <= parts <= PARTS:
            raise Refused(scalar.mark, f"{scalar.text} is out of range", self.words())
        return int(parts)

    def schema(self) -> Mapping[str, Json]:
        return {"type": "string", "pattern": _PERCENT}

    def words(self) -> str:
        return f"a share from 0.001% to 100%, such as {self.sample}"

    def example(self) -> Json:
        return self.sample

    def text(self, value: object) -> str:
        return share_text(cast(int, value)).replace(" ", "")


_PERCENT = r"^([0-9]{1,3}(?:\.[0-9]{1,3})?)%$"


@dataclass(frozen=True, slots=True)
class Truth(Kind[bool]):
    def read(self, node: Node, path: Path, reading: Reading) -> bool:
        scalar = scalar_of(node, self)
        if scalar.type is not ScalarType.BOOLEAN:
            meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(scalar.text.lower())
            raise Refused(scalar.mark, f"{found(node)} stands here", self.words(), meant)
        return scalar.text.lower() == "true"

    def schema(self) -> Mapping[str, Json]:
        return {"type": "boolean"}

    def words(self) -> str:
        return "true or false"

    def example(self) -> Json:
        return True

    def text(self, value: object) -> str:
        return "true" if value else "false"
