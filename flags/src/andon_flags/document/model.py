"""What a flag document says, as values that do not change."""

from array import array
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from typing import NamedTuple, Optional, Union

Value = Union[bool, str, int, float, Mapping[str, object], list[object]]
"""What a flag serves. An object is JSON: a mapping or a list."""

Scalar = Union[bool, str, int, float]


class Kind(str, Enum):
    """What a flag's variants are."""

    BOOLEAN = "boolean"
    STRING = "string"
    NUMBER = "number"
    OBJECT = "object"


class Operator(str, Enum):
    """How an attribute is compared with the values of a condition.

    An attribute that is missing, or of another kind than the values, fulfils none but ``absent``: neither ``in`` nor
    ``not-in``. Segments are asked with a text or a whole number; where none of those named has members, only their
    conditions count and the attribute may be missing. Times without a zone are in UTC; versions order as SemVer has it.
    A text longer than 256 characters matches no pattern.
    """

    IN = "in"
    NOT_IN = "not-in"
    CONTAINS = "contains"
    STARTS_WITH = "starts-with"
    ENDS_WITH = "ends-with"
    MATCHES = "matches"
    LESS = "less"
    AT_MOST = "at-most"
    MORE = "more"
    AT_LEAST = "at-least"
    BEFORE = "before"
    AFTER = "after"
    VERSION_LESS = "version-less"
    VERSION_AT_LEAST = "version-at-least"
    PRESENT = "present"
    ABSENT = "absent"
    IN_SEGMENT = "in-segment"
    NOT_IN_SEGMENT = "not-in-segment"


TEXTUAL = frozenset({Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH, Operator.MATCHES})
NUMERIC = frozenset({Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST})
TIMED = frozenset({Operator.BEFORE, Operator.AFTER})
VERSIONED = frozenset({Operator.VERSION_LESS, Operator.VERSION_AT_LEAST})
WITHOUT_VALUES = frozenset({Operator.PRESENT, Operator.ABSENT})
SEGMENTAL = frozenset({Operator.IN_SEGMENT, Operator.NOT_IN_SEGMENT})


@dataclass(frozen=True)
class Condition:
    """``attribute`` compared with ``values``: with any of them, where there are several."""

    attribute: str
    operator: Operator
    values: tuple[Scalar, ...] = ()


class Range(NamedTuple):
    """Buckets from ``start`` up to, and without, ``end`` are served ``variant``."""

    start: int
    end: int
    variant: str


Serve = Union[str, tuple[Range, ...]]
"""One variant for everybody, or ranges of buckets: sorted, apart from one another."""


@dataclass(frozen=True)
class Rule:
    """Serves who fulfils all of ``when``. Who falls into a bucket that its ranges leave free passes on."""

    id: str
    when: tuple[Condition, ...]
    serve: Serve


@dataclass(frozen=True)
class Prerequisite:
    """Holds while ``flag`` serves one of ``variants``."""

    flag: str
    variants: tuple[str, ...]


@dataclass(frozen=True)
class Flag:
    """``off`` is served while not ``enabled``, outside of ``begins`` and ``ends`` (seconds since 1970), and where a
    prerequisite does not hold. ``individuals`` are served by the value of ``unit``, the attribute that is hashed with
    ``salt`` too. Of one that is ``watched``, clients tell how the requests end that it was served to."""

    name: str
    kind: Kind
    variants: Mapping[str, Value]
    enabled: bool
    off: str
    salt: str
    unit: str
    default: Serve
    prerequisites: tuple[Prerequisite, ...] = ()
    individuals: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    begins: Optional[float] = None
    ends: Optional[float] = None
    watched: bool = False


class Hashed:
    """Members of a large segment by the first eight bytes of their BLAKE2b, sorted: 8 MB a million.

    A stranger is taken for one of a million members once in 1.8 × 10¹³ times.
    """

    __slots__ = ("_hashes",)

    def __init__(self, hashes: "array[int]") -> None:
        self._hashes = hashes

    def __contains__(self, member: object) -> bool:
        if not isinstance(member, str):
            return False
        wanted = hash_of(member)
        place = bisect_left(self._hashes, wanted)
        return place < len(self._hashes) and self._hashes[place] == wanted

    def __len__(self) -> int:
        return len(self._hashes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hashed) and self._hashes == other._hashes

    def __hash__(self) -> int:
        return hash((len(self._hashes), self._hashes[0] if self._hashes else 0))

    @property
    def hashes(self) -> "array[int]":
        """Sorted, each once. Not to be changed."""
        return self._hashes


def hash_of(member: str) -> int:
    """What stands for a member in a segment of hashes: BLAKE2b with a digest of eight bytes, big-endian."""
    return int.from_bytes(blake2b(member.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class Segment:
    """Who is one of ``members``, or fulfils all conditions of one of the lists of ``when``."""

    name: str
    members: Union[frozenset[str], Hashed] = frozenset()
    when: tuple[tuple[Condition, ...], ...] = ()


@dataclass(frozen=True)
class Document:
    """The flags of one service in one environment at one ``revision``."""

    service: str
    environment: str
    revision: int
    flags: Mapping[str, Flag]
    segments: Mapping[str, Segment] = field(default_factory=dict)
