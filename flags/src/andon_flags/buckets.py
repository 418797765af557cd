"""Which of 100,000 buckets a unit falls into: by its salt and itself alone, in every process and for ever.

CRC-32 of the unit, then two multiplications with the salt's own numbers between them and a shift. CRC-32 is the only
good hash of bytes that CPython has in C without making an object first; alone it would not do, since under two salts it
differs by the same bits for all units of one length. The mixing is what makes flags independent of one another: see
docs/decisions/0019-flags-in-process.md for what was measured, and tests/flags_client/test_buckets.py.

This is part of the format: another client has to compute the same.
"""

from binascii import crc32
from functools import lru_cache
from hashlib import blake2b

from andon_flags.document.limits import BUCKETS

MASK = 2**64 - 1
FINAL = 0xBF58476D1CE4E5B9
"""An odd number whose bits spread well when multiplied with (it is SplitMix64's)."""


@lru_cache(maxsize=4096)
def numbers_of(salt: str) -> "tuple[int, int]":
    """The salt's own numbers: an odd one to multiply with, and one to add."""
    digest = blake2b(salt.encode(), digest_size=16, person=b"andon-flags").digest()
    return int.from_bytes(digest[:8], "big") | 1, int.from_bytes(digest[8:], "big")


def spread(salt: str, unit: str) -> int:
    """64 bits, of which the upper half says the bucket. Raises ``UnicodeEncodeError`` for half a character."""
    by, plus = numbers_of(salt)
    mixed = (crc32(unit.encode()) * by + plus) & MASK
    return ((mixed >> 32) ^ mixed) * FINAL & MASK


def bucket(salt: str, unit: str) -> int:
    """From 0 to 99,999. Raises what ``spread`` raises."""
    return (spread(salt, unit) >> 32) * BUCKETS >> 32


def least(start: int) -> int:
    """The smallest ``spread`` whose bucket is ``start`` or more: a comparison saves working out the bucket."""
    return -(-(start << 32) // BUCKETS) << 32
