"""Lists, and mappings from names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar, cast

from andon.flow.definition import document as tree
from andon.flow.definition.document import Mark, Node, Scalar, ScalarType, Table
from andon.flow.definition.kinds.kind import Kind, Reading, Refused, found
from andon.flow.definition.kinds.texts import Choice, Text
from andon.flow.definition.kinds.words import Json, Path, flow_text

if TYPE_CHECKING:
    from andon.flow.definition.kinds.records import Record

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
S = TypeVar("S", bound=str)


def _each_once(node: tree.Sequence, path: Path, reading: Reading, entry: Callable[[Node, Path], S]) -> tuple[S, ...]:
    """The entries that can be read, and a fault for each other one, and for what stands there twice."""
    read: list[S] = []
    for index, item in enumerate(node.items):
        here = (*path, index)
        reading.values[here] = item.mark
        try:
            value = entry(item, here)
            if value in read:
                raise Refused(item.mark, f"{str(value)!r} stands here a second time", "each entry once")
            read.append(value)
        except Refused as refused:
            reading.refuse(here, refused)
    return tuple(read)


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

        def entry(item: Node, here: Path) -> str:
            value = reading.texts[here] = self.item.read(item, here, reading)
            return value

        return _each_once(node, path, reading, entry)

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
class Several(Kind[tuple[E, ...]]):
    """Some of a few words, each at most once; their order counts."""

    of: type[E]

    def read(self, node: Node, path: Path, reading: Reading) -> tuple[E, ...]:
        word = Choice(self.of)
        if not isinstance(node, tree.Sequence):
            meant = f"[{node.text}]" if isinstance(node, Scalar) and node.text in set(self.of) else None
            raise Refused(node.mark, f"{found(node)} stands here", self.words(), meant)
        if not node.items:
            raise Refused(node.mark, "the list has 0 entries", self.words())
        return _each_once(node, path, reading, lambda item, here: word.read(item, here, reading))

    def schema(self) -> Mapping[str, Json]:
        return {
            "type": "array",
            "items": Choice(self.of).schema(),
            "minItems": 1,
            "maxItems": len(self.of),
            "uniqueItems": True,
        }

    def words(self) -> str:
        return f"a list with at least one of {Choice(self.of).words()}"

    def example(self) -> Json:
        return [one.value for one in self.of]

    def text(self, value: object) -> str:
        return f"[{', '.join(one.value for one in cast(tuple[E, ...], value))}]"


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
            reading.values[here] = visible_mark(entry)
            try:
                self.name.check(entry.key)
            except Refused as refused:
                reading.refuse(here, refused)
            try:
                read[entry.key.text] = self.value.read(placed(entry), here, reading)
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


def visible_mark(entry: tree.Entry) -> Mark:
    """Where to point for a value: at its key if there is nothing to see of the value."""
    nothing = isinstance(entry.value, Scalar) and entry.value.type is ScalarType.NULL and not entry.value.text
    return entry.key.mark if nothing else entry.value.mark


def placed(entry: tree.Entry) -> Node:
    value = entry.value
    return Scalar(visible_mark(entry), value.text, value.type) if isinstance(value, Scalar) else value
