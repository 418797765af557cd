"""StatsD's lines, with DogStatsD's tags, made of whatever a program says."""

import math
import re
from collections.abc import Mapping
from typing import Optional

LONGEST_NAME = 200
LONGEST_VALUE = 200
LONGEST_TITLE = 500
LONGEST_TEXT = 4000
MOST_TAGS = 20
_MOST_KNOWN = 2000
_PLAIN = frozenset((str, int))

_NAME = re.compile(r"[^A-Za-z0-9_.\-/]+")
_VALUE = re.compile(r"[\x00-\x20\x7f-\xa0|,#:\u2028\u2029\ud800-\udfff]+")


def plain_name(said: object) -> str:
    """A name that is none of the marks between the parts of a line; empty when nothing is left."""
    return _NAME.sub("_", str(said)[: 2 * LONGEST_NAME].strip())[:LONGEST_NAME]


def plain_value(said: object) -> str:
    """A tag's value without marks and blanks."""
    return _VALUE.sub("_", str(said)[: 2 * LONGEST_VALUE].strip())[:LONGEST_VALUE]


def number(value: object) -> Optional[bytes]:
    """A finite number as it is sent, else ``None``. Raises what ``float`` raises."""
    if type(value) is int and -(2**63) < value < 2**63:
        return b"%d" % value
    found = float(value)  # type: ignore[arg-type]  # whatever has a value: numpy's, Decimal, Fraction
    return repr(found).encode() if math.isfinite(found) else None


class Lines:
    """Knows what is told with every line, and remembers how lines began and ended that were told before."""

    def __init__(self, always: Mapping[str, str]) -> None:
        self._always = {tag: plain_value(value) for tag, value in always.items()}
        self._known: dict[object, tuple[bytes, bytes]] = {}

    def around(self, name: object, kind: str, tags: Mapping[str, object]) -> Optional[tuple[bytes, bytes]]:
        """What comes before the value and after it; ``None`` for a name that is none."""
        key = None
        # Of texts and whole numbers alone: 1, True and 1.0 are one key and three texts.
        if type(name) is str and all(type(value) in _PLAIN for value in tags.values()):
            key = (name, kind, *tags.items()) if tags else (name, kind)
            known = self._known.get(key)
            if known is not None:
                return known
        plain = plain_name(name)
        if not plain:
            return None
        made = f"{plain}:".encode(), f"|{kind}{self.told(tags)}".encode()
        if key is not None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = made
        return made

    def told(self, tags: Mapping[str, object]) -> str:
        """``|#tag:value,…``, or nothing. What is always told comes before a tag of the same name."""
        own = {
            plain_name(tag): plain_value(value) for tag, value in list(tags.items())[:MOST_TAGS] if value is not None
        }
        text = ",".join(f"{tag}:{value}" for tag, value in {**own, **self._always}.items() if tag and value)
        return f"|#{text}" if text else ""

    def event(self, title: object, text: object, tags: Mapping[str, object]) -> bytes:
        """An event: lengths are counted in bytes, and a new line is written as a backslash and an ``n``."""
        first, second = _line(title, LONGEST_TITLE), _line(text, LONGEST_TEXT)
        return b"_e{%d,%d}:%b|%b%b" % (len(first), len(second), first, second, self.told(tags).encode())


def _line(said: object, longest: int) -> bytes:
    text = str(said)[:longest].replace("\r", "").replace("\n", "\\n").replace("\0", "")
    return text.encode("utf-8", "replace")
