"""Real git against the remote, over HTTP."""

from __future__ import annotations

import gzip
import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.sources.adapters import prelude
from andon.flow.sources.adapters.http import MOST_UNPACKED
from andon.flow.sources.adapters.prelude import MOST_BYTES, MOST_LINES
from andon.flow.sources.contract import (
    NO_COMMIT,
    BranchDeleted,
    BranchPushed,
    PushAbandoned,
    PushAnnounced,
    Service,
    TagDeleted,
    TagPushed,
)
from tests.flow.sources.installation import CLEAN, Checkout, Installation, open_installation, serving, wait_until

ROOT = Path(__file__).resolve().parents[3]


def test_a_push_is_announced_and_recorded_and_can_be_cloned(
    andon: Installation, checkout: Checkout, tmp_path: Path
) -> None:
    first = checkout.commit()
    checkout.git("push", andon.address("shop"), "main")
    second = checkout.commit()
    checkout.git("push", andon.address("shop"), "main")
    announced, pushed, announced_again, pushed_again = andon.events()[1:]
    assert isinstance(announced, PushAnnounced)
    assert announced.refs == ("refs/heads/main",)
    assert pushed == BranchPushed(
        push=announced.push, service=announced.service, branch="main", before=NO_COMMIT, commit=first, forced=False
    )
    assert isinstance(announced_again, PushAnnounced)
    assert isinstance(pushed_again, BranchPushed)
    assert (pushed_again.push, pushed_again.before, pushed_again.commit) == (announced_again.push, first, second)
    assert set(andon.actors("dev.andon.branch.pushed.v1")) == {"tok_dev"}
    assert andon.recorded() == {"refs/heads/main": second}
    assert andon.open_pushes() == []

    checkout.git("clone", "-q", andon.address("shop"), str(tmp_path / "clone"))
    clone = Checkout(tmp_path / "clone")
    assert clone.head == second
    third = checkout.commit()
    checkout.git("push", andon.address("shop"), "main")
    clone.git("pull", "-q")
    assert clone.head == third


def test_a_token_works_as_bearer_too(andon: Installation, checkout: Checkout) -> None:
    checkout.commit()
    checkout.git("-c", "http.extraHeader=Authorization: Bearer t-dev", "push", andon.address("shop", ""), "main")
    assert andon.recorded()["refs/heads/main"] == checkout.head


@pytest.mark.parametrize("token", ["", "wrong"])
def test_strangers_get_nowhere(andon: Installation, checkout: Checkout, token: str) -> None:
    checkout.commit()
    for command in (["push", andon.address("shop", token), "main"], ["ls-remote", andon.address("shop", token)]):
        refused = checkout.git(*command, check=False)
        assert refused.status != 0
        assert "Authentication failed" in refused.said or "could not read Username" in refused.said
    assert andon.recorded() == {}


def test_the_first_answer_asks_for_a_password(andon: Installation) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", andon.port)
    connection.request("GET", "/git/shop.git/info/refs?service=git-upload-pack")
    answer = connection.getresponse()
    assert answer.status == 401
    assert (answer.headers["WWW-Authenticate"] or "").startswith("Basic ")
    connection.close()


@pytest.mark.parametrize("token", ["t-viewer", "t-reading"])
def test_who_may_only_read_fetches_and_does_not_push(andon: Installation, checkout: Checkout, token: str) -> None:
    checkout.commit()
    checkout.git("push", andon.address("shop"), "main")
    assert checkout.head in checkout.git("ls-remote", andon.address("shop", token)).said
    checkout.commit()
    refused = checkout.git("push", andon.address("shop", token), "main", check=False)
    assert refused.status != 0
    assert "may not push on shop" in refused.said
    assert "403" in refused.said


def test_other_peoples_repositories_are_not_there(andon: Installation, checkout: Checkout) -> None:
    andon.create("payroll")
    checkout.commit()
    secret = checkout.git("push", andon.address("payroll", "t-shop"), "main", check=False)
    absent = checkout.git("push", andon.address("nothing", "t-shop"), "main", check=False)
    assert secret.status == absent.status != 0
    assert secret.said.replace("payroll", "nothing") == absent.said
    assert "There is no repository" in secret.said


def test_taking_commits_away_from_the_default_branch_needs_a_permission(
    andon: Installation, checkout: Checkout
) -> None:
    checkout.commit()
    checkout.commit()
    checkout.git("push", andon.address("shop"), "main", "main:topic")
    there = checkout.head
    checkout.git("reset", "-q", "--hard", "HEAD~1")
    checkout.commit()
    refused = checkout.git("push", "--force", andon.address("shop"), "main", check=False)
    assert refused.status != 0
    assert "remote: This push would take commits away from main" in refused.said
    assert "remote: Nothing was changed." in refused.said
    assert "git revert" in refused.said
    assert andon.recorded()["refs/heads/main"] == there

    checkout.git("push", "--force", andon.address("shop"), "main:topic")  # a branch of one's own
    checkout.git("push", "--force", andon.address("shop", "t-admin"), "main")
    topic, main = andon.events("dev.andon.branch.pushed.v1")[-2:]
    assert isinstance(topic, BranchPushed)
    assert isinstance(main, BranchPushed)
    assert (topic.forced, main.forced) == (True, True)
    assert (main.before, main.commit) == (there, checkout.head)


def test_branches_are_deleted_the_default_one_only_with_a_permission(andon: Installation, checkout: Checkout) -> None:
    checkout.commit()
    checkout.git("push", andon.address("shop"), "main", "main:topic")
    refused = checkout.git("push", andon.address("shop"), ":main", ":topic", check=False)
    assert refused.status != 0
    assert "would delete main" in refused.said
    assert set(andon.recorded()) == {"refs/heads/main", "refs/heads/topic"}, "all of a push or nothing"
    checkout.git("push", andon.address("shop"), ":topic")
    checkout.git("push", andon.address("shop", "t-admin"), ":main")
    gone = andon.events("dev.andon.branch.deleted.v1")
    assert [(one.branch, one.before) for one in gone if isinstance(one, BranchDeleted)] == [
        ("topic", checkout.head),
        ("main", checkout.head),
    ]
    assert andon.recorded() == {}


def test_tags_name_commits_and_do_not_move(andon: Installation, checkout: Checkout) -> None:
    commit = checkout.commit()
    checkout.git("tag", "v1")
    checkout.git("tag", "-a", "-m", "Second", "v2")
    checkout.git("push", andon.address("shop"), "v1", "v2")
    made = andon.events("dev.andon.tag.pushed.v1")
    assert [(one.tag, one.commit, one.forced) for one in made if isinstance(one, TagPushed)] == [
        ("v1", commit, False),
        ("v2", commit, False),
    ]
    checkout.commit()
    checkout.git("tag", "-f", "v1")
    for change in (["--force", "v1"], [":v2"]):
        refused = checkout.git("push", andon.address("shop"), *change, check=False)
        assert refused.status != 0
        assert "which others may have deployed" in refused.said
    checkout.git("push", "--force", andon.address("shop", "t-admin"), "v1", ":v2")
    assert any(isinstance(one, TagDeleted) and one.tag == "v2" for one in andon.events())
    tree = checkout.git("rev-parse", "HEAD^{tree}").said.strip()
    refused = checkout.git("push", andon.address("shop"), f"{tree}:refs/tags/tree", check=False)
    assert "does not lead to a commit" in refused.said


@pytest.mark.parametrize("ref", ["refs/notes/commits", "refs/andon/kept", "refs/heads/-x", "refs/heads/a/-b;c d"])
def test_refs_that_are_no_branches_or_tags_are_refused(andon: Installation, checkout: Checkout, ref: str) -> None:
    checkout.commit()
    refused = checkout.git("push", andon.address("shop"), f"HEAD:{ref}", check=False)
    assert refused.status != 0
    assert andon.recorded() == {}
    assert andon.git.refs(andon.create("other")) == {}


def test_of_two_pushes_to_one_branch_one_wins_and_the_other_is_told(
    andon: Installation, checkout: Checkout, tmp_path: Path
) -> None:
    base = checkout.commit()
    checkout.git("push", andon.address("shop"), "main")
    rivals = []
    for number in range(4):
        checkout.git("clone", "-q", andon.address("shop"), str(tmp_path / f"rival{number}"))
        rival = Checkout(tmp_path / f"rival{number}")
        rival.commit(f"file{number}")
        rivals.append(rival)
    said: dict[int, tuple[int, str]] = {}

    def push(number: int) -> None:
        outcome = rivals[number].git("push", andon.address("shop"), "main", check=False)
        said[number] = (outcome.status, outcome.said)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(len(rivals))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [number for number, (status, _) in said.items() if status == 0]
    assert all("rejected" in words for status, words in said.values() if status != 0)
    assert andon.recorded()["refs/heads/main"] == rivals[winner].head
    pushed = [one for one in andon.events() if isinstance(one, BranchPushed)]
    assert [(one.before, one.commit) for one in pushed] == [(NO_COMMIT, base), (base, rivals[winner].head)]
    wait_until(lambda: andon.open_pushes() == [])
    announced = {one.push for one in andon.events() if isinstance(one, PushAnnounced)}
    closed = {one.push for one in andon.events() if isinstance(one, BranchPushed | PushAbandoned)}
    assert announced == closed


def test_a_client_that_lies_about_where_a_branch_is_gets_nowhere(andon: Installation, checkout: Checkout) -> None:
    checkout.commit()
    checkout.git("push", andon.address("shop"), "main")
    line = f"{'1' * 40} {NO_COMMIT} refs/heads/main\0 report-status side-band-64k\n"
    status, answer = post(andon, "shop", f"{len(line) + 4:04x}{line}0000".encode(), token="t-admin")
    assert status == 200
    assert b"moved while you were pushing" in answer
    assert andon.git.refs(Service("shop")) == {"refs/heads/main": checkout.head}


def post(andon: Installation, name: str, body: bytes, *, token: str, packed: bool = False) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", andon.port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-git-receive-pack-request"}
    if packed:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body)
    connection.request("POST", f"/git/{name}.git/git-receive-pack", body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_a_hostile_ref_cannot_speak_for_the_hooks(andon: Installation, checkout: Checkout) -> None:
    """Git hands refs to hooks before it has checked their names: one with line breaks could forge a message."""
    checkout.commit()
    checkout.git("push", andon.address("shop"), "main")
    before = andon.recorded()
    forged = f"refs/heads/x\nend\nbegin post-receive\n\n{NO_COMMIT} {'1' * 40} refs/heads/forged\nend\n= 0"
    line = f"{NO_COMMIT} {checkout.head} {forged}\0 report-status side-band-64k\n"
    status, answer = post(andon, "shop", f"{len(line) + 4:04x}{line}0000".encode(), token="t-admin", packed=True)
    assert status == 200
    assert b"unpack" in answer or b"ng " in answer or b"Andon" in answer
    assert andon.recorded() == before
    assert andon.git.refs(Service("shop")) == before


def test_a_little_that_unpacks_to_a_lot_is_refused_before_git_keeps_it_in_memory(
    andon: Installation, checkout: Checkout
) -> None:
    checkout.commit()
    checkout.git("push", andon.address("shop"), "main")
    before = andon.recorded()
    line = f"{NO_COMMIT} {'1' * 40} refs/heads/x\n"
    bomb = f"{len(line) + 4:04x}{line}".encode() * (MOST_UNPACKED // len(line) + 1) + b"0000"
    _status, answer = post(andon, "shop", bomb, token="t-admin", packed=True)
    assert b"refs/heads/x" not in answer  # git would answer each of the list it had read to its end
    assert andon.recorded() == before
    assert post(andon, "shop", b"0000", token="t-admin", packed=True)[0] == 200


def tagged(checkout: Checkout, number: int) -> None:
    """So many tags at the checkout's head, without a process for each."""
    head = checkout.commit()
    packed = "".join(f"{head} refs/tags/v{one:06}\n" for one in range(number))
    (checkout.folder / ".git" / "packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted \n" + packed)


def test_who_moves_too_many_refs_at_once_is_told_so(
    andon: Installation, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prelude, "MOST_LINES", 100)  # git itself takes a minute over the real number
    tagged(checkout, 100)
    refused = checkout.git("push", "--quiet", "--mirror", andon.address("shop"), check=False)
    assert refused.status != 0
    assert "Push them in several steps." in refused.said, refused.said[:2000]
    assert andon.git.refs(Service("shop")) == {}
    assert andon.recorded() == {}
    checkout.git("push", andon.address("shop"), "main")


def test_a_repository_with_many_tags_is_mirrored(andon: Installation, checkout: Checkout) -> None:
    tagged(checkout, 300)
    checkout.git("push", "--quiet", "--mirror", andon.address("shop"))
    assert len(andon.recorded()) == 301


@pytest.mark.parametrize("packed", [False, True])
def test_git_never_sees_the_end_of_a_list_that_is_too_long(andon: Installation, packed: bool) -> None:
    """What moves a ref, what cuts history off, what is an option: git would keep all of it in memory."""
    first = f"{NO_COMMIT} {'1' * 40} refs/heads/x\0 report-status push-options\n"
    start = f"{len(first) + 4:04x}{first}".encode()
    for begun, line in ((start, b"0035shallow " + b"1" * 40 + b"\n"), (start + b"0000", b"0fff" + b"o" * 0xFFB)):
        body = begun + line * (MOST_BYTES // len(line) + MOST_LINES) + b"0000"
        status, answer = post(andon, "shop", body, token="t-admin", packed=packed)
        assert status == 200
        assert b"unpack This push moves too many branches and tags at once." in answer
    assert andon.git.refs(Service("shop")) == {}


def test_what_is_no_list_of_refs_is_refused(andon: Installation) -> None:
    for body in (b"what?", b"0003", b"fff1" + b"x" * 70_000, b"0001"):
        assert post(andon, "shop", body, token="t-admin") == (200, b"0027unpack This is not what git sends.\n0000")


class Slow:
    """Tells of a push, then follows three steps of it, each only after the one before has been heard."""

    def __init__(self) -> None:
        self.heard = threading.Semaphore(0)
        self.ended = threading.Event()

    def announce(self, pushed: Sequence[BranchPushed]) -> Sequence[str]:
        return [f"{len(pushed)} run begins: \x1b[31mhttp://andon.example/runs/1"]

    def follow(self, pushed: Sequence[BranchPushed]) -> Iterator[str]:
        try:
            for number in range(3):
                yield f"step {number}"
                while not self.heard.acquire(timeout=0.05):
                    yield ""
        finally:
            self.ended.set()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Installation, Slow]]:
    announcer = Slow()
    with serving(
        open_installation(tmp_path / "data", announcers=[announcer], definitions=YamlDefinitionReader())
    ) as installation:
        installation.create("shop")
        yield installation, announcer


def follow(andon: Installation, checkout: Checkout) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["git", "push", "-o", "follow", andon.address("shop"), "main"],
        cwd=checkout.folder,
        env=CLEAN,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_pusher_follows_live_what_the_push_sets_off(slow: tuple[Installation, Slow], checkout: Checkout) -> None:
    andon, announcer = slow
    checkout.commit()
    with follow(andon, checkout) as push:
        assert push.stderr is not None
        said = ""
        for number in range(3):
            while f"step {number}" not in said:
                line = push.stderr.readline()
                assert line, said
                said += line
            assert f"step {number + 1}" not in said
            announcer.heard.release()
        said += push.stderr.read()
        assert push.wait() == 0
    assert "remote: 1 run begins: \\x1b[31mhttp://andon.example/runs/1" in said, "nothing steers the terminal"


def test_who_does_not_ask_does_not_follow(slow: tuple[Installation, Slow], checkout: Checkout) -> None:
    andon, _ = slow
    checkout.commit()
    said = checkout.git("push", "-o", "ci.skip", andon.address("shop"), "main").said
    assert "run begins" in said
    assert "step 0" not in said


def test_following_ends_when_the_pusher_goes(slow: tuple[Installation, Slow], checkout: Checkout) -> None:
    andon, announcer = slow
    checkout.commit()
    with follow(andon, checkout) as push:
        assert push.stderr is not None
        while "step 0" not in push.stderr.readline():
            pass
        os.killpg(push.pid, 9)
    assert announcer.ended.wait(60)
    wait_until(lambda: not andon.gate.active())
    assert andon.recorded() == {"refs/heads/main": checkout.head}


def test_following_ends_when_andon_stops(slow: tuple[Installation, Slow], checkout: Checkout) -> None:
    andon, announcer = slow
    checkout.commit()
    with follow(andon, checkout) as push:
        assert push.stderr is not None
        while "step 0" not in push.stderr.readline():
            pass
        andon.gate.stop_following()
        assert "goes on when it is back" in push.stderr.read()
        assert push.wait() == 0
    assert announcer.ended.wait(60)
    assert andon.recorded() == {"refs/heads/main": checkout.head}


def test_what_is_wrong_with_the_definition_is_told_at_once(slow: tuple[Installation, Slow], checkout: Checkout) -> None:
    andon, _ = slow
    checkout.commit("andon.yaml", "stages:\n  commit:\n    jobs:\n      test: {command: make, timout: 3}\n")
    said = checkout.git("push", andon.address("shop"), "main").said
    assert "remote: warning: andon.yaml:4:" in said
    assert "did you mean 'timeout'?" in said
    assert andon.recorded() == {"refs/heads/main": checkout.head}, "the push stands"
    checkout.git("rm", "-q", "andon.yaml")
    checkout.commit(".gitmodules", '[submodule "a"]\n\tpath = a\n\turl = https://example.com/a\n')
    said = checkout.git("push", andon.address("shop"), "main").said
    assert "submodules are not fetched" in said
    assert "`andon init` writes one" in said


def test_a_large_push_streams_through_in_little_memory(tmp_path: Path, checkout: Checkout) -> None:
    """The server is a process of its own, so that its memory can be told from the test's."""
    installation = open_installation(tmp_path / "data")
    installation.create("shop")
    (checkout.folder / "big").write_bytes(os.urandom(50_000_000))
    checkout.commit()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.flow.sources.server", str(tmp_path / "data"), ""],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = f"http://x:t-dev@127.0.0.1:{int(server.stdout.readline())}/git/shop.git"
        checkout.git("ls-remote", url)
        before = peak(server.pid)
        checkout.git("push", "-q", url, "main")
        checkout.git("clone", "-q", url, str(tmp_path / "clone"))
        grown = peak(server.pid) - before
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
    assert installation.recorded() == {"refs/heads/main": checkout.head}
    installation.database.close()
    assert Checkout(tmp_path / "clone").head == checkout.head
    assert grown < 15_000, f"{grown} kB more for a pack of 50 MB"


def peak(pid: int) -> int:
    """The most memory a process has had, in kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))
