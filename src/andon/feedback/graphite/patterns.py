"""Patterns that somebody sent. They are run by RE2, which no pattern makes slow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from andon.feedback.graphite.contract import BadTarget

if TYPE_CHECKING:
    from andon.feedback.graphite.rows import Row

LONGEST_PATTERN = 1_000
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
    try:
        made: list[str] = compute.replace_substring_regex(
            pyarrow.array(texts, type=pyarrow.string()),
            pattern=pattern,
            replacement=_REFERENCE.sub(r"\\\1", replacement),
        ).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise _wrong(pattern) from error
    return made


def _check(pattern: str) -> None:
    if len(pattern) > LONGEST_PATTERN:
        raise BadTarget(f"The pattern is longer than {LONGEST_PATTERN} characters.", remedy="Use a shorter one.")


def _wrong(pattern: str) -> BadTarget:
    return BadTarget(
        f"`{pattern[:80]}` is no pattern that RE2 understands, or its replacement names a group that it has not.",
        remedy="Look-around and back references within a pattern are not among what it knows.",
    )
