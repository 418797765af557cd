"""Looks at JSON that anybody may have written, and remembers every fault with its path."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Optional, Union

from andon_flags.document.limits import DEEPEST_VARIANT, LONGEST_VARIANT, MOST_FAULTS

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
QUOTES = "“”"
_UNPRINTABLE = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Fault(NamedTuple):
    """What is wrong at ``path``, such as ``flags.new-checkout.rules[0].serve``; the path of the whole is empty."""

    path: str
    says: str

    def __str__(self) -> str:
        return f"{self.path}: {self.says}" if self.path else self.says


class DocumentError(ValueError):
    """A document, or a change, that is not taken. ``faults`` has all of them, up to a hundred."""

    def __init__(self, faults: "list[Fault]") -> None:
        self.faults = tuple(faults)
        shown = "; ".join(str(fault) for fault in faults[:3])
        more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
        super().__init__(f"{shown}{more}")


class TooManyFaults(Exception):
    """Nobody reads on."""


def quoted(value: object, longest: int = 60) -> str:
    """A value of others in a sentence: short, and on one line."""
    if isinstance(value, (dict, Mapping)):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, str):
        plain = _UNPRINTABLE.sub("�", value[: longest + 1])
        return f"“{plain[:longest]}…”" if len(plain) > longest else f"“{plain}”"
    if isinstance(value, int) and not isinstance(value, bool) and not -(10**30) < value < 10**30:
        return "a huge number"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(float(value) if isinstance(value, float) else int(value))[:longest]
    return f"of the type {_UNPRINTABLE.sub('�', type(value).__name__[:longest])}"


class Checks:
    """What has been found so far. ``strict`` makes keys that are not known a fault."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.faults: list[Fault] = []

    def fault(self, path: str, says: str) -> None:
        """Remember one. Raises ``TooManyFaults`` at the hundredth."""
        self.faults.append(Fault(path, says))
        if len(self.faults) >= MOST_FAULTS:
            raise TooManyFaults

    def object_at(self, path: str, value: object, known: "tuple[str, ...]" = ()) -> "Mapping[str, object]":
        """An object; its keys are ``known``, where any are named."""
        if not isinstance(value, Mapping):
            self.fault(path, f"is {quoted(value)} and must be an object")
            return {}
        if known and self.strict:
            for key in value:
                if key not in known:
                    self.fault(path, f"has {quoted(key)}, which nothing knows; there are {', '.join(known)}")
        return value

    def named(self, path: str, value: object, most: int, what: str) -> "Iterator[tuple[str, str, object]]":
        """The entries of an object whose keys are names: path, name, value."""
        entries = self.object_at(path, value)
        if len(entries) > most:
            self.fault(path, f"has {len(entries):,} {what}; {most:,} are the most")
            return
        for name, entry in entries.items():
            if self.name(f"{path}.{quoted(name).strip(QUOTES)}", name):
                yield (f"{path}.{name}", name, entry)

    def name(self, path: str, value: object) -> Optional[str]:
        """A name, or ``None`` and a fault."""
        if isinstance(value, str) and len(value) <= 100 and NAME.fullmatch(value):
            return value
        self.fault(
            path,
            f"{quoted(value)} is no name: small letters, digits, “.”, “_” and “-”, up to 100, a letter or digit first",
        )
        return None

    def list_at(self, path: str, value: object, most: int, what: str) -> "list[object]":
        """A list that is not too long; empty with a fault otherwise."""
        if not isinstance(value, (list, tuple)):
            self.fault(path, f"is {quoted(value)} and must be a list")
            return []
        if len(value) > most:
            self.fault(path, f"has {len(value):,} {what}; {most:,} are the most")
            return []
        return list(value)

    def text(self, path: str, value: object, longest: int) -> str:
        """A text that is not empty and that can be sent on."""
        if not isinstance(value, str):
            self.fault(path, f"is {quoted(value)} and must be a text")
        elif not value:
            self.fault(path, "is empty")
        elif len(value) > longest:
            self.fault(path, f"has {len(value):,} characters; {longest:,} are the most")
        elif not sendable(value):
            self.fault(path, "has half a character in it (a lone surrogate)")
        else:
            return str.__str__(value)
        return ""

    def yes_or_no(self, path: str, value: object) -> bool:
        """``true`` or ``false``, and nothing that is only like it."""
        if isinstance(value, bool):
            return value
        self.fault(path, f"is {quoted(value)} and must be true or false")
        return False

    def number(self, path: str, value: object) -> "Union[int, float, None]":
        """A finite number of up to 64 bits."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if isinstance(value, int) and -(2**63) <= value < 2**64:
                return int(value)
            if isinstance(value, float) and math.isfinite(value):
                return float(value)
        self.fault(path, f"is {quoted(value)} and must be a number")
        return None

    def json(self, path: str, value: object) -> object:
        """JSON of its own, copied; bounded in depth and size."""
        room = [LONGEST_VARIANT]
        copied = self._copied(path, value, 0, room)
        if room[0] < 0:
            self.fault(path, f"is larger than {LONGEST_VARIANT:,} characters")
            return None
        return copied

    def _copied(self, path: str, value: object, depth: int, room: "list[int]") -> object:
        room[0] -= 4 + (len(value) if isinstance(value, (str, list, tuple, Mapping)) else 0)
        if room[0] < 0:
            return None
        if depth > DEEPEST_VARIANT:
            self.fault(path, f"is more than {DEEPEST_VARIANT} deep")
            return None
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            if not sendable(value):
                self.fault(path, "has half a character in it (a lone surrogate)")
            return str.__str__(value)
        if isinstance(value, (int, float)):
            return self.number(path, value)
        if isinstance(value, (list, tuple)):
            return [self._copied(f"{path}[{at}]", one, depth + 1, room) for at, one in enumerate(value)]
        if isinstance(value, Mapping):
            for key in value:
                room[0] -= len(key) if isinstance(key, str) else 0
                if not isinstance(key, str) or not sendable(key):
                    self.fault(path, f"has the key {quoted(key)}, which is no text")
                    return None
            return {
                key: self._copied(f"{path}.{quoted(key).strip(QUOTES)}", one, depth + 1, room)
                for key, one in value.items()
            }
        self.fault(path, f"is {quoted(value)}, which is no JSON")
        return None


def sendable(text: str) -> bool:
    """Whether a text can be written as UTF-8: JSON can spell half of a surrogate pair."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
