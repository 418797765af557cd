"""Addresses of searches: everything that a page of logs shows stands in its address."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import parse_qsl, quote, urlencode

from andon.feedback.logs.model.ranges import CHOICES, MS, USUAL, at_of, span_of
from andon.feedback.telemetry.contract.logs import Cursor, LogLine, LogQuery, Severity, Term, TermKind
from andon.feedback.telemetry.contract.ranges import Span
from andon.feedback.telemetry.contract.searching import parse, written
from andon.kernel.errors import Invalid
from andon.web.model import Choice

SEARCH = "/logs"
FLOORS = {"": Severity.UNKNOWN} | {one.name.lower(): one for one in Severity if one is not Severity.UNKNOWN}
LONGEST_ADDRESS = 8_000
_INSTANCE = re.compile(r"instance:([A-Za-z0-9_.-]{1,80})/([A-Za-z0-9_.-]{1,40})")
_JOB = re.compile(r"job:([a-z0-9_]{1,40})/([^/]{1,120})/([^/]{1,120})/(\d{1,6})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an address asks for, as it was written."""

    text: str = ""
    start: str = ""
    end: str = ""
    floor: str = ""
    before: str = ""

    def terms(self) -> tuple[Term, ...]:
        """Raises ``Invalid``."""
        return parse(self.text)

    def at_least(self) -> Severity:
        """Raises ``Invalid``."""
        try:
            return FLOORS[self.floor]
        except KeyError:
            told = ", ".join(name for name in FLOORS if name)
            raise Invalid(f"{self.floor[:20]!r} is no severity.", remedy=f"Choose of {told}.") from None

    def span(self, now: int) -> Span:
        """Raises ``Invalid``."""
        return span_of(self.start, self.end, now)

    def query(self, span: Span) -> LogQuery:
        """Raises ``Invalid``."""
        return LogQuery(start=span.start, end=span.end, terms=self.terms(), at_least=self.at_least())

    def cursor(self) -> Cursor | None:
        """Raises ``Invalid``."""
        if not self.before:
            return None
        found = re.fullmatch(r"(-?\d{1,18})\.(\d{1,20})", self.before)
        if found is None:
            raise Invalid("The page to go on from is none of ours.", remedy="Begin with the newest lines again.")
        return Cursor(time=int(found[1]), tie=int(found[2]))

    def pairs(self, **changes: str) -> list[tuple[str, str]]:
        """Its parts with some exchanged; the cursor is left out unless it is among them."""
        whole = {"q": self.text, "from": self.start, "to": self.end, "severity": self.floor, **changes}
        return [(name, value) for name, value in whole.items() if value]

    def address(self, path: str = SEARCH, **changes: str) -> str:
        asked = urlencode(self.pairs(**changes), quote_via=quote)
        return f"{path}?{asked}" if asked else path

    def narrowed(self, span: Span, start: int, end: int) -> str:
        """The same search between two moments (microseconds), at whole milliseconds."""
        first, last = max(start, span.start), min(end, span.end) if not span.live else end
        return self.address(**{"from": str(first // MS), "to": str(-(-last // MS))})


def wanted(query_string: bytes) -> Wanted:
    """Read an address. Raises ``Invalid`` for one that is too long."""
    if len(query_string) > LONGEST_ADDRESS:
        raise Invalid("The address is too long.", remedy="Search for less.")
    first = dict(reversed(parse_qsl(query_string.decode("latin-1"), max_num_fields=50)))
    return wanted_of(first)


def wanted_of(first: Mapping[str, str]) -> Wanted:
    text = first.get("q", "").strip()
    if added := first.get("add", "").strip():
        text = f"{text} {added}"
    return Wanted(
        text=text.strip(),
        start=first.get("from", "").strip()[:40],
        end=first.get("to", "").strip()[:40],
        floor=first.get("severity", "").strip()[:20],
        before=first.get("before", "").strip()[:60],
    )


def term_text(field: str, value: str, *, negated: bool = False) -> str:
    """A field's value as a search says it; empty where no search can say it."""
    text = written((Term(TermKind.FIELD, value, field, negated),))
    try:
        return text if parse(text) == (Term(TermKind.FIELD, value, field, negated),) else ""
    except Invalid:
        return ""


def with_term(terms: Iterable[Term], term: Term) -> str:
    """The search with one term more, or without it where it is there; whatever it said against it is left out."""
    kept = [
        one for one in terms if one != term and (one.kind, one.value, one.field) != (term.kind, term.value, term.field)
    ]
    return written([*kept, term] if term not in terms else kept)


def line_mark(line: LogLine) -> str:
    """Tells a line from the others of its microsecond; the same whenever it is read."""
    told = (line.service, line.instance, line.origin, str(line.position), line.trace, line.span, line.body)
    return blake2b("\x00".join(told).encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()


def line_address(line: LogLine) -> str:
    return f"/logs/line?at={line.time}&is={line_mark(line)}"


def trace_address(trace: str) -> str:
    return f"/traces/{trace}" if re.fullmatch(r"[0-9a-f]{16,32}", trace) else ""


def origin_address(line: LogLine) -> tuple[str, str]:
    """Where Andon itself keeps the line, with its number there, and in which words; both empty where it does not."""
    if found := _JOB.fullmatch(line.origin):
        run, stage, job, attempt = found.groups()
        where = f"/runs/{run}?job={quote(stage)}/{quote(job)}&attempt={attempt}#L{line.position + 1}"
        return where, f"line {line.position + 1:,} of {stage}/{job}"
    if (found := _INSTANCE.fullmatch(line.origin)) and line.service and line.environment:
        place = f"/services/{quote(line.service, safe='')}/environments/{quote(line.environment, safe='')}"
        return f"{place}/instances/{found[1]}#L{line.position + 1}", f"line {line.position + 1:,} of the instance"
    return "", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What stands above the lines: the search, the range, the severity."""

    wanted: Wanted
    ranges: tuple[Choice, ...]
    floors: tuple[tuple[str, str], ...]
    own: str
    """The range in words where it is none of those offered."""
    trouble: str = ""
    remedy: str = ""
    path: str = SEARCH


def bar(asked: Wanted, error: Invalid | None = None, *, path: str = SEARCH, ranges: bool = True) -> Bar:
    start = asked.start or USUAL
    usual = not asked.end and start in CHOICES
    choices = tuple(
        Choice(one, asked.address(path, **{"from": one, "to": ""}), current=usual and start == one) for one in CHOICES
    )
    return Bar(
        wanted=asked,
        ranges=choices if ranges else (),
        floors=(
            ("", "every severity"),
            *((name, f"{name} and up") for name in FLOORS if name not in ("", "fatal")),
            ("fatal", "fatal only"),
        ),
        own="" if usual or not ranges else f"{_told(start)} to {_told(asked.end) or 'now'}",
        trouble=error.message if error else "",
        remedy=error.remedy if error else "",
        path=path,
    )


def _told(moment: str) -> str:
    """A moment as people read it."""
    if moment.isdecimal():
        at = at_of(int(moment) * MS)
        return at.strftime("%d %b %H:%M:%S").lstrip("0") + (f".{at.microsecond // 1000:03}" if at.microsecond else "")
    return moment
