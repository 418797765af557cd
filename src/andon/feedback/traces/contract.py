"""What others may know of traces: where they are looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

SEARCH = "/traces"
_TRACE = re.compile(r"[0-9a-f]{32}")


def is_trace(text: str) -> bool:
    """Whether it can be a trace's id: 32 hexadecimal digits."""
    return _TRACE.fullmatch(text) is not None


def trace_address(trace: str, span: str = "") -> str:
    """Where one trace is drawn; at ``span`` where one is given."""
    return f"{SEARCH}/{quote(trace, safe='')}" + (f"#span-{quote(span, safe='')}" if span else "")


def search_address(wanted: Mapping[str, str]) -> str:
    """Where traces are found. ``wanted`` has what the page's fields are called: ``service``, ``environment``,
    ``version``, ``name``, ``at_least`` (``250ms``), ``failed`` (``1``), ``attributes``, ``from``, ``to``."""
    told = [(name, value) for name, value in wanted.items() if value]
    return f"{SEARCH}?{urlencode(told)}" if told else SEARCH
