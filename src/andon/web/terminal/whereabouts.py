"""Where the Andon of a data directory really serves, whatever port it was started with.

The supervisor notes it in the data directory once everything is up; the command line and the doctor read it there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from andon.kernel.files import write_whole

UP = "up"
"""A file of the data directory, there while web and worker are up: this start's mark, then two addresses."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """``local`` is for programs of this machine, ``address`` for people; neither has a slash at the end."""

    local: str
    address: str


def note(data: Path, found: Whereabouts) -> None:
    """Whoever waits for a restart sees that this is another start than the last."""
    lines = f"{time.time_ns()}\n{found.local}\n{found.address}\n"
    write_whole(data / UP, lines.encode(), mode=0o600, durable=False)


def mark_of(data: Path) -> str:
    """What tells one start from the next: empty while none is up."""
    try:
        return (data / UP).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def whereabouts(data: Path) -> Whereabouts | None:
    """``None`` while none is up."""
    lines = mark_of(data).splitlines()
    if len(lines) != 3 or not all(one.startswith(("http://", "https://")) for one in lines[1:]):
        return None
    return Whereabouts(lines[1], lines[2])


def local_address(host: str, port: int | str) -> str:
    """Where this machine reaches what listens on ``host`` and ``port``."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised here, listened on by nobody
    host = everywhere.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
