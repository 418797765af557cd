"""One role in a process of its own, forked from the nursery for the supervisor.

It ends with them: a supervisor that is killed leaves no role behind, only the keepers of instances and of Envoy.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import logging.handlers
import os
import signal
import sys
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from andon.kernel.errors import AndonError
from andon.kernel.settings import Settings, load

if TYPE_CHECKING:  # the supervisor reads this module's names and must start quickly
    from andon.app.composition import Installation

READY = "ANDON_READY_FD"
PARENT = "ANDON_PARENT"
DIES_WITH = "ANDON_DIES_WITH"
"""A process with which all of Andon is to end, as the demo's does."""
_PR_SET_PDEATHSIG = 1
_LOG_BYTES = 10 * 1024 * 1024


IS_READY = b"ready\n"


class Refused(msgspec.Struct):
    """Why a role did not come up; the supervisor is the one who can be heard."""

    message: str
    safe: str
    remedy: str


class Role(StrEnum):
    """In the order in which they start and stop: telemetry ends last, and so hears what the others say of their end."""

    WEB = "web"
    WORKER = "worker"
    TELEMETRY = "telemetry"

    @property
    def essential(self) -> bool:
        """Whether Andon is not up without it. Without telemetry it deploys all the same, and says what is missing."""
        return self is not Role.TELEMETRY


def roles(settings: Settings) -> tuple[Role, ...]:
    """Those that these settings ask for."""
    return tuple(role for role in Role if role.essential or settings.telemetry.enabled)


def begin(role: Role, data: Path) -> int:
    """Be the role until told to end. Exit codes: 0 stopped as asked, else that of the error."""
    settings = load(data, os.environ)
    log_to(settings, role)
    try:
        _run(role, settings)
    except AndonError as error:
        logging.getLogger(__name__).error("%s ends: %s", role.value, error)
        _tell(msgspec.json.encode(Refused(message=error.message, safe=error.safe, remedy=error.remedy)))
        return error.exit_code
    return 0


def _run(role: Role, settings: Settings) -> None:
    from andon.app.composition import compose  # noqa: PLC0415 - see above
    from andon.kernel.db.schema import check  # noqa: PLC0415 - see above

    installation = compose(settings)
    try:
        check(installation.database)
        run(role, installation, ready)
    finally:
        installation.close()


def run(role: Role, installation: Installation, told: Callable[[], None]) -> None:
    if role is Role.WEB:
        from andon.app.web import serve  # noqa: PLC0415 - the worker does not serve

        serve(installation, ready=told)
        return
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    if role is Role.TELEMETRY:
        from andon.app.telemetry import listen  # noqa: PLC0415 - the others have no store in them

        listen(installation, _waiting(ended), told)
        return
    from andon.app.worker import work  # noqa: PLC0415 - the web has no workflow engine

    work(installation, _waiting(ended), told)


def ready() -> None:
    """Tell the supervisor."""
    # What a role is made of stays to its end. The collector would look through all of it time and again, and nothing
    # else happens in the process for the tenth of a second which that takes.
    gc.freeze()
    _tell(IS_READY)


def _tell(what: bytes) -> None:
    """Once: who is up has told everything."""
    handle = os.environ.pop(READY, None)
    if handle is not None:
        os.write(int(handle), what)
        os.close(int(handle))


def die_with_parent(parent: int, number: signal.Signals = signal.SIGTERM) -> None:
    """Get this signal when the process that started this one ends, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
    if parent and os.getppid() != parent:
        sys.exit(0)  # it ended before the line above


def log_to(settings: Settings, role: Role) -> None:
    """Log into a file of the data directory, warnings to standard error as well."""
    folder = settings.data / "log"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = logging.handlers.RotatingFileHandler(
        folder / f"{role.value}.log", maxBytes=_LOG_BYTES, backupCount=3, encoding="utf-8"
    )
    shown = logging.StreamHandler()
    shown.setLevel(logging.ERROR)
    line = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in (file, shown):
        handler.setFormatter(line)
        logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _waiting(ended: threading.Event) -> Callable[[], None]:
    def wait() -> None:
        # In short turns: a signal is only handled between the main thread's instructions.
        while not ended.wait(0.5):
            pass

    return wait
