"""The hooks' other end: looks at a push before git moves anything, writes it down after, and talks to the pusher.

For each push there is one socket pair. Git's hooks inherit one end (see ``receive-hook``), a thread here serves the
other until git has ended. There is nothing to connect to and nothing to be guessed, and if either side dies the
other knows at once.
"""

from __future__ import annotations

import logging
import secrets
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from andon.flow.definition.contract import DEFINITION_FILE, DefinitionInvalid, DefinitionReader
from andon.flow.sources import history, service
from andon.flow.sources.adapters.reconciler import settle
from andon.flow.sources.contract import Announcer, BranchPushed, PushId
from andon.flow.sources.git import Git, not_there
from andon.flow.sources.model import REFS_IN_A_PUSH, Move, Repository, lines_of, parse_move
from andon.kernel.access import Principal
from andon.kernel.db import Database
from andon.kernel.errors import AndonError, Conflict, Invalid
from andon.kernel.ids import new_id

FOLLOW = "follow"
"""The push option that keeps the terminal open until what was set off has ended."""
BRANCHES_READ = 3
"""Of how many pushed branches the definition is looked at for the pusher."""

_LONGEST_LINE = 16 * 1024
_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Session:
    """One push, as long as its git runs."""

    repository: Repository
    principal: Principal
    id: PushId = field(default_factory=lambda: PushId(new_id("push")))
    mark: str = field(default_factory=lambda: secrets.token_hex(16))
    """Frames what the hooks say; the pusher does not know it."""
    gone: threading.Event = field(default_factory=threading.Event)
    """The pusher has hung up."""
    announced: bool = False
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    phase: str
    quarantine: str
    moves: tuple[str, ...]
    options: tuple[str, ...]


class Gate:
    """Decides about pushes and writes them down. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        git: Git,
        *,
        announcers: Sequence[Announcer] = (),
        definitions: DefinitionReader | None = None,
        recorded: Callable[[], None] | None = None,
    ) -> None:
        """``recorded`` is called once a push is in the record: the bell's ``ring``."""
        self._database = database
        self._git = git
        self._announcers = tuple(announcers)
        self._definitions = definitions
        self._recorded = recorded
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._active: dict[PushId, Session] = {}

    def active(self) -> frozenset[PushId]:
        """The pushes whose git is running now."""
        with self._guard:
            return frozenset(self._active)

    def stop_following(self) -> None:
        """Let all who follow a push go; for an orderly end."""
        self._stopping.set()

    def open(self, repository: Repository, principal: Principal) -> Session:
        session = Session(repository=repository, principal=principal)
        with self._guard:
            self._active[session.id] = session
        return session

    def close(self, session: Session) -> None:
        """To be called when git has ended, whatever became of it."""
        try:
            if session.announced and not session.recorded:
                settle(self._database, self._git, session.id, "Git refused it, or it was broken off.")
        finally:
            with self._guard:
                self._active.pop(session.id, None)

    def converse(self, session: Session, end: socket.socket) -> None:
        """Serve the hooks of one push until git has ended; closes ``end``."""
        with end, end.makefile("rb") as incoming, end.makefile("wb") as outgoing:
            try:
                for message in _messages(incoming, session.mark):
                    if message.phase == "pre-receive":
                        self._before(session, message, outgoing)
                    elif session.announced and not session.recorded:
                        self._after(session, message, outgoing)
            except OSError:
                return  # git or its hook has gone; close() finds out what it did

    def _before(self, session: Session, message: Message, outgoing: BinaryIO) -> None:
        try:
            self._announce(session, message)
        except AndonError as error:
            _say(outgoing, ["", *lines_of(part for part in (error.message, error.safe, error.remedy) if part), ""])
            _end(outgoing, 1)
        except Exception:  # noqa: BLE001 - a fault of ours must refuse the push, and say so on the terminal
            _log.exception("a push to %s could not be looked at", session.repository.service)
            _say(outgoing, ["Andon failed to look at this push.", "Nothing was changed. Its log says why."])
            _end(outgoing, 1)
        else:
            _end(outgoing, 0)

    def _announce(self, session: Session, message: Message) -> None:
        repository = session.repository
        if session.announced:
            raise Invalid("This push has been looked at before.", safe="Nothing was changed.")
        if len(message.moves) > REFS_IN_A_PUSH:
            raise Invalid(
                f"A push may move at most {REFS_IN_A_PUSH} branches and tags.",
                safe="Nothing was changed.",
                remedy="Push them in several steps.",
            )
        moves = tuple(parse_move(line) for line in message.moves)
        with self._database.reading() as reading:
            doubtful = service.not_as_recorded(reading, repository.service, moves)
        if doubtful:
            self._refuse_overtaken(repository, doubtful)
        updates = self._git.look_at(repository.service, moves, message.quarantine)
        service.check_push(session.principal, repository, updates)
        with self._database.transaction() as tx:
            service.announce(tx, session.id, repository.service, session.principal.actor, updates)
        session.announced = True

    def _refuse_overtaken(self, repository: Repository, doubtful: Sequence[Move]) -> None:
        overtaken = not_there(doubtful, self._git.refs(repository.service))
        if overtaken:
            names = ", ".join(move.ref.split("/", 2)[2] for move in overtaken[:5])
            raise Conflict(
                f"{names} moved while you were pushing: somebody else was faster.",
                safe="Nothing was changed.",
                remedy="Fetch, put your commits on top (git pull --rebase), and push again.",
            )

    def _after(self, session: Session, message: Message, outgoing: BinaryIO) -> None:
        name = session.repository.service
        moves = [parse_move(line) for line in message.moves]
        try:
            with self._database.transaction() as tx:
                if self._recorded is not None:
                    tx.after_commit(self._recorded)
                pushed = service.record_moves(tx, session.id, name, moves)
        except AndonError as error:
            _log.warning("push %s to %s was not recorded: %s", session.id, name, error)
            _say(
                outgoing,
                [
                    *lines_of([error.message]),
                    "Your commits are safe in the repository; what they set off begins as soon as this is mended.",
                ],
            )
            _end(outgoing, 0)
            return
        session.recorded = True
        outgoing.write(b"+\n")
        outgoing.flush()
        if pushed:
            told = lines_of(self._told(pushed))
            _say(outgoing, ["", *told, ""] if told else [])
            if FOLLOW in message.options:
                for line in self._followed(session, pushed):
                    _say(outgoing, lines_of([line]))
        _end(outgoing, 0)

    def _told(self, pushed: Sequence[BranchPushed]) -> Iterator[str]:
        for announcer in self._announcers:
            try:
                yield from announcer.announce(pushed)
            except AndonError as error:
                yield str(error)
        for one in pushed[:BRANCHES_READ]:
            yield from self._faults(one)

    def _faults(self, pushed: BranchPushed) -> Iterator[str]:
        """What is wrong with the definition that was pushed: the push stands, but its pusher should know now."""
        if self._definitions is None:
            return
        try:
            source, submodules = history.read_some(
                self._git, pushed.service, pushed.commit, (DEFINITION_FILE, ".gitmodules")
            )
            if submodules is not None:
                yield "note: submodules are not fetched; their folders stay empty in jobs and packages."
            if source is None:
                yield f"note: there is no {DEFINITION_FILE} on {pushed.branch}; `andon init` writes one."
            else:
                self._definitions.read(source)
        except DefinitionInvalid as error:
            yield from (
                "warning: " + line if number == 0 else line for number, line in enumerate(str(error).splitlines())
            )
        except AndonError as error:
            yield f"warning: {error}"

    def _followed(self, session: Session, pushed: Sequence[BranchPushed]) -> Iterator[str]:
        for announcer in self._announcers:
            try:
                for line in announcer.follow(pushed):
                    if session.gone.is_set():
                        return
                    if self._stopping.is_set():
                        yield "Andon is stopping; what your push set off goes on when it is back."
                        return
                    if line:
                        yield line
            except AndonError as error:
                yield str(error)


def _messages(incoming: BinaryIO, mark: str) -> Iterator[Message]:
    """What the hooks say, one message for each hook; ends with git."""
    while True:
        begin = _line(incoming)
        if begin is None:
            return
        marked, _, phase = begin.partition(" begin ")
        if marked != mark:
            continue
        quarantine = _line(incoming)
        moves = _until(incoming, f"{mark} options")
        options = _until(incoming, f"{mark} end")
        if quarantine is None or moves is None or options is None:
            return
        yield Message(phase, quarantine, moves, options)


def _until(incoming: BinaryIO, last: str) -> tuple[str, ...] | None:
    lines: list[str] = []
    while (line := _line(incoming)) != last:
        if line is None:
            return None
        if len(lines) <= REFS_IN_A_PUSH:  # one more than allowed is enough to refuse them
            lines.append(line)
    return tuple(lines)


def _line(incoming: BinaryIO) -> str | None:
    line = incoming.readline(_LONGEST_LINE)
    return line[:-1].decode("utf-8", "surrogateescape") if line.endswith(b"\n") else None


def _say(outgoing: BinaryIO, lines: Iterable[str]) -> None:
    for line in lines:
        outgoing.write(b"> " + line.encode("utf-8", "replace") + b"\n")
    outgoing.flush()


def _end(outgoing: BinaryIO, status: int) -> None:
    outgoing.write(b"= %d\n" % status)
    outgoing.flush()
