"""Envoy's access log on the disk: one file it appends to, turned over when it is large, and read from any place.

Files are numbered by how often the log was turned over, so that a reader that was away knows what it missed. Envoy
opens the fixed name again when it is told to; a file that was turned over grows no more once there is a new one.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import msgspec

from andon.flow.environments.contract import SetId
from andon.flow.routing.admin import Admin
from andon.flow.routing.contract import Access, AccessLog, AccessPage, AccessPosition
from andon.flow.routing.model import COPIES, WORDS
from andon.flow.sources.contract import Service

ROTATE_BYTES = 64 * 1024 * 1024
LID_BYTES = 2 * ROTATE_BYTES
"""What the kernel lets Envoy write to one file, for when nobody turns it over: Envoy lives on while Andon does not."""
_LONGEST_LINE = 8192
_READ_BYTES = 64 * 1024  # at least, at a time
_USUAL_LINE = 400
_TURNED = re.compile(r"access-([0-9]{1,12})\.log")


class AccessFolder:
    """Where the log lies: ``folder`` is the router's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "access"
        self.current = self.folder / "access.log"
        self._opened_by = self.folder / "router"

    def prepare(self, admin: Path) -> None:
        """Before an Envoy is started: it alone, known by its admin socket, will be able to write here."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._opened_by.write_text(str(admin))

    def open_to(self, admin: Path | None) -> bool:
        """Whether the running Envoy can write here: one of an earlier Andon cannot, and would take no listener that
        asks it to."""
        try:
            return admin is not None and self._opened_by.read_text() == str(admin)
        except FileNotFoundError:
            return False

    def turned(self) -> dict[int, Path]:
        """The files that were turned over, by their number."""
        found = {}
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                if (name := _TURNED.fullmatch(path.name)) is not None:
                    found[int(name[1])] = path
        return found

    def rotate(self, admin: Admin, *, larger_than: int = ROTATE_BYTES) -> None:
        """Turn a large file over and keep one that was; raises ``OSError`` when the disk does."""
        try:
            if self.current.stat().st_size <= larger_than:
                return
        except FileNotFoundError:
            self._reopen(admin)  # it was turned over, and Envoy was not told
            return
        turned = self.turned()
        number = max(turned, default=0) + 1
        self.current.rename(self.folder / f"access-{number}.log")
        for old in turned.values():
            old.unlink(missing_ok=True)
        self._reopen(admin)

    def _reopen(self, admin: Admin) -> None:
        with suppress(OSError, HTTPException):  # tried again the next time; when it starts it opens a new one
            if self.open_to(admin.path()):
                admin.ask("/reopen_logs", method="POST")


class _Line(msgspec.Struct):
    start: str
    service: str
    environment: str
    us: int | None = None
    ms: int | None = None
    local: bool = False
    set: str | None = None
    to: str | None = None
    method: str | None = None
    path: str | None = None
    status: int = 0
    flags: str | None = None
    received: int = 0
    sent: int = 0
    request: str | None = None
    trace: str | None = None
    attempts: int = 1
    dark: bool = False
    type: str | None = None
    digest: str | None = None
    rule: str | None = None
    masked: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A line of the log."""

    access: Access
    dark: bool
    """A copy of a request, whose answer nobody got."""
    compared: bool
    """It was mirrored, or is the copy."""
    content_type: str
    digest: str
    masked: int | None = None


FORMAT: dict[str, str] = {
    "start": "%START_TIME(%s.%6f)%",
    "us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "ms": "%DURATION%",
    "set": "%UPSTREAM_CLUSTER%",
    "to": "%UPSTREAM_HOST%",
    "method": "%REQ(:METHOD):16%",
    "path": "%PATH(NQ:PATH):512%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "received": "%BYTES_RECEIVED%",
    "sent": "%BYTES_SENT%",
    "request": "%REQ(X-REQUEST-ID):64%",
    "trace": "%REQ(TRACEPARENT):128%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "type": f"%DYNAMIC_METADATA({WORDS}:type)%",
    "digest": f"%DYNAMIC_METADATA({WORDS}:digest)%",
    "rule": "%ROUTE_NAME%",
    "masked": f"%DYNAMIC_METADATA({WORDS}:masked)%",
}
"""What :class:`_Line` is made of, in Envoy's words; service, environment, local and dark are written in by the
listener. What is empty is left out."""


def parsed(line: bytes) -> Told | None:
    """A line of the log, or ``None`` for what is none."""
    try:
        found = msgspec.json.decode(line, type=_Line)
        seconds, _, fraction = found.start.partition(".")
        time = int(seconds) * 1_000_000 + int(fraction)
    except (ValueError, msgspec.DecodeError):
        return None
    endpoint = found.to or ""
    access = Access(
        time=time,
        duration=found.us if found.us is not None else (found.ms or 0) * 1000,
        service=Service(found.service),
        environment=found.environment,
        local=found.local,
        set=SetId(found.set.removesuffix(COPIES)) if found.set else None,
        endpoint=f"unix:{endpoint}" if endpoint.startswith("/") else endpoint,
        method=found.method or "",
        path=found.path or "",
        status=found.status,
        flags="" if found.flags in {None, "-"} else str(found.flags),
        received=found.received,
        sent=found.sent,
        request=found.request or "",
        traceparent=found.trace or "",
        attempts=max(found.attempts, 1),
        rule=found.rule or "",
    )
    return Told(
        access=access,
        dark=found.dark,
        compared=found.type is not None or found.digest is not None,
        content_type=found.type or "",
        digest=found.digest or "",
        masked=None if found.masked is None else int(found.masked),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldPage:
    lines: tuple[Told, ...]
    position: AccessPosition
    malformed: int = 0
    missed: bool = False


class EnvoyAccessLog(AccessLog):
    """Reads the log of the Envoy whose ``folder`` this is, from any process."""

    def __init__(self, folder: Path) -> None:
        self._lines = AccessLines(folder)

    def read(self, after: AccessPosition | None = None, *, limit: int = 5000) -> AccessPage:
        page = self._lines.read(after, limit)
        return AccessPage(
            requests=tuple(one.access for one in page.lines if not one.dark),
            position=page.position,
            malformed=page.malformed,
            missed=page.missed,
        )

    def end(self, *, before: int = 0) -> AccessPosition:
        return self._lines.near_end(before)


class AccessLines:
    """All lines of the log, those of copies among them."""

    def __init__(self, folder: Path) -> None:
        self._place = AccessFolder(folder)

    def read(self, after: AccessPosition | None, limit: int) -> ToldPage:
        while True:
            turned = self._place.turned()
            page = self._page(turned, after, limit)
            if page is not None and self._place.turned().keys() == turned.keys():
                return page  # else the files were turned over meanwhile, and this may be another one's content

    def near_end(self, bytes_: int) -> AccessPosition:
        """A place so far before the end, or the oldest kept; it may lie within a line."""
        turned = self._place.turned()
        generation, left = max(turned, default=0) + 1, bytes_
        while True:
            try:
                size = turned.get(generation, self._place.current).stat().st_size
            except FileNotFoundError:
                size = 0
            if size >= left or generation - 1 not in turned:
                return AccessPosition(generation, max(0, size - left))
            generation, left = generation - 1, left - size

    def _page(self, turned: dict[int, Path], after: AccessPosition | None, limit: int) -> ToldPage | None:
        newest = max(turned, default=0) + 1
        oldest = min(turned, default=newest)
        missed = after is not None and not oldest <= after.generation <= newest
        generation, offset = (oldest, 0) if after is None or missed else (after.generation, after.offset)
        most = max(_READ_BYTES, limit * _USUAL_LINE)
        # before it is read: once there is a new file, this one holds all it will
        done = generation < newest and (generation + 1 < newest or self._place.current.exists())
        try:
            with turned.get(generation, self._place.current).open("rb") as file:
                if offset > file.seek(0, os.SEEK_END):  # somebody else's doing
                    missed, offset = True, 0
                file.seek(offset)
                block = file.read(most)
        except FileNotFoundError:
            return (
                None
                if generation in turned
                else ToldPage(lines=(), position=AccessPosition(generation, offset), missed=missed)
            )
        lines = block.split(b"\n")
        rest = lines.pop()
        chosen = lines[:limit]
        found = [parsed(line) for line in chosen]
        malformed = sum(one is None for one in found)
        offset += sum(len(line) + 1 for line in chosen)
        if len(chosen) == len(lines) and (len(rest) > _LONGEST_LINE or (rest and done and len(block) < most)):
            malformed += 1  # cut off, where the log was full
            offset += len(rest)
            rest = b""
        if done and not rest and len(chosen) == len(lines) and len(block) < most:
            generation, offset = generation + 1, 0
        return ToldPage(
            lines=tuple(one for one in found if one is not None),
            position=AccessPosition(generation, offset),
            malformed=malformed,
            missed=missed,
        )
