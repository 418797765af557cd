"""A set's unpacked package on the disk, and whether it is still what was unpacked."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import msgspec

from andon.flow.artifacts.contract import Artifacts, Digest
from andon.flow.environments.layout import remove_tree
from andon.kernel.files import write_private
from andon.kernel.logs.text import plain

_SHOWN = 3


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One file: type and permission bits, size, time of its last change in ns (nobody can set that back), digest."""

    mode: int
    size: int
    changed: int
    digest: str


def unpack(artifacts: Artifacts, digest: Digest, app: Path, manifest: Path) -> None:
    """Unpack a package and note what is in it; does nothing when that was done before.

    Raises what :meth:`andon.flow.artifacts.contract.Artifacts.unpack` raises.
    """
    if manifest.exists() and app.is_dir():
        return
    remove_tree(app)  # of an unpacking that a crash broke off before its manifest
    artifacts.unpack(digest, app)
    write_private(manifest, msgspec.json.encode(_look(app)))


def drift(app: Path, manifest: Path) -> str | None:
    """How the unpacked package differs from what was unpacked, in words; ``None`` when it does not."""
    try:
        noted = msgspec.json.decode(manifest.read_bytes(), type=dict[str, Entry])
    except (FileNotFoundError, msgspec.DecodeError):
        return "the note of what belongs there is gone"
    if not app.is_dir():
        return "the package is gone"
    found = _look(app, noted)
    told = [
        *(f"{name} is missing" for name in sorted(noted.keys() - found.keys())),
        *(f"{name} was added" for name in sorted(found.keys() - noted.keys())),
        *(
            f"{name} was changed"
            for name in sorted(noted.keys() & found.keys())
            if (noted[name].digest, noted[name].mode) != (found[name].digest, found[name].mode)
        ),
    ]
    if not told:
        return None
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return ", ".join(told[:_SHOWN]) + more


def _look(app: Path, noted: dict[str, Entry] | None = None) -> dict[str, Entry]:
    """Every file below ``app``; contents are read only where size or time differ from what was noted."""
    found: dict[str, Entry] = {}
    for folder, folders, files in os.walk(app):
        # A link to a folder is an entry like a file: os.walk names it among the folders and does not enter it.
        for name in [*files, *(one for one in folders if os.path.islink(os.path.join(folder, one)))]:  # noqa: PTH114, PTH118 - one call a file, in trees of many thousands
            path = Path(folder) / name
            # Names are bytes of the repository's; here they become text that can be stored and shown.
            shown = plain(os.fsencode(path.relative_to(app)).decode("utf-8", "backslashreplace"))
            try:
                status = path.lstat()
                known = (noted or {}).get(shown)
                if (
                    known is not None
                    and (known.size, known.changed) == (status.st_size, status.st_ctime_ns)
                    and known.mode == status.st_mode
                ):
                    entry = known
                else:
                    entry = Entry(status.st_mode, status.st_size, status.st_ctime_ns, _digest(path, status.st_mode))
            except FileNotFoundError:
                continue  # removed while we look: the next look says so
            found[shown] = entry
    return found


def _digest(path: Path, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return f"link:{path.readlink()}"
    if not stat.S_ISREG(mode):
        return "special"  # a pipe would keep its reader waiting for ever
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except PermissionError:
        return "unreadable"
