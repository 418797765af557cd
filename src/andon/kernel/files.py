"""Files that must be whole or absent: written beside, flushed to the disk, then renamed."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path


def write_whole(path: Path, content: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Replace ``path`` with ``content`` at once; a reader sees the old or the new, never a part.

    With ``durable`` the content has reached the disk when this returns. Raises ``OSError`` as the system does.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        beside.chmod(mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def write_private(path: Path, content: bytes) -> None:
    """As :func:`write_whole`, readable by its owner only."""
    write_whole(path, content, mode=0o600)


def write_new(path: Path, content: bytes, *, mode: int = 0o600) -> bool:
    """Write ``path`` whole and flushed unless it exists; of several processes exactly one gets ``True``."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    write_whole(beside, content, mode=mode)
    try:
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Make a rename or a new name in ``folder`` survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
