"""Packages: the same bytes for the same files, published once, checked, kept as long as somebody needs them."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from andon.flow.artifacts.contract import (
    ArtifactCorrupt,
    ArtifactDamaged,
    ArtifactMissing,
    ArtifactPublished,
    ArtifactRemoved,
    Digest,
    PackageInvalid,
    Provenance,
)
from andon.flow.artifacts.service import ArtifactService
from andon.flow.artifacts.store import FileStore
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, Reading
from andon.kernel.events import Event, Facets, page

SHOP = Service("shop")
DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


@pytest.fixture
def artifacts(store: FileStore) -> ArtifactService:
    return ArtifactService(store, keep_days=30)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    (top / "app" / "deep").mkdir(parents=True)
    (top / "app" / "serve").write_text("#!/bin/sh\n")
    (top / "app" / "serve").chmod(0o750)
    (top / "app" / "deep" / "données.txt").write_text("x" * 100)
    (top / "app" / "link").symlink_to("deep/données.txt")
    (top / "junk").write_text("junk")
    (top / ".git").mkdir()
    (top / ".git" / "config").write_text("no")
    return top


def publish(artifacts: ArtifactService, database: Database, tree: Path, run: str, globs: str = "app/**") -> Digest:
    digest, size, files = artifacts.pack(tree, [globs])
    provenance = Provenance(commit=CommitHash("a" * 40), run=run, command="make", builder="tests", inputs=())
    with database.transaction() as tx:
        made = artifacts.publish(tx, service=SHOP, digest=digest, size=size, files=files, provenance=provenance)
    return made.digest


def events(database: Database, kind: type[Event]) -> int:
    with database.reading() as reading:
        return len(page(reading, Facets(type=kind.type), after=0))


def test_the_same_files_are_the_same_bytes(store: FileStore, tree: Path) -> None:
    first = store.pack(tree, ["**"])
    os.utime(tree / "app" / "serve", (1, 1))
    (tree / "app" / "deep" / "données.txt").rename(tree / "moved")
    (tree / "moved").rename(tree / "app" / "deep" / "données.txt")
    assert store.pack(tree, ["junk", "app/"]) == first
    assert first[2] == 4, "and .git is no part of it"
    (tree / "app" / "serve").chmod(0o640)
    assert store.pack(tree, ["**"])[0] != first[0], "whether it can be run is a part of a file"
    assert oct((store.path(first[0])).stat().st_mode) == "0o100400"


def test_a_package_is_unpacked_whole_or_not_at_all(store: FileStore, tree: Path, tmp_path: Path) -> None:
    digest, _, _ = store.pack(tree, ["app/**"])
    out = tmp_path / "out" / "here"
    store.unpack(digest, out)
    assert (out / "app" / "link").read_text() == "x" * 100
    assert os.access(out / "app" / "serve", os.X_OK)
    assert not (out / "junk").exists()
    store.path(digest).chmod(0o600)
    with store.path(digest).open("r+b") as file:
        file.seek(50)
        file.write(b"!")
    with pytest.raises(ArtifactCorrupt):
        store.unpack(digest, tmp_path / "out" / "there")
    with pytest.raises(ArtifactMissing):
        store.unpack(Digest("0" * 64), tmp_path / "out" / "there")
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["here"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../out", "../app/../../x", "deep/../../.."])
def test_links_that_leave_the_tree_are_refused(store: FileStore, tree: Path, target: str) -> None:
    (tree / "app" / "bad").symlink_to(target)
    with pytest.raises(PackageInvalid, match="app/bad"):
        store.pack(tree, ["app/**"])
    assert store.stored() == frozenset()


def test_a_link_by_way_of_another_is_followed_for_the_check(store: FileStore, tree: Path) -> None:
    (tree / "app" / "deep" / "up").symlink_to("../..")
    (tree / "app" / "sly").symlink_to("deep/up/../outside")
    with pytest.raises(PackageInvalid, match="app/sly"):
        store.pack(tree, ["app/sly"])


def test_nothing_matches(store: FileStore, tree: Path) -> None:
    with pytest.raises(PackageInvalid, match=r"No file matches dist/\*\*"):
        store.pack(tree, ["dist/**"])


def test_names_that_are_no_text_survive(store: FileStore, tree: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"app/\xff\n")
    (tree / name).write_text("odd")
    digest, _, files = store.pack(tree, ["app/**"])
    assert files == 4
    with tarfile.open(store.path(digest)) as tar:
        assert name in tar.getnames()
    store.unpack(digest, tmp_path / "out")
    assert (tmp_path / "out" / name).read_text() == "odd"


def test_a_run_publishes_once(artifacts: ArtifactService, database: Database, tree: Path) -> None:
    first = publish(artifacts, database, tree, "run_1")
    (tree / "app" / "more").write_text("more")
    assert publish(artifacts, database, tree, "run_1") == first
    assert events(database, ArtifactPublished) == 1
    second = publish(artifacts, database, tree, "run_2")
    assert second != first
    with database.reading() as reading:
        found = artifacts.of_run(reading, "run_1")
        assert found is not None
        assert (found.digest, found.provenance.command) == (first, "make")
        assert artifacts.of_run(reading, "run_3") is None
        newest = artifacts.of_commit(reading, SHOP, CommitHash("a" * 40))
        assert newest is not None
        assert [one.run for one in artifacts.list(reading)] == ["run_2", "run_1"]
        assert [one.run for one in artifacts.list(reading, before="run_2")] == ["run_1"]
        assert artifacts.list(reading, services=["other"]) == ()
        assert [one.run for one in artifacts.publications(reading, first[:10])] == ["run_1"]
        with pytest.raises(ArtifactMissing):
            artifacts.get(reading, Digest("0" * 64))


class Needs:
    def __init__(self, *digests: Digest) -> None:
        self.digests = frozenset(digests)

    def digests_in_use(self, reading: Reading) -> frozenset[Digest]:
        return self.digests


def test_retention_spares_what_is_used_and_what_was_built_again(
    artifacts: ArtifactService, store: FileStore, database: Database, clock: SettableClock, tree: Path
) -> None:
    needed = publish(artifacts, database, tree, "run_1", "app/serve")
    again = publish(artifacts, database, tree, "run_2", "app/**")
    over = publish(artifacts, database, tree, "run_3", "junk")
    artifacts.keep(Needs(needed))
    clock.advance(20 * DAY)
    assert publish(artifacts, database, tree, "run_4", "app/**") == again
    clock.advance(11 * DAY)
    with database.transaction() as tx:
        assert artifacts.expire(tx) == (over,)
        assert artifacts.expire(tx) == ()
    assert events(database, ArtifactRemoved) == 1
    assert store.stored() == {needed, again, over}
    with database.transaction() as tx:
        assert artifacts.sweep(tx) == 0, "the file is younger than a day"
    os.utime(store.path(over), (0, 0))
    with database.transaction() as tx:
        assert artifacts.sweep(tx) == 1
    assert store.stored() == {needed, again}
    with database.reading() as reading:
        gone = artifacts.of_run(reading, "run_3")
        assert gone is not None
        assert gone.removed_at is not None
    with pytest.raises(ArtifactMissing):
        artifacts.file(over)


def test_damage_is_found_and_recorded(
    artifacts: ArtifactService, store: FileStore, database: Database, tree: Path
) -> None:
    sound = publish(artifacts, database, tree, "run_1", "junk")
    changed = publish(artifacts, database, tree, "run_2", "app/serve")
    lost = publish(artifacts, database, tree, "run_3", "app/**")
    store.path(changed).chmod(0o600)
    store.path(changed).write_bytes(b"no")
    store.path(lost).unlink()
    with database.reading() as reading:
        damaged = artifacts.damaged(reading)
    assert sound not in damaged
    assert set(damaged) == {changed, lost}
    with database.transaction() as tx:
        artifacts.report_damage(tx, damaged)
    assert events(database, ArtifactDamaged) == 2
