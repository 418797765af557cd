"""Folders outside /usr that a command needs to find its language: shown read-only at their own path."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from andon.kernel.sandbox.errors import InvalidSandbox

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")


def toolchains(extra: Sequence[Path] = ()) -> tuple[Path, ...]:
    """The prefix of the Python that runs us (if it is not in /usr), then the configured folders, each once.

    The prefix of a virtual environment is not enough: its ``python`` is a link to an interpreter that may lie
    below ~/.pyenv or ~/.local/share/uv. Raises InvalidSandbox for a folder that is missing, or so wide that
    showing it would show the user's files (/ or a home directory).
    """
    interpreter = Path(sys.executable).resolve() if sys.executable else Path("/usr/bin/python3")
    found: list[Path] = []
    for folder in (Path(sys.base_prefix), interpreter.parent.parent):
        if _shown_anyway(folder) or _too_wide(folder) or not folder.is_dir():
            continue
        found += [folder, folder.resolve()]
    for folder in extra:
        if not folder.is_absolute() or not folder.is_dir():
            raise InvalidSandbox(
                f"The toolchain folder {folder} does not exist or is not an absolute path.",
                remedy="Correct the setting that lists toolchain folders.",
                safe="Nothing was started.",
            )
        if _too_wide(folder):
            raise InvalidSandbox(
                f"The toolchain folder {folder} holds far more than a toolchain; jobs could read all of it.",
                remedy="Name the folder of the toolchain itself, for example /opt/node.",
                safe="Nothing was started.",
            )
        if not _shown_anyway(folder):
            found += [folder, folder.resolve()]
    return tuple(dict.fromkeys(found))


def search_path(folders: Sequence[Path]) -> str:
    """PATH for the inside: the toolchains' own ``bin`` folders first, then the system's."""
    own = [str(folder / "bin") for folder in folders if (folder / "bin").is_dir()]
    return ":".join(dict.fromkeys([*own, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]))


def _shown_anyway(folder: Path) -> bool:
    return any(folder.is_relative_to(system) for system in _SYSTEM)


def _too_wide(folder: Path) -> bool:
    real = folder.resolve()
    homes = {Path.home(), Path("/root")}
    return len(real.parts) < 2 or any(home.is_relative_to(real) for home in homes) or real == Path("/home")
