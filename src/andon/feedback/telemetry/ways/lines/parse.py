"""Lines of programs that know nothing of us: JSON, logfmt, and the prefixes of common loggers.

Best effort, and careful: the body of a line whose form is only guessed stays the whole line, and a severity is taken
only from where loggers put it, so that "no ERROR was found" is none.
"""

from __future__ import annotations

import re

import msgspec

from andon.feedback.telemetry.contract.logs import LONGEST_BODY, Severity
from andon.feedback.telemetry.ways.lines.parsed import Parsed, from_object
from andon.feedback.telemetry.ways.lines.severity import WORDS, severity_of
from andon.feedback.telemetry.ways.lines.times import moment
from andon.feedback.telemetry.ways.texts import body_text

_ANSI = re.compile(r"\x1b\[[0-9;]{0,20}m")
_LONGEST_LOGFMT = 16 * 1024
_PAIR = re.compile(r'([A-Za-z_@][\w.@/-]{0,100})=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s+|$)')
_ENOUGH = {"level", "lvl", "msg", "message", "severity"}

_WORD = "|".join(
    sorted((word for word in WORDS if word not in {"log", "default", "http", "config", "success"}), key=len)
)
_STAMP = (
    r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
    r"|\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
)
# what stands before the severity: a time, then at most three of [thread], name -, a number
_BEFORE = r"(?:\[[^\]\s]{1,60}\]|[\w.$/]{1,60} -|\d{1,10}:?)[\s|:-]{1,4}"
_HEAD = rf"\s*\[?(?P<stamp>{_STAMP})?\]?[\s|:-]{{0,4}}(?:{_BEFORE}){{0,3}}"
_CAPITALS = re.compile(rf"{_HEAD}[\[(<]?(?P<level>{_WORD.upper()})[\])>]?(?=[\s:|,(\[-]|$)")
_BRACKETS = re.compile(rf"{_HEAD}(?:\[(?P<level>{_WORD})\]|\((?P<round>{_WORD})\)|<(?P<angle>{_WORD})>)", re.IGNORECASE)
_COLON = re.compile(rf"\s*(?P<level>{_WORD}):(?=\s)", re.IGNORECASE)
_STAMPED = re.compile(rf"\s*(?P<stamp>{_STAMP})\s+(?P<level>{_WORD})(?=[\s:|])", re.IGNORECASE)
_GLOG = re.compile(r"(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d{1,6}\s+\d+ [^\s\]]{1,100}:\d+\]")
_STAMP_ALONE = re.compile(rf"\s*\[?(?P<stamp>{_STAMP})")
_SURELY = (
    ("Traceback (most recent call last):", Severity.ERROR),
    ("Exception in thread ", Severity.ERROR),
    ("Unhandled exception", Severity.ERROR),
    ("Uncaught ", Severity.ERROR),
    ("panic: ", Severity.FATAL),
    ("fatal error: ", Severity.FATAL),
    ("Segmentation fault", Severity.FATAL),
)
_LOOKED_AT = 300


def parse_line(text: str) -> Parsed:
    """What the line says. Never raises; costs at most the reading of ``LONGEST_BODY`` characters."""
    text = text[: LONGEST_BODY + 1] if len(text) > LONGEST_BODY + 1 else text
    bare = text.strip()
    if bare.startswith("{") and bare.endswith("}"):
        try:
            found = msgspec.json.decode(bare)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            found = None
        if isinstance(found, dict) and found:
            return from_object(found, None)
    if "=" in bare and len(bare) <= _LONGEST_LOGFMT:
        pairs = _logfmt(bare)
        if pairs is not None:
            parsed = from_object(pairs, None)
            return parsed if pairs.keys() & {"msg", "message"} else _with_body(parsed, text)
    head = _ANSI.sub("", bare[:_LOOKED_AT])
    severity, stamp = _prefix(head)
    if not stamp and (alone := _STAMP_ALONE.match(head)):
        stamp = alone["stamp"]
    return Parsed(severity=severity, body=body_text(text), time=moment(stamp.replace(",", "."), None))


def _with_body(parsed: Parsed, text: str) -> Parsed:
    return Parsed(
        severity=parsed.severity,
        body=body_text(text),
        fields=parsed.fields,
        trace=parsed.trace,
        span=parsed.span,
        time=parsed.time,
    )


def _prefix(head: str) -> tuple[Severity, str]:
    for start, severity in _SURELY:
        if head.startswith(start):
            return severity, ""
    for pattern in (_CAPITALS, _BRACKETS, _STAMPED, _COLON, _GLOG):
        if found := pattern.match(head):
            said = found.groupdict()
            word = said.get("level") or said.get("round") or said.get("angle") or ""
            return severity_of(word), said.get("stamp") or ""
    return Severity.UNKNOWN, ""


def _logfmt(text: str) -> dict[str, object] | None:
    """``level=info msg="it works" took=3ms``; ``None`` if that is not what the whole line is."""
    found: dict[str, object] = {}
    place = 0
    while place < len(text):
        pair = _PAIR.match(text, place)
        if pair is None or len(found) > 128:
            return None
        value = pair[2]
        if value[:1] == '"':
            value = value[1:-1].replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
        found[pair[1]] = value
        place = pair.end()
    return found if len(found) > 1 and found.keys() & _ENOUGH else None
