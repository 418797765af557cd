"""Kinds of text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from andon.flow.definition.document import Node, Scalar, ScalarType
from andon.flow.definition.kinds.kind import Kind, Reading, Refused, found, scalar_of
from andon.flow.definition.kinds.words import Json, Path, listing, nearest_word

E = TypeVar("E", bound=StrEnum)

MAX_VERBATIM = 16 * 1024
"""Characters of one environment variable."""


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
        scalar = scalar_of(node, self)
        if scalar.type is not ScalarType.TEXT:
            quoted = f"; in quotes it would be text: '{scalar.text}'" if scalar.text else ""
            raise Refused(scalar.mark, f"{found(node)} stands here", self.words() + quoted)
        self.check(scalar)
        return scalar.text

    def check(self, scalar: Scalar) -> None:
        """Raises :class:`Refused` unless the text has the form; also used for keys."""
        if len(scalar.text) > self.limit:
            raise Refused(scalar.mark, f"this has {len(scalar.text):,} characters", f"at most {self.limit:,}")
        if not re.fullmatch(python_pattern(self.pattern), scalar.text):
            if not scalar.text.strip():
                raise Refused(scalar.mark, "an empty text stands here", self.words())
            shown = scalar.text if len(scalar.text) <= 60 else scalar.text[:59] + "…"
            meant = self.hint(scalar.text)
            if meant is not None and (meant == scalar.text or not re.fullmatch(python_pattern(self.pattern), meant)):
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


def python_pattern(pattern: str) -> str:
    r"""A pattern of JSON Schema (ECMA 262) as Python's: ``$`` there never matches before a last line feed."""
    return pattern.removeprefix("^").removesuffix("$")


@dataclass(frozen=True, slots=True)
class Verbatim(Kind[str]):
    """A value passed on as it is written: ``1.10`` stays ``1.10``, ``yes`` stays ``yes``."""

    def read(self, node: Node, path: Path, reading: Reading) -> str:
        scalar = scalar_of(node, self)
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
class Choice(Kind[E]):
    of: type[E]

    def read(self, node: Node, path: Path, reading: Reading) -> E:
        scalar = scalar_of(node, self)
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
