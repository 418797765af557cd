"""The client beside a real server, a real disk and real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import andon_flags
from andon_flags import Flags, following, streaming
from andon_flags.document import Kind, read, write
from andon_flags.following import pause, refused_pause
from andon_flags.keeping import Unreadable, load, save
from andon_flags.outcomes import ErrorCode, Reason
from andon_flags.streaming import Address
from benchmarks.harness.flag_stream import FlagStream
from tests.flags_client.documents import document, switch, when

USER = {"targetingKey": "u1", "country": "DE"}
OFF = document({"checkout": switch()})
ON = document({"checkout": switch(default="on")}, revision=2)
NOWHERE: dict[str, str] = {}


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 100
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold within 100 seconds"
        time.sleep(0.05)


def client(url: str = "", **more: Any) -> closing[Flags]:
    return closing(Flags(url, variables=NOWHERE, **more))


@pytest.fixture
def server() -> Iterator[FlagStream]:
    with FlagStream(OFF) as made:
        yield made


# Values


def values() -> Flags:
    flags: dict[str, Any] = {
        "switch": switch(default="on"),
        "text": switch(kind="string", variants={"on": "blue", "off": ""}, default="on"),
        "number": switch(kind="number", variants={"on": 1.5, "off": 2}, default="off"),
        "object": switch(kind="object", variants={"on": {"a": [1, {"b": 2}]}, "off": []}, default="on"),
        "split": switch(default=[[0, 50_000, "on"], [50_000, 100_000, "off"]]),
    }
    return Flags(document=document(flags), variables=NOWHERE)


def test_each_kind_gives_its_value() -> None:
    flags = values()
    assert flags.boolean("switch", USER) is True
    assert flags.string("text", USER) == "blue"
    assert flags.number("number", USER) == 2
    assert flags.object("object", USER) == {"a": [1, {"b": 2}]}


def test_what_somebody_does_to_an_object_stays_theirs() -> None:
    flags = values()
    flags.object("object")["a"][1]["b"] = "spoilt"
    assert flags.object("object", USER) == {"a": [1, {"b": 2}]}
    detailed: Any = flags.details("object").value
    detailed["a"].clear()
    assert flags.object("object", USER) == {"a": [1, {"b": 2}]}


@pytest.mark.parametrize(
    ("name", "context", "kind", "error"),
    [
        ("nothing", USER, Kind.BOOLEAN, ErrorCode.FLAG_NOT_FOUND),
        ("text", USER, Kind.BOOLEAN, ErrorCode.TYPE_MISMATCH),
        ("split", {}, Kind.BOOLEAN, ErrorCode.TARGETING_KEY_MISSING),
        ("split", None, Kind.BOOLEAN, ErrorCode.TARGETING_KEY_MISSING),
        ("split", {"targetingKey": "\ud800"}, Kind.BOOLEAN, ErrorCode.TARGETING_KEY_MISSING),
        ("split", {"targetingKey": ["u1"]}, Kind.BOOLEAN, ErrorCode.TARGETING_KEY_MISSING),
        ("split", "u1", Kind.BOOLEAN, ErrorCode.INVALID_CONTEXT),
        (["switch"], USER, Kind.BOOLEAN, ErrorCode.GENERAL),
        (None, USER, Kind.BOOLEAN, ErrorCode.FLAG_NOT_FOUND),
    ],
)
def test_what_cannot_be_told_is_the_default_and_says_why(name: Any, context: Any, kind: Kind, error: ErrorCode) -> None:
    flags = values()
    assert flags.boolean(name, context, default=True) is True
    assert flags.boolean(name, context, default=False) is False
    details = flags.details(name, context, "mine", kind=kind)
    assert (details.value, details.reason, details.error) == ("mine", Reason.ERROR, error)
    assert flags.explain(name, context).steps or context == "u1"


def test_details_say_variant_reason_and_rule() -> None:
    rules = [{"id": "germans", "when": [when("country", "in", "DE")], "serve": "on"}]
    flags = Flags(document=document({"checkout": switch(rules=rules)}), variables=NOWHERE)
    assert flags.details("checkout", USER)[:4] == (True, "on", Reason.TARGETING_MATCH, "germans")
    assert flags.details("checkout", {})[:4] == (False, "off", Reason.DEFAULT, None)


def test_an_explanation_is_in_words() -> None:
    rules = [{"id": "r1", "when": [when("country", "in", "FR", "ES")], "serve": "on"}]
    flags = Flags(document=document({"checkout": switch(rules=rules)}), variables=NOWHERE)
    assert str(flags.explain("checkout", USER)).splitlines() == [
        "checkout is enabled",
        "rule 1 (“r1”): country is “DE”, wants one of “FR”, “ES”: no",
        "default: “off”",
    ]


def test_a_clock_of_1970_serves_off_before_its_time_and_nothing_else_differs() -> None:
    timed = document(
        {"a": switch(default="on", **{"from": 1e9}), "b": switch(default="on", until=1e9), "c": switch(default="on")}
    )
    program = f"""
        import time
        time.time = lambda: 3.0
        from andon_flags import Flags
        flags = Flags(document={timed!r})
        print([flags.boolean(name) for name in "abc"], flags.explain("a"), sep="\\n")
    """
    out = run(program).splitlines()
    assert out[0] == "[False, True, True]"
    assert "not yet, it is 1970-01-01 00:00:03 UTC here" in out[2]


# Following


def test_flags_are_streamed_and_changes_come_by_themselves(server: FlagStream) -> None:
    heard: list[frozenset[str]] = []
    with client(server.url) as flags:
        flags.on_change(heard.append)
        assert flags.ready(60)
        assert flags.boolean("checkout", USER, default=True) is False
        server.publish(ON)
        until(lambda: flags.boolean("checkout", USER))
        until(lambda: frozenset({"checkout"}) in heard)
        assert flags.status() == (2, "stream", True, "")


def test_a_listener_hears_of_its_flags_alone_and_may_fail(server: FlagStream, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[frozenset[str]] = []
    with client(server.url) as flags:
        assert flags.ready(60)
        flags.on_change(lambda _: 1 / 0)
        flags.on_change(heard.append, "other")
        end = flags.on_change(heard.append, "checkout")
        server.publish(document({"checkout": switch(default="on"), "third": switch()}, revision=2))
        until(lambda: heard)
        end()
        server.publish(document({"checkout": switch(), "other": switch()}, revision=3))
        until(lambda: len(heard) == 2)
    assert heard == [{"checkout"}, {"other"}]
    assert "ZeroDivisionError" in caplog.text


def test_who_listens_from_when_there_are_flags_on_is_told_of_changes_to_those(server: FlagStream) -> None:
    heard: list[frozenset[str]] = []

    class Ready(threading.Event):
        """Somebody waits for it, and listens at that very moment."""

        def set(self) -> None:
            super().set()
            flags.on_change(heard.append)

    with client(server.url) as flags:
        flags._has_document = Ready()
        assert flags.ready(60)
        server.publish(document({"checkout": switch(), "other": switch()}, revision=2))
        until(lambda: flags.status().revision == 2 and heard)
    assert heard[0] == {"other"}


def test_a_flag_that_asks_something_else_that_changed_is_told_of_too(server: FlagStream) -> None:
    def told(members: list[str], revision: int, **more: Any) -> dict[str, Any]:
        staff = [{"id": "staff", "when": [when("targetingKey", "in-segment", "staff")], "serve": "on"}]
        needs = [{"flag": "by-segment", "variants": ["on"]}]
        flags = {
            "by-segment": switch(rules=staff),
            "above": switch(prerequisites=needs, default="on"),
            "apart": switch(),
        }
        return document({**flags, **more}, {"staff": {"members": members}}, revision=revision)

    heard: list[frozenset[str]] = []
    with client(server.url) as flags:
        server.publish(told([], 2), whole=True)
        assert flags.ready(60)
        until(lambda: flags.status().revision == 2)
        kept = [flags.boolean(name, USER) for name in ("by-segment", "above", "apart")]
        function = flags._compiled.function("apart")
        flags.on_change(heard.append)
        server.publish(told(["u1"], 3))
        until(lambda: heard)
        assert [flags.boolean(name, USER) for name in ("by-segment", "above", "apart")] != kept
        server.publish(told(["u1"], 4, new=switch()), whole=True)
        until(lambda: len(heard) == 2)
        assert flags._compiled.function("apart") is function
    assert heard == [{"by-segment", "above"}, {"new"}]


@pytest.mark.parametrize("chunked", [True, False])
def test_a_unix_socket_will_do_and_the_service_is_named(tmp_path: Path, chunked: bool) -> None:
    with FlagStream(ON, path=str(tmp_path / "f.sock"), chunked=chunked) as server:
        with client(server.url, service="store", environment="production", token="secret-1") as flags:
            assert flags.ready(60)
            assert flags.boolean("checkout", USER)
        asked = server.asked[0]
        assert asked[""] == "GET /api/v1/flags/stream HTTP/1.1"
        assert asked["authorization"] == "Bearer secret-1"
        assert (asked["x-andon-service"], asked["x-andon-environment"]) == ("store", "production")


def test_a_flag_that_is_deleted_while_used_is_the_default(server: FlagStream) -> None:
    with client(server.url) as flags:
        assert flags.ready(60)
        assert flags.details("checkout", USER, True).value is False
        server.publish(document({}, revision=2))
        until(lambda: flags.boolean("checkout", USER, default=True))
        assert flags.details("checkout", USER, True).error is ErrorCode.FLAG_NOT_FOUND


def test_a_server_that_goes_and_comes_back_is_followed_again_from_where_it_was(server: FlagStream) -> None:
    with client(server.url) as flags:
        assert flags.ready(60)
        server.down()
        until(lambda: not flags.status().connected)
        assert flags.boolean("checkout", USER, default=True) is False
        server.document = read(ON)
        server.up()
        until(lambda: flags.boolean("checkout", USER))
        assert server.asked[-1]["last-event-id"] == "1"
        server.hang_up()
        until(lambda: server.asked[-1].get("last-event-id") == "2" and flags.status().connected)
        assert flags.boolean("checkout", USER)


@pytest.mark.parametrize(
    "rubbish",
    [
        b"event: document\ndata: {\n\n",
        b'event: document\ndata: {"format": 9}\n\n',
        b'event: change\ndata: {"from": 70, "revision": 71}\n\n',
        b'event: change\ndata: {"from": 1, "revision": 2, "flags": {"checkout": {}}}\n\n',
        b"data: \xff\xfe\nid: \xff\nretry: 99999999999\n\n\n:\n" + b"x" * 100 + b"\n\nevent: document\ndata: []\n\n",
    ],
)
def test_what_makes_no_sense_changes_nothing_and_the_whole_is_asked_for(server: FlagStream, rubbish: bytes) -> None:
    with client(server.url) as flags:
        assert flags.ready(60)
        before = len(server.asked)
        server.send(rubbish)
        until(lambda: len(server.asked) > before and flags.status().connected)
        assert flags.boolean("checkout", USER, default=True) is False
        server.publish(ON, whole=True)
        until(lambda: flags.boolean("checkout", USER))


def test_updates_are_seen_whole_by_every_thread(server: FlagStream) -> None:
    """Two flags that always change together are never seen apart."""

    def pair(revision: int) -> dict[str, Any]:
        served = "on" if revision % 2 else "off"
        return document({"a": switch(kind="number", variants={"on": 1, "off": 0, "r": revision}, default="r"),
                         "b": switch(default=served)}, revision=revision)  # fmt: skip

    apart: list[object] = []
    over = threading.Event()

    with client(server.url) as flags:

        def look() -> None:
            while not over.is_set():
                now = flags._compiled
                if bool(now.function("a")({}) % 2) is not now.function("b")({}):
                    apart.append(now.document.revision)

        server.publish(pair(3), whole=True)
        assert flags.ready(60)
        until(lambda: flags.number("a") == 3)
        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for revision in range(4, 60):
            server.publish(pair(revision))
        until(lambda: flags.number("a") == 59)
        over.set()
        for thread in threads:
            thread.join()
    assert apart == []


# Refused


def test_an_expired_token_is_told_once_and_tried_slowly(caplog: pytest.LogCaptureFixture) -> None:
    with FlagStream(OFF, token="right") as server, client(server.url, token="expired") as flags:
        assert flags.ready(0.1) is False
        until(lambda: flags.status().problem)
        time.sleep(2.5)
        assert len(server.asked) == 1
        assert flags.boolean("checkout", USER, default=True) is True
        assert flags.details("checkout", USER).error is ErrorCode.PROVIDER_NOT_READY
    told = [record for record in caplog.records if "401" in record.getMessage()]
    assert len(told) == 1
    assert "expired" not in caplog.text


def test_five_hundred_clients_with_an_expired_token_ask_once_each(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # they and the server are one process here: that an answer takes its time is no reason to ask again
    monkeypatch.setattr(streaming, "CONNECTING", 100.0)
    with FlagStream(OFF, token="right") as server:
        every = [Flags(server.url, "expired", variables=NOWHERE) for _ in range(500)]
        for flags in every:
            flags.ready(0)
        until(lambda: len(server.asked) >= 500)
        time.sleep(2)
        assert len(server.asked) == 500
        assert not any(flags.boolean("checkout", USER) for flags in every)
        for flags in every:
            flags.close()


def test_a_stream_that_is_ended_since_its_token_has_expired_is_not_asked_for_at_once(
    server: FlagStream, caplog: pytest.LogCaptureFixture
) -> None:
    with client(server.url) as flags:
        assert flags.ready(60)
        server.send(b'event: over\ndata: {"code": "expired", "message": "This token has expired."}\n\n')
        until(lambda: "This token has expired." in flags.status().problem)
        time.sleep(1.5)
        assert len(server.asked) == 1
        assert flags.boolean("checkout", USER, default=True) is False


def test_five_hundred_clients_do_not_come_back_at_one_moment() -> None:
    for waits in ([refused_pause(0, 30.0) for _ in range(500)], [refused_pause(0, None) for _ in range(500)]):
        busiest = max(sum(at <= one < at + 1 for one in waits) for at in map(float, range(200)))
        assert busiest < 40
        assert min(waits) >= 30
    firsts = [pause(0) for _ in range(500)]
    assert max(firsts) - min(firsts) > 0.7
    assert max(pause(50) for _ in range(500)) <= following.LONGEST_WAIT
    assert max(refused_pause(50, 1e6) for _ in range(500)) <= 2.5 * following.LONGEST_REFUSED


@pytest.mark.parametrize(
    "url", ["ftp://x", "https://", "unix:relative", "http://a b", "http://x:99999", "https://[", "nonsense"]
)
def test_an_address_that_is_none_is_told_and_harms_nobody(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="no address of flags"):
        Address.of(url)
    with client(url) as flags:
        assert flags.boolean("checkout", USER, default=True) is True
    assert "no address of flags" in caplog.text


def test_a_token_cannot_smuggle_a_header_in(caplog: pytest.LogCaptureFixture, server: FlagStream) -> None:
    with client(server.url, token="a\r\nX-Evil: 1") as flags:
        assert flags.ready(0.2) is False
    assert server.asked == []
    assert "X-Evil" not in caplog.text


# The disk


def test_the_last_good_state_is_on_the_disk_when_andon_is_down(tmp_path: Path, server: FlagStream) -> None:
    kept = tmp_path / "state" / "flags.json"
    with client(server.url, file=kept) as flags:
        server.publish(ON)
        until(lambda: flags.boolean("checkout", USER))
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["flags.json"]
    server.down()
    with client(server.url, file=kept) as again:
        assert again.boolean("checkout", USER) is True
        assert again.status().source == "disk"
        server.publish(document({"checkout": switch()}, revision=1))
        server.up()
        until(lambda: again.boolean("checkout", USER) is False)  # the server's word, older or not


@pytest.mark.parametrize("spoil", ["flip", "cut", "empty", "rubbish"])
def test_a_damaged_file_is_told_and_ignored(tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture) -> None:
    kept = tmp_path / "flags.json"
    save(kept, read(ON))
    content = bytearray(kept.read_bytes())
    if spoil == "flip":
        content[-10] ^= 1
    kept.write_bytes({"flip": bytes(content), "cut": bytes(content[:-20]), "empty": b"", "rubbish": b"\0" * 500}[spoil])
    with pytest.raises(Unreadable):
        load(kept)
    with client(file=kept) as flags:
        assert flags.boolean("checkout", USER, default=False) is False
        assert flags.details("checkout").error is ErrorCode.PROVIDER_NOT_READY
    assert str(kept) in caplog.text


def test_a_file_of_another_service_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = tmp_path / "flags.json"
    save(kept, read(ON))
    with client(file=kept, service="warehouse") as flags:
        assert flags.boolean("checkout", USER) is False
    assert "of another service, store" in caplog.text


def test_a_file_that_andon_writes_is_followed_where_there_is_no_stream(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(write(read(OFF)))
    path.chmod(0o400)
    with client(file=path) as flags:
        assert flags.boolean("checkout", USER, default=True) is False
        fresh = tmp_path / "new"
        fresh.write_bytes(write(read(ON)))
        fresh.replace(path)
        until(lambda: flags.boolean("checkout", USER))
    assert path.read_bytes() == write(read(ON))


def test_a_file_is_newer_while_the_stream_is_away(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(write(read(ON)))
    with client(f"unix:{tmp_path}/none.sock", file=path) as flags:
        assert flags.boolean("checkout", USER)
        path.write_bytes(write(read(document({"checkout": switch()}, revision=1))))
        time.sleep(1.5)
        assert flags.boolean("checkout", USER)
        path.write_bytes(write(read(document({"checkout": switch()}, revision=3))))
        until(lambda: not flags.boolean("checkout", USER, default=True))


# Processes


def run(program: str, *arguments: str, timeout: float = 100) -> str:
    source = str(Path(andon_flags.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": source},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


PRELOADED = """
    import json, os, sys, threading, time
    from andon_flags import Flags

    flags = Flags(sys.argv[1])
    used_before = sys.argv[2] == "used"
    if used_before:
        assert flags.ready(60)
        flags.boolean("checkout", {})
        # as a busy parent does: evaluating in threads while it forks
        def busy():
            for _ in range(200_000):
                flags.boolean("checkout", {})
        for _ in range(4):
            threading.Thread(target=busy, daemon=True).start()

    def worker(out):
        seen = {"before": flags.boolean("checkout", {}, default=None), "ready": flags.ready(60)}
        os.write(out, b"r")
        for _ in range(1200):
            if flags.boolean("checkout", {}):
                break
            time.sleep(0.05)
        seen["after"] = flags.boolean("checkout", {})
        seen["threads"] = [t.name for t in threading.enumerate() if t.name == "andon-flags"]
        flags.close()
        return seen

    children = []
    for _ in range(4):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            try:
                os.write(write, b"\\n" + json.dumps(worker(write)).encode())
            finally:
                os._exit(0)
        os.close(write)
        children.append((child, read))
    for _, read in children:
        os.read(read, 1)
    print("up", flush=True)
    for child, read in children:
        text = b""
        while part := os.read(read, 65536):
            text += part
        os.waitpid(child, 0)
        print(text.decode().strip(), flush=True)
    flags.ready(60)
    print(json.dumps({"parent": flags.boolean("checkout", {}), "connected": flags.status().connected}))
    flags.close()
"""


@pytest.mark.parametrize("used", ["used", "unused"])
def test_workers_forked_from_a_preloaded_program_get_updates_of_their_own(server: FlagStream, used: str) -> None:
    """As gunicorn --preload does: the client is made, maybe used, and then the process forks."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(run(PRELOADED, server.url, used)))
    thread.start()
    until(lambda: server.streams >= (5 if used == "used" else 4) or not thread.is_alive())
    server.publish(ON)
    thread.join()
    _, *workers, parent = found[0].splitlines()
    for line in workers:
        seen = json.loads(line)
        assert seen == {
            "before": False if used == "used" else seen["before"],
            "ready": True,
            "after": True,
            "threads": ["andon-flags"],
        }
    assert json.loads(parent)["parent"] is True


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_have_flags(server: FlagStream, method: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(f"""
            import multiprocessing, sys
            from andon_flags import Flags
            flags = Flags({server.url!r})

            def ask(name):
                return flags.ready(60) and flags.details(name, {{}}).variant

            if __name__ == "__main__":
                print(ask("checkout"))
                with multiprocessing.get_context({method!r}).Pool(3) as pool:
                    print(pool.map(ask, ["checkout"] * 6))
                flags.close()
        """)
    )
    source = str(Path(andon_flags.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(program)], env={"PYTHONPATH": source, "PATH": os.environ["PATH"]},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.stdout.split("\n", 1) == ["off", f"{['off'] * 6}\n"], done.stderr


def test_a_program_that_never_asks_starts_nothing_and_one_that_asks_ends_at_once() -> None:
    out = run("""
        import threading
        from andon_flags import flags
        print(threading.active_count(), flags.boolean("anything", {}, default=True), threading.active_count())
    """)
    assert out == "1 True 1\n"
    began = time.monotonic()
    run("import logging; from andon_flags import Flags; logging.disable(); Flags('unix:/nobody/here').ready(0.1)")
    assert time.monotonic() - began < 30


def test_importing_loads_nothing_that_a_service_would_not_load_anyway() -> None:
    loaded = run("""
        import sys
        before = set(sys.modules)
        import andon_flags
        print(*sorted(module.partition(".")[0] for module in set(sys.modules) - before))
    """)
    assert set(loaded.split()) <= {*sys.stdlib_module_names, "andon_flags"}


def test_the_source_is_python_3_9() -> None:
    import ast  # noqa: PLC0415 - for this test alone

    files = sorted(Path(andon_flags.__file__).parent.rglob("*.py"))
    assert len(files) > 15
    for file in files:
        tree = ast.parse(file.read_text("utf-8"), feature_version=(3, 9))
        names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert "__future__" not in names
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "zip":
                assert not any(word.arg == "strict" for word in node.keywords)
