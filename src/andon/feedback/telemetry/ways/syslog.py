"""Syslog: RFC 5424 over UDP (RFC 5426) and TCP (RFC 6587), RFC 3164 as far as it can be read.

What is no syslog at all is kept as the text it is: whoever sends it means something by it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from andon.feedback.telemetry.contract.intake import Dropped, Way
from andon.feedback.telemetry.contract.logs import LogLine, LogSource, Severity
from andon.feedback.telemetry.contract.metrics import LONGEST_VALUE
from andon.feedback.telemetry.ways.doors.lines import LONGEST_LINE, Overlong, by_newline
from andon.feedback.telemetry.ways.gathering import Gathering, Origin, Window
from andon.feedback.telemetry.ways.lines.parse import parse_line
from andon.feedback.telemetry.ways.lines.parsed import Parsed, take_trace
from andon.feedback.telemetry.ways.lines.severity import severity_of_syslog
from andon.feedback.telemetry.ways.lines.times import moment
from andon.feedback.telemetry.ways.texts import Fields, body_text
from andon.kernel.errors import Invalid

_FACILITIES: tuple[str, ...] = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock", *(f"local{number}" for number in range(8))),
)
_5424 = re.compile(
    r"<(?P<pri>\d{1,3})>1 (?P<time>\S{1,40}) (?P<host>\S{1,255}) (?P<app>\S{1,48}) (?P<proc>\S{1,128}) "
    r"(?P<id>\S{1,32}) "
)
_3164 = re.compile(
    r"<(?P<pri>\d{1,3})>(?:(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)|(?P<iso>\d{4}-\d\d-\d\dT[\d:.+Z-]{5,30}))? ?"
    r"(?:(?P<host>[\w.:-]{1,255}) )?(?P<app>[\w./-]{1,48})(?:\[(?P<proc>[\w.-]{1,64})\])?: ?"
)
_PRI = re.compile(r"<(?P<pri>\d{1,3})>")
_ELEMENT = re.compile(r"\[([^\s=\]\"]{1,64})")
_PARAMETER = re.compile(r' ([^\s=\]"]{1,64})="((?:[^"\\\]]|\\.)*)"')
_COUNT = re.compile(rb"([1-9]\d{0,6}) <")
_NIL = "-"


class Syslog:
    """Reads messages for a :class:`~andon.feedback.telemetry.ways.doors.lines.LineDoor`.

    The application's name is the service; the host is the field ``host.name``.
    """

    way = Way.SYSLOG

    def __init__(self, window: Window) -> None:
        self._window = window

    def split(self, waiting: bytearray) -> list[bytes]:
        """Counted frames (``57 <34>1 …``) or lines; a sender keeps to one of the two."""
        found: list[bytes] = []
        while waiting:
            if not waiting[:1].isdigit():
                return found + by_newline(waiting)
            count = _COUNT.match(waiting)
            if count is None:
                if len(waiting) < 9 and b"\n" not in waiting:
                    return found
                if waiting.strip() == b"":
                    waiting.clear()
                    return found
                return found + by_newline(waiting)  # a line that merely begins with a digit
            size = int(count[1])
            if size > LONGEST_LINE:
                raise Invalid(
                    f"A message of {size:,} bytes is longer than {LONGEST_LINE:,}.", remedy="Send shorter ones."
                )
            begin = count.end() - 1
            if len(waiting) < begin + size:
                return found
            found.append(bytes(waiting[begin : begin + size]))
            del waiting[: begin + size]
            if waiting[:1] == b"\n":
                del waiting[:1]
        return found

    def datagram(self, raw: bytes) -> list[bytes]:
        return [raw.rstrip(b"\r\n\x00")]

    def read(self, lines: Sequence[bytes], client: str, origin: Origin | None) -> Gathering:
        gathering = Gathering(self.way, self._window)
        for raw in lines:
            if raw is Overlong or len(raw) > LONGEST_LINE:
                gathering.drop(Dropped.TOO_LARGE, example="a line is too long")
                continue
            if not raw.strip():
                continue
            line = read_syslog(raw.decode("utf-8", "replace"), gathering.now, client, origin)
            if gathering.in_time(line.time // 1000):
                gathering.logs.append(line)
            else:
                gathering.drop(Dropped.TIME, service=line.service)
        return gathering


def read_syslog(text: str, now: int, client: str = "", origin: Origin | None = None) -> LogLine:
    """One message; ``now`` in milliseconds stands in for a time that is missing."""
    kept = Fields()
    head: re.Match[str] | None
    if head := _5424.match(text):
        body = _structured(text[head.end() :], kept)
        told = head.groupdict()
        time = moment(told["time"])
        if told["id"] != _NIL:
            kept.add("syslog.msgid", told["id"])
    elif head := _3164.match(text):
        body = text[head.end() :]
        told = head.groupdict()
        time = moment(told["iso"]) if told["iso"] else _old_time(told["time"], now)
    else:
        head = _PRI.match(text)
        told = {"pri": head["pri"]} if head else {}
        body, time = text[head.end() :] if head else text, None
    pri = told.get("pri")
    number = int(pri) if pri and int(pri) < 192 else None
    parsed = parse_line(body) if body.lstrip()[:1] == "{" or number is None else Parsed(body=body_text(body))
    severity = parsed.severity
    if number is not None:
        kept.add("syslog.facility", _FACILITIES[number >> 3])
        if severity is Severity.UNKNOWN:
            severity = severity_of_syslog(number & 7)
    host = told.get("host") or client
    if host and host != _NIL:
        kept.add("host.name", host)
    process = told.get("proc")
    if process and process != _NIL:
        kept.add("process.pid", process)
    for name, value in parsed.fields.items():
        kept.add(name, value)
    trace, span = parsed.trace, parsed.span
    if not trace:
        flat: dict[str, object] = {name.rpartition(".")[2]: value for name, value in kept.kept.items()}
        trace, span = take_trace(flat)
    app = told.get("app") or ""
    if origin is not None and app and app != _NIL:
        kept.add("syslog.appname", app)
    service = "" if app == _NIL else app.rpartition("/")[2][:LONGEST_VALUE]
    return LogLine(
        time=time if time is not None else now * 1000,
        body=parsed.body,
        severity=severity,
        service=origin.service if origin else service,
        environment=origin.environment if origin else "",
        fields=kept.kept,
        trace=trace,
        span=span,
        source=LogSource.SYSLOG,
    )


def _structured(rest: str, kept: Fields) -> str:
    """Structured data into fields, as ``id.name``; gives the message. What is broken is left in the message."""
    if rest[:1] == _NIL:
        return rest[1:].removeprefix(" ").removeprefix("\ufeff")
    place = 0
    found: list[tuple[str, str]] = []
    while rest[place : place + 1] == "[":
        element = _ELEMENT.match(rest, place)
        if element is None:
            return rest
        place = element.end()
        while parameter := _PARAMETER.match(rest, place):
            value = re.sub(r'\\(["\\\]])', r"\1", parameter[2])
            found.append((f"{element[1].partition('@')[0]}.{parameter[1]}", value))
            place = parameter.end()
        if rest[place : place + 1] != "]":
            return rest
        place += 1
    for name, value in found:
        kept.add(name, value)
    return rest[place:].removeprefix(" ").removeprefix("\ufeff")


def _old_time(told: str | None, now: int) -> int | None:
    """``Oct 11 22:14:15``, which says neither year nor zone: ours, unless it is then more than a day off."""
    if not told:
        return None
    here = datetime.fromtimestamp(now / 1000, UTC).astimezone()
    for year in (here.year, here.year - 1):
        try:
            found = datetime.strptime(f"{year} {told}", "%Y %b %d %H:%M:%S").replace(tzinfo=here.tzinfo)
        except ValueError:
            continue
        if abs(found - here) < timedelta(days=1):
            return int(found.timestamp()) * 1_000_000
    return None
