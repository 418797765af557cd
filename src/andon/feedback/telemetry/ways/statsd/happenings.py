"""DogStatsD's events and service checks.

An event is a line of the log. A service check is a gauge (0 fine, 1 warning, 2 critical, 3 unknown), and where it
comes with a message, a line of the log too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.logs import LogLine, LogSource, Severity
from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    INSTANCE,
    LONGEST_NAME,
    SERVICE,
    VERSION,
    Kind,
    Level,
    Series,
    canonical,
    metric_name,
    series_id,
)
from andon.feedback.telemetry.ways.statsd.lines import LONGEST_LINE, Refused, labels_of
from andon.feedback.telemetry.ways.statsd.origins import Origin
from andon.feedback.telemetry.ways.texts import Fields, body_text

EVENT, CHECK = b"_e{", b"_sc|"

_EVENT = re.compile(r"_e\{([0-9]{1,5}),([0-9]{1,5})\}:")
_OWN = (SERVICE, ENVIRONMENT, VERSION, INSTANCE)
_ALERT = {"error": Severity.ERROR, "warning": Severity.WARN, "info": Severity.INFO, "success": Severity.INFO}
_STATUS = {"0": Severity.INFO, "1": Severity.WARN, "2": Severity.ERROR, "3": Severity.WARN}
_FIELDS = {"p:": "priority", "k:": "aggregation_key", "s:": "source_type", "t:": "alert_type"}


@dataclass(frozen=True, slots=True)
class Check:
    series: Series
    time: int
    """Milliseconds."""
    status: float
    line: LogLine | None


def event(sent: bytes, received: int, origin: Origin) -> LogLine:
    """``_e{bytes of title,bytes of text}:title|text|d:seconds|h:host|p:priority|t:alert|#tags``; ``received`` in ms.

    Raises :class:`~.lines.Refused`.
    """
    text = _text(sent)
    head = _EVENT.match(text)
    if head is None:
        raise Refused(Dropped.MALFORMED)
    # the lengths count bytes
    rest = text[head.end() :].encode()
    title_end = int(head[1])
    text_end = title_end + 1 + int(head[2])
    if not title_end or len(rest) < text_end or rest[title_end : title_end + 1] != b"|":
        raise Refused(Dropped.MALFORMED)
    try:
        title, body = rest[:title_end].decode(), rest[title_end + 1 : text_end].decode()
        tail = rest[text_end:].decode()
    except UnicodeDecodeError:  # a length that ends within a letter
        raise Refused(Dropped.MALFORMED) from None
    if tail and not tail.startswith("|"):
        raise Refused(Dropped.MALFORMED)
    said = _said(tail[1:].split("|") if tail else [], received, origin)
    return _line(
        said,
        "\n".join(part for part in (title, body.replace("\\n", "\n")) if part),
        _ALERT.get(said.fields.get("alert_type", "info"), Severity.INFO),
    )


def check(sent: bytes, received: int, origin: Origin) -> Check:
    """``_sc|name|status|d:seconds|h:host|#tags|m:message``. Raises :class:`~.lines.Refused`."""
    parts = _text(sent).split("|")
    if len(parts) < 3 or parts[2] not in _STATUS:
        raise Refused(Dropped.MALFORMED)
    if not parts[1] or len(parts[1]) > LONGEST_NAME:
        raise Refused(Dropped.NAME)
    said = _said(parts[3:], received, origin)
    name, labels = metric_name(parts[1]), canonical(said.labels)
    series = Series(
        id=series_id(name, labels),
        name=name,
        labels=labels,
        kind=Kind.GAUGE,
        level=said.level or Level.APPLICATION,
        path=parts[1],
        help="0 fine, 1 warning, 2 critical, 3 unknown",
    )
    line = None
    if said.message:
        said.fields["check"] = parts[1]
        line = _line(said, said.message, _STATUS[parts[2]])
    return Check(series, said.time, float(parts[2]), line)


@dataclass(slots=True)
class _Said:
    time: int
    labels: dict[str, str]
    level: Level | None
    fields: dict[str, str]
    message: str


def _said(parts: list[str], received: int, origin: Origin) -> _Said:
    time, tags, host, message = received, "", "", ""
    fields: dict[str, str] = {}
    for part in parts:
        if part.startswith("d:"):
            if not re.fullmatch("d:[0-9]{1,12}", part):
                raise Refused(Dropped.MALFORMED)
            time = int(part[2:]) * 1000
        elif part.startswith("h:"):
            host = part[2:]
        elif part.startswith("#"):
            tags = part[1:]
        elif part.startswith("m:"):
            message = part[2:].replace("\\n", "\n")
        elif part[:2] in _FIELDS:
            fields[_FIELDS[part[:2]]] = part[2:]
    if host:
        tags = f"host:{host},{tags}"
    labels, level = labels_of(tags, origin)
    return _Said(time, labels, level, fields, message)


def _line(said: _Said, body: str, severity: Severity) -> LogLine:
    fields = Fields()
    for key, value in {**said.labels, **said.fields}.items():
        if key not in _OWN:
            fields.add(key, value)
    return LogLine(
        time=said.time * 1000,
        body=body_text(body),
        severity=severity,
        service=said.labels.get(SERVICE, ""),
        environment=said.labels.get(ENVIRONMENT, ""),
        version=said.labels.get(VERSION, ""),
        instance=said.labels.get(INSTANCE, ""),
        fields=fields.kept,
        source=LogSource.STATSD,
    )


def _text(sent: bytes) -> str:
    if len(sent) > LONGEST_LINE:
        raise Refused(Dropped.TOO_LARGE)
    try:
        return sent.rstrip(b"\r").decode()
    except UnicodeDecodeError:
        raise Refused(Dropped.NAME) from None
