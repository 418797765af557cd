"""Whatever is sent to the remote's addresses: never a fault of the server's, never a file outside."""

from __future__ import annotations

import gzip
import hashlib
import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from andon.flow.sources.adapters.http import recognise
from andon.flow.sources.contract import Service
from andon.kernel.errors import AndonError
from tests.flow.sources.installation import Installation, new_checkout, open_installation, serving

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.fixture(scope="module")
def andon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("fuzz")
    with serving(open_installation(folder / "data")) as installation:
        installation.create("shop")
        checkout = new_checkout(folder / "checkout")
        checkout.commit()
        checkout.git("push", installation.address("shop"), "main")
        yield installation


def send(
    andon: Installation, method: str, target: bytes, headers: dict[str, bytes], body: bytes = b""
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", andon.port, timeout=60)
    try:
        connection.putrequest(method, "/", skip_accept_encoding=True)
        # the request line as it is, without the client's own idea of what is allowed in it
        connection._buffer[0] = b"%s %s HTTP/1.1" % (method.encode(), target)  # type: ignore[attr-defined]  # private
        for name, value in {**headers, "Content-Length": str(len(body)).encode()}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


TOKEN = {"Authorization": b"Bearer t-admin"}
OUTSIDE = [
    *(b"/git/../git/shop.git/HEAD", b"/git/shop.git/../other.git/HEAD", b"/git/%2e%2e/andon.db", b"/git//etc/passwd"),
    *(b"/git/..%2fandon.db", b"/git/.andon/config", b"/git/shop.git/HEAD", b"/git/shop.git/config", b"/git/shop.git"),
    *(b"/git/shop.git/objects/info/packs", b"/git/shop.git/hooks/pre-receive", b"/git/shop/info/refs"),
    *(b"/git/shop.git%00/info/refs?service=git-upload-pack", b"/git/shop.git/info/refs/"),
    *(b"/git/shop.git/%69nfo/refs?service=git-upload-pack", b"/git\\shop.git/info/refs", b"//git/shop.git/info/refs"),
    *(
        b"http://127.0.0.1/git/shop.git/HEAD",
        b"/shop.git/info/refs?service=git-upload-pack",
        b"/git/shop.git/info/refs;x",
    ),
]


@pytest.mark.parametrize("target", OUTSIDE)
def test_there_is_nothing_beside_gits_three_addresses(andon: Installation, target: bytes) -> None:
    status, body = send(andon, "GET", target, TOKEN)
    assert status in {400, 404}
    assert b"ref: refs/heads" not in body
    assert b"root:" not in body


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("?service=", 400), ("?service=git-upload-archive", 400), ("?service=git-upload-pack&x=1", 400)],
)
def test_only_what_git_asks_is_answered(andon: Installation, query: str, status: int) -> None:
    assert send(andon, "GET", f"/git/shop.git/info/refs{query}".encode(), TOKEN)[0] == status


path_parts = st.sampled_from(
    [b"git", b"shop.git", b"..", b"%2e%2e", b".", b"info", b"refs", b"HEAD", b"objects", b"", b"other.git", b"%00"]
) | st.binary(min_size=1, max_size=8).map(lambda raw: bytes(c for c in raw if 33 <= c < 127 and c not in b"?#"))
paths = st.lists(path_parts, max_size=6).map(lambda parts: b"/" + b"/".join(parts))


@given(path=paths, query=st.binary(max_size=40), method=st.sampled_from(["GET", "POST", "HEAD", "PUT"]))
@settings(max_examples=400)
def test_an_address_is_recognised_or_refused(path: bytes, query: bytes, method: str) -> None:
    scope = {"type": "http", "method": method, "raw_path": path, "path": "/", "query_string": query, "headers": []}
    try:
        wanted = recognise(scope, b"/git")
    except AndonError as error:
        refused = error.status
    else:
        refused = 0
        assert path == f"/git/{wanted.service}.git/info/refs".encode()
    assert refused in {0, 400, 404, 405, 415}


line = st.binary(max_size=60).map(lambda raw: b"%04x" % (len(raw) + 4) + raw)
ref = st.sampled_from(
    [
        b"refs/heads/main",
        b"refs/heads/x",
        b"refs/tags/..",
        b"HEAD",
        b"../../x",
        b"refs/heads/\n=",
        b"\xff",
        b"refs/heads/a b",
    ]
)
name = st.sampled_from([b"0" * 40, b"1" * 40, b"f" * 40, b"x"])
asked = st.tuples(name, name, ref).map(lambda parts: b"%s %s %s\0 report-status side-band-64k" % parts)
command = asked.map(lambda raw: b"%04x" % (len(raw) + 4) + raw)
EMPTY_PACK = b"PACK\0\0\0\2\0\0\0\0" + hashlib.sha1(b"PACK\0\0\0\2\0\0\0\0").digest()
bodies = st.builds(
    lambda lines, flush, rest: b"".join(lines) + flush + rest,
    st.lists(line | command, max_size=3),
    st.sampled_from([b"", b"0000", b"0001", b"ffff"]),
    st.binary(max_size=40) | st.just(EMPTY_PACK),
)


@given(
    body=bodies,
    what=st.sampled_from(["git-receive-pack", "git-upload-pack"]),
    packed=st.sampled_from(["", "gzip", "false gzip", "br"]),
    protocol=st.sampled_from([b"", b"version=2", b"version=1:x\t", b"\xff", b"a" * 500]),
)
@example(body=b"", what="git-receive-pack", packed="false gzip", protocol=b"")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bodies_of_any_kind_move_nothing(
    andon: Installation, body: bytes, what: str, packed: str, protocol: bytes
) -> None:
    before = andon.recorded()
    headers = {**TOKEN, "Content-Type": f"application/x-{what}-request".encode(), "Git-Protocol": protocol}
    if packed:
        headers["Content-Encoding"] = packed.rsplit(maxsplit=1)[-1].encode()
    sent = gzip.compress(body) if packed == "gzip" else body
    status, _ = send(andon, "POST", f"/git/shop.git/{what}".encode(), headers, sent)
    assert status in {200, 400, 415}
    assert andon.git.refs(Service("shop")) == before == andon.recorded()


def test_nothing_was_left_behind(andon: Installation) -> None:
    names = {path.name for path in Path(andon.data).iterdir()}
    assert names <= {"andon.db", "andon.db-wal", "andon.db-shm", "repositories"}
    assert {path.name for path in andon.git.folder.iterdir()} == {".andon", "shop.git"}
    assert list(andon.git.scratch.iterdir()) == []
