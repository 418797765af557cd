"""The places that are listened at, and sockets for them."""

from __future__ import annotations

import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from andon.feedback.telemetry.ways.gathering import Origin
from andon.kernel.errors import Unavailable
from andon.kernel.sockets import LONGEST_PATH, pinned


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcp:
    """A port; 0 is any that is free. ``setting`` is what to change if it is taken."""

    host: str = "127.0.0.1"
    port: int
    setting: str
    admits: Callable[[str], bool] | None = None
    """Asked with each request's bearer token; for listening beyond the loopback interface."""

    @property
    def origin(self) -> None:
        """What senders say of themselves is believed."""
        return None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unix:
    """A socket in a folder that one environment sees; whoever speaks there is of that environment."""

    path: Path
    origin: Origin | None
    mode: int = 0o600
    setting: str = "the data directory"

    @property
    def admits(self) -> None:
        """The folder's rights say who may connect."""
        return None

    def __str__(self) -> str:
        return f"unix:{self.path}"


Place = Tcp | Unix


def bound(place: Place, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket that is bound to the place. Raises ``Unavailable`` naming the setting."""
    made: socket.socket | None = None
    try:
        if isinstance(place, Unix):
            require_short(place)
            clear(place.path)
            made = socket.socket(socket.AF_UNIX, kind)
            made.bind(str(place.path))
            give_rights(place)
        else:
            family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
            # asyncio sends small answers at once only where a socket names its protocol
            made = socket.socket(family, kind, socket.IPPROTO_TCP if kind is socket.SOCK_STREAM else 0)
            if kind is socket.SOCK_STREAM:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((place.host, place.port))
        made.setblocking(False)
    except OSError as error:
        if made is not None:
            made.close()
        raise taken(place, error) from error
    return made


def address(made: socket.socket) -> str:
    """Where a bound socket listens: ``127.0.0.1:4318`` or ``unix:/…``."""
    name = made.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def taken(place: Place, error: Exception) -> Unavailable:
    return Unavailable(
        f"Telemetry cannot listen on {place}: {error}.",
        safe="Its other ways in are open.",
        remedy=f"End what uses it, or change {place.setting}.",
    )


def give_rights(place: Unix) -> None:
    """To the socket itself: whoever may write to its folder could have put a link to a file of ours in its place.
    Raises ``OSError``."""
    with pinned(place.path) as sure:
        Path(sure).chmod(place.mode)


def clear(path: Path) -> None:
    """Remove the socket that an ended process left; anything else with that name stays. Raises ``OSError``."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(f"{path} is no socket")
    path.unlink()


def require_short(place: Unix) -> None:
    """Raises ``Unavailable``."""
    if len(str(place.path).encode()) > LONGEST_PATH:
        raise Unavailable(
            f"The path of the socket is longer than {LONGEST_PATH} bytes: {place.path}.",
            remedy="Use a data directory with a shorter path.",
        )
