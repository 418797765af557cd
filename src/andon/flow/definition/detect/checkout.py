"""A folder somebody else filled, looked at without trust."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

MAX_READ = 256 * 1024
"""Bytes looked at of any one file."""
MAX_FILES = 400
"""Source files looked at in search of the application."""


class Checkout:
    """A folder somebody else filled."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str) -> str | None:
        """The beginning of a plain file, or ``None``."""
        path = self._root / name
        try:
            for part in (path, *path.parents):
                if part == self._root:
                    break
                if part.is_symlink():
                    return None
            if not stat.S_ISREG(path.stat().st_mode):
                return None
            with path.open("rb") as file:
                return file.read(MAX_READ).decode("utf-8", "replace")
        except OSError:
            return None

    def has(self, *names: str) -> bool:
        """Whether any of these is a plain file."""
        return any(self.read(name) is not None for name in names)

    def folders(self, name: str = ".") -> list[str]:
        """Names of the folders right below ``name`` that may hold source."""
        return [one.name for one in self._entries(name) if one.is_dir() and one.name not in _NOT_SOURCE]

    def files(self, name: str, suffix: str) -> list[str]:
        """Names of the plain files right below ``name`` that end in ``suffix``."""
        return [one.name for one in self._entries(name) if one.suffix == suffix and one.is_file()]

    def _entries(self, name: str) -> list[Path]:
        try:
            entries = sorted((self._root / name).iterdir())
        except OSError:
            return []
        return [one for one in entries[:MAX_FILES] if not one.name.startswith(".") and not one.is_symlink()]


_NOT_SOURCE = frozenset({"node_modules", "venv", "vendor", "dist", "build", "docs", "test", "tests"})
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def toml(text: str | None) -> Mapping[str, object]:
    """The TOML in ``text``; empty if there is none, or none that can be read."""
    try:
        return tomllib.loads(text or "")
    except (ValueError, RecursionError):
        return {}


def table(value: object) -> Mapping[str, object]:
    """``value`` if it is a table, else an empty one."""
    return {str(key): one for key, one in value.items()} if isinstance(value, dict) else {}


def texts(value: object) -> list[str]:
    """The texts in ``value`` if it is a list."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
