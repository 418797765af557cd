"""From a pattern to a metric: what to call it, and what to find its lines with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from andon.feedback.telemetry.contract.logs import Term, TermKind
from andon.feedback.telemetry.contract.searching import written

VALUE = "<*>"
_MOST = 8
_WORDY = re.compile(r"[^\W_]+")
_EMPTY_WORDS = frozenset(
    {"a", "an", "and", "at", "by", "for", "from", "in", "is", "of", "on", "the", "to", "was", "with"}
)
_BEFORE_TYPED = re.compile(r"[^\x20-\x7e\x80-\U0010ffff]")


def constants(pattern: str) -> tuple[str, ...]:
    """What of a pattern is always said, between its values."""
    parts = (" ".join(_BEFORE_TYPED.sub(" ", part).split()) for part in pattern.split(VALUE))
    return tuple(part for part in parts if len(_WORDY.findall(part)) > 0)


def as_phrases(pattern: str) -> str:
    """A search for all that is always said, in this order within each part; empty where a pattern says nothing."""
    found = [Term(TermKind.PHRASE, one[:200]) for one in constants(pattern)]
    kept = sorted(found, key=lambda one: -len(one.value))[:_MOST]
    return written(one for one in found if one in kept)


def as_words(pattern: str) -> str:
    """A search for its words, which finds them whatever stands between them."""
    words = dict.fromkeys(word for part in constants(pattern) for word in _WORDY.findall(part))
    return written(Term(TermKind.WORD, one[:200]) for one in list(words)[: 2 * _MOST])


def metric_of(pattern: str, taken: Sequence[str] = ()) -> str:
    """A name for it, out of its first words that mean something."""
    said = [word.lower() for part in constants(pattern) for word in _WORDY.findall(part) if word.isascii()]
    words = [one for one in said if one not in _EMPTY_WORDS and not one.isdigit()][:4] or said[:4]
    name = "_".join(words)[:60].strip("_") or "lines"
    name = f"lines_{name}" if name[:1].isdigit() else name
    number = 1
    while (name if number == 1 else f"{name}_{number}") in taken:
        number += 1
    return name if number == 1 else f"{name}_{number}"
