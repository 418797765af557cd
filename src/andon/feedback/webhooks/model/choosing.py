"""Which events are wanted: checked when it is said, so that nobody waits for what never comes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

from andon.kernel.errors import Invalid

MOST_TYPES = 20
_TYPE = re.compile(r"\*|[a-z0-9]+([.-][a-z0-9]+)*(\.\*)?")


def checked_types(types: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """The types in order, each once. ``known`` are those that can happen. Raises :class:`Invalid`."""
    found = tuple(dict.fromkeys(one.strip() for one in types if one.strip()))
    if not found or len(found) > MOST_TYPES:
        raise Invalid(
            f"A webhook names 1 to {MOST_TYPES} types of events.",
            safe="Nothing was changed.",
            remedy="`dev.andon.rollout.*` is everything that happens to rollouts, `*` everything there is.",
        )
    for one in found:
        if len(one) > 120 or _TYPE.fullmatch(one) is None or not any(matches((one,), name) for name in known):
            near = difflib.get_close_matches(one[:120], sorted(known), n=1)
            raise Invalid(
                f"No event is called {one[:120]!r}.",
                safe="Nothing was changed.",
                remedy=f"Did you mean {near[0]}?" if near else "docs/reference/events.md lists every type.",
            )
    return found


def matches(types: Sequence[str], name: str) -> bool:
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in types)
