"""What flags say while an environment pretends: decided from variants alone, or taken from production."""

from __future__ import annotations

from collections.abc import Mapping

from andon.flow.definition.contract import FlagState
from andon.flow.flags.model.flag import Head, Setting, compose
from andon.flow.pipelines.contract import Pretence
from andon_flags.document import Flag, Kind

PRETENDED: Mapping[FlagState, str] = {
    FlagState.AS_IN_PRODUCTION: "as in production",
    FlagState.ALL_ON: "all on",
    FlagState.ALL_OFF: "all off",
}
"""In words."""


def pretends_words(one: Pretence | None) -> str:
    """Such as "all on, for tests of 1234567 (run_1)"; empty for none."""
    return "" if one is None else f"{PRETENDED[one.state]}, for tests of {one.commit[:7]} ({one.run})"


def variant_when_on(head: Head, off: str) -> str:
    """What a flag serves when all are on: a boolean is true; of the others it is the first variant that is not
    ``off``, in the order in which they were given. One that has no such variant serves ``off``."""
    if head.kind is Kind.BOOLEAN:
        found = next((name for name, value in head.variants.items() if value is True), None)
        if found is not None:
            return found
    return next((name for name in head.variants if name != off), off)


def pretended(name: str, head: Head, setting: Setting, state: FlagState) -> Flag:
    """The flag with all on or all off: everybody gets one variant. Its kill switch, prerequisites, individuals, rules,
    shares and schedule do not count."""
    serves = variant_when_on(head, setting.off) if state is FlagState.ALL_ON else setting.off
    return compose(name, head, Setting(off=setting.off, default=serves))
