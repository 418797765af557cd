"""Bytes that claim to be YAML, read into a tree in which every key and value knows its line and column.

The bytes come from whoever may push, so nothing here trusts them: the size, the depth and the number of
values are bounded, an alias is counted each time it is used, tags and further documents are refused, and the
tree is built from the parser's events without recursion. Plain values follow the YAML 1.2 core schema
whatever the file's ``%YAML`` line says, so that ``no`` is a word and ``1.10`` keeps its zero.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from andon.flow.definition.contract import DefinitionInvalid, Fault

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
MAX_VALUES = 20_000
"""Keys and values in all, an alias counted with everything it stands for."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the file."""

    line: int
    """From 1."""
    column: int
    """From 1, in characters."""


class ScalarType(StrEnum):
    """What a plain value is; the words are those used when telling what was found."""

    TEXT = "text"
    INTEGER = "a whole number"
    FLOAT = "a number"
    BOOLEAN = "true or false"
    NULL = "nothing"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value."""

    mark: Mark
    text: str
    """As written, without quotes, escapes resolved."""
    type: ScalarType


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and what stands under it."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping, in the order of the file."""

    mark: Mark
    entries: tuple[Entry, ...]


Node = Scalar | Sequence | Table


class Source:
    """The text of a file, which can say what stands where."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self._starts = [0, *(found.end() for found in re.finditer(r"\r\n|\r|\n", text))]

    def mark(self, index: int) -> Mark:
        """The place of character ``index``; editors break lines only where YAML 1.2 does."""
        line = bisect_right(self._starts, min(index, len(self.text)))
        return Mark(line, min(index, len(self.text)) - self._starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """Line ``number`` (from 1) without its end."""
        start = self._starts[number - 1]
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def fault(
        self, mark: Mark, message: str, *, path: str = "", expected: str = "", nearest: str | None = None
    ) -> Fault:
        return Fault(
            file=self.file,
            line=mark.line,
            column=mark.column,
            path=path,
            message=message,
            expected=expected,
            nearest=nearest,
            excerpt=self.line(mark.line),
        )


@dataclass(slots=True)
class _Open:
    """A mapping or sequence whose end has not been seen."""

    mark: Mark
    mapping: bool
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: Scalar | None = None
    size: int = 1


@dataclass(frozen=True, slots=True)
class Document:
    """A file that could be read as YAML."""

    source: Source
    root: Node
    faults: tuple[Fault, ...]
    """Keys that stand twice; the first of each is in the tree."""


def load(data: bytes, *, file: str) -> Document:
    """The one document in ``data``.

    Raises :class:`DefinitionInvalid` for what is not UTF-8, not YAML, too large or too deep: such a fault
    ends the reading.
    """
    return _Composer(_decode(data, file)).compose()


def _decode(data: bytes, file: str) -> Source:
    if len(data) > MAX_BYTES:
        raise DefinitionInvalid(
            [
                Source("", file).fault(
                    Mark(1, 1),
                    f"the file has {len(data):,} bytes",
                    expected=f"at most {MAX_BYTES:,}; move long commands into scripts beside it",
                )
            ]
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as wrong:
        before = Source(data[: wrong.start].decode("utf-8"), file)
        raise DefinitionInvalid(
            [
                before.fault(
                    before.mark(len(before.text)),
                    f"byte 0x{data[wrong.start]:02x} is not UTF-8",
                    expected="a file saved as UTF-8",
                )
            ]
        ) from None
    source = Source(text.removeprefix("\ufeff"), file)
    bad = _CONTROL.search(source.text)
    if bad is not None:
        raise DefinitionInvalid(
            [
                source.fault(
                    source.mark(bad.start()),
                    f"the control character U+{ord(bad.group()):04X} stands here",
                    expected='plain text; write such a character as an escape in double quotes, "\\x1b"',
                )
            ]
        )
    return source


# What YAML 1.2 does not count as printable, and the byte order mark in mid-text.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")

# The scanner takes "\ud83c" for a character. JSON, which is YAML too, writes two of them for one beyond U+FFFF.
_SURROGATE = re.compile("[\ud800-\udfff]")

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BOOLEAN = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


def scalar_type(text: str) -> ScalarType:
    """What an unquoted ``text`` is in the YAML 1.2 core schema."""
    if text in _NULL:
        return ScalarType.NULL
    if text in _BOOLEAN:
        return ScalarType.BOOLEAN
    if _INTEGER.fullmatch(text):
        return ScalarType.INTEGER
    if _FLOAT.fullmatch(text):
        return ScalarType.FLOAT
    return ScalarType.TEXT


class _Composer:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._twice: list[Fault] = []
        self._values = 0
        self._root: Node | None = None

    def compose(self) -> Document:
        documents = 0
        for event in self._events():
            mark = self._source.mark(event.start_mark.index)
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refuse(mark, "a second document begins here", "one document: no further '---'")
            elif isinstance(event, AliasEvent):
                node, size = self._alias(event, mark)
                self._place(node, size, mark)
            elif isinstance(event, ScalarEvent):
                self._check_node(event, mark)
                text = self._whole_characters(event.value, mark)
                type_ = scalar_type(text) if event.style is None else ScalarType.TEXT
                scalar = Scalar(mark, text, type_)
                self._remember(event.anchor, scalar, 1)
                self._place(scalar, 1, mark)
            elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
                self._check_node(event, mark)
                self._begin(mark, mapping=isinstance(event, MappingStartEvent), anchor=event.anchor)
            elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                self._end()
        if self._root is None:
            raise self._refuse(Mark(1, 1), "the file is empty", "at least one stage; `andon init` proposes a file")
        return Document(self._source, self._root, tuple(self._twice))

    def _events(self) -> Iterator[Event]:
        try:
            yield from YAML(typ="safe", pure=True).parse(self._source.text)
        except MarkedYAMLError as wrong:
            raise self._grammar(wrong) from None
        except (YAMLError, ValueError, OverflowError, IndexError, AttributeError, TypeError, AssertionError):
            # The scanner has no words of its own for some nonsense: "\UFFFFFFFF" ends in chr(), for example.
            raise self._refuse(Mark(1, 1), "this is not YAML", "YAML 1.2") from None

    def _grammar(self, wrong: MarkedYAMLError) -> DefinitionInvalid:
        problem = str(wrong.problem or wrong.context or "this is not YAML").split("\n", 1)[0]
        mark = wrong.problem_mark or wrong.context_mark
        if wrong.context in _BEGINS_WRONG and wrong.context_mark is not None:
            mark = wrong.context_mark
        place = self._source.mark(mark.index) if isinstance(mark, StringMark) else Mark(1, 1)
        for found, message, expected in _GRAMMAR:
            if found in problem:
                return self._refuse(place, message, expected)
        return self._refuse(place, f"this is not YAML: {problem}", "YAML 1.2")

    def _whole_characters(self, text: str, mark: Mark) -> str:
        if not _SURROGATE.search(text):
            return text
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            raise self._refuse(mark, "an escape stands here for half a character", "the character itself") from None

    def _check_node(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent, mark: Mark) -> None:
        if event.ctag is not None and str(event.ctag):
            raise self._refuse(mark, f"the tag {str(event.ctag)!r} stands here", "a value without a tag")

    def _alias(self, event: AliasEvent, mark: Mark) -> tuple[Node, int]:
        known = self._anchors.get(event.anchor)
        if known is None:
            inside = any(frame.anchor == event.anchor for frame in self._open)
            raise self._refuse(
                mark,
                f"*{event.anchor} stands inside what it names" if inside else f"nothing is named &{event.anchor}",
                f"a value marked &{event.anchor} further up",
            )
        return known

    def _remember(self, anchor: str | None, node: Node, size: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, size)

    def _begin(self, mark: Mark, *, mapping: bool, anchor: str | None) -> None:
        if self._open and self._open[-1].mapping and self._open[-1].key is None:
            raise self._refuse(mark, "a key is itself a mapping or a list", "text as key")
        if len(self._open) >= MAX_DEPTH:
            raise self._refuse(mark, f"this is nested more than {MAX_DEPTH} deep", "fewer levels")
        if anchor is not None:
            self._anchors.pop(anchor, None)
        self._open.append(_Open(mark, mapping, anchor))

    def _end(self) -> None:
        frame = self._open.pop()
        node: Node
        if frame.mapping:
            node = Table(frame.mark, tuple(frame.entries.values()))
        else:
            node = Sequence(frame.mark, tuple(frame.items))
        self._remember(frame.anchor, node, frame.size)
        self._place(node, frame.size, frame.mark)

    def _place(self, node: Node, size: int, mark: Mark) -> None:
        """Put a finished value where it belongs."""
        # Containers were counted value by value on the way in; an alias is counted in one go.
        self._values += 1 if isinstance(node, Scalar) else size
        if self._values > MAX_VALUES:
            raise self._refuse(mark, f"the file has more than {MAX_VALUES:,} values", "fewer, or fewer aliases")
        if not self._open:
            self._root = node
            return
        frame = self._open[-1]
        frame.size += size
        if not frame.mapping:
            frame.items.append(node)
        elif frame.key is None:
            if not isinstance(node, Scalar):
                raise self._refuse(mark, "a key is itself a mapping or a list", "text as key")
            # An alias as key stands where it is used, not where it was named.
            frame.key = Scalar(mark, node.text, node.type)
        else:
            key, frame.key = frame.key, None
            first = frame.entries.get(key.text)
            if first is None:
                frame.entries[key.text] = Entry(key, node)
            else:
                self._twice.append(
                    self._source.fault(
                        key.mark,
                        f"{key.text!r} stands here a second time",
                        path=key.text,
                        expected=f"each key once; the first is in line {first.key.mark.line}",
                    )
                )

    def _refuse(self, mark: Mark, message: str, expected: str) -> DefinitionInvalid:
        return DefinitionInvalid([*self._twice, self._source.fault(mark, message, expected=expected)])


_BEGINS_WRONG = frozenset(
    {"while scanning a simple key", "while scanning a quoted scalar", "while parsing a flow mapping"}
    | {
        "while parsing a flow sequence",
        "while scanning a double-quoted scalar",
        "while scanning a single-quoted scalar",
    }
)
"""For these the mistake is where the thing begins: the parser only notices where the file ends."""

_GRAMMAR = (
    (
        "mapping values are not allowed here",
        "a ':' stands where no key can",
        "the same indentation as the keys beside it, or quotes around a value that contains ': '",
    ),
    (
        "found character '\\t' that cannot start any token",
        "a tab stands where YAML wants spaces",
        "spaces for indentation",
    ),
    ("that cannot start any token", "a value cannot begin with this character", "quotes around the value"),
    ("could not find expected ':'", "a key without ':'", "'key: value', or more indentation if it belongs above"),
    ("expected <block end>", "this does not belong here", "the same indentation as what stands above it"),
    ("found unexpected end of stream", "this quotation is never closed", "a closing quotation mark"),
    ("expected ',' or ']'", "this list is not closed", "a comma between values and ']' at the end"),
    ("expected ',' or '}'", "this mapping is not closed", "a comma between entries and '}' at the end"),
    ("incompatible YAML document", "this version of YAML is not known", "YAML 1.2"),
)
