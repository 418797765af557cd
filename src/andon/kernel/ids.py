"""Identifiers: a short prefix that says what it names, then a time-sorted random part.

The random part is 26 characters of Crockford's base 32: 48 bits of milliseconds since 1970 followed by 80
random bits, so that ids sort by the moment they were made and cannot be guessed.
"""

from __future__ import annotations

import os
import re
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PATTERN = re.compile(rf"[a-z]{{2,8}}_[{_ALPHABET}]{{26}}")


def new_id(prefix: str) -> str:
    """A new id such as ``run_01k9…``; ``prefix`` is two to eight lower-case letters."""
    number = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    return prefix + "_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def is_id(text: str, prefix: str) -> bool:
    """Whether ``text`` has the form of an id with this prefix."""
    return text.startswith(prefix + "_") and _PATTERN.fullmatch(text) is not None
