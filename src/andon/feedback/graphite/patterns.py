"""Patterns that somebody sent. They are run by RE2, which no pattern makes slow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from andon.feedback.graphite.contract import LONGEST_TARGET, BadTarget

if TYPE_CHECKING:
    from andon.feedback.graphite.rows import Row

LONGEST_PATTERN = 1_000
MOST_LETTERS = 10_000_000
"""That all names may have together once something in them is replaced."""
_REFERENCE = re.compile(r"\\g<(\d)>")


def found_in(pattern: str, texts: Sequence[str]) -> list[bool]:
    """In which of the texts the pattern is found. Raises :class:`BadTarget` for what RE2 does not understand."""
    # slow to load, and few targets need it
    import pyarrow  # type: ignore[import-untyped]  # noqa: PLC0415 - carries no types; see above
    from pyarrow import compute  # noqa: PLC0415 - as above

    _check(pattern)
    try:
        fits: list[bool] = compute.match_substring_regex(
            pyarrow.array(texts, type=pyarrow.string()), pattern=pattern
        ).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise _wrong(pattern) from error
    return fits


def matching(pattern: str, rows: Sequence[Row]) -> list[bool]:
    return found_in(pattern, [row.name for row in rows])


def substituted(pattern: str, replacement: str, texts: Sequence[str]) -> list[str]:
    """All that the pattern finds in each text replaced. Raises :class:`BadTarget`."""
    import pyarrow  # noqa: PLC0415 - as above
    from pyarrow import compute  # noqa: PLC0415 - as above

    _check(pattern)
    if len(replacement) > LONGEST_PATTERN:
        raise _wrong(pattern)
    # each letter may be a match of its own, and all of a name be within a group
    if sum(len(one) + 1 for one in texts) * (len(replacement) + replacement.count("\\")) > MOST_LETTERS:
        raise BadTarget("The names would become longer than anybody can read.", remedy="Use a shorter replacement.")
    try:
        made: list[str] = compute.replace_substring_regex(
            pyarrow.array(texts, type=pyarrow.string()),
            pattern=pattern,
            replacement=_REFERENCE.sub(r"\\\1", replacement),
        ).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise _wrong(pattern) from error
    return made


def replaced(text: str, old: str, new: str) -> str:
    """Raises :class:`BadTarget` where that would be longer than a target may be."""
    if len(text) + text.count(old) * len(new) > 2 * LONGEST_TARGET:
        raise BadTarget("A target becomes too long once all is filled in.", remedy="Use shorter names.")
    return text.replace(old, new)


def _check(pattern: str) -> None:
    if len(pattern) > LONGEST_PATTERN:
        raise BadTarget(f"The pattern is longer than {LONGEST_PATTERN} characters.", remedy="Use a shorter one.")


def _wrong(pattern: str) -> BadTarget:
    return BadTarget(
        f"`{pattern[:80]}` is no pattern that RE2 understands, or its replacement names a group that it has not.",
        remedy="Look-around and back references within a pattern are not among what it knows.",
    )
