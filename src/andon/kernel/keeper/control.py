"""Start, ask, stop and list keepers. Everything here may be called by any Andon process, also a later one."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeGuard

from andon.kernel.keeper.errors import AlreadyKept, KeeperFailed, KeeperSilent, NotKept
from andon.kernel.keeper.layout import LOCK, MOST, OWN_LOG, SOCKET, STATE, VERSION, connect
from andon.kernel.keeper.model import ENDED, KeeperSpec, KeptState, LastExit, Status
from andon.kernel.sandbox.attach import kill_groups
from andon.kernel.sandbox.command import private_arguments
from andon.kernel.sandbox.identity import ProcessId, alive, boot_id, end
from andon.kernel.sandbox.limits import remove_groups

_PROGRAM = Path(__file__).parent / "process.py"
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_START = 30.0  # seconds for a keeper to come up; a machine under load, never a reason to give up early
_ANSWER = 10.0


def spawn(spec: KeeperSpec, environment: Mapping[str, str], state_dir: Path) -> KeptState:
    """Start a keeper and its program; returns once the program has been started (not: is healthy).

    The keeper is detached: it lives on when Andon ends. ``environment`` is complete for the program (for a
    sandboxed one, see :func:`andon.kernel.sandbox.command.build`: pass ``Command.private`` with
    :func:`spawn_private` instead when defaults are wanted). It reaches the keeper through a pipe.

    Raises AlreadyKept, or KeeperFailed when the keeper could not be started.
    """
    private = private_arguments(environment) if spec.sandboxed else b""
    return _spawn(spec, {} if spec.sandboxed else dict(environment), private, state_dir)


def spawn_private(spec: KeeperSpec, private: bytes, state_dir: Path) -> KeptState:
    """:func:`spawn` for a sandboxed program whose ``Command.private`` was built already."""
    return _spawn(spec, {}, private, state_dir)


def _spawn(spec: KeeperSpec, environment: dict[str, str], private: bytes, state_dir: Path) -> KeptState:
    if not spec.argv:
        raise KeeperFailed("There is no command to keep.", remedy="Give at least the name of a program.")
    folder = _folder(state_dir, spec.id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_kept(state_dir, spec.id):
        raise _already(spec.id)
    if (before := _read(folder)) is not None:
        _end_processes(before)
    order = {
        "spec": {
            "id": spec.id,
            "kind": spec.kind,
            "argv": spec.argv,
            "directory": spec.directory,
            "sandboxed": spec.sandboxed,
            "restart": spec.restart,
            "stop_signal": spec.stop_signal,
            "stop_timeout": spec.stop_timeout,
            "log": str(spec.log.absolute()),
            "cgroups": spec.limits.cgroups,
            "rlimits": spec.limits.rlimits,
            "keeper_cgroups": spec.keeper_cgroups,
        },
        "environment": environment,
        "private": private.decode("utf-8", "surrogateescape"),
        "masks": spec.masks,
    }
    with os.fdopen(_private_file(folder / OWN_LOG), "wb") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_PROGRAM), str(folder.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"},
            cwd="/",
            start_new_session=True,
        )
        try:
            answer, _ = process.communicate(json.dumps(order).encode(), timeout=_START)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise KeeperFailed(
                f"The keeper of {spec.id!r} did not come up within {_START:g} s.",
                remedy=f"Look at {folder / OWN_LOG} and at the load of the machine.",
            ) from error
    word, _, reason = answer.decode("utf-8", "replace").strip().partition(" ")
    if word == "kept":
        raise _already(spec.id)
    state = _read(folder)
    if word != "ready" or state is None:
        tail = (folder / OWN_LOG).read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        raise KeeperFailed(
            f"The keeper of {spec.id!r} could not start its program: {reason or tail or 'no reason given'}.",
            remedy="Check that the program exists and may be run, and that the disk is not full.",
            safe="Nothing is left running.",
        )
    return state


def is_kept(state_dir: Path, id: str) -> bool:
    """A keeper with this id lives."""
    try:
        fd = os.open(_folder(state_dir, id) / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def kept(state_dir: Path) -> tuple[KeptState, ...]:
    """All keepers on file, by id, the ended ones too; one that died without a word is ``LOST``."""
    if not state_dir.is_dir():
        return ()
    found = (_look(state_dir, path.name) for path in sorted(state_dir.iterdir()) if _ID.match(path.name))
    return tuple(state for state in found if state is not None)


def state(state_dir: Path, id: str) -> KeptState | None:
    """What is on file of one keeper, without asking it; None when there is nothing."""
    return _look(state_dir, id)


def status(state_dir: Path, id: str) -> KeptState:
    """Ask a keeper how it stands. Raises NotKept, or KeeperSilent when it does not answer."""
    return _ask(state_dir, id, {"do": "status"}, _ANSWER)


def restart(state_dir: Path, id: str, *, timeout: float = 10.0) -> KeptState:
    """Stop the program (kill it after ``timeout`` seconds) and start it again, without the usual pause."""
    return _ask(state_dir, id, {"do": "restart", "timeout": timeout}, timeout + _ANSWER)


def stop(state_dir: Path, id: str, *, timeout: float = 10.0) -> None:
    """End a program and its keeper for certain, and remove what is on file of them (not the log).

    The program is asked first and killed after ``timeout`` seconds; a keeper that does not answer is killed, and
    what it kept with it. Nothing happens when there is no such keeper.
    """
    with suppress(NotKept, KeeperSilent):
        _ask(state_dir, id, {"do": "stop", "timeout": timeout}, timeout + _ANSWER)
        _wait_unlocked(state_dir, id)
    folder = _folder(state_dir, id)
    found = _read(folder)
    if found is not None:
        end(found.keeper, grace=_ANSWER if not is_kept(state_dir, id) else 0, number=0)
        _end_left(found)
    _forget(folder)


def reap_lost(state_dir: Path) -> tuple[KeptState, ...]:
    """Clean up after keepers that died without a word; what they were, so that they can be started again."""
    lost = tuple(found for found in kept(state_dir) if found.status is Status.LOST)
    for found in lost:
        _end_left(found)
        _forget(_folder(state_dir, found.id))
    return lost


def _folder(state_dir: Path, id: str) -> Path:
    if not _ID.match(id):
        raise ValueError(f"a keeper's id is made of letters, digits, '_', '.', '-': {id!r}")
    return state_dir / id


def _look(state_dir: Path, id: str) -> KeptState | None:
    found = _read(_folder(state_dir, id))
    if found is None or found.status in ENDED or is_kept(state_dir, id):
        return found
    # it may just have ended properly: its last words were written before the lock was let go
    again = _read(_folder(state_dir, id))
    if again is None or again.status in ENDED:
        return again
    return _with_status(again, Status.LOST)


def _with_status(found: KeptState, status: Status) -> KeptState:
    return KeptState(
        found.id, found.kind, status, found.since_ms, found.restarts, found.keeper, found.child, found.init,
        found.last_exit, found.log, found.cgroups, found.version,
    )  # fmt: skip


def _end_left(found: KeptState) -> None:
    """End what a dead keeper may have left, and give back the control groups it was limited by."""
    _end_processes(found)
    remove_groups(found.cgroups)


def _end_processes(found: KeptState) -> None:
    """By identity, so that nobody else is hit."""
    for process in (found.init, found.child):
        if process is not None and alive(process):
            end(process)
    kill_groups(found.cgroups)


def _forget(folder: Path) -> None:
    for name in (STATE, f"{STATE}.new", SOCKET, OWN_LOG, LOCK):
        with suppress(FileNotFoundError):
            (folder / name).unlink()
    with suppress(FileNotFoundError, OSError):
        folder.rmdir()


def _wait_unlocked(state_dir: Path, id: str) -> None:
    until = time.monotonic() + _ANSWER
    while is_kept(state_dir, id) and time.monotonic() < until:
        time.sleep(0.005)


def _ask(state_dir: Path, id: str, order: dict[str, object], timeout: float) -> KeptState:
    folder = _folder(state_dir, id)
    if not is_kept(state_dir, id):
        raise NotKept(f"Nothing with the id {id!r} is kept running.", remedy="Look at what runs with `andon status`.")
    try:
        with connect(str(folder), timeout) as asking:
            asking.sendall(json.dumps({"version": VERSION, **order}).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n") and len(data) < MOST and (more := asking.recv(MOST)):
                data += more
        answer = json.loads(data)
        found = _parse(answer["state"]) if answer.get("ok") else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _silent(id) from error
    if found is None:
        raise _silent(id)
    return found


def _silent(id: str) -> KeeperSilent:
    return KeeperSilent(
        f"The keeper of {id!r} runs but does not answer.",
        remedy="Try again; stopping it ends it for certain.",
        safe="Its program has not been touched.",
    )


def _already(id: str) -> AlreadyKept:
    return AlreadyKept(
        f"{id!r} is being kept running already.",
        remedy="Stop it first, or use another id.",
        safe="The running one has not been touched.",
    )


def _private_file(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _read(folder: Path) -> KeptState | None:
    try:
        return _parse(json.loads((folder / STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _parse(data: Mapping[str, object]) -> KeptState:
    """A keeper's state; process ids of an earlier life of the machine are left out."""
    same_life = data["boot"] == boot_id()
    keeper = _process(data["keeper"])
    if keeper is None:
        raise ValueError("a keeper without an identity")
    cgroups = data["cgroups"]
    return KeptState(
        id=str(data["id"]),
        kind=str(data["kind"]),
        status=Status(str(data["status"])),
        since_ms=_number(data["since_ms"]),
        restarts=_number(data["restarts"]),
        keeper=keeper if same_life else ProcessId(keeper.pid, -1),
        child=_process(data["child"]) if same_life else None,
        init=_process(data["init"]) if same_life else None,
        last_exit=_exit(data["last_exit"]),
        log=Path(str(data["log"])),
        cgroups=tuple(str(group) for group in cgroups) if isinstance(cgroups, list) and same_life else (),
        version=_number(data["version"]),
    )


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("not a number")
    return value


def _is_pair(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(item, int) for item in value)


def _process(value: object) -> ProcessId | None:
    return ProcessId(value[0], value[1]) if _is_pair(value) else None


def _exit(value: object) -> LastExit | None:
    if not isinstance(value, dict):
        return None
    code, signal = value["code"], value["signal"]
    return LastExit(
        None if code is None else _number(code),
        None if signal is None else _number(signal),
        bool(value["out_of_memory"]),
        _number(value["at_ms"]),
    )
