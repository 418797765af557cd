"""Sealing: the record is chained in batches, each signed, so that a change of what was written shows.

A seal covers the events from ``first`` to ``last``. Its digest is SHA-256 over the previous seal's digest, the
batch's bounds and the digests of its events in order; an Ed25519 key signs that. One process seals; a chain
computed inside each transaction would put all writers in one line. Copies of the newest seal kept
elsewhere (``andon events seal``) show even a record that was rewritten and sealed again as a whole.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from andon.kernel.db import Database, Reading, Transaction
from andon.kernel.errors import Unavailable
from andon.kernel.events.bell import Bell
from andon.kernel.events.model import Envelope, digest_of
from andon.kernel.events.record import page
from andon.kernel.events.storage import events, seals
from andon.kernel.files import write_private

BATCH = 1000
_BEGINNING = "0" * 64


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


class SealingKey:
    """The Ed25519 key of this installation, made at the first start, readable by its owner only."""

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
            write_private(path, pem)
        private = serialization.load_pem_private_key(path.read_bytes(), None)
        if not isinstance(private, Ed25519PrivateKey):
            raise Unavailable(
                f"{path} does not hold an Ed25519 key.",
                safe="The record is untouched and goes on unsealed.",
                remedy="Put the right key back from your backup, or move the file away to begin a new one.",
            )
        return cls(private)

    def sign(self, digest: str) -> str:
        return self._private.sign(digest.encode()).hex()


def seal_next(tx: Transaction, key: SealingKey) -> Seal | None:
    """Seal the next batch; ``None`` when everything settled is sealed."""
    last = tx.connection.execute(sa.select(seals).order_by(seals.c.number.desc()).limit(1)).mappings().first()
    batch = page(tx, after=last["last"] if last else 0, limit=BATCH)
    if not batch:
        return None
    previous = str(last["digest"]) if last else _BEGINNING
    digest = _chain(previous, batch)
    seal = Seal(
        number=(last["number"] if last else 0) + 1,
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


def verify(reading: Reading) -> Verification:
    """Check every event against its digest, every batch against its seal and every seal against its signature."""
    previous = _BEGINNING
    sealed_to = checked = number = 0
    fault: str | None = None
    for seal in _all(reading):
        number = seal.number
        fault = _fault(reading, seal, previous)
        if fault is not None:
            break
        previous, sealed_to, checked = seal.digest, seal.last, checked + seal.count
    unsealed = reading.connection.execute(
        sa.select(sa.func.count()).select_from(events).where(events.c.position > sealed_to)
    ).scalar_one()
    return Verification(
        sealed_to=sealed_to, seals=number, events=checked, unsealed=0 if fault else unsealed, fault=fault
    )


def newest_seal(reading: Reading) -> Seal | None:
    """The checkpoint to keep elsewhere."""
    row = (
        reading.connection.execute(sa.select(seals).order_by(seals.c.number.desc()).limit(1))
        .mappings()
        .first()
    )
    return None if row is None else Seal(**row)


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
            except Unavailable:
                continue  # the next round seals it
            sealed_to = position


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


def _fault(reading: Reading, seal: Seal, previous: str) -> str | None:
    if seal.previous != previous:
        return f"Seal {seal.number} does not follow the one before it: a seal was removed or replaced."
    rows = page(reading, after=seal.first - 1, limit=seal.count + 1)
    batch = tuple(envelope for envelope in rows if envelope.position <= seal.last)
    if len(batch) != seal.count:
        return (
            f"Seal {seal.number} covers {seal.count} events from {seal.first} to {seal.last}, "
            f"but the record holds {len(batch)} there."
        )
    for envelope in batch:
        if envelope.digest != digest_of(
            id=envelope.id,
            type=envelope.type,
            at=envelope.at,
            actor=envelope.actor,
            subject=envelope.subject,
            data=envelope.data,
        ):
            return f"Event {envelope.id} at {envelope.position} was changed after it was written."
    if _chain(previous, batch) != seal.digest:
        return f"The events from {seal.first} to {seal.last} are not those that seal {seal.number} was made over."
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(seal.key))
        key.verify(bytes.fromhex(seal.signature), seal.digest.encode())
    except (InvalidSignature, ValueError):
        return f"The signature of seal {seal.number} is wrong."
    return None


def _chain(previous: str, batch: tuple[Envelope, ...]) -> str:
    digest = hashlib.sha256()
    digest.update(f"{previous} {batch[0].position} {batch[-1].position} {len(batch)}\n".encode())
    for envelope in batch:
        digest.update(f"{envelope.position} {envelope.digest}\n".encode())
    return digest.hexdigest()
