"""What jobs keep between runs: folders by service, branch and path, in generations that never change.

A job works on a copy of the newest generation (copy-on-write, so it costs nothing to begin with); only when the job
has passed does its copy become the next generation. So jobs that use the same cache run side by side instead of
waiting for one another, a failed or killed job leaves no half-written cache, and no job sees another one's writes.
Of two that pass, the later one's view is kept.

A branch begins with the default branch's cache and keeps its own: whoever may push a branch, but not to the default
one, cannot slip something into what is deployed through a cache.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from andon.flow.pipelines.folders import bytes_in, remove_tree
from andon.flow.pipelines.runner.workspaces import INSIDE, Workspace, copy_tree, is_whiteout
from andon.flow.sources.contract import Service
from andon.kernel.files import write_whole
from andon.kernel.sandbox.model import Mount, Overlay

MOST_BYTES = 5 * 1024**3
"""A larger cache is not kept."""
KEEP_DAYS = 30
_OPAQUE = "user.overlay.opaque"


@dataclass(frozen=True, slots=True)
class CacheUse:
    """One job's copy of one cache."""

    path: str
    mount: Mount | Overlay
    home: Path
    base: Path
    changes: Path


class Caches:
    """The caches of all services. One process owns the folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._guard = threading.Lock()
        self._in_use: dict[Path, int] = {}

    @contextmanager
    def use(
        self, service: Service, path: str, *, branch: str, default_branch: str, workspace: Workspace, layers: Path
    ) -> Iterator[CacheUse]:
        """A copy for one job, as a mount; gone at the end unless :meth:`publish` was called. ``layers`` is scratch."""
        workspace.place(path)
        home = self._home(service, branch, path)
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        base = self._take(home, self._home(service, default_branch, path))
        own = layers / hashlib.sha256(path.encode()).hexdigest()[:16]
        target = f"{INSIDE}/{path}"
        remove_tree(own)
        try:
            own.mkdir(parents=True, mode=0o700)
            changes = own / "upper"
            if workspace.overlaid:
                changes.mkdir()
                (own / "work").mkdir()
                yield CacheUse(path, Overlay(base, changes, own / "work", target), home, base, changes)
            else:
                copy_tree(base, changes)
                yield CacheUse(path, Mount(changes, target, writable=True), home, base, changes)
        finally:
            self._give_back(base)
            remove_tree(own)

    def publish(self, use: CacheUse) -> str | None:
        """Keep what a job that passed has left; a note for the log when that is not possible.

        Nothing may run in the job's sandbox any more.
        """
        overlaid = isinstance(use.mount, Overlay)
        if overlaid and not any(use.changes.iterdir()):
            _touch(use.home / "current")
            return None
        generation = use.home / f"{time.time_ns()}"
        draft = use.home / f".draft-{generation.name}"
        try:
            if overlaid:
                _hard_link_tree(use.base, draft)
                _apply(use.changes, draft)
            else:
                _open_folders(use.changes)
                use.changes.rename(draft)
            size = bytes_in(draft)
            if size > MOST_BYTES:
                return f"The cache {use.path} has {size // 1024**2} MiB, more than is kept ({MOST_BYTES // 1024**2})."
            draft.rename(generation)
            write_whole(use.home / "current", generation.name.encode(), mode=0o600, durable=False)
        except (OSError, RecursionError) as error:
            return f"The cache {use.path} was not kept: {error}."
        finally:
            remove_tree(draft)
        self._sweep(use.home)
        return None

    def expire(self) -> int:
        """Remove caches that no job has used for :data:`KEEP_DAYS`, and what crashes left; how many."""
        removed = 0
        limit = time.time() - KEEP_DAYS * 86400
        for home in self._root.glob("*/*"):
            for draft in home.glob(".draft-*"):
                if draft.stat().st_mtime < time.time() - 3600:
                    remove_tree(draft)
            with self._guard:
                busy = any(base.is_relative_to(home) for base in self._in_use)
                used = [at.stat().st_mtime for at in (home / "current", home) if at.exists()]
                if not busy and used and used[0] < limit:
                    remove_tree(home)
                    removed += 1
        return removed

    def _home(self, service: Service, branch: str, path: str) -> Path:
        return self._root / service / hashlib.sha256(f"{branch}\0{path}".encode()).hexdigest()[:32]

    def _take(self, *homes: Path) -> Path:
        with self._guard:
            base = next((found for home in homes if (found := _current(home)) is not None), None)
            if base is None:
                base = homes[0] / "0"
                base.mkdir(exist_ok=True, mode=0o755)
            self._in_use[base] = self._in_use.get(base, 0) + 1
            return base

    def _give_back(self, base: Path) -> None:
        with self._guard:
            self._in_use[base] -= 1
            if not self._in_use[base]:
                del self._in_use[base]
        self._sweep(base.parent)

    def _sweep(self, home: Path) -> None:
        """Remove generations that are neither the newest nor in use."""
        with self._guard:
            kept = {_current(home), *self._in_use}
            old = [one for one in home.glob("[0-9]*") if one not in kept]
            trash = [one.rename(home / f".draft-{one.name}-old") for one in old]
        for one in trash:
            remove_tree(one)


def _current(home: Path) -> Path | None:
    try:
        name = (home / "current").read_text()
    except OSError:
        return None
    found = home / name
    return found if name.isdecimal() and found.is_dir() else None


def _touch(path: Path) -> None:
    if path.exists():
        os.utime(path)


def _hard_link_tree(base: Path, draft: Path) -> None:
    # Files are shared with the generation before: neither is ever written to, see _apply.
    subprocess.run(["cp", "-al", "--", base, draft], check=True, capture_output=True, stdin=subprocess.DEVNULL)


def _open_folders(tree: Path) -> None:
    # A folder that its job has closed could never be copied for the next one.
    subprocess.run(["chmod", "-R", "u+rwX", "--", tree], check=False, capture_output=True, stdin=subprocess.DEVNULL)


def _apply(upper: Path, draft: Path) -> None:
    """Bring the changes of an overlay's upper layer into a tree. Files are moved, never written in place."""
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(upper / prefix) as entries:
            found = list(entries)
        for entry in found:
            target = draft / prefix / entry.name
            if entry.is_dir(follow_symlinks=False):
                opaque = _OPAQUE in os.listxattr(entry.path, follow_symlinks=False)
                if opaque or target.is_symlink() or (target.exists() and not target.is_dir()):
                    remove_tree(target) if target.is_dir() and not target.is_symlink() else target.unlink(True)
                target.mkdir(exist_ok=True)
                target.chmod(entry.stat(follow_symlinks=False).st_mode & 0o777 | 0o700)
                pending.append(f"{prefix}{entry.name}/")
                continue
            if target.is_dir() and not target.is_symlink():
                remove_tree(target)
            else:
                target.unlink(missing_ok=True)
            if not is_whiteout(entry):
                Path(entry.path).rename(target)
