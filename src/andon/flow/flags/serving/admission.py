"""Who may evaluate: tokens looked up once and remembered for a moment, so that a request costs no query."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

from anyio import to_thread

from andon.kernel.access.secret import digest_of
from andon.kernel.access.signing_in import Caller, caller_of_token, is_use_due, note_use
from andon.kernel.db import Database
from andon.kernel.errors import NotAuthenticated, TooMany, Unavailable
from andon.kernel.events import Bell

SURE = 1.0
"""Seconds that a token is believed after something has happened: for so long does one that was revoked go on."""
REFUSED = 10.0
"""Seconds that a wrong token is refused without another look."""
LOOKS = 50
"""Looks for tokens that nobody knows yet, a second: whoever guesses must not keep the database busy."""
MOST_REMEMBERED = 10_000
COME_BACK = 30.0
"""Seconds after which a program whose token has expired may ask again; there is no hurry: it has its last flags."""


@dataclass(slots=True)
class _Known:
    caller: Caller | None
    """``None`` for a wrong one."""
    position: int
    at: float


class Admission:
    """Only the event loop touches it."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._looking: dict[str, asyncio.Future[Caller | None]] = {}
        self._second = 0
        self._looks = 0

    async def admit(self, secret: str) -> Caller:
        """Raises ``NotAuthenticated`` for a wrong, revoked or expired token, ``TooMany``."""
        if not secret:
            raise NotAuthenticated(
                "This needs a token.",
                safe="Programs go on with the flags that they have.",
                remedy="Send `Authorization: Bearer TOKEN`; make one with `andon token create --scope evaluate`.",
            )
        key = digest_of(secret)
        known = self._known.get(key)
        now = time.monotonic()
        if known is None or not self._is_sure(known, now):
            caller = await self._look(key, secret, is_new=known is None)
        else:
            caller = known.caller
        if caller is None or (caller.expires_at is not None and caller.expires_at <= self._database.clock.now()):
            raise NotAuthenticated(
                "This token is wrong, revoked or has expired.",
                safe="Programs go on with the flags that they have.",
                remedy="Make a new one with `andon token create --scope evaluate`, and hand it to the program.",
            )
        return caller

    def _is_sure(self, known: _Known, now: float) -> bool:
        if known.caller is None:
            return now - known.at < REFUSED
        return known.position == self._bell.position or now - known.at < SURE

    async def _look(self, key: str, secret: str, *, is_new: bool) -> Caller | None:
        under_way = self._looking.get(key)
        if under_way is not None:
            return await asyncio.shield(under_way)
        if is_new:
            self._count()
        future: asyncio.Future[Caller | None] = asyncio.get_running_loop().create_future()
        self._looking[key] = future
        try:
            position = self._bell.position
            caller = await to_thread.run_sync(self._caller, secret)
        except BaseException as error:
            future.set_exception(error if isinstance(error, Exception) else Unavailable("Nobody looked."))
            future.exception()  # whoever waits sees it; if nobody does, that is no fault
            raise
        else:
            future.set_result(caller)
            self._known[key] = _Known(caller, position, time.monotonic())
            self._known.move_to_end(key)
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
            return caller
        finally:
            del self._looking[key]

    def _count(self) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._looks = second, 0
        self._looks += 1
        if self._looks > LOOKS:
            raise TooMany(
                "Too many programs ask with tokens that are not known here.",
                safe="Programs go on with the flags that they have.",
                remedy="Come back later.",
                retry_after=5.0,
            )

    def _caller(self, secret: str) -> Caller | None:
        with self._database.reading() as reading:
            try:
                caller = caller_of_token(reading, secret)
            except NotAuthenticated:
                return None
            due = is_use_due(reading, caller)
        if due:
            try:
                with self._database.transaction() as tx:
                    note_use(tx, caller)
            except Unavailable:
                return caller  # reading goes on while the disk is full
        return caller
