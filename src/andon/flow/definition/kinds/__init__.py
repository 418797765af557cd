"""The words in which the shape of ``andon.yaml`` is described.

A :class:`Kind` is one sort of value. It can do three things, and because the one description does all three
they cannot disagree: read a value from the file, write itself as JSON Schema, and say in a few words what it
takes. The description itself is in ``shape``.
"""

from __future__ import annotations

from andon.flow.definition.kinds.containers import ListOf, Several, TableOf
from andon.flow.definition.kinds.kind import Kind, Reading, Refused, found
from andon.flow.definition.kinds.numbers import Number, Percent, Size, Truth, Whole, duration
from andon.flow.definition.kinds.records import Field, Record, Values
from andon.flow.definition.kinds.texts import Choice, Text, Verbatim
from andon.flow.definition.kinds.words import Json, Path, listing, nearest_word, plain

__all__ = [
    "Choice",
    "Field",
    "Json",
    "Kind",
    "ListOf",
    "Number",
    "Path",
    "Percent",
    "Reading",
    "Record",
    "Refused",
    "Several",
    "Size",
    "TableOf",
    "Text",
    "Truth",
    "Values",
    "Verbatim",
    "Whole",
    "duration",
    "found",
    "listing",
    "nearest_word",
    "plain",
]
