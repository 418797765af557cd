"""The folder a job works in: the commit's tree, exported once a run, and what the job changes in it.

With an overlay the tree is shared and a job's changes go to a layer of its own: that costs no copy, whatever the
size of the repository. Where the file system of the data directory cannot carry overlays, each job gets a copy.
The package's job always gets a copy, because its files are packed from outside the sandbox, where an overlay
cannot be seen whole.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from andon.flow.pipelines.contract import RunId
from andon.flow.pipelines.folders import RunFolders, remove_tree
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.errors import Invalid, Unavailable
from andon.kernel.sandbox.command import bubblewrap, build
from andon.kernel.sandbox.model import Mount, Overlay, SandboxSpec

INSIDE = "/workspace"


class Trees:
    """The exported trees of runs. One process owns the folder."""

    def __init__(self, folders: RunFolders, sources: Sources) -> None:
        self._folders = folders
        self._sources = sources
        self._guard = threading.Lock()
        self._exporting: dict[RunId, threading.Lock] = {}

    def get(self, run: RunId, service: Service, commit: CommitHash) -> Path:
        """The tree of the run's commit; whoever asks first exports it, the others wait."""
        final = self._folders.source(run)
        with self._lock(run):
            if final.is_dir():
                return final
            folder = self._folders.run(run)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside = Path(tempfile.mkdtemp(dir=folder, prefix=".source-"))
            try:
                self._sources.export(service, commit, beside / "tree")
                (beside / "tree").rename(final)
            finally:
                remove_tree(beside)
            return final

    def forget(self, run: RunId) -> None:
        """Remove a run's tree; no job of the run may be under way."""
        with self._lock(run):
            folder = self._folders.run(run)
            for left in (self._folders.source(run), *folder.glob(".source-*")):
                remove_tree(left)
        with self._guard:
            self._exporting.pop(run, None)

    def _lock(self, run: RunId) -> threading.Lock:
        with self._guard:
            return self._exporting.setdefault(run, threading.Lock())


@dataclass(frozen=True, slots=True)
class Workspace:
    """``changes`` is where the job's files are found from outside; for an overlay the changed ones only."""

    mount: Mount | Overlay
    changes: Path
    tree: Path

    @property
    def overlaid(self) -> bool:
        return isinstance(self.mount, Overlay)

    def place(self, path: str) -> None:
        """Check that a folder can be shown at this workspace-relative path, and make it where that is needed.

        Raises ``Invalid`` where the commit has a link or a file on the way: showing something there would show it
        wherever the link leads.
        """
        here = self.tree
        for part in PurePosixPath(path).parts:
            here /= part
            if here.is_symlink() or (here.exists() and not here.is_dir()):
                raise Invalid(
                    f"Nothing can be kept in {path}: the commit has a "
                    f"{'link' if here.is_symlink() else 'file'} at {here.relative_to(self.tree)}.",
                    safe="The job was not started.",
                    remedy="Name another folder under caches, or remove it from the repository.",
                )
        if not self.overlaid:
            (self.changes / path).mkdir(parents=True, exist_ok=True)


@contextmanager
def workspace(folder: Path, tree: Path, *, overlay: bool) -> Iterator[Workspace]:
    """A fresh workspace in ``folder`` (an attempt's own), removed at the end. ``tree`` must not change meanwhile."""
    made = [folder / "upper", folder / "work"] if overlay else [folder / "workspace"]
    for one in made:
        remove_tree(one)  # of an attempt that a crash cut short
    try:
        if overlay:
            for one in made:
                one.mkdir(mode=0o755)
            yield Workspace(Overlay(tree, made[0], made[1], INSIDE), made[0], tree)
        else:
            copy_tree(tree, made[0])
            yield Workspace(Mount(made[0], INSIDE, writable=True), made[0], tree)
    finally:
        for one in made:
            remove_tree(one)


def copy_tree(tree: Path, target: Path) -> None:
    """Copy a folder to where nothing is yet; shares the blocks where the file system can."""
    done = subprocess.run(
        ["cp", "-a", "--reflink=auto", "--", tree, target], capture_output=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise Unavailable(
            f"The workspace could not be made: {done.stderr.decode(errors='replace').strip()[-500:]}",
            safe="The job was not started.",
            remedy="Look at the free space of the data directory, then retry the job.",
        )


def can_overlay(folder: Path) -> bool:
    """Whether a sandbox can show folders in ``folder`` with an overlay; tried with a real one."""
    bubblewrap()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    trial = Path(tempfile.mkdtemp(dir=folder, prefix=".overlay-"))
    try:
        for name in ("lower", "upper", "work"):
            (trial / name).mkdir()
        (trial / "lower" / "gone").touch()
        spec = SandboxSpec(
            argv=("sh", "-c", "rm gone && : >come"),
            directory=INSIDE,
            mounts=(Overlay(trial / "lower", trial / "upper", trial / "work", INSIDE),),
        )
        done = subprocess.run(
            build(spec, dies_with_parent=True).argv,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=20,
            check=False,
            env={"PATH": "/usr/bin:/bin"},
        )
        return done.returncode == 0 and (trial / "lower" / "gone").exists() and (trial / "upper" / "come").exists()
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        remove_tree(trial)


def clear_stale(root: Path) -> None:
    """Remove what attempts of an earlier life left of their workspaces; logs stay."""
    if not root.is_dir():
        return
    for pattern in ("*/*/*/upper", "*/*/*/work", "*/*/*/workspace", "*/*/*/layers", "*/*/*/services", "*/.source-*"):
        for left in root.glob(pattern):
            remove_tree(left)
    for left in root.glob(".overlay-*"):
        shutil.rmtree(left, ignore_errors=True)


def is_whiteout(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of an upper layer says "removed"."""
    if entry.is_symlink() or entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
        return False
    found = entry.stat(follow_symlinks=False)
    return found.st_rdev == 0 and (found.st_mode & 0o170000) == 0o020000
