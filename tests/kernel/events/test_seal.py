"""Whatever is done to the sealed record shows, on both databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.errors import Unavailable
from andon.kernel.events import Bell
from andon.kernel.events import seal as sealing
from andon.kernel.events.record import page
from andon.kernel.events.seal import Sealer, SealingKey, Verification, newest_seal, seal_next, trusted_keys, verify
from andon.kernel.events.storage import events, seals
from tests.kernel.events.declared import happen
from tests.kernel.events.tampering import (
    KEY,
    Tamper,
    forge_event,
    positions,
    remove,
    remove_seal,
    seal,
    set_event,
    set_seal,
    tamper,
)


def checked(database: Database) -> Verification:
    with database.reading() as reading:
        return verify(reading, trusted={KEY.public})


def test_a_sound_record_is_sound(sealed: Database) -> None:
    found = checked(sealed)
    assert (found.fault, found.seals, found.events, found.unsealed) == (None, 2, 6, 1)
    with sealed.transaction() as tx:
        assert seal_next(tx, KEY) is not None
        assert seal_next(tx, KEY) is None
    assert checked(sealed).unsealed == 0


def test_an_empty_record_is_sound(database: Database) -> None:
    assert checked(database) == Verification(sealed_to=0, seals=0, events=0, unsealed=0, fault=None)


def swap(connection: sa.Connection) -> None:
    first, second = positions(connection)[:2]
    for old, new in ((first, -1), (second, first), (-1, second)):
        connection.execute(events.update().where(events.c.position == old).values(position=new))


def put_in(connection: sa.Connection) -> None:
    row = dict(connection.execute(sa.select(events).order_by(events.c.position).limit(1)).mappings().one())
    connection.execute(events.insert().values(row | {"position": row["position"] - 1, "id": "ev_new"}))


def sign_with_another_key(connection: sa.Connection) -> None:
    other = SealingKey(Ed25519PrivateKey.generate())
    digest = connection.execute(sa.select(seals.c.digest).where(seals.c.number == 2)).scalar_one()
    set_seal(2, key=other.public, signature=other.sign(digest))(connection)


def seal_less(connection: sa.Connection) -> None:
    """A forged seal over fewer events, signed by nobody who could."""
    remove(5)(connection)
    set_seal(2, count=2, last=positions(connection)[4])(connection)


@pytest.mark.parametrize(
    ("change", "fault", "sound_events"),
    [
        (set_event(1, data='{"thing":"z"}'), "was changed after it was written", 0),
        (set_event(4, actor="person:somebody"), "was changed after it was written", 3),
        (set_event(4, actor="nonsense"), "cannot be read", 3),
        (set_event(0, person="per_2"), "was changed after it was written", 0),
        (set_event(0, type="test.other.v1"), "was changed after it was written", 0),
        (set_event(0, subject="thing:z"), "was changed after it was written", 0),
        (set_event(0, digest="0" * 64), "was changed after it was written", 0),
        (set_event(0, service="hidden"), "was changed after it was written", 0),
        (forge_event, "are not those that seal 1 was made over", 0),
        (remove(1), "was removed or put in", 0),
        (remove(3), "was removed or put in", 3),
        (swap, "are not those that seal 1 was made over", 0),
        (put_in, "was removed or put in", 0),
        (remove_seal(1), "does not follow", 0),
        (set_seal(1, digest="0" * 64), "are not those that seal 1 was made over", 0),
        (set_seal(2, previous="0" * 64), "does not follow", 3),
        (set_seal(2, number=3), "does not follow", 3),
        (set_seal(2, signature="00"), "signature of seal 2 is wrong", 3),
        (set_seal(2, signature="no hex"), "signature of seal 2 is wrong", 3),
        (set_seal(2, key="00"), "not this installation's", 3),
        (set_seal(1, first=0), "the seal was changed", 0),
        (set_seal(1, count=2), "the seal was changed", 0),
        (sign_with_another_key, "not this installation's", 3),
        (seal_less, "are not those that seal 2 was made over", 3),
    ],
)
def test_what_is_done_to_it_shows(sealed: Database, change: Tamper, fault: str, sound_events: int) -> None:
    tamper(sealed, change)
    found = checked(sealed)
    assert found.fault is not None
    assert fault in found.fault
    assert found.events == sound_events


def test_when_a_seal_was_made_cannot_be_changed(sealed: Database, clock: SettableClock) -> None:
    tamper(sealed, set_seal(2, at=clock.now()))
    assert "not those that seal 2 was made over" in str(checked(sealed).fault)


def test_without_trusted_keys_a_forger_passes_but_damage_does_not(sealed: Database) -> None:
    tamper(sealed, sign_with_another_key)
    with sealed.reading() as reading:
        assert verify(reading).fault is None
    tamper(sealed, set_seal(2, signature="00" * 64))
    with sealed.reading() as reading:
        assert verify(reading).fault is not None


def test_a_checkpoint_shows_a_cut_tail_and_a_rewritten_record(sealed: Database) -> None:
    with sealed.reading() as reading:
        checkpoint = newest_seal(reading)
        assert checkpoint is not None
        assert verify(reading, trusted={KEY.public}, checkpoint=checkpoint).fault is None
        other = replace(checkpoint, digest="0" * 64)
        assert "was rewritten" in str(verify(reading, checkpoint=other).fault)

    def cut(connection: sa.Connection) -> None:
        connection.execute(events.delete().where(events.c.position >= checkpoint.first))
        remove_seal(2)(connection)

    tamper(sealed, cut)
    with sealed.reading() as reading:
        assert verify(reading, trusted={KEY.public}).fault is None
        assert "seal 2 is missing" in str(verify(reading, checkpoint=checkpoint).fault)


def test_more_events_than_a_batch_are_sealed_in_several(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 4)
    happen(database, *map(str, range(10)))
    sealer = Sealer(database, Bell(database), KEY)
    sealer.seal_all()
    found = checked(database)
    assert (found.seals, found.events, found.unsealed, found.fault) == (3, 10, 0, None)


def test_the_sealer_seals_what_comes_and_ends(database: Database) -> None:
    bell = Bell(database)
    sealer = Sealer(database, bell, KEY, interval=0.01)
    bell.start()
    sealer.start()
    try:
        happen(database, "a")
        deadline = bell.wait(0, 60)
        while checked(database).seals == 0:
            bell.wait(deadline, 0.01)
    finally:
        sealer.stop()
        bell.stop()
    assert checked(database).events == 1


def test_an_event_that_is_still_being_written_is_not_sealed_around(database: Database) -> None:
    happen(database, "a", "b")
    seal(database)
    with database.reading() as reading:
        first = page(reading, after=0)
        found = newest_seal(reading)
    assert found is not None
    assert (found.first, found.last, found.count) == (first[0].position, first[-1].position, 2)


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "record.pem"
    first = SealingKey.at(path)
    assert SealingKey.at(path).public == first.public
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_an_earlier_key_sealed_stays_trusted(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "record.pem"
    assert trusted_keys(path) == frozenset()
    first = SealingKey.at(path)
    path.unlink()
    second = SealingKey.at(path)
    assert trusted_keys(path) == {first.public, second.public}
    path.with_suffix(".pub").unlink()  # as after an upgrade from before there was one
    assert SealingKey.at(path).public == second.public
    assert trusted_keys(path) == {second.public}


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_broken_key_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "record.pem").write_bytes(content)
    with pytest.raises(Unavailable, match="from your backup"):
        SealingKey.at(tmp_path / "record.pem")
