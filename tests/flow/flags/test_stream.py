"""The document and its stream: what services receive, over the network and on the socket of their environment."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest

from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.environments.contract.equipment import Occupant, Purpose
from andon.flow.flags.equipping import FILE, SOCKET, FlagFolders
from andon.flow.flags.files import FlagFiles, revision_in
from andon.flow.flags.room import flag_equipper
from andon.flow.flags.serving.admission import LOOKS
from andon.flow.sources.contract import CommitHash
from andon.kernel.access import SYSTEM, tokens
from andon_flags.document import changed, read, shares
from tests.databases import Databases
from tests.flow.environments.place import wait_until
from tests.flow.flags.serving import PRODUCTION, FlagSite, create_flag, open_flag_site, set_flag
from tests.flow.installation import STORE

PLACE = {"service": "store", "environment": "production"}
DOCUMENT, STREAM = "/api/v1/flags/document", "/api/v1/flags/stream"


@pytest.fixture
def site(tmp_path: Path, databases: Databases) -> Iterator[FlagSite]:
    with open_flag_site(tmp_path, databases) as found:
        create_flag(found)
        yield found


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Id, name and data of each event."""
    found: dict[str, str] = {}
    for line in lines:
        if not line and "data" in found:
            yield found.get("id", ""), found.get("event", ""), found["data"]
            found = {}
        name, colon, value = line.partition(": ")
        if colon and name:
            found[name] = value


def test_the_document_is_what_the_clients_own_reader_takes(site: FlagSite) -> None:
    set_flag(site, {"default": {"on": 5, "off": 95}})
    with site.client(site.token(scope="evaluate")) as client:
        answer = client.get(DOCUMENT, params=PLACE)
        document = read(answer.content, strict=True)
        assert document.service == "store"
        default = document.flags["new-checkout"].default
        assert not isinstance(default, str)
        assert shares(default) == {"on": 5_000, "off": 95_000}
        again = client.get(DOCUMENT, params=PLACE, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_changes_are_streamed_as_they_are_made_and_make_the_same_document(site: FlagSite) -> None:
    with site.client(site.token()) as client, client.stream("GET", STREAM, params=PLACE) as stream:
        told = events(stream.iter_lines())
        number, name, data = next(told)
        document = read(data.encode())
        assert (name, number) == ("document", str(document.revision))
        for percent in (1, 5, 100):
            set_flag(site, {"default": {"on": percent, "off": 100 - percent}})
            number, name, data = next(told)
            assert name == "change"
            document = changed(document, data.encode(), strict=True)
            assert number == str(document.revision)
        whole = read(client.get(DOCUMENT, params=PLACE).content)
        assert document == whole


def test_who_comes_back_gets_what_they_missed(site: FlagSite) -> None:
    with site.client(site.token()) as client:
        with client.stream("GET", STREAM, params=PLACE) as stream:
            number, _, data = next(events(stream.iter_lines()))
        document = read(data.encode())
        set_flag(site, {"default": "on"})
        set_flag(site, {"default": {"on": 50, "off": 50}})
        wanted = document.revision + 2
        wait_until(lambda: read(client.get(DOCUMENT, params=PLACE).content).revision >= wanted)
        with client.stream("GET", STREAM, params=PLACE, headers={"last-event-id": number}) as stream:
            told = events(stream.iter_lines())
            while document.revision < wanted:  # both in one where both were there at one look
                _, name, data = next(told)
                assert name == "change"
                document = changed(document, data.encode())
        assert document.revision == wanted
        # one whom nobody remembers gets the whole
        with client.stream("GET", STREAM, params=PLACE, headers={"last-event-id": "99999"}) as stream:
            assert next(events(stream.iter_lines()))[1] == "document"


def test_a_stream_ends_with_its_token_and_says_so(site: FlagSite) -> None:
    secret = site.token()
    with site.client(secret) as client, client.stream("GET", STREAM, params=PLACE) as stream:
        told = events(stream.iter_lines())
        assert next(told)[1] == "document"
        with site.installation.database.transaction() as tx:
            person = site.people["Maxine"]
            assert person.person is not None
            for one in tokens.tokens_of(tx, person.person):
                tokens.revoke_token(tx, person, one.id)
        deadline = time.monotonic() + 60
        over: tuple[str, str, str] | None = None
        flipped = False
        while over is None and time.monotonic() < deadline:
            # a change wakes the stream, which then asks whether its token is still good
            flipped = not flipped
            set_flag(site, {"default": "on" if flipped else "off"})
            found = next(told)
            over = found if found[1] == "over" else None
        assert over is not None
        assert "revoked or has expired" in over[2]
        assert list(told) == []


def test_five_hundred_clients_with_an_expired_token_are_each_told_to_wait(site: FlagSite) -> None:
    secret = site.token(days=0.000001)
    time.sleep(0.2)
    with site.client(secret) as client:
        answers = [client.get(STREAM, params=PLACE) for _ in range(500)]
    assert {one.status_code for one in answers} == {401}
    waits = {int(one.headers["retry-after"]) for one in answers}
    assert min(waits) >= 30
    assert len(waits) > 10, "they would all come back at once"
    assert answers[0].json()["remedy"].startswith("Make a new one")


def test_guessing_tokens_does_not_keep_the_database_busy(site: FlagSite, monkeypatch: pytest.MonkeyPatch) -> None:
    # one second, however long this machine takes to ask so often
    monkeypatch.setattr("andon.flow.flags.serving.admission.time", SimpleNamespace(monotonic=lambda: 7.5))
    with site.client() as client:
        found = [
            client.get(DOCUMENT, params=PLACE, headers={"authorization": f"Bearer andon_{number}"}).status_code
            for number in range(400)
        ]
    assert found == [401] * LOOKS + [429] * (400 - LOOKS)


def environment(site: FlagSite, name: str = "production") -> None:
    with site.installation.database.transaction() as tx:
        site.installation.environments.ensure(tx, SYSTEM, STORE, EnvironmentDefinition(name=name))


def on_socket(path: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://flags", timeout=60)


def test_on_the_socket_of_an_environment_nobody_has_to_say_who_they_are(site: FlagSite) -> None:
    environment(site)
    path = FlagFolders(site.doors).folder(STORE, "production") / SOCKET
    wait_until(path.exists)
    assert path.stat().st_mode & 0o777 == 0o600
    with on_socket(path) as client:
        document = read(client.get(DOCUMENT).content)
        assert (document.service, document.environment) == ("store", "production")
        # whatever it says, it is of its own environment
        other = client.get(DOCUMENT, params={"service": "mailer", "environment": "acceptance"})
        assert read(other.content).environment == "production"
        evaluated = client.post("/ofrep/v1/evaluate/flags/new-checkout", json={"context": {"targetingKey": "u1"}})
        assert evaluated.json()["value"] is False
        with client.stream("GET", STREAM) as stream:
            told = events(stream.iter_lines())
            assert next(told)[1] == "document"
            set_flag(site, {"default": "on"})
            assert next(told)[1] == "change"


def test_programs_of_one_environment_do_not_take_the_streams_and_connections_of_others(
    tmp_path: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("andon.flow.flags.serving.hub.MOST_OF_ONE", 2)
    monkeypatch.setattr("andon.flow.flags.serving.sockets.MOST_OF_ONE", 2)
    monkeypatch.setattr("andon.flow.flags.serving.sockets.SPARE", 3)
    with open_flag_site(tmp_path, databases) as site, ExitStack() as held:
        environment(site)
        path = FlagFolders(site.doors).folder(STORE, "production") / SOCKET
        wait_until(path.exists)
        for _ in range(2):
            client = held.enter_context(on_socket(path))
            assert held.enter_context(client.stream("GET", STREAM)).status_code == 200
        with on_socket(path) as client:
            refused = client.get(STREAM)
            assert (refused.status_code, "Too many programs" in refused.text) == (429, True)
            assert client.get(DOCUMENT).status_code == 200
        with site.client(site.token()) as elsewhere:
            acceptance = PLACE | {"environment": "acceptance"}
            assert held.enter_context(elsewhere.stream("GET", STREAM, params=acceptance)).status_code == 200
        idle = [held.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(6)]
        for one in idle:
            one.settimeout(60)
            one.connect(str(path))
        assert idle[-1].recv(1) == b"", "closed at once, and not when it has said nothing for long"


def test_a_sandbox_is_given_the_folder_of_its_own_environment(site: FlagSite) -> None:
    equipper = flag_equipper(site.doors)

    def occupant(name: str | None) -> Occupant:
        return Occupant(purpose=Purpose.INSTANCE, service=STORE, environment=name, id="i", commit=CommitHash("0" * 40))

    given = equipper.equip(occupant("production"))
    assert given.variables == {
        "ANDON_FLAGS": "unix:/run/flags/flags.sock",
        "ANDON_FLAGS_FILE": "/run/flags/flags.json",
        "PYTHONPATH": "/run/python",
    }
    assert given.folders[0].source == FlagFolders(site.doors).folder(STORE, "production")
    assert given.folders[0].source != equipper.equip(occupant("acceptance")).folders[0].source
    # where no flags are, what asks for them can still be imported, and gets the defaults in its code
    assert [one.target for one in equipper.equip(occupant(None)).folders] == ["/run/python/andon_flags"]


def test_the_file_of_an_environment_is_always_a_whole_document_and_follows_every_change(site: FlagSite) -> None:
    environment(site)
    folders = FlagFolders(site.doors)
    path = folders.folder(STORE, "production") / FILE
    files = FlagFiles(site.installation.database, site.built.flags, folders, lambda reading: [(STORE, "production")])
    files.sync()
    first = revision_in(path)
    set_flag(site, {"default": "on"})
    files.sync()
    assert revision_in(path) == (first or 0) + 1
    assert read(path.read_bytes(), strict=True).flags["new-checkout"].default == "on"
    # what a crash left half done, or somebody broke, is put right by the next writer
    path.write_bytes(b'{"revision": 9')
    FlagFiles(site.installation.database, site.built.flags, folders, lambda reading: [(STORE, "production")]).sync()
    assert read(path.read_bytes()).revision == (first or 0) + 1


def test_a_change_among_a_thousand_flags_is_a_small_event(site: FlagSite) -> None:
    with site.installation.database.transaction() as tx:
        for number in range(60):
            site.built.flags.create(
                tx,
                site.people["Maxine"],
                STORE,
                f"flag-{number}",
                site.built.flags.get(tx, site.people["Maxine"], STORE, "new-checkout").head,
            )
    with site.client(site.token()) as client, client.stream("GET", STREAM, params=PLACE) as stream:
        told = events(stream.iter_lines())
        whole = len(next(told)[2])
        set_flag(site, {"default": "on"})
        data = next(told)[2]
        change: dict[str, Any] = msgspec.json.decode(data)
        assert list(change["flags"]) == ["new-checkout"]
        assert len(data) < whole / 20


def test_a_hundred_listeners_hear_of_a_change(site: FlagSite) -> None:
    request = (
        f"GET {STREAM}?service=store&environment=production HTTP/1.1\r\nhost: localhost\r\n"
        f"authorization: Bearer {site.token()}\r\n\r\n"
    ).encode()
    port = site.serving.settings.web.port
    connections = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(100)]
    try:
        for one in connections:
            one.sendall(request)
        for one in connections:
            assert b"event: document" in until(one, b"event: document")
        set_flag(site, {"default": "on"})
        for one in connections:
            assert b"event: change" in until(one, b"event: change")
    finally:
        for one in connections:
            one.close()


def until(connection: socket.socket, mark: bytes) -> bytes:
    found = b""
    while mark not in found:
        part = connection.recv(65536)
        if not part:
            break
        found += part
    return found


def test_the_kill_switch_reaches_the_stream(site: FlagSite) -> None:
    set_flag(site, {"default": "on"})
    with site.client(site.token()) as client, client.stream("GET", STREAM, params=PLACE) as stream:
        told = events(stream.iter_lines())
        assert next(told)[1] == "document"
        assert site.api().post(f"{PRODUCTION}/kill", json={"why": "it burns"}).status_code == 200
        change = msgspec.json.decode(next(told)[2])
        assert change["flags"]["new-checkout"]["enabled"] is False
