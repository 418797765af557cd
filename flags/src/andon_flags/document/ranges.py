"""Percentages as ranges of buckets that change by as few buckets as can be."""

from collections.abc import Iterable, Mapping

from andon_flags.document.limits import BUCKETS
from andon_flags.document.model import Range


def shares(ranges: Iterable[Range]) -> dict[str, int]:
    """How many buckets each variant has, of 100,000."""
    found: dict[str, int] = {}
    for start, end, variant in ranges:
        found[variant] = found.get(variant, 0) + end - start
    return found


def allocate(old: Iterable[Range], wanted: Mapping[str, int]) -> tuple[Range, ...]:
    """Ranges in which each variant has the buckets ``wanted`` (of 100,000; 30 % are 30,000), made of the ``old`` ones.

    The fewest buckets move: each variant keeps what it has, up to what it is to have. One that is lowered gives up its
    last buckets, one that is raised takes those given up by others first, then free ones, from the lowest on; so nobody
    leaves a variant that is raised, and lowering and raising again brings the same units back. What nobody takes is
    free. Raises ``ValueError`` saying so when the shares are more than there is.
    """
    for variant, share in wanted.items():
        if share != int(share) or share < 0:
            raise ValueError(
                f"The share of “{variant}” is {share!r}: it is a whole number of buckets from 0 to {BUCKETS}."
            )
    total = sum(wanted.values())
    if total > BUCKETS:
        parts = ", ".join(f"{variant} {percent(share)}" for variant, share in wanted.items() if share)
        raise ValueError(f"The shares are {percent(total)} together ({parts}); there is 100 %. Lower one of them.")
    kept: list[Range] = []
    given_up: list[tuple[int, int]] = []
    missing = dict(wanted)
    reached = 0
    free: list[tuple[int, int]] = []
    for start, end, variant in sorted(old):
        if not reached <= start < end <= BUCKETS:
            raise ValueError("The old ranges overlap, or leave the buckets from 0 to 100000.")
        if reached < start:
            free.append((reached, start))
        reached = end
        taken = min(end - start, missing.get(variant, 0))
        if taken:
            missing[variant] -= taken
            kept.append(Range(start, start + taken, variant))
        if start + taken < end:
            given_up.append((start + taken, end))
    if reached < BUCKETS:
        free.append((reached, BUCKETS))
    pool = [*given_up, *free]
    for variant, count in missing.items():
        left = count
        while left:
            start, end = pool[0]
            taken = min(left, end - start)
            kept.append(Range(start, start + taken, variant))
            left -= taken
            if start + taken < end:
                pool[0] = (start + taken, end)
            else:
                pool.pop(0)
    return joined(kept)


def joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Sorted, with neighbours of one variant as one."""
    found: list[Range] = []
    for one in sorted(ranges):
        if found and found[-1].end == one.start and found[-1].variant == one.variant:
            found[-1] = Range(found[-1].start, one.end, one.variant)
        else:
            found.append(one)
    return tuple(found)


def percent(share: int) -> str:
    """``30 %``, ``0.001 %``."""
    return f"{share / (BUCKETS / 100):.3f}".rstrip("0").rstrip(".") + " %"
