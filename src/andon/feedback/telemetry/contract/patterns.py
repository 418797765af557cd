"""Names of metrics as ``andon.yaml`` has them: ``*`` stands for anything."""

from __future__ import annotations

import re
from collections.abc import Iterable


def named_like(patterns: Iterable[str]) -> re.Pattern[str]:
    """For ``fullmatch`` of a name with any of the patterns.

    Who writes the patterns names the metrics, too: what lies between two stars is looked for once, from where the part
    before it ended (an atomic group), or `*a*a*a*a*a*b` would hold up everybody for minutes.
    """
    return re.compile("|".join(_one(pattern) for pattern in sorted(set(patterns))))


def _one(pattern: str) -> str:
    first, *rest = (re.escape(part) for part in pattern.split("*"))
    if not rest:
        return first
    # the first place is the best one: whatever fits behind a later one fits behind it as well
    between = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    return f"{first}{between}.*{rest[-1]}"
