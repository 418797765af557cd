"""Where the files of runs are, below ``runs`` in the data directory."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from andon.flow.pipelines.contract import JobId, RunId


@dataclass(frozen=True, slots=True)
class RunFolders:
    """``<run>/source`` is the commit's tree, ``<run>/<job>/<attempt>`` belongs to one attempt of a job."""

    root: Path

    def run(self, run: RunId) -> Path:
        return self.root / run

    def source(self, run: RunId) -> Path:
        return self.root / run / "source"

    def attempt(self, run: RunId, job: JobId, attempt: int) -> Path:
        return self.root / run / job / str(attempt)

    def log(self, run: RunId, job: JobId, attempt: int) -> Path:
        """For :class:`andon.kernel.logs.LogReader`; missing as long as the attempt has printed nothing."""
        return self.attempt(run, job, attempt) / "log"

    @property
    def sandboxes(self) -> Path:
        """The files by which the sandboxes of an earlier life are found."""
        return self.root / ".sandboxes"


def remove_tree(folder: Path) -> None:
    """Remove a folder that a job could write to, whatever it left there. Raises ``OSError`` when that fails.

    Links are removed, not followed. A job may have nested folders deeper than Python walks, or taken away its own
    right to enter them.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        if not folder.exists():
            return
        subprocess.run(["chmod", "-R", "u+rwX", "--", folder], capture_output=True, check=False)
        done = subprocess.run(["rm", "-rf", "--", folder], capture_output=True, check=False)
        if done.returncode:
            raise OSError(f"{folder} cannot be removed: {done.stderr.decode(errors='replace').strip()}") from None


def bytes_in(folder: Path) -> int:
    """What a folder takes on the disk. Links are not followed; what vanishes meanwhile counts nothing."""
    done = subprocess.run(["du", "-skx", "--", folder], capture_output=True, check=False)
    first = done.stdout.split(b"\t", 1)[0]
    return int(first) * 1024 if first.isdigit() else 0
