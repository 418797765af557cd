"""A set's unpacked package on the disk, and whether it is still what was unpacked."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

import msgspec

from andon.flow.artifacts.contract import Artifacts, Digest
from andon.kernel.files import write_private

_SHOWN = 3


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One file: permission bits, size, time of its last change in ns (nobody can set that back), digest."""

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
    shutil.rmtree(app, ignore_errors=True)  # of an unpacking that a crash broke off before its manifest
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
    for folder, _folders, files in os.walk(app):
        for file in files:
            path = Path(folder) / file
            name = str(path.relative_to(app))
            status = path.lstat()
            known = (noted or {}).get(name)
            if (
                known is not None
                and (known.size, known.changed) == (status.st_size, status.st_ctime_ns)
                and known.mode == status.st_mode
            ):
                found[name] = known
                continue
            if stat.S_ISLNK(status.st_mode):
                digest = "link:" + str(path.readlink())
            else:
                with path.open("rb") as content:
                    digest = hashlib.file_digest(content, "sha256").hexdigest()
            found[name] = Entry(status.st_mode, status.st_size, status.st_ctime_ns, digest)
    return found
