"""Addresses of searches for traces: everything that the page shows stands in its address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from andon.feedback.telemetry.contract.ranges import Span
from andon.feedback.telemetry.contract.traces import TraceQuery
from andon.feedback.traces.contract import SEARCH
from andon.feedback.traces.model.ranges import CHOICES, MS, USUAL, duration_of, span_of
from andon.kernel.errors import Invalid
from andon.web.model import Choice

LONGEST_ADDRESS = 8_000
LONGEST_FIELD = 300
MOST_ATTRIBUTES = 8
FIELDS = ("service", "environment", "version", "name", "at_least", "at_most", "failed", "attributes", "from", "to")
_PAIR = re.compile(r'\s*([^\s="]{1,200})=(?:"([^"]*)"(?=\s|$)|([^\s"]*)(?=\s|$))')


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an address asks for, as it was written."""

    service: str = ""
    environment: str = ""
    version: str = ""
    name: str = ""
    at_least: str = ""
    at_most: str = ""
    failed: bool = False
    attributes: str = ""
    start: str = ""
    end: str = ""

    def span(self, now: int) -> Span:
        """Raises ``Invalid``."""
        return span_of(self.start, self.end, now)

    def query(self, span: Span) -> TraceQuery:
        """Raises ``Invalid``."""
        return TraceQuery(
            start=span.start,
            end=span.end,
            service=self.service,
            environment=self.environment,
            version=self.version,
            name=self.name,
            at_least=duration_of(self.at_least),
            at_most=duration_of(self.at_most),
            failed=self.failed,
            attributes=attributes_of(self.attributes),
        )

    def pairs(self, **changes: str) -> list[tuple[str, str]]:
        whole = {
            "service": self.service,
            "environment": self.environment,
            "version": self.version,
            "name": self.name,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "failed": "1" if self.failed else "",
            "attributes": self.attributes,
            "from": self.start,
            "to": self.end,
            **changes,
        }
        return [(name, value) for name, value in whole.items() if value]

    def address(self, **changes: str) -> str:
        asked = urlencode(self.pairs(**changes), quote_via=quote)
        return f"{SEARCH}?{asked}" if asked else SEARCH

    def ranges(self) -> tuple[Choice, ...]:
        usual = self.end in ("", "now")
        return tuple(
            Choice(
                one, self.address(**{"from": one, "to": ""}), current=usual and (self.start or USUAL).lstrip("-") == one
            )
            for one in CHOICES
        )

    def before(self, start: int) -> str:
        """The same search up to a moment (ns)."""
        return self.address(to=str(-(-start // MS)))

    @property
    def narrowed(self) -> bool:
        """Whether it asks for anything but a time."""
        return any(name not in ("from", "to") for name, _ in self.pairs())


def wanted(query_string: bytes) -> Wanted:
    """Read an address. Raises ``Invalid`` for one that is too long."""
    if len(query_string) > LONGEST_ADDRESS:
        raise Invalid("The address is too long.", remedy="Ask for less at once.")
    pairs = parse_qsl(query_string.decode("latin-1"), max_num_fields=100)
    first = {name: value.strip() for name, value in reversed(pairs) if name in FIELDS}
    for name, value in first.items():
        if len(value) > LONGEST_FIELD or "\0" in value:
            raise Invalid(f"{name!r} has more than {LONGEST_FIELD} characters, or one that is none.")
    return Wanted(
        service=first.get("service", ""),
        environment=first.get("environment", ""),
        version=first.get("version", ""),
        name=first.get("name", ""),
        at_least=first.get("at_least", ""),
        at_most=first.get("at_most", ""),
        failed=first.get("failed", "") not in ("", "0", "false"),
        attributes=first.get("attributes", ""),
        start=first.get("from", ""),
        end=first.get("to", ""),
    )


def attributes_of(text: str) -> dict[str, str]:
    """``http.route=/cart`` and more of them, with a space between; a value with spaces stands in quotes.

    Raises ``Invalid``.
    """
    found: dict[str, str] = {}
    at = 0
    while text[at:].strip():
        pair = _PAIR.match(text, at)
        if pair is None or len(found) == MOST_ATTRIBUTES:
            raise Invalid(
                f"The attributes cannot be read from {text[at:].strip()[:40]!r} on.",
                remedy=f'Write at most {MOST_ATTRIBUTES}, as in: http.route=/cart user.kind="paying guest"',
            )
        found[pair[1]] = pair[2] if pair[2] is not None else pair[3]
        at = pair.end()
    return found
