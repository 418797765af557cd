"""Names of flags and segments."""

from __future__ import annotations

import re

from andon.kernel.errors import Invalid

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


def require_name(name: str, what: str) -> None:
    """Raises ``Invalid``; ``what`` is "a flag" or "a segment"."""
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name[:100]!r} is no name for {what}.",
            safe="Nothing was changed.",
            remedy="Use lower case letters, digits, dots, dashes and underscores, at most 100.",
        )


LONGEST_WHY = 500


def reason_of(text: str) -> str:
    """Why somebody changes something, in one line. Raises ``Invalid``."""
    text = " ".join(text.split())
    if len(text) > LONGEST_WHY or not text.isprintable():
        raise Invalid(f"A reason has at most {LONGEST_WHY} characters.", safe="Nothing was changed.")
    return text
