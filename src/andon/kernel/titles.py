"""What Andon's processes are called in the machine's list of processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_ROLE = "andon-role"


def title_of_role(role: str, data: Path) -> str:
    return f"{_ROLE} {role} {data}"


def role_of(command: Sequence[str]) -> str | None:
    """The role that a process's command line says it is; ``None`` for all other processes."""
    words = command[0].split(" ") if command else []
    return words[1] if len(words) > 2 and words[0] == _ROLE else None
