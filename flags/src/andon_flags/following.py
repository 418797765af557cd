"""Follows the flags: from the disk at once, then from the stream, or from a file that somebody else writes."""

import logging
import os
import random
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Optional

from andon_flags.differences import settled
from andon_flags.document import Document, DocumentError, Outdated, changed, read
from andon_flags.exposures import EVERY, Exposures
from andon_flags.keeping import Stamp, Unreadable, load, save, stamp
from andon_flags.streaming import Address, Broken, Connection, Event, Refused
from andon_flags.watching import EVERY as EVERY_OUTCOME

LOOK = 1.0
"""Seconds between two looks at a file."""
SAVE = 5.0
"""Seconds between two writings of the last good state."""
LONGEST_WAIT = 60.0
LONGEST_REFUSED = 900.0
STEADY = 30.0
"""Seconds that a stream has to hold before the next attempt is a first one again."""
GRACE = 5.0
"""Seconds without a stream after which flags count as stale: shorter gaps are usual."""
_LET_IN = 60.0  # seconds, about, until a token that was refused is tried again
_LAST_WORDS = 2.0
_chance = random.SystemRandom()  # the children of one process must not wait for the same times
_log = logging.getLogger("andon_flags")


class Status(NamedTuple):
    """``source`` is one of ``stream``, ``disk``, ``fixed`` and ``none``; ``problem`` is what went wrong last."""

    revision: Optional[int]
    source: str
    connected: bool
    problem: str


class _Stop(Exception):
    """The client is closed."""


def pause(attempt: int, first: float = 1.0) -> float:
    """Seconds before an attempt: any up to a bound that doubles, so that five hundred who lost a server spread out."""
    return _chance.uniform(0.1, 1.0) * min(LONGEST_WAIT, first * 2.0 ** min(attempt, 16))


def refused_pause(attempt: int, after: Optional[float]) -> float:
    """The same for who was refused: trying often helps nobody, until somebody has done something about it."""
    at_least = min(after or 0.0, LONGEST_REFUSED)
    return at_least + _chance.uniform(0.5, 1.5) * min(LONGEST_REFUSED, _LET_IN * 2.0 ** min(attempt, 16))


class Follower:
    """One thread, begun when it is needed."""

    def __init__(
        self,
        *,
        url: str,
        token: str,
        file: Optional[Path],
        service: str,
        environment: str,
        adopt: "Callable[[Document], None]",
        exposures: Exposures,
        turned: "Callable[[bool], None]",
    ) -> None:
        """``turned`` is told when flags come from the stream, and when they have not for a while."""
        self._token = token
        self._turned = turned
        self._file = file
        self._service = service
        self._environment = environment
        self._adopt = adopt
        self._exposures = exposures
        self._address: Optional[Address] = None
        self._problem = ""
        self._document: Optional[Document] = None
        self._source = "none"
        self._seen: Optional[Stamp] = None
        self._unsaved = False
        self._theirs = False  # the file cannot be written: somebody else does
        self._secured: Optional[ssl.SSLContext] = None
        self._begin()
        if url:
            try:
                self._address = Address.of(url)
                if any(not 32 < ord(mark) < 127 for mark in token):
                    raise ValueError("the token has marks that no token has")
            except ValueError as error:
                self._address = None
                self._say(str(error))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._connection: Optional[Connection] = None
        self._connected = False
        self._listener = ""
        self._told: set[str] = set()
        self._fresh: Optional[bool] = None
        self._lost = time.monotonic()
        self._looked = self._sent = self._ended = self._saved = time.monotonic()

    def start(self) -> bool:
        """Take what is on the disk, and begin to follow. Whether that could be begun."""
        with self._lock:
            if self._thread is not None:
                return True
            if self._document is None:
                self._look(first=True)
            if self._address is None and self._file is None:
                return True  # nothing is to come from anywhere
            thread = threading.Thread(target=self._run, name="andon-flags", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads, or the interpreter ends: the next question tries again
                return False
            self._thread = thread
            return True

    def stop(self) -> None:
        """End it, waiting a moment at most, and tell what was counted."""
        self._stopped.set()
        connection, thread = self._connection, self._thread
        if connection is not None:
            connection.hang_up()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_LAST_WORDS)
        if self._unsaved:
            self._save()
        self._exposures.send()

    def after_fork(self) -> None:
        """In the child: no thread, new locks, and the parent's connection is the parent's."""
        connection = self._connection
        self._begin()
        if connection is not None:
            connection.abandon()

    def status(self, revision: Optional[int]) -> Status:
        """Of now."""
        return Status(revision, self._source, self._connected, self._problem)

    # The thread

    def _run(self) -> None:
        attempt = refusals = 0
        while not self._stopped.is_set():
            if self._address is None:
                self._wait(3600.0)
                continue
            began = time.monotonic()
            try:
                self._follow(self._address)
                wait = None
            except _Stop:
                return
            except Outdated:
                self._source = "disk"  # the next time the whole is asked for
                wait = None
            except Refused as error:
                self._say(f"{self._address.shown} {error}")
                slow = error.status < 500 and error.status not in {408, 429}
                wait = refused_pause(refusals, error.after) if slow else None
                refusals += slow
                if not slow and error.after is not None:
                    wait = min(error.after, LONGEST_REFUSED) + pause(attempt)
            except (OSError, EOFError, Broken, DocumentError) as error:
                if self._stopped.is_set():
                    return
                self._say(f"{self._address.shown}: {str(error) or 'the connection ended'}")
                wait = None
            except Exception:  # noqa: BLE001 - logged whole; a client that has stopped following would go unnoticed
                _log.exception("Following flags failed; it goes on with those it has.")
                wait = LONGEST_WAIT
            finally:
                if self._connected:
                    self._lost = time.monotonic()
                self._connected = False
                connection, self._connection = self._connection, None
                if connection is not None:
                    retry = connection.retry
                    connection.close()
                else:
                    retry = None
            if time.monotonic() - began > STEADY:
                attempt = refusals = 0
            if wait is None:
                wait = pause(attempt, min(max(retry or 1.0, 0.1), 30.0))
                attempt += 1
            self._wait(wait)

    def _follow(self, address: Address) -> None:
        """One connection, until it ends."""
        self._listener = os.urandom(16).hex()  # of this connection: a child that was forked has its own
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", **self._own_headers()}
        if self._document is not None and self._source == "stream":
            headers["Last-Event-ID"] = str(self._document.revision)
        if address.secure and self._secured is None:
            self._secured = ssl.create_default_context()
        connection = self._connection = Connection(address, self._tick)
        connection.open(headers, self._secured)
        self._connected = True
        self._problem = ""
        self._told.clear()
        if "Last-Event-ID" in headers:
            self._turn(True)  # where nothing has changed nothing is sent
        for event in connection.events():
            self._heard(event)
        raise EOFError("the stream ended")

    def _own_headers(self) -> "dict[str, str]":
        headers = {"User-Agent": "andon-flags", "X-Andon-Listener": self._listener}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        for name, value in (("Service", self._service), ("Environment", self._environment)):
            if value and value.isascii() and value.isprintable():
                headers[f"X-Andon-{name}"] = value
        return headers

    def _confirm(self) -> None:
        """Say which revision is applied: somebody waits for it, as before a test with these flags."""
        if self._address is None or self._document is None:
            return
        headers = {**self._own_headers(), "X-Andon-Revision": str(self._document.revision)}
        connection = Connection(self._address, self._tick)
        try:
            connection.tell(headers, self._secured)
        except (OSError, EOFError, Broken, Refused) as error:
            self._say(f"{self._address.shown}: what is applied could not be confirmed: {error}")
        finally:
            connection.close()

    def _heard(self, event: Event) -> None:
        if event.kind == "document":
            document = read(event.data)
            if self._document is not None:
                document = settled(self._document, document)
            self._take(document, "stream")
        elif event.kind == "change":
            if self._document is None:
                raise Broken("sent a change before the whole")
            self._take(changed(self._document, event.data), "stream")
        elif event.kind == "confirm":
            self._confirm()
        elif event.kind == "over":
            raise Refused(401, event.data[:300].decode("utf-8", "replace"), None)

    def _take(self, document: Document, source: str) -> None:
        self._document, self._source = document, source
        self._unsaved = source == "stream" and self._file is not None and not self._theirs
        self._adopt(document)
        if source == "stream":
            self._turn(True)

    def _turn(self, fresh: bool) -> None:
        if self._fresh is not fresh:
            self._fresh = fresh
            self._turned(fresh)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopped.is_set() and time.monotonic() < until:
            self._stopped.wait(min(LOOK, max(0.0, until - time.monotonic())))
            try:
                self._tick()
            except _Stop:
                return

    def _tick(self) -> None:
        """About each second, whatever the thread is at."""
        if self._stopped.is_set():
            raise _Stop
        now = time.monotonic()
        if not self._connected and now - self._looked >= LOOK:
            self._looked = now
            self._look()
            if self._address is not None and now - self._lost >= GRACE:
                self._turn(False)
        if self._unsaved and now - self._saved >= SAVE:
            self._saved = now
            self._save()
        if now - self._sent >= EVERY:
            self._sent = self._ended = now
            self._exposures.send()
        elif now - self._ended >= EVERY_OUTCOME and self._exposures.outcomes.watching:
            self._ended = now
            self._exposures.send_outcomes()

    # The disk

    def _look(self, *, first: bool = False) -> None:
        """Take what somebody else wrote: whatever it is where there is no stream, else only what is newer."""
        if self._file is None:
            return
        found = stamp(self._file)
        if found is None or found == self._seen:
            return
        self._seen = found
        try:
            document = load(self._file)
        except (OSError, Unreadable) as error:
            self._say(f"{self._file} {error}")
            return
        for here, there, what in (
            (self._service, document.service, "service"),
            (self._environment, document.environment, "environment"),
        ):
            if here and here != there:
                self._say(f"{self._file} is of another {what}, {there}, and not used")
                return
        known = self._document
        if first or known is None or self._address is None or document.revision > known.revision:
            self._take(document, "disk")

    def _save(self) -> None:
        self._unsaved = False
        if self._file is None or self._document is None:
            return
        try:
            save(self._file, self._document)
            self._seen = stamp(self._file)
        except PermissionError:
            self._theirs = True  # as in a sandbox, where Andon writes it
        except OSError as error:
            self._theirs = error.errno == 30  # EROFS
            if not self._theirs:
                self._say(f"{self._file} could not be written: {error.strerror}")

    def _say(self, problem: str) -> None:
        """Log it once, and again only after it has been over."""
        self._problem = problem
        kind = problem[:60]
        if kind not in self._told:
            self._told.add(kind)
            _log.warning("Flags: %s. It goes on with those it has.", problem)
