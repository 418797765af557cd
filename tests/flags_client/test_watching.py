"""How requests end is counted for the variants that they were served, and for nobody else's."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from andon_flags import Flags
from andon_flags.document import DocumentError, read, write
from andon_flags.middleware import ASGI, WSGI
from tests.flags_client.documents import document, switch

HALF = [[0, 50_000, "on"], [50_000, 100_000, "off"]]


def made(**flags: Any) -> Flags:
    return Flags(document=document(flags or {"a": switch(default=HALF, watched=True)}), variables={})


def told(flags: Flags) -> dict[str, int]:
    """Counts by metric and tags, without durations."""
    found: dict[str, int] = {}
    for line in flags.outcomes.lines(""):
        name, _, rest = line.partition(":")
        count, _, tags = rest.partition("|c|#")
        if name != "flags.durations":
            found[f"{name} {tags}"] = found.get(f"{name} {tags}", 0) + int(count)
    return found


def user(flags: Flags, variant: str, start: int = 0) -> dict[str, str]:
    """Somebody who gets the variant."""
    names = (f"u{number}" for number in range(start, start + 1000))
    return next(
        {"targetingKey": name} for name in names if flags.details("a", {"targetingKey": name}).variant == variant
    )


def test_an_outcome_counts_for_the_variant_that_was_served() -> None:
    flags = made()
    on, off = user(flags, "on"), user(flags, "off")
    for failing in (False, False, True):
        with flags.outcome() as it:
            flags.boolean("a", on)
            if failing:
                it.failed()
    with pytest.raises(ZeroDivisionError), flags.outcome():
        assert 1 / len(flags.details("a", off).says)
    assert told(flags) == {
        "flags.requests flag:a,variant:on,rule:-": 3,
        "flags.errors flag:a,variant:on,rule:-": 1,
        "flags.requests flag:a,variant:off,rule:-": 1,
        "flags.errors flag:a,variant:off,rule:-": 1,
    }
    assert told(flags) == {}


def test_every_duration_is_in_one_class() -> None:
    flags = made()
    for _ in range(5):
        with flags.outcome():
            flags.boolean("a", {"targetingKey": "u1"})
    lines = [line for line in flags.outcomes.lines("") if line.startswith("flags.durations")]
    assert sum(int(line.split(":")[1].split("|")[0]) for line in lines) == 5
    assert all(",le:" in line for line in lines)


def test_the_rule_that_served_is_told_and_who_was_named_is_told_apart() -> None:
    rule = {"id": "staff", "when": [{"attribute": "role", "is": "in", "values": ["staff"]}], "serve": "on"}
    flags = made(a=switch(default=HALF, watched=True, rules=[rule], individuals={"jim": "off"}))
    for context in ({"targetingKey": "u1", "role": "staff"}, {"targetingKey": "jim"}):
        with flags.outcome():
            flags.boolean("a", context)
    assert told(flags) == {
        "flags.requests flag:a,variant:on,rule:staff": 1,
        "flags.requests flag:a,variant:off,rule:_": 1,
    }


def test_who_depends_on_a_watched_flag_is_served_by_it() -> None:
    above = switch(default="on", prerequisites=[{"flag": "a", "variants": ["on"]}])
    flags = made(a=switch(default=HALF, watched=True), b=above)
    on = user(flags, "on")
    with flags.outcome():
        flags.boolean("b", on)
    assert told(flags) == {"flags.requests flag:a,variant:on,rule:-": 1}


def test_a_request_that_was_served_both_speaks_for_neither() -> None:
    flags = made()
    on, off = user(flags, "on"), user(flags, "off")
    with flags.outcome():
        flags.boolean("a", on)
        flags.boolean("a", off)
    assert told(flags) == {}


def test_nothing_is_counted_where_nothing_is_watched_or_counting_is_off() -> None:
    for flags in (made(a=switch(default=HALF)), made()):
        flags.count(on=flags.outcomes.watching is False)
        with flags.outcome():
            flags.boolean("a", {"targetingKey": "u1"})
        assert told(flags) == {}


def test_what_is_tracked_counts_for_the_variant_and_is_known_beforehand() -> None:
    flags = made()
    flags.track("orders.placed")  # outside of a request: known, and nobody's
    for name in ("No Name!", *(f"e{number}" for number in range(50))):
        flags.track(name)
    on = user(flags, "on")
    with flags.outcome():
        flags.track("orders.placed")
        flags.boolean("a", on)
    assert told(flags) == {
        "flags.requests flag:a,variant:on,rule:-": 1,
        "flags.tracked flag:a,variant:on,rule:-,event:orders.placed": 1,
    }
    signs = flags.outcomes.signs(",version:v1")
    assert signs[:2] == ["flags.watching:1|c|#event:-,version:v1", "flags.watching:1|c|#event:orders.placed,version:v1"]
    assert len(signs) == 21, "names are bounded"
    assert made().outcomes.signs("") == [], "who cannot tell says nothing"


def test_a_part_of_a_request_is_no_request_and_one_after_it_is() -> None:
    flags = made()
    on = user(flags, "on")
    with flags.outcome():
        flags.boolean("a", on)
        with flags.outcome():
            flags.boolean("a", on)
    with flags.outcome():
        flags.boolean("a", on)
    flags.boolean("a", on)
    assert told(flags) == {"flags.requests flag:a,variant:on,rule:-": 2}


def test_a_document_says_what_is_watched_and_takes_nothing_else_for_it() -> None:
    said = document({"a": switch(watched=True), "b": switch()})
    again = write(read(said, strict=True))
    assert again.count(b'"watched":true') == 1
    assert read(again).flags["a"].watched
    with pytest.raises(DocumentError, match="true or false"):
        read(document({"a": switch(watched="yes")}))


def test_outcomes_are_sent_while_something_is_watched(tmp_path: Path) -> None:
    kept = tmp_path / "flags.json"
    kept.write_text(json.dumps(document({"a": switch(default="on", watched=True)})))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telemetry:
        telemetry.settimeout(60)
        telemetry.bind(str(tmp_path / "t.sock"))
        told = {"ANDON_TELEMETRY": telemetry.getsockname(), "ANDON_INSTANCE": "i-1"}
        with closing(Flags(file=kept, variables=told)) as flags:
            assert flags.boolean("a")
            with flags.outcome():
                flags.boolean("a")
            first = telemetry.recv(65536).decode().split("\n")
    assert first[0] == "flags.requests:1|c|#flag:a,variant:on,rule:-,instance:i-1"
    assert first[1].startswith("flags.durations:1|c|#flag:a,variant:on,rule:-,le:")


# WSGI

Start = Callable[..., Any]


def served(app: WSGI, path: str, variant: str) -> list[bytes]:
    body = app({"PATH_INFO": path, "variant": variant}, lambda *_: None)
    try:
        return list(body)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()


def wsgi(flags: Flags) -> WSGI:
    contexts = {variant: user(flags, variant) for variant in ("on", "off")}

    def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        context = contexts[environ["variant"]]
        if environ["PATH_INFO"] == "/streamed":
            return streamed(context, start_response)
        flags.boolean("a", context)
        if environ["PATH_INFO"] == "/raising":
            raise RuntimeError("no")
        start_response("503 no" if environ["PATH_INFO"] == "/failing" else "200 OK", [])
        return [b"done"]

    def streamed(context: dict[str, str], start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one"
        flags.boolean("a", context)
        yield b"two"

    return WSGI(app, flags)


def test_wsgi_counts_answers_exceptions_and_bodies_that_are_made_late() -> None:
    flags = made()
    app = wsgi(flags)
    assert isinstance(app({"PATH_INFO": "/", "variant": "on"}, lambda *_: None), list), "servers know its length"
    assert served(app, "/streamed", "on") == [b"one", b"two"]
    served(app, "/failing", "off")
    with pytest.raises(RuntimeError):
        served(app, "/raising", "off")
    assert told(flags) == {
        "flags.requests flag:a,variant:on,rule:-": 2,
        "flags.requests flag:a,variant:off,rule:-": 2,
        "flags.errors flag:a,variant:off,rule:-": 2,
    }


def test_bodies_that_a_thread_sends_in_turn_do_not_see_each_other() -> None:
    flags = made()
    app = wsgi(flags)
    bodies = [app({"PATH_INFO": "/streamed", "variant": variant}, lambda *_: None) for variant in ("on", "off", "on")]
    steps = [iter(body) for body in bodies]
    for _ in range(2):
        for one in steps:
            next(one)
    flags.boolean("a", user(flags, "off"))  # nobody's
    for body in bodies:
        body.close()  # type: ignore[attr-defined]  # as servers do with what has it
    found = told(flags)
    assert found["flags.requests flag:a,variant:on,rule:-"] == 2
    assert found["flags.requests flag:a,variant:off,rule:-"] == 1


def test_threads_do_not_see_each_others_requests() -> None:
    flags = made()
    app = wsgi(flags)
    together = threading.Barrier(8, timeout=60)

    def ask(number: int) -> None:
        together.wait()
        for _ in range(50):
            served(app, "/failing" if number % 2 else "/", "on" if number % 2 else "off")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert told(flags) == {
        "flags.requests flag:a,variant:on,rule:-": 200,
        "flags.errors flag:a,variant:on,rule:-": 200,
        "flags.requests flag:a,variant:off,rule:-": 200,
    }


# ASGI


def asgi(flags: Flags, application: Callable[[Any, Any], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await application(scope, send)

    around = ASGI(app, flags)

    async def ask(path: str, kind: str = "http") -> None:
        async def send(message: Any) -> None:
            await asyncio.sleep(0)

        await around({"type": kind, "path": path}, None, send)

    return ask


def test_asgi_keeps_requests_apart_that_run_at_once() -> None:
    flags = made()
    contexts = {variant: user(flags, variant) for variant in ("on", "off")}

    async def application(scope: Any, send: Any) -> None:
        _, variant, status = scope["path"].split("/")
        await asyncio.sleep(0)
        # other tasks and threads of the request belong to it
        await asyncio.to_thread(flags.boolean, "a", contexts[variant])
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": int(status), "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def all_of_them() -> None:
        ask = asgi(flags, application)
        await asyncio.gather(*(ask(path) for path in ("/on/500", "/off/200", "/on/200", "/off/404") * 25))
        flags.boolean("a", contexts["on"])  # nobody's

    asyncio.run(all_of_them())
    assert told(flags) == {
        "flags.requests flag:a,variant:on,rule:-": 50,
        "flags.errors flag:a,variant:on,rule:-": 25,
        "flags.requests flag:a,variant:off,rule:-": 50,
    }


def test_asgi_counts_an_exception_and_not_who_hung_up_or_a_web_socket() -> None:
    flags = made()
    on = user(flags, "on")

    async def application(scope: Any, send: Any) -> None:
        flags.boolean("a", on)
        if scope["path"] == "/raising":
            raise RuntimeError("no")
        await asyncio.sleep(3600 if scope["path"] == "/slow" else 0)

    async def some() -> None:
        ask = asgi(flags, application)
        with pytest.raises(RuntimeError):
            await ask("/raising")
        await ask("/without-an-answer")
        await ask("/", "websocket")
        slow = asyncio.ensure_future(ask("/slow"))
        await asyncio.sleep(0)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow

    asyncio.run(some())
    assert told(flags) == {
        "flags.requests flag:a,variant:on,rule:-": 2,
        "flags.errors flag:a,variant:on,rule:-": 2,
    }
