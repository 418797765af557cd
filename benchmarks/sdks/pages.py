"""Pages that are open in a browser, each with JavaScript's OpenFeature SDK, and what they live through."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

import msgspec

from andon.kernel.errors import Unavailable
from andon_flags.document import Kind
from benchmarks.sdks.corpus import Case, Context
from benchmarks.sdks.peers import Answered, Peer, as_sent

_T = TypeVar("_T")
MOVING = Case("moving", Kind.STRING, "", "u1")
"""The flag that is changed while pages are open: one of ``VALUES`` after the other."""
VALUES = tuple(f"value-{at}" for at in range(20))
WAIT = 60.0
SETTLED, CALM = 3.0, 4.0
"""Seconds that a page has to hear a stream again, and those for which it asks nothing more then."""
UNHEARD: Mapping[str, object] = {"changeDetection": "none", "cacheMode": "disabled"}
STREAMED: Mapping[str, object] = {"cacheMode": "disabled"}


class Asked(msgspec.Struct, kw_only=True):
    status: int
    etag: str | None
    query: str


class Seen(msgspec.Struct, kw_only=True):
    requests: list[Asked]
    changes: list[list[str]]
    events: list[str]


class Opened(msgspec.Struct, kw_only=True):
    failed: str = ""


class Holds(msgspec.Struct, kw_only=True):
    holds: bool


class Answers(msgspec.Struct, kw_only=True):
    told: list[Answered]


class Nothing(msgspec.Struct):
    pass


class Browser:
    """One process with pages. Every order raises ``Unavailable`` when it breaks."""

    def __init__(self, peer: Peer) -> None:
        self._process = subprocess.Popen(
            peer.command,
            cwd=peer.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(peer.folder), "LANG": "C.UTF-8", "NODE_NO_WARNINGS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def open(
        self,
        page: str,
        url: str,
        token: str,
        context: Context,
        options: Mapping[str, object] = STREAMED,
        *,
        hold: bool = False,
    ) -> str:
        """Why it could not be opened; empty when it was. ``hold`` keeps the first answer back until ``release``."""
        order = {"url": url, "token": token, "context": context, "options": options, "hold": hold}
        return self._do(page, "open", Opened, **order).failed

    def release(self, page: str) -> str:
        return self._do(page, "release", Opened).failed

    def evaluate(self, page: str, cases: Sequence[Case]) -> list[Answered]:
        return self._do(page, "evaluate", Answers, cases=[as_sent(one, {}) for one in cases]).told

    def value(self, page: str, case: Case) -> object:
        return self.evaluate(page, [case])[0].value

    def context(self, page: str, context: Context) -> None:
        self._do(page, "context", Nothing, context=context)

    def until(self, page: str, case: Case, value: object) -> bool:
        return self._do(page, "until", Holds, asked=as_sent(case, {}), value=value, seconds=WAIT).holds

    def asked(self, page: str, status: int, times: int) -> bool:
        return self._do(page, "asked", Holds, status=status, times=times, seconds=WAIT).holds

    def seen(self, page: str) -> Seen:
        """Since it was asked last."""
        return self._do(page, "seen", Seen)

    def close(self, page: str) -> None:
        self._do(page, "close", Nothing)

    def _do(self, page: str, what: str, kind: type[_T], **more: object) -> _T:
        order = msgspec.json.encode({"page": page, "do": what, **more})
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise Unavailable("The pages have no way to be told anything.")
        stdin.write(order + b"\n")
        stdin.flush()
        line = stdout.readline()
        if not line or line.startswith(b'{"broke"'):
            raise Unavailable(f"{what} of {page} broke: {line.decode('utf-8', 'replace')[:1000]}")
        return msgspec.json.decode(line, type=kind)


class Story:
    """``change`` serves the next value of ``MOVING`` to everybody and returns it; ``again`` ends Andon and starts it;
    ``token`` makes one that may evaluate, with a way to revoke it."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        change: Callable[[], str],
        again: Callable[[], None],
        token: Callable[[], tuple[str, Callable[[], None]]],
    ) -> None:
        self._browser = browser
        self._url = url
        self._change = change
        self._again = again
        self._token = token
        self._kept_token = ""

    def told(self) -> Iterator[tuple[str, str]]:
        """What happens to pages, and what was wrong with it; empty where nothing was."""
        yield "it asks again and again, and is sent what has changed", self._polled()
        yield "it hears of a change on the stream", self._streamed()
        yield "something changes before it hears the stream", self._between()
        yield "its user changes", self._another_user()
        yield "its token is revoked", self._revoked()
        yield "Andon is started again while it is open", self._over_a_restart()
        yield "it is opened again after Andon was, with what it kept", self._kept()

    def _polled(self) -> str:
        options = {"changeDetection": "polling", "pollInterval": 200, "cacheMode": "disabled"}
        self._open("polled", options)
        if not self._browser.asked("polled", 304, 2):
            return "nobody told it that nothing had changed"
        first, *later = self._browser.seen("polled").requests
        if (first.status, first.etag) != (200, None) or any(one.status != 304 or not one.etag for one in later):
            return f"it asked otherwise: {first}, {later}"
        value = self._change()
        if not self._browser.until("polled", MOVING, value) or not self._browser.asked("polled", 304, 1):
            return "the change did not come"
        seen = self._browser.seen("polled")
        self._browser.close("polled")
        return "" if seen.changes == [["moving"]] else f"what had changed was {seen.changes}"

    def _streamed(self) -> str:
        self._open("streamed")
        for _ in range(3):
            if not self._browser.until("streamed", MOVING, self._change()):
                return "a change did not come"
        seen = self._browser.seen("streamed")
        self._browser.close("streamed")
        first, *later = seen.requests
        if len(later) != 3 or any("flagConfigEtag=" not in one.query for one in later):
            return f"it asked otherwise: {first}, {later}"
        return "" if seen.changes == [["moving"]] * 3 else f"what had changed was {seen.changes}"

    def _between(self) -> str:
        token, _ = self._token()
        self._browser.open("between", self._url, token, {"targetingKey": "u1"}, hold=True)
        value = self._change()
        self._browser.release("between")
        if not self._browser.until("between", MOVING, value):
            return "it never heard of it"
        self._browser.close("between")
        return ""

    def _another_user(self) -> str:
        staff = Case("staff", Kind.BOOLEAN, False, "staff")
        self._open("shared")
        before = self._browser.value("shared", staff)
        self._browser.context("shared", {"targetingKey": "u2", "email": "brent@parts.example"})
        after = self._browser.value("shared", staff)
        self._browser.context("shared", {"targetingKey": "u1"})
        again = self._browser.value("shared", staff)
        if not self._browser.until("shared", MOVING, self._change()):
            return "no change came any more"
        self._browser.close("shared")
        return "" if (before, after, again) == (False, True, False) else f"it got {before}, {after}, {again}"

    def _revoked(self) -> str:
        token, revoke = self._token()
        self._browser.open("revoked", self._url, token, {"targetingKey": "u1"})
        before = self._browser.value("revoked", MOVING)
        revoke()
        time.sleep(2)  # for one a token is believed
        self._change()
        time.sleep(2)
        after = self._browser.evaluate("revoked", [MOVING])[0]
        self._browser.close("revoked")
        return "" if (after.value, after.error) == (before, None) else f"its flags are gone: {after}"

    def _over_a_restart(self) -> str:
        self._open("restarted")
        token, _ = self._token()
        # with what it keeps it comes back below
        self._kept_token = token
        self._browser.open("kept", self._url, token, {"targetingKey": "kept"}, {})
        self._browser.close("kept")
        self._browser.seen("restarted")
        self._again()
        return self._calm("restarted")

    def _kept(self) -> str:
        self._browser.open("kept", self._url, self._kept_token, {"targetingKey": "kept"}, {})
        return self._calm("kept")

    def _calm(self, page: str) -> str:
        """It has found a stream again before anything changes: it does not ask without end, and hears what comes."""
        if not self._browser.asked(page, 200, 1):
            return f"it was not told where the stream is now: {self._browser.seen(page).requests[:5]}"
        first = self._browser.seen(page).requests[0]
        if first.etag is None:
            return "it had kept nothing"
        time.sleep(SETTLED)
        self._browser.seen(page)
        time.sleep(CALM)
        seen = self._browser.seen(page)
        if seen.requests:
            return f"it asked {len(seen.requests)} times in {CALM:g} s while nothing changed: {seen.events}"
        for _ in range(2):
            if not self._browser.until(page, MOVING, self._change()):
                return "it never heard of a change"
        self._browser.close(page)
        return ""

    def _open(self, page: str, options: Mapping[str, object] = STREAMED) -> None:
        token, _ = self._token()
        failed = self._browser.open(page, self._url, token, {"targetingKey": "u1"}, options)
        if failed:
            raise Unavailable(f"A page could not be opened: {failed}")
