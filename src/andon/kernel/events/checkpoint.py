"""Holding the record against a seal that was kept elsewhere.

Whoever has the database and the signing key can write a new past and seal it again as a whole; every check that
looks only at what the installation has would find it sound. A copy of one seal, kept where they cannot reach it,
shows it: the seal's digest follows from every event up to there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import fields, replace

import sqlalchemy as sa

from andon.kernel.db import Reading
from andon.kernel.errors import Invalid
from andon.kernel.events.seal import Checkpoint, Seal, Verification, is_signed, verify
from andon.kernel.events.storage import seals


class DamagedCheckpoint(Invalid):
    code = "record.damaged_checkpoint"


def fingerprint(key: str) -> str:
    """The first 128 bits of SHA-256 over a public key (hexadecimal), in groups that a person can compare."""
    digest = hashlib.sha256(bytes.fromhex(key)).hexdigest()
    return " ".join(digest[start : start + 4] for start in range(0, 32, 4))


def verify_against(reading: Reading, kept: Seal, *, trusted: Collection[str]) -> Verification:
    """Check the whole record, and that ``kept`` lies on its chain.

    ``trusted`` are the public keys that this installation has sealed with. Raises :class:`DamagedCheckpoint` for one
    that is not what it was when it was handed out.
    """
    if not is_signed(kept):
        raise _damaged("its signature does not fit")
    # Its own key vouches for it: it was handed out by whoever had that key.
    found = verify(reading, trusted={*trusted, kept.key}, checkpoint=kept)
    if found.checkpoint in {Checkpoint.REWRITTEN, Checkpoint.MISSING}:
        _require_unaltered(reading, kept, {*trusted, kept.key})
    if kept.key in trusted or (found.checkpoint is Checkpoint.HOLDS and found.fault is not None):
        return found
    known = ", ".join(sorted(map(fingerprint, trusted))) or "none yet"
    if found.checkpoint is Checkpoint.HOLDS:
        fault = (
            f"The kept seal {kept.number} lies on the chain, so up to position {kept.last} the record is as it was. "
            f"But the key that signed it ({fingerprint(kept.key)}) is not among those of this installation ({known}): "
            f"its list of keys was lost or replaced."
        )
        return replace(found, fault=fault, checkpoint=Checkpoint.UNKNOWN_KEY, unsealed=0)
    own = verify(reading, trusted=trusted)
    if own.fault is not None:
        return replace(own, checkpoint=Checkpoint.UNREACHED)
    fault = (
        f"The kept seal {kept.number} was signed with the key {fingerprint(kept.key)}; this installation's: {known}. "
        f"It belongs to another installation, or the whole record was replaced here together with its key."
    )
    return replace(own, fault=fault, checkpoint=Checkpoint.FOREIGN, unsealed=0)


def _require_unaltered(reading: Reading, kept: Seal, trusted: Collection[str]) -> None:
    """Tell a damaged copy from a rewritten record.

    A digest covers the rest of its seal, but the signature covers only the digest. If the chain, which is sound,
    holds the digest, then it is the copy whose rest is wrong. Without asking whether it is sound, a forger could
    put the digest anywhere and have the copy doubted.
    """
    row = reading.connection.execute(sa.select(seals).where(seals.c.digest == kept.digest).limit(1)).mappings().first()
    if row is None or verify(reading, trusted=trusted).fault is not None:
        return
    same = Seal(**row)
    names = [one.name for one in fields(Seal) if getattr(same, one.name) != getattr(kept, one.name)]
    raise _damaged(f"the record's seal with its digest has another {' and another '.join(names)}")


def _damaged(told: str) -> DamagedCheckpoint:
    return DamagedCheckpoint(
        f"This checkpoint is damaged: {told}.",
        safe="The record was not judged by it.",
        remedy="Take another copy of it, or an older checkpoint.",
    )
