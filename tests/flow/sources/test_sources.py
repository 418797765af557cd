"""Questions to repositories, with honest and with hostile names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.flow.sources import service
from andon.flow.sources.contract import ChangedFile, CommitHash, Service
from andon.flow.sources.git import Git
from andon.kernel.access import SYSTEM, Permission
from andon.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from tests.flow.sources.installation import PEOPLE, Checkout, Installation, open_installation

SHOP = Service("shop")


@pytest.fixture
def andon(tmp_path: Path) -> Iterator[Installation]:
    installation = open_installation(tmp_path / "data")
    installation.create("shop")
    yield installation
    installation.database.close()


def bring(andon: Installation, checkout: Checkout, *refs: str) -> CommitHash:
    checkout.git("push", "-q", "--force", str(andon.git.path(SHOP)), *(refs or ("HEAD:refs/heads/main",)))
    return checkout.head


def test_branches_tags_and_short_hashes_are_found(andon: Installation, checkout: Checkout) -> None:
    first = checkout.commit()
    checkout.git("tag", "-a", "-m", "x", "v1")
    second = checkout.commit()
    checkout.git("tag", "main")  # a tag named like a branch: the branch is meant
    checkout.git("tag", "-f", "main", first)
    bring(andon, checkout, "refs/heads/main", "refs/tags/v1", "refs/tags/main")
    assert andon.sources.resolve(SHOP, "main") == second
    assert andon.sources.resolve(SHOP, "v1") == first
    assert andon.sources.resolve(SHOP, first[:7]) == first
    assert andon.sources.resolve(SHOP, second.upper()) == second


HOSTILE_REVISIONS = (
    *("", "-", "--all", "--output=/tmp/x", "main..", "main^", "main~1", "@", "@{u}", ":/x", "HEAD:file", "a b"),
    *("main\nHEAD", "main\0", "../main", "/etc/passwd", "refs/../x", "x" * 5000, "\udcff", "é", "main.lock"),
    *("ffff", "0" * 40),
)
HOSTILE_NAMES = ("", "..", "../shop", "shop/../shop", "shop.git", "/etc", "-x", "Shop", "a" * 41, "a\n")


def test_hostile_revisions_are_not_there(andon: Installation, checkout: Checkout) -> None:
    checkout.commit()
    bring(andon, checkout)
    for revision in HOSTILE_REVISIONS:
        with pytest.raises(NotFound):
            andon.sources.resolve(SHOP, revision)


def test_hostile_names_reach_no_folder(andon: Installation) -> None:
    for name in HOSTILE_NAMES:
        with pytest.raises(NotFound):
            andon.sources.resolve(Service(name), "main")
        with andon.database.reading() as reading, pytest.raises(NotFound):
            andon.sources.default_branch(reading, Service(name))
        with andon.database.transaction() as tx, pytest.raises(Invalid):
            service.create_repository(tx, andon.git, SYSTEM, name)


def test_a_commit_reads_as_it_was_written(andon: Installation, checkout: Checkout) -> None:
    parent = checkout.commit()
    commit = checkout.commit(message="Sell parts\n\nMany of them")
    bring(andon, checkout)
    found = andon.sources.commit(SHOP, commit)
    assert (found.hash, found.parents, found.subject, found.author) == (
        commit,
        (parent,),
        "Sell parts",
        "Maxine Chambers",
    )
    assert found.committed_at.tzinfo is not None
    with pytest.raises(NotFound):
        andon.sources.commit(SHOP, CommitHash("1" * 40))
    with pytest.raises(NotFound):
        andon.sources.commit(SHOP, CommitHash("--help"))


def test_files_are_read_at_a_commit(andon: Installation, checkout: Checkout) -> None:
    checkout.commit("andon.yaml", "stages: {}\n")
    (checkout.folder / "big").write_bytes(b"x" * (1024**2 + 1))
    (checkout.folder / "full").write_bytes(b"y" * 1024**2)
    commit = checkout.commit("folder/file", "deep\n")
    bring(andon, checkout)
    assert andon.sources.read(SHOP, commit, "andon.yaml") == b"stages: {}\n"
    assert andon.sources.read(SHOP, commit, "folder/file") == b"deep\n"
    assert andon.sources.read(SHOP, commit, "full") == b"y" * 1024**2
    assert andon.sources.read(SHOP, commit, "folder") is None
    assert andon.sources.read(SHOP, commit, "nothing") is None
    with pytest.raises(Invalid, match="larger than 1024 KiB"):
        andon.sources.read(SHOP, commit, "big")
    with pytest.raises(NotFound):
        andon.sources.read(SHOP, CommitHash("1" * 40), "andon.yaml")
    for path in ("", "/etc/passwd", "../x", "a/../../x", "./x", "a\nb", "a\0b", "a//b"):
        with pytest.raises(Invalid):
            andon.sources.read(SHOP, commit, path)


def test_a_tree_is_exported_as_it_was_committed(andon: Installation, checkout: Checkout, tmp_path: Path) -> None:
    (checkout.folder / ".gitattributes").write_text("hidden export-ignore\nlarge filter=lfs\n")
    (checkout.folder / "large").write_text("version https://git-lfs.github.com/spec/v1\n")
    (checkout.folder / "hidden").write_text("tests are needed too\n")
    (checkout.folder / "back\\slash").write_text("odd\n")
    (checkout.folder / "run").write_text("#!/bin/sh\n")
    (checkout.folder / "run").chmod(0o755)
    (checkout.folder / "folder").mkdir()
    (checkout.folder / "folder" / "up").symlink_to("../run")
    commit = checkout.commit("name with\nline break", "x\n")
    bring(andon, checkout)
    out = tmp_path / "made" / "on demand"
    andon.sources.export(SHOP, commit, out)
    assert {path.name for path in out.iterdir()} == {
        *(".gitattributes", "large", "hidden", "back\\slash", "run", "folder", "name with\nline break"),
    }
    assert (out / "large").read_text() == "version https://git-lfs.github.com/spec/v1\n"
    assert os.access(out / "run", os.X_OK)
    assert (out / "folder" / "up").readlink() == Path("../run")
    with pytest.raises(Conflict):
        andon.sources.export(SHOP, commit, out)
    with pytest.raises(NotFound):
        andon.sources.export(SHOP, CommitHash("1" * 40), tmp_path / "nowhere")
    assert list(andon.git.scratch.iterdir()) == []


@pytest.mark.parametrize(
    "links",
    [
        {"out": "/etc/passwd"},
        {"out": "../outside"},
        {"folder/out": "../../outside"},
        {"here": ".", "out": "here/../outside"},  # in the tree by its letters, out of it by its steps
        {"inside": "sub", "sub": "..", "ok": "file"},
    ],
)
def test_links_out_of_the_tree_are_refused(
    andon: Installation, checkout: Checkout, tmp_path: Path, links: dict[str, str]
) -> None:
    for name, target in links.items():
        (checkout.folder / name).parent.mkdir(exist_ok=True)
        (checkout.folder / name).symlink_to(target)
    commit = checkout.commit()
    bring(andon, checkout)
    with pytest.raises(Invalid, match="lead out of the repository"):
        andon.sources.export(SHOP, commit, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_difference_of_two_commits(andon: Installation, checkout: Checkout) -> None:
    base = checkout.commit("kept", "1\n")
    lost = checkout.commit("lost", "1\n", "Lose it")
    checkout.git("branch", "old")
    checkout.git("reset", "-q", "--hard", base)
    (checkout.folder / "binary").write_bytes(b"\0\1\2")
    head = checkout.commit("kept", "1\n2\n", "Keep it")
    bring(andon, checkout, "refs/heads/main", "refs/heads/old")
    found = andon.sources.difference(SHOP, lost, head)
    assert [one.hash for one in found.commits] == [head]
    assert [one.subject for one in found.undone] == ["Lose it"]
    assert set(found.files) == {
        ChangedFile(path="kept", added=1, removed=0),
        ChangedFile(path="lost", added=0, removed=1),
        ChangedFile(path="binary", added=-1, removed=-1),
    }
    assert not found.truncated
    whole = andon.sources.difference(SHOP, None, head)
    assert [one.hash for one in whole.commits] == [head, base]
    with pytest.raises(NotFound):
        andon.sources.difference(SHOP, CommitHash("1" * 40), head)
    assert andon.sources.contains(SHOP, "main", base)
    assert not andon.sources.contains(SHOP, "main", lost)
    assert not andon.sources.contains(SHOP, "nothing", lost)
    assert not andon.sources.contains(SHOP, "--all", lost)


def test_dates_from_beyond_the_calendar_are_bounded(andon: Installation, checkout: Checkout) -> None:
    checkout.commit()
    tree = checkout.git("rev-parse", "HEAD^{tree}").said.strip()
    raw = f"tree {tree}\nauthor A <a@b> 99999999999999 +0000\ncommitter A <a@b> 0 +0000\n\nx\n"
    (checkout.folder / "raw").write_text(raw)
    commit = checkout.git("hash-object", "-t", "commit", "-w", "--literally", "raw").said.strip()
    checkout.git("push", "-q", str(andon.git.path(SHOP)), f"{commit}:refs/heads/odd")
    assert andon.sources.commit(SHOP, CommitHash(commit)).authored_at.year == 9999


def test_who_may_create_and_see_repositories(andon: Installation) -> None:
    with andon.database.transaction() as tx, pytest.raises(Forbidden):
        service.create_repository(tx, andon.git, PEOPLE["t-dev"], "other")
    assert not andon.git.path(Service("other")).exists()
    andon.create("other", "trunk")
    with pytest.raises(Conflict):
        andon.create("other")
    with andon.database.reading() as reading:
        assert andon.sources.services(reading) == ("other", "shop")
        assert andon.sources.default_branch(reading, Service("other")) == "trunk"
        seen = service.repositories(reading, PEOPLE["t-shop"])
        assert [one.service for one in seen] == ["shop"]
        with pytest.raises(NotFound):
            service.open_repository(reading, PEOPLE["t-shop"], "other", Permission.READ)
        with pytest.raises(Forbidden):
            service.open_repository(reading, PEOPLE["t-viewer"], "other", Permission.PUSH)


def test_a_folder_left_by_a_broken_creation_is_taken_over(andon: Installation) -> None:
    andon.git.create(Service("again"), "main")
    andon.create("again", "trunk")
    assert andon.git.run(Service("again"), "symbolic-ref", "HEAD").output == b"refs/heads/trunk\n"


def test_nothing_of_the_users_git_configuration_takes_part(
    andon: Installation, checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[alias]\n\tread-tree = !touch /tmp/never\n[core]\n\tautocrlf = true\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.autocrlf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    git = Git(andon.git.folder)
    git.prepare()
    assert git.run(SHOP, "config", "--get", "core.autocrlf").output == b""
    assert (git.own / "config").stat().st_mode & 0o777 == 0o600
    assert git.folder.stat().st_mode & 0o777 == 0o700


def test_lines_are_as_old_as_their_last_change(andon: Installation, checkout: Checkout) -> None:
    first = checkout.commit("flags.py", "one\ntwo\n")
    second = checkout.commit("flags.py", "one\nthree\nfour\n")
    bring(andon, checkout)
    old, new = andon.sources.commit(SHOP, first), andon.sources.commit(SHOP, second)
    found = andon.sources.written(SHOP, second, "flags.py", (3, 1, 2))
    assert found == {1: old.committed_at, 2: new.committed_at, 3: new.committed_at}
    assert andon.sources.written(SHOP, second, "flags.py", ()) == {}
    assert andon.sources.written(SHOP, second, "nothing.py", (1,)) == {}
    with pytest.raises(NotFound):
        andon.sources.written(SHOP, CommitHash("--output=x"), "flags.py", (1,))
    with pytest.raises(Invalid):
        andon.sources.written(SHOP, second, "../flags.py", (1,))
