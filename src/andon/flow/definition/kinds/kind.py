"""What every kind of value can do, and what is known while one file is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from andon.flow.definition import document as tree
from andon.flow.definition.contract import Fault
from andon.flow.definition.document import Mark, Node, Scalar, ScalarType, Table
from andon.flow.definition.kinds.words import Json, Path, path_text

if TYPE_CHECKING:
    from andon.flow.definition.kinds.records import Record

T_co = TypeVar("T_co", covariant=True)


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


def scalar_of(node: Node, kind: Kind[object]) -> Scalar:
    if not isinstance(node, Scalar):
        raise Refused(node.mark, f"{found(node)} stands here", kind.words())
    return node
