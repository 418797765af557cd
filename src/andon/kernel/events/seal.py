"""Sealing: the record is chained in batches, each signed, so that a change of what was written shows.

A seal covers the events from ``first`` to ``last``. Its digest is SHA-256 over the previous seal's digest, the
batch's bounds and the digests of its events in order; an Ed25519 key signs that. One process seals; a chain
computed inside each transaction would put all writers in one line. Copies of the newest seal kept
elsewhere (``andon events seal``) show even a record that was rewritten and sealed again as a whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec
import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from andon.kernel.db import Database, Reading, Transaction
from andon.kernel.errors import Unavailable
from andon.kernel.events.bell import Bell
from andon.kernel.events.model import FACETS, Envelope, digest_of
from andon.kernel.events.record import page
from andon.kernel.events.storage import events, seals
from andon.kernel.files import write_new, write_whole

BATCH = 1000
_BEGINNING = "0" * 64
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    number: int
    first: int
    last: int
    count: int
    at: datetime
    previous: str
    digest: str
    key: str
    """The public key, hexadecimal."""
    signature: str


class Checkpoint(StrEnum):
    """Where a seal that was kept elsewhere stands in the record."""

    HOLDS = "holds"
    """It lies on the chain: what it covers is as it was when it was kept."""
    REWRITTEN = "rewritten"
    """Another seal stands in its place: the record was changed and sealed anew."""
    MISSING = "missing"
    """The chain ends before it: the end was cut off, or the record was sealed anew in other batches."""
    UNREACHED = "unreached"
    """The chain is broken before it."""
    UNKNOWN_KEY = "unknown-key"
    """It lies on the chain, but the key that signed it is not among this installation's."""
    FOREIGN = "foreign"
    """Neither is it on the chain nor its key among this installation's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a check of the chain found. The record is sound when ``fault`` is ``None``."""

    sealed_to: int
    """Position of the last event covered by a sound seal; 0 when nothing has been sealed."""
    seals: int
    events: int
    unsealed: int
    """Events that came after the last seal."""
    fault: str | None
    checkpoint: Checkpoint | None = None
    """``None`` when the check was made without one."""


class SealingKey:
    """The Ed25519 key of this installation, made at the first start, readable by its owner only.

    Beside it stand the public keys that this installation has ever sealed with (:func:`trusted_keys`), so that
    whoever verifies need not open the private one.
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw().hex()

    @classmethod
    def at(cls, path: Path) -> SealingKey:
        if not path.exists():
            pem = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            write_new(path, pem)  # whoever comes second takes the first one's
        private: object = None
        with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
            private = serialization.load_pem_private_key(path.read_bytes(), None)
        if not isinstance(private, Ed25519PrivateKey):
            raise Unavailable(
                f"{path} does not hold an Ed25519 key.",
                safe="The record is untouched and goes on unsealed.",
                remedy="Put the right key back from your backup, or move the file away to begin a new one.",
            )
        key = cls(private)
        known = _public_keys(path)
        if key.public not in known:
            # Earlier ones stay: what they sealed is as good as it was.
            write_whole(_public(path), "".join(f"{one}\n" for one in (*known, key.public)).encode(), mode=0o600)
        return key

    def sign(self, digest: str) -> str:
        return self._private.sign(digest.encode()).hex()


def trusted_keys(path: Path) -> frozenset[str]:
    """The public keys that may have signed, for the private key at ``path``; none before the first sealing."""
    return frozenset(_public_keys(path))


def seal_next(tx: Transaction, key: SealingKey) -> Seal | None:
    """Seal the next batch; ``None`` when everything settled is sealed."""
    last = tx.connection.execute(sa.select(seals).order_by(seals.c.number.desc()).limit(1)).mappings().first()
    batch = page(tx, after=last["last"] if last else 0, limit=BATCH)
    if not batch:
        return None
    previous = str(last["digest"]) if last else _BEGINNING
    number = (last["number"] if last else 0) + 1
    digest = _chain(number, tx.now, previous, batch)
    seal = Seal(
        number=number,
        first=batch[0].position,
        last=batch[-1].position,
        count=len(batch),
        at=tx.now,
        previous=previous,
        digest=digest,
        key=key.public,
        signature=key.sign(digest),
    )
    tx.connection.execute(seals.insert().values(**{name: getattr(seal, name) for name in Seal.__slots__}))
    return seal


def verify(reading: Reading, *, trusted: Collection[str] | None = None, checkpoint: Seal | None = None) -> Verification:
    """Check every event against its digest, every batch against its seal and every seal against its signature.

    ``trusted`` are the public keys (hexadecimal) that may have signed; without it any key passes, which shows damage
    but not a forger. ``checkpoint`` is a seal that was kept elsewhere: the record must still hold exactly that one,
    which shows also a tail that was cut off and a record that was rewritten and sealed anew by the key's holder.
    """
    previous = _BEGINNING
    sealed_to = checked = seals_sound = 0
    fault: str | None = None
    stands = None if checkpoint is None else Checkpoint.UNREACHED
    for seal in _all(reading):
        fault = _fault(reading, seal, previous, sealed_to, expected=seals_sound + 1, trusted=trusted)
        if fault is None and checkpoint is not None and seal.number == checkpoint.number:
            stands = Checkpoint.HOLDS if seal == checkpoint else Checkpoint.REWRITTEN
            if stands is Checkpoint.REWRITTEN:
                fault = (
                    f"Seal {seal.number} is not the one that was kept: "
                    f"the record was rewritten somewhere up to position {checkpoint.last} and sealed anew."
                )
        if fault is not None:
            break
        seals_sound, previous, sealed_to, checked = seal.number, seal.digest, seal.last, checked + seal.count
    if fault is None and checkpoint is not None and stands is Checkpoint.UNREACHED:
        stands = Checkpoint.MISSING
        fault = (
            f"The kept seal {checkpoint.number} is missing: it reached position {checkpoint.last}, and the record ends "
            f"with seal {seals_sound} at {sealed_to}. The end was cut off, or it was rewritten and sealed anew."
        )
    return Verification(
        sealed_to=sealed_to,
        seals=seals_sound,
        events=checked,
        unsealed=0 if fault else unsealed_after(reading, sealed_to),
        fault=fault,
        checkpoint=stands,
    )


def newest_seal(reading: Reading) -> Seal | None:
    """The checkpoint to keep elsewhere."""
    row = reading.connection.execute(sa.select(seals).order_by(seals.c.number.desc()).limit(1)).mappings().first()
    return None if row is None else Seal(**row)


def is_signed(seal: Seal) -> bool:
    """Whether its signature is one of its own key over its digest."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(seal.key))
        key.verify(bytes.fromhex(seal.signature), seal.digest.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def unsealed_after(reading: Reading, position: int) -> int:
    """How many events came after the one that stands there."""
    query = sa.select(sa.func.count()).select_from(events).where(events.c.position > position)
    return int(reading.connection.execute(query).scalar_one())


class Sealer:
    """Seals what has been appended, every ``interval`` seconds, in one thread of one process."""

    def __init__(self, database: Database, bell: Bell, key: SealingKey, *, interval: float = 2.0) -> None:
        self._database = database
        self._bell = bell
        self._key = key
        self._interval = interval
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="sealer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def seal_all(self) -> None:
        sealed: Seal | None = None
        while sealed is None or sealed.count == BATCH:
            with self._database.transaction() as tx:
                sealed = seal_next(tx, self._key)
            if sealed is None:
                return

    def _run(self) -> None:
        sealed_to = -1
        while not self._stopping.wait(self._interval):
            position = self._bell.position
            if position == sealed_to:
                continue
            try:
                self.seal_all()
            except Unavailable as error:
                _log.warning("sealing waits: %s", error)
                continue  # the next round seals it
            except Exception:  # noqa: BLE001 - logged whole; the thread must outlive what nobody foresaw
                _log.exception("sealing failed and is tried again")
                continue
            sealed_to = position


def _public(path: Path) -> Path:
    return path.with_suffix(".pub")


def _public_keys(path: Path) -> tuple[str, ...]:
    try:
        return tuple(_public(path).read_text("ascii", "replace").split())
    except FileNotFoundError:
        return ()


def _all(reading: Reading) -> Iterator[Seal]:
    number = 0
    while True:
        rows = reading.connection.execute(
            sa.select(seals).where(seals.c.number > number).order_by(seals.c.number).limit(500)
        ).mappings()
        found = [Seal(**row) for row in rows]
        if not found:
            return
        yield from found
        number = found[-1].number


def _fault(
    reading: Reading, seal: Seal, previous: str, sealed_to: int, *, expected: int, trusted: Collection[str] | None
) -> str | None:
    if seal.number != expected or seal.previous != previous:
        return f"Seal {seal.number} does not follow the one before it: a seal was removed or replaced."
    try:
        # Before the first seal nothing may stand, at whatever position.
        rows = page(reading, after=sealed_to or -(1 << 62), limit=max(0, seal.count) + 1)
    except ValueError:
        return f"An event from {seal.first} to {seal.last} cannot be read: it was changed after it was written."
    batch = tuple(envelope for envelope in rows if envelope.position <= seal.last)
    if not batch or len(batch) != seal.count or batch[0].position != seal.first or batch[-1].position != seal.last:
        return (
            f"Seal {seal.number} covers {seal.count} events from {seal.first} to {seal.last}, "
            f"but the record holds others there: an event was removed or put in, or the seal was changed."
        )
    for envelope in batch:
        if envelope.digest != _digest(envelope) or dict(envelope.facets) != _facets(envelope.data):
            return f"Event {envelope.id} at {envelope.position} was changed after it was written."
    if _chain(seal.number, seal.at, previous, batch) != seal.digest:
        return f"The events from {seal.first} to {seal.last} are not those that seal {seal.number} was made over."
    if trusted is not None and seal.key not in trusted:
        return f"Seal {seal.number} was signed with a key that is not this installation's: {seal.key}."
    return None if is_signed(seal) else f"The signature of seal {seal.number} is wrong."


def _digest(envelope: Envelope) -> str:
    return digest_of(
        id=envelope.id,
        type=envelope.type,
        at=envelope.at,
        actor=envelope.actor,
        subject=envelope.subject,
        data=envelope.data,
    )


def _facets(data: bytes) -> dict[str, str]:
    """What the facets' columns must hold: they are not part of the digest, but follow from what is."""
    fields: dict[str, object] = msgspec.json.decode(data)
    return {name: str(fields[name]) for name in FACETS if fields.get(name) is not None}


def _chain(number: int, at: datetime, previous: str, batch: tuple[Envelope, ...]) -> str:
    digest = hashlib.sha256()
    bounds = f"{batch[0].position} {batch[-1].position} {len(batch)}"
    digest.update(f"{number} {at.isoformat()} {previous} {bounds}\n".encode())
    for envelope in batch:
        digest.update(f"{envelope.position} {envelope.digest}\n".encode())
    return digest.hexdigest()
