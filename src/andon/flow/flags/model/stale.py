"""Flags that have done their work: which, why, and what to do about them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from andon.flow.flags.model import words
from andon.flow.flags.model.flag import StoredFlag, StoredSetting
from andon_flags.document import Value

SETTLED = timedelta(days=30)
"""A flag that gives everybody one variant for so long has done its work."""
UNASKED = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Reference:
    """A line that names a flag. Texts are the repository's own: hostile."""

    path: str
    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    flag: StoredFlag
    why: tuple[str, ...]
    keep: str | None
    references: tuple[Reference, ...]

    @property
    def value(self) -> Value | None:
        return None if self.keep is None else self.flag.head.variants[self.keep]

    @property
    def proposal(self) -> str:
        lines = len(self.references)
        places = f"{lines} {'line' if lines == 1 else 'lines'}"
        if not self.references:
            return f"The code does not name {self.flag.name}: archive it."
        if self.keep is None:
            return f"Decide which variant stays, put its value in {places}, push, then archive the flag."
        return f"Put the value of {self.keep} in {places} and remove the other branch, push, then archive the flag."


def finding(
    flag: StoredFlag,
    settings: Sequence[StoredSetting],
    asked: Mapping[str, datetime],
    references: Sequence[Reference],
    now: datetime,
    *,
    looked: bool,
) -> Finding | None:
    """What is stale about a flag; ``None`` for one that is in use, and for a permanent one.

    ``asked`` is when it was last asked for in each environment, as far as anybody counts. ``looked`` says whether the
    code was looked through, so that no reference means that there is none.
    """
    if flag.head.permanent:
        return None
    why: list[str] = []
    today: date = now.date()
    if flag.head.ends is not None and flag.head.ends < today:
        why.append(f"it was to be gone by {flag.head.ends}, {(today - flag.head.ends).days} days ago")
    keep = settled_on(settings)
    since = max((one.changed_at for one in settings if one.changed_at is not None), default=None)
    if keep is not None and since is not None and now - since >= SETTLED:
        why.append(f"everybody has got {keep} for {(now - since).days} days")
    last = max(asked.values(), default=None)
    old = now - flag.created_at >= UNASKED
    if last is not None and now - last >= UNASKED:
        why.append(f"nobody has asked for it for {(now - last).days} days")
    if looked and not references and old:
        why.append("the code does not name it")
    return Finding(flag=flag, why=tuple(why), keep=keep, references=tuple(references)) if why else None


def settled_on(settings: Sequence[StoredSetting]) -> str | None:
    """The one variant that everybody gets wherever somebody has set something."""
    found: set[str | None] = set()
    for one in settings:
        if not one.version:
            continue
        there = one.setting
        if (
            there.rules
            or there.individuals
            or there.prerequisites
            or there.begins is not None
            or there.ends is not None
        ):
            return None
        found.add(words.whole(there.default) if there.enabled else there.off)
    return found.pop() if len(found) == 1 else None
