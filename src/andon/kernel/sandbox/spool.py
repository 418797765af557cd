"""A file for each running sandbox, by which the next life of Andon finds what the last one left behind.

The file is there before the payload starts and is removed after it has ended, so a crash at any moment leaves
either nothing running or a file that says what is.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from andon.kernel.sandbox.attach import kill_groups
from andon.kernel.sandbox.identity import ProcessId, boot_id, end, identify
from andon.kernel.sandbox.limits import remove_groups

VERSION = 1
MARK = "ANDON_SANDBOX"
"""In the environment of bubblewrap's own process (not the payload's): the path of its spool file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """``outer`` is bubblewrap, ``init`` the namespace's first process; both None while it is being launched."""

    id: str
    outer: ProcessId | None
    init: ProcessId | None
    cgroups: tuple[str, ...]
    boot: str


def path_of(state_dir: Path, id: str) -> Path:
    """Where the entry of one sandbox is kept."""
    return state_dir / f"{id}.json"


def write_entry(state_dir: Path, entry: Entry) -> None:
    """Write or replace the entry in one step. Not synced to the disk: a power cut ends the processes too."""
    text = json.dumps(
        {
            "version": VERSION,
            "id": entry.id,
            "outer": entry.outer,
            "init": entry.init,
            "cgroups": entry.cgroups,
            "boot": entry.boot,
        }
    )
    target = path_of(state_dir, entry.id)
    draft = target.with_suffix(".new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(target)


def remove_entry(state_dir: Path, id: str) -> None:
    """Forget a sandbox that has ended. Safe to repeat."""
    path_of(state_dir, id).unlink(missing_ok=True)


def end_orphans(state_dir: Path) -> list[str]:
    """End every sandbox an earlier life of Andon left in ``state_dir``; the ids of all that were on file.

    Call it at the start, before the first launch: it cannot tell its own sandboxes from orphans. An id is
    returned whether its processes still lived or had already died with the earlier life.
    """
    ended: list[str] = []
    if not state_dir.is_dir():
        return ended
    for path in sorted(state_dir.glob("*.json")):
        entry = _read(path)
        if entry is None:  # cut short, or of another version: the mark still finds its processes
            entry = Entry(path.stem, None, None, (), boot_id())
        if entry.boot == boot_id():
            _end(path, entry)
        ended.append(entry.id)
        path.unlink(missing_ok=True)
    for draft in state_dir.glob("*.new"):
        draft.unlink(missing_ok=True)
    return ended


def _end(path: Path, entry: Entry) -> None:
    found = [entry.init, entry.outer] if entry.outer is not None else _marked(path)
    # the init first: with it the kernel kills everything in its namespace, and bubblewrap sees it and ends
    for process in found:
        if process is not None:
            end(process)
    kill_groups(entry.cgroups)
    remove_groups(entry.cgroups)


def _marked(path: Path) -> list[ProcessId]:
    """bubblewrap and its init, for a crash between their start and the second writing of the entry; youngest first.

    Both carry the mark: the init is a fork of bubblewrap. The payload does not.
    """
    wanted = f"{MARK}={path.resolve()}".encode()
    found: list[ProcessId] = []
    for name in os.listdir("/proc"):  # noqa: PTH208 (names only)
        if not name.isdecimal():
            continue
        with suppress(OSError):
            if wanted in Path(f"/proc/{name}/environ").read_bytes().split(b"\0") and (process := identify(int(name))):
                found.append(process)
    return sorted(found, key=lambda process: (process.started, process.pid), reverse=True)


def _read(path: Path) -> Entry | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            return None
        return Entry(
            str(data["id"]),
            _process(data["outer"]),
            _process(data["init"]),
            tuple(str(folder) for folder in data["cgroups"]),
            str(data["boot"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _process(value: object) -> ProcessId | None:
    if isinstance(value, list) and len(value) == 2:
        return ProcessId(int(value[0]), int(value[1]))
    return None
