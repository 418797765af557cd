"""Flags that still serve the old side: a contract migration would take the ground from under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from andon.flow.flags.contract import Flags
from andon.flow.schema.contract import FlagNeed
from andon.flow.schema.contract.guarding import ContractAsked, Objection
from andon.kernel.db import Reading
from andon_flags.document import BUCKETS


class _Rule(msgspec.Struct):
    id: str
    serve: str | list[tuple[int, int, str]]


class _Flag(msgspec.Struct):
    enabled: bool
    off: str
    default: str | list[tuple[int, int, str]]
    individuals: dict[str, str] = {}
    rules: list[_Rule] = []
    prerequisites: list[msgspec.Raw] = []
    from_: float | None = msgspec.field(name="from", default=None)
    until: float | None = None


class _Document(msgspec.Struct):
    flags: dict[str, _Flag]


class FlagGuard:
    """Implements :class:`andon.flow.schema.contract.guarding.ContractGuard` by the flags' own document."""

    def __init__(self, flags: Flags) -> None:
        self._flags = flags

    def objections(self, reading: Reading, asked: ContractAsked) -> tuple[Objection, ...]:
        if not asked.needs:
            return ()
        content = self._flags.document(reading, asked.service, asked.environment).content
        flags = msgspec.json.decode(content, type=_Document).flags
        found = ((need, objection(need, flags)) for need in asked.needs)
        return tuple(
            Objection(
                sentence=f"The flag {need.flag} {what}; the migration needs it at {need.variant} for everybody.",
                href="/".join(("/flags", *(quote(one, safe="") for one in (asked.service, need.flag)))),
            )
            for need, what in found
            if what
        )


def objection(need: FlagNeed, flags: Mapping[str, _Flag]) -> str:
    """Why somebody may still get another variant than the one needed; empty if nobody does."""
    flag = flags.get(need.flag)
    if flag is None:
        return "is not there, so services serve what their code says without it"
    if not flag.enabled:
        return "" if flag.off == need.variant else f"is switched off and serves {flag.off!r} to everybody"
    if flag.off != need.variant and (flag.prerequisites or flag.from_ is not None or flag.until is not None):
        return f"serves {flag.off!r} where a prerequisite or its time does not hold"
    others = [
        _others(flag.default, need.variant, whole=True),
        *(_others(one.serve, need.variant) for one in flag.rules),
    ]
    worst = max(others)
    if worst:
        return f"still serves the old side to {100 * worst / BUCKETS:g} %" + (" by a rule" if not others[0] else "")
    named = sum(variant != need.variant for variant in flag.individuals.values())
    return f"still serves the old side to {named} who are named" if named else ""


def _others(serve: str | Sequence[tuple[int, int, str]], variant: str, *, whole: bool = False) -> int:
    """Buckets that get something else; of a rule's, those that it leaves free pass on and do not count."""
    if isinstance(serve, str):
        return 0 if serve == variant else BUCKETS
    served = sum(end - begin for begin, end, _ in serve)
    right = sum(end - begin for begin, end, one in serve if one == variant)
    return (BUCKETS if whole else served) - right
