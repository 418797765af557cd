"""Copies of the store while it runs, and the way back.

A copy holds all that was acknowledged before it began. It is made by the database itself (parts never change, so what
is written meanwhile disturbs nothing), and only what the copy that it builds on does not have takes room. What is in it
is written beside it last: a copy that was cut short is not offered, and the next one clears it away.

Copies lie in the one folder that the engine may write to (:class:`~.engine.EmbeddedEngine`); for a ClickHouse server
that is a folder of the server's, and its name stands in both.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.store.engine import DATABASE, Engine, StoreError
from andon.feedback.telemetry.store.schema import UPGRADES, upgrade
from andon.kernel.errors import Conflict, Invalid, NotFound, Unavailable

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_GROWING: Final = ("series", "samples", "exemplars", "logs", "spans", "upgrades")
"""Tables whose rows become no fewer by merging."""
_RESTORED, _BEFORE = f"{DATABASE}_restored", f"{DATABASE}_before"
_NOTE: Final = ".json"
_alone = threading.RLock()


class BackupInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a finished copy. Times are milliseconds since 1970."""

    name: str
    began: int
    ended: int
    base: str
    """The copy that it builds on, without which it cannot be read; empty for a whole one."""
    upgrade: int
    """Of the tables in it."""
    rows: Mapping[str, int]
    """By table: what it holds at least."""
    bytes: int
    """What it takes on the disk, without its base."""


def listed(folder: Path) -> tuple[BackupInfo, ...]:
    """The finished copies that can be read, the newest first: those whose base is there too."""
    found: dict[str, BackupInfo] = {}
    for note in folder.glob(f"*{_NOTE}"):
        try:
            info = msgspec.json.decode(note.read_bytes(), type=BackupInfo)
        except (OSError, msgspec.MsgspecError):
            continue
        if info.name == note.name.removesuffix(_NOTE) and (folder / info.name / ".backup").is_file():
            found[info.name] = info

    def whole(info: BackupInfo, seen: frozenset[str]) -> bool:
        if not info.base:
            return True
        return info.base in found and info.base not in seen and whole(found[info.base], seen | {info.base})

    readable = [one for one in found.values() if whole(one, frozenset({one.name}))]
    return tuple(sorted(readable, key=lambda one: (one.began, one.name), reverse=True))


@contextmanager
def alone() -> Iterator[None]:
    """While nothing else is copied or put back: each would clear away what it takes for the other's remains.

    Raises ``Conflict`` when something is. May be entered again by the same thread.
    """
    if not _alone.acquire(blocking=False):
        raise Conflict(
            "Telemetry is being copied or put back already.",
            safe="That goes on, and nothing else was begun.",
            remedy="Try again when it is done: `andon telemetry backups` lists finished copies.",
        )
    try:
        yield
    finally:
        _alone.release()


def backup(engine: Engine, folder: Path, name: str, *, base: str = "") -> BackupInfo:
    """Copy the store to ``folder/name``, building on the copy ``base`` if one is named.

    Raises ``Invalid`` for a name that is none, ``Conflict`` where it is taken or another copy is being made,
    ``NotFound`` for a base that is not there, and ``Unavailable`` when it could not be made; nothing is left of it
    then.
    """
    _require_name(name)
    with alone():
        return _backup(engine, folder, name, base)


def _backup(engine: Engine, folder: Path, name: str, base: str) -> BackupInfo:
    if any(one.name == name for one in listed(folder)):
        raise Conflict(f"There is a copy of telemetry named {name} already.", remedy="Choose another name.")
    if base:
        _find(folder, base)
    clear(folder)
    began = now_ms()
    before = _partitions(engine)
    number = _number(engine, DATABASE)
    statement = f"BACKUP DATABASE {DATABASE} TO {_file(folder, name)}"
    try:
        engine.command(f"{statement} SETTINGS base_backup = {_file(folder, base)}" if base else statement)
    except StoreError as error:
        shutil.rmtree(folder / name, ignore_errors=True)
        raise Unavailable(
            "The copy of telemetry could not be made.",
            safe="Telemetry itself goes on, and the copies that were there are whole.",
            remedy=f"Look whether {folder} has room. The store said: {str(error)[:300]}",
        ) from error
    after = _partitions(engine)
    rows = dict.fromkeys(_GROWING, 0)
    for (table, partition), count in before.items():
        # one that grew too old meanwhile is in the copy or not
        rows[table] += min(count, after.get((table, partition), 0))
    info = BackupInfo(
        name=name,
        began=began,
        ended=now_ms(),
        base=base,
        upgrade=number,
        rows=rows,
        bytes=sum(one.stat().st_size for one in (folder / name).rglob("*") if one.is_file()),
    )
    _sync(*(folder / name).rglob("*"), folder / name)
    _write(folder / f"{name}{_NOTE}", msgspec.json.encode(info))
    return info


def restore(engine: Engine, folder: Path, name: str) -> BackupInfo:
    """Put a copy in the place of what is stored now, and bring its tables to this release's form.

    The copy is read beside what is there and looked over before it takes its place: until then, and when it raises,
    everything stays as it was. Nobody may write meanwhile. Raises ``NotFound``, ``Conflict`` for a copy of a newer
    Andon or while one is being made, and ``Unavailable`` for one that cannot be read or lacks something.
    """
    with alone():
        return _restore(engine, folder, name)


def _restore(engine: Engine, folder: Path, name: str) -> BackupInfo:
    info = _find(folder, name)
    if info.upgrade > UPGRADES[-1].number:
        raise Conflict(
            f"The copy {name} was made by a newer Andon: it has upgrade {info.upgrade}, this one knows "
            f"{UPGRADES[-1].number}.",
            safe="Nothing was changed.",
            remedy="Restore it with the newer Andon.",
        )
    recover(engine)
    try:
        engine.command(f"RESTORE DATABASE {DATABASE} AS {_RESTORED} FROM {_file(folder, name)}")
        _look_over(engine, info)
    except StoreError as error:
        engine.command(f"DROP DATABASE IF EXISTS {_RESTORED} SYNC")
        raise Unavailable(
            f"The copy {name} cannot be read.",
            safe="What is stored was not touched.",
            remedy=f"Take another one: `andon telemetry backups` lists them. The store said: {str(error)[:300]}",
        ) from error
    except Unavailable:
        engine.command(f"DROP DATABASE IF EXISTS {_RESTORED} SYNC")
        raise
    engine.command(f"RENAME DATABASE {DATABASE} TO {_BEFORE}")
    engine.command(f"RENAME DATABASE {_RESTORED} TO {DATABASE}")
    engine.command(f"DROP DATABASE {_BEFORE} SYNC")
    upgrade(engine)
    return info


def recover(engine: Engine) -> None:
    """Finish or undo a restoration that was cut short, before anything else is asked of the store."""
    there = {str(name) for (name,) in engine.rows("SELECT name FROM system.databases")}
    if _BEFORE in there and _RESTORED in there:  # between the two renamings: the copy had been looked over
        engine.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")
        engine.command(f"RENAME DATABASE {_RESTORED} TO {DATABASE}")
    elif _RESTORED in there:
        engine.command(f"DROP DATABASE {_RESTORED} SYNC")
    if _BEFORE in there:
        engine.command(f"DROP DATABASE {_BEFORE} SYNC")


def remove(folder: Path, name: str) -> None:
    """Delete a copy. Raises ``NotFound``, and ``Conflict`` while another builds on it."""
    _find(folder, name)
    builds = [one.name for one in listed(folder) if one.base == name]
    if builds:
        raise Conflict(
            f"The copy {name} is needed by {', '.join(sorted(builds))}.",
            safe="Nothing was deleted.",
            remedy="Delete those first.",
        )
    (folder / f"{name}{_NOTE}").unlink()
    shutil.rmtree(folder / name)


def clear(folder: Path) -> None:
    """Delete what is left of copies that were cut short. Not while one is being made."""
    for one in folder.glob("*"):
        if one.is_dir() and _NAME.fullmatch(one.name) and not (folder / f"{one.name}{_NOTE}").exists():
            shutil.rmtree(one)


def _find(folder: Path, name: str) -> BackupInfo:
    for one in listed(folder):
        if one.name == name:
            return one
    raise NotFound(f"There is no copy of telemetry named {name}.", remedy="`andon telemetry backups` lists them.")


def _look_over(engine: Engine, info: BackupInfo) -> None:
    counts = _counts(engine, _RESTORED)
    short = [
        f"{table} ({counts.get(table, 0)} of {rows})"
        for table, rows in info.rows.items()
        if counts.get(table, 0) < rows
    ]
    if short or _number(engine, _RESTORED) != info.upgrade:
        raise Unavailable(
            f"The copy {info.name} lacks rows: {', '.join(short) or 'its form is another one'}.",
            safe="What is stored was not touched.",
            remedy="Take another one: `andon telemetry backups` lists them.",
        )


def _counts(engine: Engine, database: str) -> dict[str, int]:
    counted = (f"SELECT '{table}', count() FROM {database}.{table}" for table in _GROWING)
    return {str(table): int(str(count)) for table, count in engine.rows(" UNION ALL ".join(counted))}


def _partitions(engine: Engine) -> dict[tuple[str, str], int]:
    """How many rows each partition of the growing tables has."""
    rows = engine.rows(
        "SELECT table, partition_id, sum(rows) FROM system.parts WHERE database = currentDatabase() AND active "
        "AND table IN {tables:Array(String)} GROUP BY table, partition_id",
        {"tables": list(_GROWING)},
    )
    return {(str(table), str(partition)): int(str(count)) for table, partition, count in rows}


def _number(engine: Engine, database: str) -> int:
    ((number,),) = engine.rows(f"SELECT max(number) FROM {database}.upgrades")
    return int(str(number))


def _file(folder: Path, name: str) -> str:
    """The place as a statement names it; names of copies have no quotes, and those of the folder are doubled."""
    path = str(folder.resolve() / name).replace("\\", "\\\\").replace("'", "\\'")
    return f"File('{path}')"


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name.endswith(_NOTE):
        raise Invalid(
            f"`{name[:80]}` is no name for a copy.",
            remedy="Use up to 64 small letters, digits, dots, dashes and underscores.",
        )


def _sync(*paths: Path) -> None:
    """On the disk, before anything says that it is."""
    for one in paths:
        handle = os.open(one, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _write(path: Path, content: bytes) -> None:
    aside = path.with_suffix(".part")
    aside.write_bytes(content)
    _sync(aside)
    aside.replace(path)
    _sync(path.parent)
