"""A seal that was kept elsewhere shows what a check of the installation alone cannot, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.events import seal as sealing
from andon.kernel.events.checkpoint import DamagedCheckpoint, fingerprint, verify_against
from andon.kernel.events.seal import (
    Checkpoint,
    Seal,
    SealingKey,
    Verification,
    newest_seal,
    unsealed_after,
    verify,
)
from andon.kernel.events.storage import events, seals
from tests.kernel.events.declared import happen
from tests.kernel.events.tampering import KEY, forge_event, remove_seal, seal, set_event, set_seal, tamper

OWN = frozenset({KEY.public})
OTHER = SealingKey(Ed25519PrivateKey.generate())


@pytest.fixture
def kept(sealed: Database) -> Seal:
    """The newest seal: the second, over the events four to six."""
    with sealed.reading() as reading:
        found = newest_seal(reading)
    assert found is not None
    return found


def against(database: Database, kept: Seal, trusted: frozenset[str] = OWN) -> Verification:
    with database.reading() as reading:
        return verify_against(reading, kept, trusted=trusted)


def seal_anew(database: Database, clock: SettableClock, key: SealingKey, batch: int = 3) -> None:
    """As somebody with the database and the key: the whole chain again, with the moments it had."""
    tamper(database, lambda connection: connection.execute(seals.delete()))
    now = clock.now()
    clock.advance(-120)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "BATCH", batch)
        for _ in range(6 // batch):
            seal(database, key)
            clock.advance(60)
    clock.advance((now - clock.now()).total_seconds())


def test_a_checkpoint_lies_on_a_record_that_went_on(sealed: Database, kept: Seal) -> None:
    happen(sealed, "h")
    seal(sealed)
    found = against(sealed, kept)
    assert (found.fault, found.checkpoint, found.seals) == (None, Checkpoint.HOLDS, 3)


def test_a_record_rewritten_and_sealed_anew_with_the_own_key_shows(
    sealed: Database, kept: Seal, clock: SettableClock
) -> None:
    tamper(sealed, forge_event)
    seal_anew(sealed, clock, KEY)
    with sealed.reading() as reading:
        alone = verify(reading, trusted=OWN)
        anew = newest_seal(reading)
    assert (alone.fault, alone.seals, alone.sealed_to) == (None, 2, kept.last)  # nothing here shows it
    assert anew is not None
    assert (anew.number, anew.at, anew.first, anew.last) == (kept.number, kept.at, kept.first, kept.last)
    found = against(sealed, kept)
    assert found.checkpoint is Checkpoint.REWRITTEN
    assert f"rewritten somewhere up to position {kept.last}" in str(found.fault)


def test_a_record_sealed_anew_in_fewer_batches_shows(sealed: Database, kept: Seal, clock: SettableClock) -> None:
    tamper(sealed, forge_event)
    seal_anew(sealed, clock, KEY, batch=6)
    found = against(sealed, kept)
    assert found.checkpoint is Checkpoint.MISSING
    assert "sealed anew" in str(found.fault)


def test_a_tail_that_was_cut_off_shows(sealed: Database, kept: Seal) -> None:
    def cut(connection: sa.Connection) -> None:
        connection.execute(events.delete().where(events.c.position >= kept.first))
        remove_seal(2)(connection)

    tamper(sealed, cut)
    found = against(sealed, kept)
    assert (found.checkpoint, found.seals) == (Checkpoint.MISSING, 1)
    assert "seal 2 is missing" in str(found.fault)


def test_a_rewritten_record_under_a_new_key_is_not_taken_for_damage(
    sealed: Database, kept: Seal, clock: SettableClock
) -> None:
    """The list of keys replaced along with everything: it cannot be told from another installation, and says so."""
    tamper(sealed, forge_event)
    seal_anew(sealed, clock, OTHER)
    found = against(sealed, kept, frozenset({OTHER.public}))
    assert found.checkpoint is Checkpoint.FOREIGN
    assert "replaced here together with its key" in str(found.fault)


def test_a_checkpoint_of_another_installation_says_whose_key_it_bears(sealed: Database, kept: Seal) -> None:
    digest = "ab" * 32
    foreign = replace(kept, digest=digest, key=OTHER.public, signature=OTHER.sign(digest))
    for one in (foreign, replace(foreign, number=99)):
        found = against(sealed, one)
        assert (found.checkpoint, found.seals) == (Checkpoint.FOREIGN, 2)
        assert "belongs to another installation" in str(found.fault)
        assert fingerprint(OTHER.public) in str(found.fault)
        assert fingerprint(KEY.public) in str(found.fault)


def test_a_lost_list_of_keys_is_told_from_a_changed_record(sealed: Database, kept: Seal) -> None:
    found = against(sealed, kept, frozenset({OTHER.public}))
    assert (found.checkpoint, found.sealed_to) == (Checkpoint.UNKNOWN_KEY, kept.last)
    assert "list of keys was lost or replaced" in str(found.fault)


def test_a_former_key_of_the_installation_is_as_good(sealed: Database, kept: Seal) -> None:
    happen(sealed, "h")
    seal(sealed, OTHER)
    found = against(sealed, kept, OWN | {OTHER.public})
    assert (found.fault, found.checkpoint) == (None, Checkpoint.HOLDS)


def test_a_fault_behind_the_checkpoint_leaves_it_standing(sealed: Database, kept: Seal) -> None:
    seal(sealed)
    tamper(sealed, set_event(6, data='{"thing":"z"}'))
    found = against(sealed, kept)
    assert (found.checkpoint, found.sealed_to) == (Checkpoint.HOLDS, kept.last)
    assert "was changed after it was written" in str(found.fault)


def test_a_fault_before_the_checkpoint_is_told_as_what_it_is(sealed: Database, kept: Seal) -> None:
    tamper(sealed, forge_event)
    for trusted in (OWN, frozenset({OTHER.public})):
        found = against(sealed, kept, trusted)
        assert found.checkpoint is Checkpoint.UNREACHED
        assert "are not those that seal 1 was made over" in str(found.fault)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_damaged_number_is_damage(sealed: Database, kept: Seal, number: int) -> None:
    with pytest.raises(DamagedCheckpoint, match="another number"):
        against(sealed, replace(kept, number=number))


def test_whatever_else_is_damaged_shows(sealed: Database, kept: Seal) -> None:
    for damaged, told in (
        (replace(kept, digest="0" * 64), "signature does not fit"),
        (replace(kept, signature="00" * 64), "signature does not fit"),
        (replace(kept, key="00" * 32), "signature does not fit"),
        (replace(kept, key=OTHER.public), "signature does not fit"),
        (replace(kept, last=kept.last + 1), "another last"),
        (replace(kept, first=0), "another first"),
        (replace(kept, count=7), "another count"),
        (replace(kept, at=kept.at + timedelta(seconds=1)), "another at"),
        (replace(kept, previous="0" * 64), "another previous"),
    ):
        with pytest.raises(DamagedCheckpoint, match=told):
            against(sealed, damaged)


def test_a_forger_cannot_have_the_checkpoint_taken_for_damaged(
    sealed: Database, kept: Seal, clock: SettableClock
) -> None:
    """Its digest put somewhere behind the rewritten chain must not divert from what is wrong."""
    tamper(sealed, forge_event)
    seal_anew(sealed, clock, KEY)
    seal(sealed)
    tamper(sealed, set_seal(3, digest=kept.digest, signature=kept.signature))
    found = against(sealed, kept)
    assert found.checkpoint is Checkpoint.REWRITTEN


def test_what_came_after_a_seal_is_counted(sealed: Database, kept: Seal) -> None:
    with sealed.reading() as reading:
        assert unsealed_after(reading, 0) == 7
        assert unsealed_after(reading, kept.last) == 1


def test_a_fingerprint_is_short_enough_to_compare() -> None:
    assert fingerprint("00" * 32) == "6668 7aad f862 bd77 6c8f c18b 8e9f 8e20"
