"""Packages as files, named by the SHA-256 of their bytes.

A package is a tar file, sorted by name, with fixed times and owners, gzip-compressed with a fixed header: the
same files give the same bytes on every machine with the same zlib.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import posixpath
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from andon.flow.artifacts.contract import ArtifactCorrupt, ArtifactMissing, Digest, PackageInvalid
from andon.kernel.errors import Unavailable
from andon.kernel.files import sync_folder
from andon.kernel.globs import Globs

_LISTED = 5


class FileStore:
    """A folder of packages. Safe for several processes: files appear whole, under their digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, digest: Digest) -> Path:
        return self._folder / digest[:2] / f"{digest}.tar.gz"

    def pack(self, tree: Path, globs: Sequence[str]) -> tuple[Digest, int, int]:
        """See :meth:`andon.flow.artifacts.contract.Artifacts.pack`."""
        names = _chosen(tree, globs)
        beside: Path | None = None
        try:
            handle, made = tempfile.mkstemp(dir=self._folder, prefix=".packing-")
            beside = Path(made)
            with (
                os.fdopen(handle, "wb") as raw,
                gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0, filename="") as packed,
                tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
            ):
                for name in names:
                    _add(tar, tree, name)
            with beside.open("rb") as file:
                digest = Digest(hashlib.file_digest(file, "sha256").hexdigest())
                os.fsync(file.fileno())
            size = beside.stat().st_size
            beside.chmod(0o400)
            final = self.path(digest)
            final.parent.mkdir(exist_ok=True, mode=0o700)
            beside.replace(final)
            sync_folder(final.parent)
        except OSError as error:
            raise Unavailable(
                f"The package could not be stored: {error.strerror or error}.",
                safe="No artifact was recorded.",
                remedy="Make room on the disk of the data directory, then retry the job.",
            ) from error
        finally:
            if beside is not None:
                beside.unlink(missing_ok=True)
        return digest, size, len(names)

    def intact(self, digest: Digest) -> bool:
        """Whether the stored bytes still have this digest. Raises :class:`ArtifactMissing`."""
        try:
            with self.path(digest).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == digest
        except FileNotFoundError:
            raise ArtifactMissing(
                f"The package {digest[:12]} is not in the store any more.",
                safe="What runs is not touched.",
                remedy="Start a new run of its commit to build it again: andon run",
            ) from None

    def unpack(self, digest: Digest, folder: Path) -> None:
        """See :meth:`andon.flow.artifacts.contract.Artifacts.unpack`."""
        if not self.intact(digest):
            raise ArtifactCorrupt(
                f"The package {digest[:12]} was changed after it was stored.",
                safe="Nothing was unpacked; what runs is not touched.",
                remedy="Look for the cause (disk, somebody's hand), then build the commit again: andon run",
            )
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            with tarfile.open(self.path(digest), "r:gz") as tar:
                tar.extractall(beside, filter="data")
            beside.chmod(0o755)
            beside.rename(folder)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise

    def remove(self, digest: Digest) -> None:
        self.path(digest).unlink(missing_ok=True)

    def stored(self) -> frozenset[Digest]:
        return frozenset(Digest(path.name.removesuffix(".tar.gz")) for path in self._folder.glob("??/*.tar.gz"))


def _chosen(tree: Path, globs: Sequence[str]) -> list[str]:
    chosen = Globs(globs)
    names: list[str] = []
    leaving: list[str] = []
    root = os.path.realpath(tree)
    for name, entry in _walk(tree):
        if not chosen.match(name):
            continue
        if entry.is_symlink():
            if _leaves(root, name, os.readlink(entry.path)):  # noqa: PTH115 - Path would normalise the target
                leaving.append(name)
        elif not entry.is_file(follow_symlinks=False):
            continue  # sockets, pipes and devices are no part of a package
        names.append(name)
    if leaving:
        shown = ", ".join(sorted(leaving)[:_LISTED])
        raise PackageInvalid(
            f"The package has links that leave the tree: {shown}.",
            safe="No package was made.",
            remedy="Copy the files in instead of linking to them, or leave the links out under package.files.",
        )
    if not names:
        raise PackageInvalid(
            f"No file matches {', '.join(globs)}.",
            safe="No package was made.",
            remedy="Check package.files in andon.yaml against what the build leaves in the workspace.",
        )
    return sorted(names)


def _leaves(root: str, name: str, target: str) -> bool:
    """Whether a link leaves the tree: as it is written, or by way of other links."""
    folder = posixpath.dirname(name)
    written = posixpath.normpath(posixpath.join(folder, target))
    if target.startswith("/") or written == ".." or written.startswith("../"):
        return True
    real = os.path.realpath(os.path.join(root, folder, target))  # noqa: PTH118 - Path.resolve raises for a circle
    return real != root and not real.startswith(root + "/")


def _walk(tree: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(tree / prefix) as entries:
                found = list(entries)
        except OSError as error:
            raise PackageInvalid(
                f"The folder {prefix[:200]!r} of the workspace cannot be read: {error.strerror}.",
                safe="No package was made.",
                remedy="Let the build remove it, or leave it readable.",
            ) from error
        for entry in found:
            if not entry.is_dir(follow_symlinks=False):
                yield prefix + entry.name, entry
            elif entry.name != ".git":
                pending.append(f"{prefix}{entry.name}/")


def _add(tar: tarfile.TarFile, tree: Path, name: str) -> None:
    path = tree / name
    found = path.lstat()
    entry = tarfile.TarInfo(name)
    if stat.S_ISLNK(found.st_mode):
        entry.type = tarfile.SYMTYPE
        entry.linkname = os.readlink(path)  # noqa: PTH115 - Path would normalise the target
        entry.mode = 0o777
        tar.addfile(entry)
        return
    entry.mode = 0o755 if found.st_mode & 0o100 else 0o644
    try:
        file = path.open("rb")
    except PermissionError as error:
        raise PackageInvalid(
            f"The file {name} of the package cannot be read.",
            safe="No package was made.",
            remedy="Let the build leave it readable for its owner.",
        ) from error
    with file:
        # What is being written while it is packed must not shift what follows it in the file.
        entry.size = os.fstat(file.fileno()).st_size
        tar.addfile(entry, file)
