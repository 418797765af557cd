"""Andon killed in the middle of a push, git broken off, a full disk: nothing lost, nothing told twice."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from andon.flow.sources import service
from andon.flow.sources.adapters.reconciler import reconcile
from andon.flow.sources.contract import (
    NO_COMMIT,
    BranchDeleted,
    BranchPushed,
    PushAbandoned,
    PushAnnounced,
    PushId,
    Service,
)
from andon.flow.sources.model import Move, Update
from andon.kernel.db import Database
from andon.kernel.events import ANDON
from tests.flow.sources.installation import Checkout, Installation, open_installation, serving, wait_until

ROOT = Path(__file__).resolve().parents[3]
SHOP = Service("shop")


@contextmanager
def doomed(data: Path, where: str) -> Iterator[int]:
    """A server in a process of its own that kills itself at a certain point; its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.flow.sources.server", str(data), where],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        assert process.wait(60) == -9
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def on_each_database(tmp_path: Path, database: Database) -> Installation:
    installation = open_installation(tmp_path / "data", database=database)
    installation.create("shop")
    return installation


@pytest.fixture
def resting(tmp_path: Path) -> Iterator[Installation]:
    """An installation with a repository, whose server is not running."""
    installation = open_installation(tmp_path / "data")
    installation.create("shop")
    yield installation
    installation.database.close()


def test_killed_between_the_refs_and_the_record(resting: Installation, checkout: Checkout) -> None:
    commit = checkout.commit()
    with doomed(resting.data, "before-recording") as port:
        outcome = checkout.git("push", f"http://x:t-dev@127.0.0.1:{port}/git/shop.git", "main", check=False)
    assert outcome.status != 0  # it has not heard the end
    wait_until(lambda: resting.git.refs(SHOP) == {"refs/heads/main": commit})
    assert resting.recorded() == {}

    assert reconcile(resting.database, resting.git, grace=timedelta(0)) == 1
    assert reconcile(resting.database, resting.git, grace=timedelta(0)) == 0
    _, announced, pushed = resting.events()
    assert isinstance(announced, PushAnnounced)
    assert pushed == BranchPushed(
        push=announced.push, service=SHOP, branch="main", before=NO_COMMIT, commit=commit, forced=False
    )
    assert resting.actors("dev.andon.branch.pushed.v1") == ["tok_dev"]


def test_killed_before_the_announcement_nothing_moves(resting: Installation, checkout: Checkout) -> None:
    checkout.commit()
    with doomed(resting.data, "before-announcing") as port:
        checkout.git("push", f"http://x:t-dev@127.0.0.1:{port}/git/shop.git", "main", check=False)
    assert resting.git.refs(SHOP) == {}
    assert reconcile(resting.database, resting.git, grace=timedelta(0)) == 0
    assert len(resting.events()) == 1


def test_the_hook_says_what_is_safe_when_andon_has_gone(resting: Installation) -> None:
    for hook, status, safe in (("pre-receive", 1, "Nothing was changed"), ("post-receive", 0, "commits are safe")):
        ours, theirs = socket.socketpair()
        ours.close()
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" 9<&{0}', str(resting.git.own / "hooks" / hook)],
            stdin=theirs.fileno(),
            capture_output=True,
            text=True,
            check=False,
        )
        theirs.close()
        assert done.returncode == status
        assert safe in done.stdout


def announce(installation: Installation, before: str, after: str, *, ref: str = "refs/heads/main") -> PushId:
    push = PushId(f"push_{before[:4]}{after[:4]}")
    update = Update(move=Move(ref=ref, before=before, after=after), commit=after, forced=False)  # type: ignore[arg-type]  # a hash
    with installation.database.transaction() as tx:
        service.announce(tx, push, SHOP, ANDON, [update])
    return push


def bring(installation: Installation, checkout: Checkout) -> None:
    """Put the checkout's objects into the repository without moving a ref Andon keeps."""
    checkout.git("push", "-q", str(installation.git.path(SHOP)), "HEAD:refs/andon/brought", "--force")


def move(installation: Installation, ref: str, to: str) -> None:
    installation.git.expect(installation.git.run(SHOP, "update-ref", ref, to), "move", SHOP)


def test_pushes_told_in_the_wrong_order_are_recorded_in_the_right_one(
    on_each_database: Installation, checkout: Checkout
) -> None:
    one, two = checkout.commit(), checkout.commit()
    bring(on_each_database, checkout)
    first = announce(on_each_database, NO_COMMIT, one)
    second = announce(on_each_database, one, two)
    move(on_each_database, "refs/heads/main", two)
    moves = {
        first: Move(ref="refs/heads/main", before=NO_COMMIT, after=one),
        second: Move(ref="refs/heads/main", before=one, after=two),
    }
    for push in (second, first, second):
        with on_each_database.database.transaction() as tx:
            (pushed,) = service.record_moves(tx, push, SHOP, [moves[push]])
        assert pushed.push == push
    assert [e.push for e in on_each_database.events() if isinstance(e, BranchPushed)] == [first, second]
    assert on_each_database.recorded() == {"refs/heads/main": two}
    assert reconcile(on_each_database.database, on_each_database.git, grace=timedelta(0)) == 0


def test_an_announced_push_that_moved_nothing_is_closed_and_may_still_come_late(
    on_each_database: Installation, checkout: Checkout
) -> None:
    commit = checkout.commit()
    bring(on_each_database, checkout)
    push = announce(on_each_database, NO_COMMIT, commit)
    assert reconcile(on_each_database.database, on_each_database.git) == 0, "git may be at it"
    assert reconcile(on_each_database.database, on_each_database.git, active=lambda: [push], grace=timedelta(0)) == 0
    assert reconcile(on_each_database.database, on_each_database.git, grace=timedelta(0)) == 1
    assert reconcile(on_each_database.database, on_each_database.git, grace=timedelta(0)) == 0
    (abandoned,) = [one for one in on_each_database.events() if isinstance(one, PushAbandoned)]
    assert abandoned.push == push
    move(on_each_database, "refs/heads/main", commit)
    assert reconcile(on_each_database.database, on_each_database.git, grace=timedelta(0)) == 1
    (pushed,) = [one for one in on_each_database.events() if isinstance(one, BranchPushed)]
    assert pushed.push == push


def test_what_was_moved_on_the_disk_is_recorded_as_andons_finding(
    on_each_database: Installation, checkout: Checkout
) -> None:
    commit = checkout.commit()
    bring(on_each_database, checkout)
    move(on_each_database, "refs/heads/found", commit)
    assert reconcile(on_each_database.database, on_each_database.git) == 1
    on_each_database.git.run(SHOP, "update-ref", "-d", "refs/heads/found")
    assert reconcile(on_each_database.database, on_each_database.git) == 1
    pushed, deleted = on_each_database.events()[-2:]
    assert isinstance(pushed, BranchPushed)
    assert isinstance(deleted, BranchDeleted)
    assert (pushed.commit, deleted.before) == (commit, commit)
    assert on_each_database.actors("dev.andon.branch.pushed.v1") == ["andon"]


def test_a_repository_that_cannot_be_read_does_not_hold_up_the_others(
    resting: Installation, checkout: Checkout
) -> None:
    resting.create("another")
    shutil.rmtree(resting.git.path(Service("another")))
    commit = checkout.commit()
    bring(resting, checkout)
    move(resting, "refs/heads/main", commit)
    assert reconcile(resting.database, resting.git) == 1


def test_what_a_killed_git_has_left_does_not_refuse_later_pushes(tmp_path: Path, checkout: Checkout) -> None:
    with serving(open_installation(tmp_path / "data")) as andon:
        andon.create("shop")
        checkout.commit()
        repository = andon.git.path(SHOP)
        lock = repository / "refs" / "heads" / "main.lock"
        lock.touch()
        part = repository / "objects" / "tmp_objdir-incoming-x"
        part.mkdir()
        reconcile(andon.database, andon.git)
        assert checkout.git("push", andon.address("shop"), "main", check=False).status != 0, "it may be held"
        wait_until(lambda: not andon.gate.active())
        for left in (lock, part):
            os.utime(left, (0, 0))
        reconcile(andon.database, andon.git)
        assert not part.exists()
        checkout.git("push", andon.address("shop"), "main")
        assert andon.recorded() == {"refs/heads/main": checkout.head}
        assert len([one for one in andon.events() if isinstance(one, PushAbandoned)]) == 1


def quarantines(installation: Installation) -> list[Path]:
    return list((installation.git.path(SHOP) / "objects").glob("tmp_objdir*"))


def test_a_client_that_vanishes_in_mid_push_leaves_nothing(tmp_path: Path, checkout: Checkout) -> None:
    with serving(open_installation(tmp_path / "data")) as andon:
        andon.create("shop")
        checkout.commit()
        line = f"{NO_COMMIT} {checkout.head} refs/heads/main\0 report-status side-band-64k\n"
        body = f"{len(line) + 4:04x}{line}0000".encode() + b"PACK\0\0\0\2\0\0\0\3" + b"\x95" * 100
        with socket.create_connection(("127.0.0.1", andon.port)) as client:
            client.sendall(
                b"POST /git/shop.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t-dev\r\n"
                b"Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000000\r\n\r\n" + body
            )
            wait_until(andon.gate.active)
        wait_until(lambda: not andon.gate.active())
        wait_until(lambda: quarantines(andon) == [])
        assert andon.git.refs(SHOP) == {}
        assert len(andon.events()) == 1
        checkout.git("push", andon.address("shop"), "main")


def test_a_pusher_killed_in_mid_push_leaves_nothing(tmp_path: Path, checkout: Checkout) -> None:
    with serving(open_installation(tmp_path / "data")) as andon:
        andon.create("shop")
        (checkout.folder / "big").write_bytes(os.urandom(30_000_000))
        checkout.commit()
        push = subprocess.Popen(
            ["git", "-c", "http.postBuffer=65536", "push", "-q", andon.address("shop"), "main"],
            cwd=checkout.folder,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(lambda: quarantines(andon))
        subprocess.run(["kill", "-9", "--", f"-{push.pid}"], check=True)
        push.wait()
        wait_until(lambda: not andon.gate.active())
        wait_until(lambda: quarantines(andon) == [])
        if andon.git.refs(SHOP):  # the kill may come after all had been sent
            assert andon.recorded() == andon.git.refs(SHOP)
        else:
            assert not [one for one in andon.events() if isinstance(one, BranchPushed)]


def test_a_push_that_is_too_large_is_refused_with_the_reason(tmp_path: Path, checkout: Checkout) -> None:
    with serving(open_installation(tmp_path / "data", largest_push=1_000_000)) as andon:
        andon.create("shop")
        (checkout.folder / "big").write_bytes(os.urandom(3_000_000))
        checkout.commit()
        refused = checkout.git("push", andon.address("shop"), "main", check=False)
        assert refused.status != 0
        assert "pack exceeds maximum allowed size" in refused.said
        assert andon.git.refs(SHOP) == {}
        wait_until(lambda: quarantines(andon) == [])
        assert len(andon.events()) == 1


FULL_DISK = """
set -e
mount -t tmpfs -o size=4m none "$1/data/repositories/shop.git/objects"
exec "$2" -m tests.flow.sources.server "$1/data" ""
"""


def test_a_disk_that_fills_up_in_mid_push(tmp_path: Path, checkout: Checkout, resting: Installation) -> None:
    if subprocess.run(["unshare", "-Urm", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let tests mount a small disk of their own")
    process = subprocess.Popen(
        ["unshare", "-Urm", "--kill-child", "sh", "-c", FULL_DISK, "sh", str(tmp_path), sys.executable],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        url = f"http://x:t-dev@127.0.0.1:{port}/git/shop.git"
        small = checkout.commit()
        checkout.git("push", url, "main")
        (checkout.folder / "big").write_bytes(os.urandom(6_000_000))
        checkout.commit("other")
        refused = checkout.git("push", url, "main", check=False)
        assert refused.status != 0
        assert "No space left on device" in refused.said
        # what was there is whole, and what fits is taken
        assert small in checkout.git("ls-remote", url).said
        checkout.git("reset", "-q", "--hard", small)
        checkout.commit()
        checkout.git("push", url, "main")
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    assert resting.recorded() == {"refs/heads/main": checkout.head}
    assert not [one for one in resting.events() if isinstance(one, PushAbandoned)]
