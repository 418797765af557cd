"""Where a role can be granted, and what a form says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from andon.kernel.access import Grant, Role
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid

PlacesOf = Callable[[Reading], Mapping[str, tuple[str, ...]]]
"""The environments of each service there is."""


@dataclass(frozen=True, slots=True)
class Offered:
    """Names to choose from: others may be typed, for a role can be there before its service."""

    services: tuple[str, ...]
    environments: tuple[str, ...]

    @classmethod
    def of(cls, places: Mapping[str, tuple[str, ...]]) -> Offered:
        names = {name: None for own in places.values() for name in own}
        return cls(tuple(sorted(places)), tuple(names))


def grant_in(form: Mapping[str, str]) -> Grant | None:
    """The role that a form asks for; ``None`` for none. Raises :class:`Invalid`."""
    role = form.get("role", "").strip()
    if not role:
        return None
    try:
        known = Role(role)
    except ValueError:
        raise Invalid(
            f"There is no role {role[:40]!r}.", safe="Nothing was changed.", remedy="Choose one of those shown."
        ) from None
    return Grant(known, form.get("service", "").strip() or None, form.get("environment", "").strip() or None)
