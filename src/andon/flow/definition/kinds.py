"""The words in which the shape of ``andon.yaml`` is described.

A :class:`Kind` is one sort of value. It can do three things, and because the one description does all three
they cannot disagree: read a value from the file, write itself as JSON Schema, and say in a few words what it
takes. The description itself is in ``shape.py``.
"""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar, cast

from andon.flow.definition import document as tree
from andon.flow.definition.contract import Fault
from andon.flow.definition.document import Mark, Node, Scalar, ScalarType, Table

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=StrEnum)

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
Path = tuple[str | int, ...]

MAX_VERBATIM = 16 * 1024
"""Characters of one environment variable."""


def path_text(path: Path) -> str:
    """``stages.commit.jobs.test.needs[0]``; names that are not plain words stand in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if re.fullmatch(r"[\w<-]+", part) else f'"{part[:60]}"'
            text += f".{word}" if text else word
    return text


def nearest_word(word: str, known: Iterable[str]) -> str | None:
    """The known word ``word`` was probably meant to be."""
    candidates = list(known)
    lowered = word[:60].lower().replace("_", "-")
    by_form = {candidate.lower().replace("_", "-"): candidate for candidate in candidates}
    if lowered in by_form:
        return by_form[lowered]
    found = difflib.get_close_matches(lowered, by_form, n=1, cutoff=0.6)
    return by_form[found[0]] if found else None


def listing(words: Iterable[str]) -> str:
    """``a, b or c``."""
    *most, last = list(words)
    return f"{', '.join(most)} or {last}" if most else last


class Refused(Exception):
    """A value is not what its place takes; caught by what encloses it, never seen outside this room."""

    def __init__(self, mark: Mark, message: str, expected: str, nearest: str | None = None) -> None:
        super().__init__(message)
        self.mark = mark
        self.message = message
        self.expected = expected
        self.nearest = nearest


@dataclass(slots=True)
class Reading:
    """What has been seen of one file: the faults so far, and where everything stands."""

    source: tree.Source
    faults: list[Fault] = field(default_factory=list)
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    """What the entries of lists say."""
    empties: set[Path] = field(default_factory=set)
    """Mappings without an entry."""

    def fault(self, mark: Mark, path: Path, message: str, *, expected: str = "", nearest: str | None = None) -> None:
        self.faults.append(self.source.fault(mark, message, path=path_text(path), expected=expected, nearest=nearest))

    def refuse(self, path: Path, refused: Refused) -> None:
        self.fault(refused.mark, path, refused.message, expected=refused.expected, nearest=refused.nearest)

    def given(self, path: Path) -> bool:
        """Whether something stands at ``path``, sound or not."""
        return path in self.values

    def empty(self, path: Path) -> bool:
        """Whether a mapping without any entry stands at ``path``."""
        return path in self.empties

    def value(self, path: Path) -> Mark:
        """Where the value at ``path`` stands, or what encloses it."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Mark(1, 1))

    def key(self, path: Path) -> Mark:
        """Where the key of ``path`` stands, or that of what encloses it."""
        while path and path not in self.keys:
            path = path[:-1]
        return self.keys.get(path, self.values.get(path, Mark(1, 1)))


def found(node: Node) -> str:
    """What stands there, for a message."""
    if isinstance(node, Table):
        return "a mapping"
    if isinstance(node, tree.Sequence):
        return "a list"
    if node.type is ScalarType.NULL:
        return "nothing"
    shown = node.text if len(node.text) <= 40 else node.text[:39] + "…"
    return f"{node.type.value} ({shown})" if node.type is not ScalarType.TEXT else f"the text {shown!r}"


class Kind(ABC, Generic[T_co]):
    """One sort of value."""

    @abstractmethod
    def read(self, node: Node, path: Path, reading: Reading) -> T_co:
        """The value of ``node``. Raises :class:`Refused`, or notes faults of parts in ``reading``."""

    @abstractmethod
    def schema(self) -> Mapping[str, Json]: ...

    @abstractmethod
    def words(self) -> str:
        """What it takes, for a person: goes after "expected" and into the reference."""

    def example(self) -> Json:
        return None

    def text(self, value: object) -> str:
        """``value`` as one would write it in the file; for the defaults in the reference."""
        return str(value)

    def records(self) -> Iterable[Record[object]]:
        """Records directly below this kind."""
        return ()


def _scalar(node: Node, kind: Kind[object]) -> Scalar:
    if not isinstance(node, Scalar):
        raise Refused(node.mark, f"{found(node)} stands here", kind.words())
    return node


@dataclass(frozen=True, slots=True)
class Text(Kind[str]):
    """Text on its own terms: a pattern, what it is in words, an example."""

    what: str = "text"
    form: str = ""
    """The form in words, if ``what`` does not say it all."""
    sample: str = "text"
    pattern: str = r"^[\s\S]*\S[\s\S]*$"
    refuses: tuple[str, ...] = ()
    """Words of the right form that mean something else."""
    hint: Callable[[str], str | None] = lambda _text: None
    """What a text of the wrong form was probably meant to be."""
    limit: int = 16 * 1024

    def read(self, node: Node, path: Path, reading: Reading) -> str:
        scalar = _scalar(node, self)
        if scalar.type is not ScalarType.TEXT:
            quoted = f"; in quotes it would be text: '{scalar.text}'" if scalar.text else ""
            raise Refused(scalar.mark, f"{found(node)} stands here", self.words() + quoted)
        self.check(scalar)
        return scalar.text

    def check(self, scalar: Scalar) -> None:
        """Raises :class:`Refused` unless the text has the form; also used for keys."""
        if len(scalar.text) > self.limit:
            raise Refused(scalar.mark, f"this has {len(scalar.text):,} characters", f"at most {self.limit:,}")
        if not re.fullmatch(_python(self.pattern), scalar.text):
            if not scalar.text.strip():
                raise Refused(scalar.mark, "an empty text stands here", self.words())
            shown = scalar.text if len(scalar.text) <= 60 else scalar.text[:59] + "…"
            meant = self.hint(scalar.text)
            if meant is not None and (meant == scalar.text or not re.fullmatch(_python(self.pattern), meant)):
                meant = None
            raise Refused(scalar.mark, f"{shown!r} is not {self.what}", self.words(), meant)
        if scalar.text in self.refuses:
            raise Refused(scalar.mark, f"{scalar.text!r} is a reserved word", "another name")

    def schema(self) -> Mapping[str, Json]:
        schema: dict[str, Json] = {"type": "string", "pattern": self.pattern, "maxLength": self.limit}
        if self.refuses:
            schema["not"] = {"enum": list(self.refuses)}
        return schema

    def words(self) -> str:
        form = f" ({self.form})" if self.form else ""
        return f"{self.what}{form}, such as {self.sample!r}"

    def example(self) -> Json:
        return self.sample


def _python(pattern: str) -> str:
    r"""A pattern of JSON Schema (ECMA 262) as Python's: ``$`` there never matches before a last line feed."""
    return pattern.removeprefix("^").removesuffix("$")


@dataclass(frozen=True, slots=True)
class Verbatim(Kind[str]):
    """A value passed on as it is written: ``1.10`` stays ``1.10``, ``yes`` stays ``yes``."""

    def read(self, node: Node, path: Path, reading: Reading) -> str:
        scalar = _scalar(node, self)
        if scalar.type is ScalarType.NULL and scalar.text == "":
            raise Refused(scalar.mark, "nothing stands here", "a value; '' is the empty text")
        if "\0" in scalar.text:
            raise Refused(scalar.mark, "a value holds a zero byte", self.words())
        if len(scalar.text) > MAX_VERBATIM:
            raise Refused(scalar.mark, f"this has {len(scalar.text):,} characters", f"at most {MAX_VERBATIM:,}")
        return scalar.text

    def schema(self) -> Mapping[str, Json]:
        return {"type": ["string", "number", "boolean"], "pattern": "^[^\\u0000]*$", "maxLength": MAX_VERBATIM}

    def words(self) -> str:
        return "text, a number, true or false, passed on as written"

    def example(self) -> Json:
        return "debug"


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
        scalar = _scalar(node, self)
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
        if unit not in factors or not re.fullmatch(_python(self.pattern()), scalar.text):
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
        scalar = _scalar(node, self)
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
        scalar = _scalar(node, self)
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
class Truth(Kind[bool]):
    def read(self, node: Node, path: Path, reading: Reading) -> bool:
        scalar = _scalar(node, self)
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


@dataclass(frozen=True, slots=True)
class Choice(Kind[E]):
    of: type[E]

    def read(self, node: Node, path: Path, reading: Reading) -> E:
        scalar = _scalar(node, self)
        choices = {one.value: one for one in self.of}
        if scalar.type is not ScalarType.TEXT or scalar.text not in choices:
            raise Refused(scalar.mark, f"{found(node)} stands here", self.words(), nearest_word(scalar.text, choices))
        return choices[scalar.text]

    def schema(self) -> Mapping[str, Json]:
        return {"enum": [one.value for one in self.of]}

    def words(self) -> str:
        return listing(one.value for one in self.of)

    def example(self) -> Json:
        return next(iter(self.of)).value


@dataclass(frozen=True, slots=True)
class ListOf(Kind[tuple[str, ...]]):
    """A list of texts, each once."""

    item: Text
    least: int = 0
    most: int = 200

    def read(self, node: Node, path: Path, reading: Reading) -> tuple[str, ...]:
        if not isinstance(node, tree.Sequence):
            meant = f"[{node.text}]" if isinstance(node, Scalar) and 0 < len(node.text) < 60 else None
            raise Refused(node.mark, f"{found(node)} stands here", self.words(), meant)
        if not self.least <= len(node.items) <= self.most:
            raise Refused(node.mark, f"the list has {len(node.items)} entries", self.words())
        read: list[str] = []
        for index, item in enumerate(node.items):
            here = (*path, index)
            reading.values[here] = item.mark
            try:
                value = self.item.read(item, here, reading)
                reading.texts[here] = value
                if value in read:
                    raise Refused(item.mark, f"{value!r} stands here a second time", "each entry once")
                read.append(value)
            except Refused as refused:
                reading.refuse(here, refused)
        return tuple(read)

    def schema(self) -> Mapping[str, Json]:
        return {
            "type": "array",
            "items": self.item.schema(),
            "minItems": self.least,
            "maxItems": self.most,
            "uniqueItems": True,
        }

    def words(self) -> str:
        one = " with at least one entry" if self.least else ""
        return f"a list{one}, each {self.item.what}, such as [{self.item.sample}]"

    def example(self) -> Json:
        return [self.item.sample]

    def text(self, value: object) -> str:
        return f"[{', '.join(cast(tuple[str, ...], value))}]"


@dataclass(frozen=True, slots=True)
class TableOf(Kind[Mapping[str, T]]):
    """A mapping from names to values of one kind."""

    name: Text
    value: Kind[T]
    least: int = 0
    most: int = 1000

    def read(self, node: Node, path: Path, reading: Reading) -> Mapping[str, T]:
        if not isinstance(node, Table):
            raise Refused(node.mark, f"{found(node)} stands here", self.words())
        if not self.least <= len(node.entries) <= self.most:
            raise Refused(node.mark, f"the mapping has {len(node.entries)} entries", self.words())
        read: dict[str, T] = {}
        if not node.entries:
            reading.empties.add(path)
        for entry in node.entries:
            here = (*path, entry.key.text)
            reading.keys[here] = entry.key.mark
            reading.values[here] = _visible_mark(entry)
            try:
                self.name.check(entry.key)
            except Refused as refused:
                reading.refuse(here, refused)
            try:
                read[entry.key.text] = self.value.read(_placed(entry), here, reading)
            except Refused as refused:
                reading.refuse(here, refused)
        return read

    def schema(self) -> Mapping[str, Json]:
        return {
            "type": "object",
            "propertyNames": self.name.schema(),
            "additionalProperties": self.value.schema(),
            "minProperties": self.least,
            "maxProperties": self.most,
        }

    def words(self) -> str:
        least = " with at least one entry" if self.least else ""
        return f"a mapping{least} from {self.name.what}, such as {flow_text(self.example())}"

    def example(self) -> Json:
        return {self.name.sample: self.value.example()}

    def text(self, value: object) -> str:
        return "{}" if not value else str(value)

    def records(self) -> Iterable[Record[object]]:
        return self.value.records()


def _visible_mark(entry: tree.Entry) -> Mark:
    """Where to point for a value: at its key if there is nothing to see of the value."""
    nothing = isinstance(entry.value, Scalar) and entry.value.type is ScalarType.NULL and not entry.value.text
    return entry.key.mark if nothing else entry.value.mark


def _placed(entry: tree.Entry) -> Node:
    value = entry.value
    return Scalar(_visible_mark(entry), value.text, value.type) if isinstance(value, Scalar) else value


@dataclass(frozen=True, slots=True)
class Field(Generic[T_co]):
    """One key of a record."""

    key: str
    kind: Kind[T_co]
    about: str
    """One or two sentences, in Markdown."""
    default: T_co
    """What holds if the key is absent, or stands in where its value was refused."""
    required: bool = False
    shown_default: str | None = None
    """Instead of ``default``, where the default depends on something else."""


class Values:
    """What a record holds, by field."""

    def __init__(self) -> None:
        self._values: dict[str, object] = {}

    def set(self, key: str, value: object) -> None:
        self._values[key] = value

    def has(self, field_: Field[T]) -> bool:
        return field_.key in self._values

    def __getitem__(self, field_: Field[T]) -> T:
        # What is stored under a field's key came out of that field's own kind.
        return cast(T, self._values.get(field_.key, field_.default))


@dataclass(frozen=True, slots=True)
class Record(Kind[T_co]):
    """A mapping with known keys, made into a value of the contract."""

    title: str
    about: str
    fields: tuple[Field[object], ...]
    build: Callable[[str, Values], T_co]
    """From the key the record stands under and what it holds."""
    together: tuple[tuple[str, ...], ...] = ()
    """Of each of these at most one key may be given."""
    one_of: tuple[str, ...] = ()
    """At least one of these must be given."""
    excludes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """A key, and those that mean nothing beside it."""
    may_be_empty: bool = False
    """Whether nothing at all, as in ``staging:``, means "with every default"."""

    def read(self, node: Node, path: Path, reading: Reading) -> T_co:
        name = str(path[-1]) if path else ""
        values = Values()
        if isinstance(node, Scalar) and node.type is ScalarType.NULL and self.may_be_empty:
            return self.build(name, values)
        if not isinstance(node, Table):
            raise Refused(node.mark, f"{found(node)} stands here", self.words())
        known = {one.key: one for one in self.fields}
        seen: set[str] = set()
        for entry in node.entries:
            key = entry.key.text
            here = (*path, key)
            if key not in known:
                self._unknown(entry, here, reading, seen)
                continue
            seen.add(key)
            reading.keys[here] = entry.key.mark
            reading.values[here] = _visible_mark(entry)
            try:
                values.set(key, known[key].kind.read(_placed(entry), here, reading))
            except Refused as refused:
                reading.refuse(here, refused)
        self._check_keys(path, seen, reading)
        return self.build(name, values)

    def _unknown(self, entry: tree.Entry, here: Path, reading: Reading, seen: set[str]) -> None:
        key = entry.key.text
        if key == "<<":
            reading.fault(entry.key.mark, here, "merge keys are not part of YAML 1.2", expected="the keys written out")
            return
        keys = [one.key for one in self.fields]
        nearest = nearest_word(key, keys)
        shown = key if len(key) <= 60 else key[:59] + "…"
        reading.fault(entry.key.mark, here, f"unknown key {shown!r}", expected=listing(keys), nearest=nearest)
        if nearest is not None:
            # So that one slip of the pen is one fault, and not also "package is missing".
            seen.add(nearest)
            reading.values.setdefault((*here[:-1], nearest), entry.key.mark)

    def _check_keys(self, path: Path, seen: set[str], reading: Reading) -> None:
        for one in self.fields:
            if one.required and one.key not in seen:
                reading.fault(
                    reading.key(path),
                    path,
                    f"{self.title} needs the key {one.key!r}",
                    expected=f"{one.key}: {one.kind.words()}",
                )
        for group in self.together:
            given = [key for key in group if key in seen]
            if len(given) > 1:
                late = max(given, key=lambda key: _order(reading.key((*path, key))))
                others = listing(key for key in given if key != late)
                reading.fault(
                    reading.key((*path, late)),
                    (*path, late),
                    f"{late!r} and {others!r} are both given",
                    expected=f"either {listing(group)}",
                )
        if self.one_of and not seen.intersection(self.one_of):
            reading.fault(
                reading.key(path), path, f"{self.title} needs {listing(self.one_of)}", expected=self._sample()
            )
        for key, useless in self.excludes:
            for other in useless:
                if key in seen and other in seen:
                    reading.fault(
                        reading.key((*path, other)),
                        (*path, other),
                        f"{other!r} means nothing beside {key!r}",
                        expected=f"one of the two: without {key!r} or without {other!r}",
                    )

    def _sample(self) -> str:
        one = next(one for one in self.fields if one.key == self.one_of[0])
        return f"{one.key}: {one.kind.words()}"

    def schema(self) -> Mapping[str, Json]:
        return {"$ref": f"#/$defs/{self.slug()}"}

    def slug(self) -> str:
        return self.title.removeprefix("a ").removeprefix("an ").removeprefix("the ").replace(" ", "-")

    def definition(self) -> Mapping[str, Json]:
        """The schema itself, which goes below ``$defs``."""
        properties: dict[str, Json] = {}
        for one in self.fields:
            schema: dict[str, Json] = {**one.kind.schema(), "description": plain(one.about)}
            example = one.kind.example()
            if example is not None:
                schema["examples"] = [example]
            if not one.required and _is_json(one.default):
                schema["default"] = _json_default(one)
            properties[one.key] = schema
        made: dict[str, Json] = {
            "title": self.title,
            "description": plain(self.about),
            "type": ["object", "null"] if self.may_be_empty else "object",
            "additionalProperties": False,
            "properties": properties,
        }
        required = [one.key for one in self.fields if one.required]
        if required:
            made["required"] = required
        rules: list[Json] = []
        for group in self.together:
            pairs = [(a, b) for at, a in enumerate(group) for b in group[at + 1 :]]
            rules += [{"not": {"required": [a, b]}} for a, b in pairs]
        for key, useless in self.excludes:
            rules += [{"not": {"required": [key, other]}} for other in useless]
        if self.one_of:
            rules.append({"anyOf": [{"required": [key]} for key in self.one_of]})
        if rules:
            made["allOf"] = rules
        return made

    def words(self) -> str:
        return f"a mapping, such as {flow_text(self.example())}"

    def example(self) -> Json:
        telling = self.one_of[:1] or tuple(one.key for one in self.fields if one.required)
        shown = [one for one in self.fields if one.key in telling] or self.fields[:1]
        return {one.key: one.kind.example() for one in shown}

    def records(self) -> Iterable[Record[object]]:
        yield self
        for one in self.fields:
            yield from one.kind.records()


def _order(mark: Mark) -> tuple[int, int]:
    return mark.line, mark.column


def plain(markdown: str) -> str:
    """Without the back quotes: editors show descriptions as they are."""
    return markdown.replace("``", "`").replace("`", "'")


def flow_text(value: Json) -> str:
    """``value`` in YAML's flow style, for an example in a message."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "[" + ", ".join(flow_text(one) for one in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "…" if value is None else str(value)


def _is_json(value: object) -> bool:
    return isinstance(value, (str, int, float, bool)) and value != ""


def _json_default(one: Field[object]) -> Json:
    if isinstance(one.kind, (Measure, Size)):
        return one.kind.text(one.default)
    return cast(Json, one.default)
