"""What of one document is the same in another."""

from dataclasses import replace

from andon_flags.compiling import unchanged
from andon_flags.document import Document, Flag, Segment


def settled(old: Document, new: Document) -> Document:
    """``new`` with the very flags and segments of ``old`` where they say the same: so their functions stay.

    After a change they are the same already; where the whole was sent again they are only equal.
    """
    flags, segments = dict(new.flags), dict(new.segments)
    for name, flag in new.flags.items():
        was = old.flags.get(name)
        if was is not flag and was is not None and _same_flag(was, flag):
            flags[name] = was
    for name, segment in new.segments.items():
        known = old.segments.get(name)
        if known is not segment and known is not None and _same_segment(known, segment):
            segments[name] = known
    return replace(new, flags=flags, segments=segments)


def differing(old: Document, new: Document) -> "frozenset[str]":
    """Names of the flags that may give another value: they changed, or a segment or a flag that they ask did."""
    gone = [name for name in old.flags if name not in new.flags]
    known = old.flags.get
    changed = [name for name, flag in new.flags.items() if known(name) is not flag]
    same_segments = all(old.segments.get(name) is segment for name, segment in new.segments.items())
    if not same_segments or any(flag.prerequisites for flag in new.flags.values()):
        same = unchanged(old, new)
        changed = [name for name in new.flags if not same(name)]
    return frozenset(gone + changed)


def _same_flag(one: Flag, other: Flag) -> bool:
    # 1 and True are equal, and a rule that wants the one does not want the other
    return one == other and repr((one.rules, one.variants)) == repr((other.rules, other.variants))


def _same_segment(one: Segment, other: Segment) -> bool:
    return one == other and repr(one.when) == repr(other.when)
