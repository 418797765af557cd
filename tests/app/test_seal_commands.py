"""Keeping a seal elsewhere and verifying by it, from a shell against a live server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from andon.app.record.commands import read_checkpoint
from andon.kernel.db import Database
from andon.kernel.errors import Invalid, NotFound
from andon.kernel.events.seal import SealingKey, seal_next
from andon.kernel.events.storage import events, seals
from tests.app.conftest import Terminal, people_and_record
from tests.databases import Databases
from tests.kernel.events.tampering import tamper
from tests.serving import Serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Serving]:
    """With one seal over what has happened."""
    with people_and_record(tmp_path_factory.mktemp("andon"), databases) as running:
        assert seal(running.database, running.settings.data / "keys" / "record.pem")
        yield running


def seal(database: Database, key: Path) -> bool:
    with database.transaction() as tx:
        return seal_next(tx, SealingKey.at(key)) is not None


def test_a_seal_is_kept_and_the_record_verified_by_it(andon: Terminal, tmp_path: Path, server: Serving) -> None:
    printed = andon("events", "seal")
    assert (printed.code, printed.json["number"]) == (0, 1)
    assert f"position {printed.json['last']}" in printed.err
    assert printed.json["fingerprint"] in printed.err
    kept = tmp_path / "kept.json"
    written = andon("events", "seal", "-o", str(kept))
    assert (written.code, kept.read_text()) == (0, printed.out)
    assert str(kept) in written.out
    kept.write_text("mine")
    again = andon("events", "seal", "--output", str(kept))
    assert (again.code, kept.read_text()) == (5, "mine")
    assert "--force" in again.err
    forced = andon("events", "seal", "-o", str(kept), "--force", "--json")
    assert (forced.json, kept.read_text()) == (printed.json, printed.out)

    elsewhere = {"ANDON_TOKEN": server.operator, "ANDON_DATA": str(tmp_path / "nothing")}
    sound = andon("events", "verify", "--checkpoint", str(kept), **elsewhere)
    assert (sound.code, sound.err) == (0, "")
    assert "The checkpoint lies on it" in sound.out


def test_what_is_no_checkpoint_is_refused(tmp_path: Path, server: Serving) -> None:
    good = server.api().get("/events/seal").json()["seal"]
    file = tmp_path / "kept.json"
    for content, told in (
        (b"", "is no checkpoint"),
        (b"\xff\xfe", "is no checkpoint"),
        (b" " * 100_000, "far too large"),
        (b'{"new":' + b"[" * 16_000, "recursion"),
        (json.dumps({**good, "format": "else"}).encode(), "format"),
        (json.dumps({**good, "digest": "x" * 64}).encode(), "digest"),
        (json.dumps({**good, "number": -1}).encode(), "number"),
        (json.dumps({**good, "at": "2026-01-05T09:00:00"}).encode(), "at"),
    ):
        file.write_bytes(content)
        with pytest.raises(Invalid, match=told):
            read_checkpoint(file)
    file.write_text(json.dumps({**good, "new": "from a later release"}))
    assert read_checkpoint(file).digest == good["digest"]
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(NotFound, match="cannot be read"):
            read_checkpoint(path)


def test_a_damaged_checkpoint_is_not_judged_by(andon: Terminal, tmp_path: Path, server: Serving) -> None:
    good = server.api().get("/events/seal").json()["seal"]
    file = tmp_path / "kept.json"
    file.write_text(json.dumps({**good, "digest": "0" * 64}))
    damaged = andon("events", "verify", "--checkpoint", str(file))
    assert (damaged.code, damaged.out) == (2, "")
    assert "This checkpoint is damaged" in damaged.err


def test_each_way_to_fail_says_what_to_do(tmp_path: Path, databases: Databases) -> None:
    with people_and_record(tmp_path / "data", databases) as server:
        andon = Terminal(tmp_path, server.settings.data, server.address)
        key = server.settings.data / "keys" / "record.pem"
        kept = tmp_path / "kept.json"
        assert server.api().get("/events/seal").json()["seal"] is None
        assert server.api().get("/events/seal/file").status_code == 404
        server.api().post("/tokens", json={"label": "to be hidden"})
        assert seal(server.database, key)
        kept.write_text(json.dumps(server.api().get("/events/seal").json()["seal"]))

        public = key.with_suffix(".pub")
        known = public.read_text()
        public.write_text("00" * 32)
        lost = andon("events", "verify", "--checkpoint", str(kept))
        public.write_text(known)
        assert lost.code == 1
        assert "keys/record.pub back from a backup" in lost.err

        def rewrite(connection: sa.Connection) -> None:
            last = connection.execute(sa.select(sa.func.max(events.c.position))).scalar_one()
            connection.execute(events.delete().where(events.c.position == last))
            connection.execute(seals.delete())

        tamper(server.database, rewrite)
        assert seal(server.database, key)
        assert server.api().get("/events/verify").json()["sound"]
        rewritten = andon("events", "verify", "--checkpoint", str(kept), "--json")
        assert (rewritten.code, rewritten.json["checkpoint"]) == (1, "rewritten")
        assert "is not the one that was kept" in rewritten.err

        foreign = tmp_path / "foreign"
        tamper(server.database, lambda connection: connection.execute(seals.delete()))
        assert seal(server.database, foreign / "other.pem")
        public.write_text(foreign.joinpath("other.pub").read_text())
        other = andon("events", "verify", "--checkpoint", str(kept))
        assert other.code == 1
        assert "belongs to another installation" in other.err


def test_who_may_not_read_is_handed_no_seal(server: Serving) -> None:
    browser = server.person("Nobody in particular")
    good = server.api().get("/events/seal").json()["seal"]
    for path in ("/api/v1/events/seal", "/api/v1/events/seal/file", "/api/v1/events/verify"):
        assert browser.get(path).status_code == 403, path
    token = server.api().post("/tokens", json={"label": "to push", "scopes": ["push"]}).json()["secret"]
    pushing = server.api(token)
    assert pushing.get("/events/seal").status_code == 403
    assert pushing.post("/events/verify", json=good).status_code == 403
    reading = server.api(server.api().post("/tokens", json={"label": "to read", "scopes": ["read"]}).json()["secret"])
    assert reading.post("/events/verify", json=good).json()["checkpoint"] == "holds"
    assert reading.post("/events/verify", json={**good, "digest": "a\0"}).status_code == 400
    file = reading.get("/events/seal/file")
    assert file.json() == good
    assert file.headers["content-disposition"] == 'attachment; filename="andon-checkpoint-1.json"'
