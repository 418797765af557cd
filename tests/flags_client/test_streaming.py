"""Whatever a server sends, the client takes events out of it or says that there are none."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon_flags import streaming
from andon_flags.streaming import STREAM, Address, Broken, Connection, Event, Refused

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
PLAIN = HEAD + b"\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def heard(tmp_path: Path, *parts: bytes, tick: Callable[[], None] = lambda: None) -> list[Event]:
    """What comes of an answer that is sent in these parts."""
    path = str(tmp_path / "s.sock")
    Path(path).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path)
        listening.listen()

        def serve() -> None:
            with listening.accept()[0] as server:
                server.recv(65536)
                try:
                    for part in parts:
                        server.sendall(part)
                except OSError:
                    return  # it has heard enough

        thread = threading.Thread(target=serve)
        thread.start()
        connection = Connection(Address.of(f"unix:{path}"), tick)
        try:
            connection.open({})
            return list(connection.events())
        finally:
            connection.close()
            thread.join()


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_events_are_read_as_the_standard_has_them(tmp_path: Path, newline: bytes) -> None:
    text = b"retry: 250\n: here\n\nid: 7\nevent: document\ndata: a\ndata:b\n\ndata\n\n:\n\nunknown: x\ndata: c\n\n"
    text += b"data: cut off"
    text = text.replace(b"\n", newline)
    expected = [Event("document", b"a\nb", "7"), Event("message", b"", "7"), Event("message", b"c", "7")]
    assert heard(tmp_path, PLAIN + text) == expected
    assert heard(tmp_path, CHUNKED, chunks(*(text[at : at + 3] for at in range(0, len(text), 3)))) == expected
    assert heard(tmp_path, CHUNKED, *(bytes([one]) for one in chunks(text))) == expected


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "^$"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "no stream of events"),
        (b"SSH-2.0-x\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, "headers without end"),
        (HEAD + b"Content-Encoding: br\r\n\r\n", "not asked for"),
        (CHUNKED + b"zz\r\n", "a chunk without its size"),
        (CHUNKED + b"1" * 5000, "a chunk without its size"),
    ],
)
def test_what_is_no_stream_is_said_to_be_none(tmp_path: Path, answer: bytes, says: str) -> None:
    with pytest.raises((Broken, EOFError), match=says):
        heard(tmp_path, answer)


def test_a_refusal_has_its_status_its_words_and_a_time(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="answered 429: slow � down") as caught:
        heard(tmp_path, b"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 11\r\n\r\nslow\n\xff down")
    assert (caught.value.status, caught.value.after) == (429, 7.0)


def test_a_line_and_an_event_without_end_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "MOST_BYTES", 100_000)
    with pytest.raises(Broken, match="a line that is too long"):
        heard(tmp_path, PLAIN, *[b"x" * 10_000] * 30)
    with pytest.raises(Broken, match="an event that is too large"):
        heard(tmp_path, PLAIN, *[b"data: " + b"x" * 10_000 + b"\n"] * 30)


def test_silence_is_taken_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "SILENT", 0.3)
    monkeypatch.setattr(streaming, "TICK", 0.1)
    ticks: list[int] = []
    path = str(tmp_path / "s.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path)
        listening.listen()
        connection = Connection(Address.of(f"unix:{path}"), lambda: ticks.append(1))

        def serve() -> None:
            server = listening.accept()[0]
            server.sendall(PLAIN)
            while not ended.wait(0.05):
                pass
            server.close()

        ended = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        connection.open({})
        with pytest.raises(TimeoutError):
            list(connection.events())
        connection.close()
        ended.set()
        thread.join()
    assert len(ticks) >= 2


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([b"", PLAIN, CHUNKED]),
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from([b"\r\n", b"\n\n", b"data: x\n", b"5\r\n", b"0\r\n\r\n", b"id: \xff\n", b"ffffffffff\r\n"]),
        ),
        max_size=12,
    ),
)
def test_nothing_that_is_sent_gets_further(tmp_path_factory: Any, head: bytes, parts: list[bytes]) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        found = heard(folder, head + b"".join(parts))
    except (OSError, EOFError, Broken, Refused):
        return
    assert all(isinstance(event, Event) for event in found)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix:/run/flags/flags.sock", Address(STREAM, socket="/run/flags/flags.sock")),
        ("unix:///run/x", Address(STREAM, socket="/run/x")),
        ("https://andon.example.com", Address(STREAM, host="andon.example.com", port=443, secure=True)),
        ("http://127.0.0.1:7000/", Address(STREAM, host="127.0.0.1", port=7000)),
        ("https://x/base?service=a", Address(f"/base{STREAM}?service=a", host="x", port=443, secure=True)),
        (f"http://[::1]:80{STREAM}", Address(STREAM, host="::1", port=80)),
    ],
)
def test_addresses(url: str, expected: Address) -> None:
    assert Address.of(url) == expected


def test_a_host_is_named_as_http_has_it() -> None:
    urls = ["http://[::1]:81", "https://x", "https://x:444", "http://x:80", "unix:/x"]
    assert [Address.of(url).named for url in urls] == ["[::1]:81", "x", "x:444", "x", "localhost"]


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """The machine's own certificates count, and an address that is not theirs is not spoken to."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            with listening.accept()[0] as server:
                server.recv(65536)
                server.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # a handshake that fails

        thread = threading.Thread(target=serve)
        thread.start()
        connection = Connection(Address.of(f"https://127.0.0.1:{listening.getsockname()[1]}"), lambda: None)
        with pytest.raises(ssl.SSLError):
            connection.open({})
        thread.join()
