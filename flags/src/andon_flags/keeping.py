"""The last good document on the disk: written whole or not at all, and not believed when a byte of it has changed."""

import os
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, Optional

from andon_flags.document import Document, DocumentError, read, write
from andon_flags.document.limits import MOST_BYTES

_MARK = b"andon-flags 1 "


class Unreadable(Exception):
    """Says what about a file cannot be believed."""


class Stamp(NamedTuple):
    """Another one means another file, or other content."""

    inode: int
    size: int
    changed: int


def stamp(path: Path) -> Optional[Stamp]:
    """``None`` where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def load(path: Path) -> Document:
    """A document as ``save`` wrote it, or as Andon did: plain JSON. Raises ``OSError``, ``Unreadable``."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 200)
    if content.startswith(_MARK):
        digest, _, content = content[len(_MARK) :].partition(b"\n")
        if digest != _digest(content):
            raise Unreadable("is damaged: its content is not what was written")
    try:
        return read(content)
    except DocumentError as error:
        raise Unreadable(f"is no document of flags: {error}") from None


def save(path: Path, document: Document) -> None:
    """Write it beside, then rename. Raises ``OSError``."""
    content = write(document)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=".andon-flags-", dir=path.parent)  # 0600: who may see what is ours to say
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MARK + _digest(content) + b"\n" + content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).hexdigest().encode()
