"""One line of StatsD or DogStatsD, read exactly. Nearly all lines are read by the database in bulk (:mod:`.bulk`); this
decides what is new, once, and is what the bulk is held against.

``name:value|type[|@rate][|#tag:value,tag][|Tseconds][|c:container]``, with more values after further colons. The
format: https://github.com/statsd/statsd/blob/master/docs/metric_types.md and
https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    INSTANCE,
    LONGEST_NAME,
    LONGEST_VALUE,
    MOST_LABELS,
    SERVICE,
    VERSION,
    Kind,
    Level,
    Series,
    canonical,
    label_name,
    metric_name,
    series_id,
)
from andon.feedback.telemetry.ways.statsd.origins import Origin

LONGEST_LINE = 8192
MOST_COPIES = 100
"""A timer that was sampled stands for so many observations at the most."""

NUMBER = r"^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$"
NO_NUMBER = r"^[+-]?(?i:nan|inf|infinity)$"
"""Both are read by the database too, whose expressions are RE2's."""

_NUMBER, _NO_NUMBER = re.compile(NUMBER.encode()), re.compile(NO_NUMBER.encode())
_SOMETHING = re.compile(rb"[^eE]*[1-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SECONDS = re.compile(rb"T[0-9]{1,12}")
_IGNORED = (b"c:", b"e:", b"card:")
_BUSINESS = "business."
_LEVELS = {level.value: level for level in Level}
_MEANT = {
    "env": ENVIRONMENT,
    ENVIRONMENT: ENVIRONMENT,
    SERVICE: SERVICE,
    VERSION: VERSION,
    INSTANCE: INSTANCE,
    "host": INSTANCE,
    "pod_name": INSTANCE,
}
"""DogStatsD's unified tags."""


class Type(StrEnum):
    COUNTER = "c"
    GAUGE = "g"
    TIMER = "ms"
    HISTOGRAM = "h"
    DISTRIBUTION = "d"
    SET = "s"

    @property
    def kind(self) -> Kind:
        match self:
            case Type.COUNTER:
                return Kind.DELTA
            case Type.GAUGE | Type.SET:
                return Kind.GAUGE
            case _:
                return Kind.OBSERVATION


_TYPES = {one.value.encode(): one for one in Type}


class Refused(Exception):
    def __init__(self, why: Dropped, service: str = "") -> None:
        super().__init__(why.value)
        self.why, self.service = why, service


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    type: Type
    values: tuple[bytes, ...]
    rate: float
    tags: str
    time: int | None
    """Seconds since 1970, where it says so."""


def read(line: bytes) -> Line:
    """Raises :class:`Refused`. Values are looked at by :func:`number` only: a key is sound whatever its value."""
    if len(line) > LONGEST_LINE:
        raise Refused(Dropped.TOO_LARGE)
    sent, colon, rest = line.rstrip(b"\r").partition(b":")
    if not colon or b"|" in sent:
        raise Refused(Dropped.MALFORMED)
    fields = rest.split(b"|")
    type_ = _TYPES.get(fields[1]) if len(fields) > 1 else None
    if type_ is None:
        raise Refused(Dropped.MALFORMED)
    rate, tags, at = 1.0, b"", None
    for field in fields[2:]:
        if field.startswith(b"@"):
            rate = number(field[1:])
            if not 0 < rate <= 1:
                raise Refused(Dropped.MALFORMED)
        elif field.startswith(b"#"):
            tags = field[1:]
        elif at is None and _SECONDS.fullmatch(field):
            at = int(field[1:])
        elif not field.startswith(_IGNORED):
            raise Refused(Dropped.MALFORMED)
    name = _text(sent)
    if not name or len(name) > LONGEST_NAME:
        raise Refused(Dropped.NAME)
    values = (fields[0],) if type_ is Type.SET else tuple(fields[0].split(b":"))
    return Line(name, type_, values, rate, _text(tags), at)


def number(text: bytes) -> float:
    """A finite number; not one so small that it would be zero. Raises :class:`Refused`."""
    if not _NUMBER.match(text):
        raise Refused(Dropped.NOT_A_NUMBER if _NO_NUMBER.match(text) else Dropped.MALFORMED)
    found = float(text)
    if not math.isfinite(found) or (not found and _SOMETHING.match(text)):
        raise Refused(Dropped.NOT_A_NUMBER)
    return found


@dataclass(frozen=True, slots=True)
class Meaning:
    """What all lines of one key mean."""

    series: Series
    type: Type
    relative: bool
    """Its values are added to the last one of the gauge."""
    multiplier: float
    """Of a counter that was sampled."""
    copies: float
    """How many observations each stands for; not a whole number for rates like 0.3."""


def judge(key: bytes, origin: Origin) -> Meaning:
    """The meaning of a line whose value was replaced by ``0``, ``+0`` or ``-0``, and its time by ``T0``.

    Raises :class:`Refused`.
    """
    line = read(key)
    series = series_of(line, origin)
    sampled = 1 / line.rate
    return Meaning(
        series,
        line.type,
        line.type is Type.GAUGE and line.values[0][:1] in (b"+", b"-"),
        sampled if line.type is Type.COUNTER else 1.0,
        min(sampled, MOST_COPIES) if line.type.kind is Kind.OBSERVATION else 1.0,
    )


def series_of(line: Line, origin: Origin) -> Series:
    """Raises :class:`Refused`."""
    labels, level = labels_of(line.tags, origin)
    service = labels.get(SERVICE, "")
    if len(labels) > MOST_LABELS or any(len(one) > LONGEST_VALUE for one in labels.values()):
        raise Refused(Dropped.NAME, service[:LONGEST_VALUE])
    if level is None:
        level = Level.BUSINESS if line.name.startswith(_BUSINESS) else Level.APPLICATION
    name, kept = metric_name(line.name), canonical(labels)
    return Series(
        id=series_id(name, kept),
        name=name,
        labels=kept,
        kind=line.type.kind,
        level=level,
        unit="ms" if line.type is Type.TIMER else "",
        path=line.name,
    )


def labels_of(tags: str, origin: Origin) -> tuple[dict[str, str], Level | None]:
    """A tag without a value is ``true``. Of two tags of one name the last one counts. Raises :class:`Refused`."""
    labels: dict[str, str] = {}
    meant: dict[str, str] = {}
    level = None
    for tag in tags.split(",") if tags else ():
        key, colon, value = tag.partition(":")
        if not key:
            continue
        if not colon:
            value = "true"
        if key in _MEANT:
            meant[key] = value
        elif (key == "level" and value == Level.BUSINESS) or (
            key in ("andon.level", "andon_level") and value in _LEVELS
        ):
            level = _LEVELS[value]
        elif len(key) > LONGEST_NAME:
            raise Refused(Dropped.NAME)
        else:
            labels[label_name(key)] = value
    for key in ("pod_name", "host", INSTANCE, "env", ENVIRONMENT, SERVICE, VERSION):
        if meant.get(key):
            labels[_MEANT[key]] = meant[key]
    for label, known in (
        (SERVICE, origin.service),
        (ENVIRONMENT, origin.environment),
        (VERSION, origin.version),
        (INSTANCE, origin.instance),
    ):
        if known:
            labels[label] = known
    return labels, level


def _text(sent: bytes) -> str:
    try:
        found = sent.decode()
    except UnicodeDecodeError:
        raise Refused(Dropped.NAME) from None
    if _CONTROL.search(found):  # they tell nothing to anybody, and ids are made with two of them between the parts
        raise Refused(Dropped.NAME)
    return found
