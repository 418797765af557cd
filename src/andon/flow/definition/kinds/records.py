"""Mappings with known keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from andon.flow.definition import document as tree
from andon.flow.definition.document import Mark, Node, Scalar, ScalarType, Table
from andon.flow.definition.kinds.containers import placed, visible_mark
from andon.flow.definition.kinds.kind import Kind, Reading, Refused, found
from andon.flow.definition.kinds.numbers import Measure, Size
from andon.flow.definition.kinds.words import Json, Path, flow_text, listing, nearest_word, plain

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


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
            reading.values[here] = visible_mark(entry)
            try:
                values.set(key, known[key].kind.read(placed(entry), here, reading))
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


def _is_json(value: object) -> bool:
    return isinstance(value, (str, int, float, bool)) and value != ""


def _json_default(one: Field[object]) -> Json:
    if isinstance(one.kind, (Measure, Size)):
        return one.kind.text(one.default)
    return cast(Json, one.default)
