"""Prometheus' text format 0.0.4 and OpenMetrics 1.0, line by line.

Lenient where exporters are: a line that cannot be read is counted and passed over, the others are taken. Each pattern
gives nothing back (possessive), so that a hostile line costs no more than its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from andon.feedback.telemetry.ways.kinds import OF_SEVERAL

LONGEST_LINE = 64 * 1024
_MOST_FAMILIES = 50_000

_LABELS = r'\{(?:[^"}]|"(?:[^"\\]|\\.)*+")*+\}'
_SAMPLE = re.compile(
    rf"(?P<series>(?:[a-zA-Z_:][\w:]*+)?[ \t]*+(?:{_LABELS})?)[ \t]*+(?P<value>[^\s#]++)(?:[ \t]++(?P<time>[^\s#]++))?"
    rf"(?:[ \t]*+\#[ \t]*+(?P<exemplar>{_LABELS})[ \t]++(?P<observed>\S++)(?:[ \t]++(?P<when>\S++))?)?[ \t]*+$",
    re.ASCII,
)
_NAME = re.compile(r"[a-zA-Z_:][\w:]*+", re.ASCII)
_QUOTED = re.compile(r'[ \t]*+"((?:[^"\\]|\\.)*+)"[ \t]*+')
_LABEL = re.compile(r'[ \t]*+(?:([^\s"=,{}]++)|"((?:[^"\\]|\\.)*+)")[ \t]*+=[ \t]*+"((?:[^"\\]|\\.)*+)"[ \t]*+')
_META = re.compile(r'#[ \t]++(TYPE|HELP|UNIT)[ \t]++(?:"((?:[^"\\]|\\.)*+)"|(\S++))(?:[ \t]++(.*))?')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Line:
    """One sample. ``series`` is the text of name and labels, which tells it apart; ``time`` is ms, ``None`` for now."""

    series: str
    value: float
    time: int | None
    exemplar: tuple[dict[str, str], float, int | None] | None


@dataclass(slots=True)
class Families:
    types: dict[str, str] = field(default_factory=dict)
    helps: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


def samples(text: str, families: Families, *, openmetrics: bool) -> Iterator[Line | None]:
    """Every sample, and ``None`` for each line that is none. What the comments say is put into ``families`` as it is
    read: it stands above the samples it is about."""
    scale = 1000.0 if openmetrics else 1.0  # seconds in one format, milliseconds in the other
    for raw in text.split("\n"):
        line = raw.strip(" \t\r")
        if not line:
            continue
        if line[0] == "#":
            _comment(line, families)
            if openmetrics and line == "# EOF":
                return
            continue
        yield _line(line, scale) if len(line) <= LONGEST_LINE else None


def _line(line: str, scale: float) -> Line | None:
    found = _SAMPLE.match(line)
    if found is None or not found["series"]:
        return None
    try:
        value = float(found["value"])
        time = None if found["time"] is None else _milliseconds(found["time"], scale)
        exemplar = None
        if found["exemplar"] is not None:
            _, labels = series_of(found["exemplar"])
            when = None if found["when"] is None else _milliseconds(found["when"], 1000.0)
            exemplar = (labels, float(found["observed"]), when)
    except (ValueError, OverflowError):
        return None
    if "_" in found["value"]:  # a number to Python alone
        return None
    return Line(found["series"].rstrip(), value, time, exemplar)


def _milliseconds(text: str, scale: float) -> int:
    return round(float(text) * scale)


def series_of(text: str) -> tuple[str, dict[str, str]]:
    """Name and labels of a sample's text, the name in braces too (``{"my.name", a="b"}``). Raises ``ValueError``."""
    head = _NAME.match(text)
    name = head[0] if head else ""
    labels: dict[str, str] = {}
    place = text.find("{", head.end() if head else 0)
    if place < 0:
        return name, labels
    place += 1
    while True:
        if pair := _LABEL.match(text, place):
            label = pair[1] if pair[1] is not None else _unescaped(pair[2])
            if label in labels:
                raise ValueError(f"the label {label[:50]} is there twice")
            labels[label] = _unescaped(pair[3])
            place = pair.end()
        elif not name and (quoted := _QUOTED.match(text, place)):
            name = _unescaped(quoted[1])
            place = quoted.end()
        elif text[place:].strip(" \t") == "}":
            return name, labels
        else:
            raise ValueError("the labels cannot be read")
        if text[place : place + 1] == ",":
            place += 1
        elif text[place:].strip(" \t") != "}":
            raise ValueError("the labels cannot be read")


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text) if "\\" in text else text


def _comment(line: str, families: Families) -> None:
    found = _META.match(line)
    if found is None or len(families.types) + len(families.helps) > _MOST_FAMILIES:
        return
    name = _unescaped(found[2]) if found[2] is not None else found[3]
    rest = (found[4] or "")[:1024]
    match found[1]:
        case "TYPE":
            families.types[name] = rest.strip().lower()
        case "HELP":
            families.helps[name] = _unescaped(rest)
        case _:
            families.units[name] = rest.strip()


def family_of(name: str, types: dict[str, str]) -> str:
    """The family that a series is of, which may be called without its suffix."""
    if name in types:
        return name
    for suffix in ("_total", "_created", "_info", *OF_SEVERAL["histogram"], "_gsum", "_gcount"):
        if name.endswith(suffix) and name.removesuffix(suffix) in types:
            return name.removesuffix(suffix)
    return name
