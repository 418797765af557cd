"""``andon doctor``: does this machine have what Andon needs, and how is what it lacks to be had."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from andon.app.supervisor import running_pid
from andon.feedback.telemetry.heard import read_state, state_file
from andon.flow.routing.adapters import envoy_binary, envoy_version
from andon.kernel.errors import AndonError
from andon.kernel.sandbox.doctor import check_limits, check_sandbox
from andon.kernel.settings import Settings
from andon.web.terminal.whereabouts import whereabouts

_LEAST_GIT = (2, 28)
"""``init --initial-branch`` came with it."""
_LEAST_ROOM = 2 * 1024**3


class Grade(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    """Andon runs, but promises less."""
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    grade: Grade
    found: str
    remedy: str = ""


def examine(settings: Settings) -> tuple[Check, ...]:
    """Look at everything; never raises for what is missing."""
    return tuple(_checks(settings))


def _checks(settings: Settings) -> Iterator[Check]:
    yield Check("python", Grade.GOOD, f"Python {sys.version.split()[0]}")
    yield _git()
    sandbox = check_sandbox()
    yield Check("sandbox", Grade.GOOD if sandbox.ok else Grade.BAD, sandbox.what, sandbox.remedy)
    limits = check_limits()
    yield Check("limits", Grade.GOOD if limits.ok else Grade.WARNING, limits.what, limits.remedy)
    yield _envoy()
    yield _data(settings.data)
    yield _room(settings.data)
    yield _port(settings)
    yield from _telemetry(settings)
    yield from _flags(settings)


def _git() -> Check:
    program = shutil.which("git")
    remedy = "Install git: apt-get install git, dnf install git, or apk add git git-daemon."
    if program is None:
        return Check("git", Grade.BAD, "git is not on the PATH.", remedy)
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
        where = subprocess.run(
            [program, "--exec-path"], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return Check("git", Grade.BAD, f"git does not run: {error}.", remedy)
    numbers = tuple(int(one) for one in re.findall(r"\d+", told)[:2])
    if numbers < _LEAST_GIT:
        least = ".".join(str(one) for one in _LEAST_GIT)
        return Check("git", Grade.BAD, f"{told.strip()} is older than {least}.", remedy)
    if not (Path(where) / "git-http-backend").exists():
        return Check("git", Grade.BAD, f"{told.strip()} comes without http-backend.", remedy)
    return Check("git", Grade.GOOD, told.strip())


def _envoy() -> Check:
    try:
        told = envoy_version(envoy_binary())
    except AndonError as error:
        return Check("router", Grade.BAD, error.message, error.remedy)
    found = re.search(r"\d+\.\d+\.\d+", told)
    return Check("router", Grade.GOOD, f"Envoy {found.group() if found else told}")


def _data(data: Path) -> Check:
    if not data.exists():
        return Check("data", Grade.GOOD, f"{data} will be made at the first start.")
    status = data.stat()
    if status.st_uid != os.geteuid():
        return Check(
            "data",
            Grade.BAD,
            f"{data} belongs to another user.",
            "Run Andon as its owner, or name another with --data.",
        )
    if status.st_mode & 0o077:
        return Check("data", Grade.WARNING, f"{data} can be read by others on this machine.", f"chmod 700 {data}")
    return Check("data", Grade.GOOD, f"{data}, readable by its owner only")


def _room(data: Path) -> Check:
    place = next(one for one in (data, *data.parents) if one.exists())
    free = shutil.disk_usage(place).free
    told = f"{free / 1024**3:.1f} GiB free"
    if free < _LEAST_ROOM:
        return Check("disk", Grade.WARNING, told, "Make room: packages, logs and workspaces need some GiB.")
    return Check("disk", Grade.GOOD, told)


def _telemetry(settings: Settings) -> Iterator[Check]:
    """Nothing where it does not run: then nothing of it is amiss yet."""
    if not settings.telemetry.enabled or running_pid(settings.data) is None:
        return
    state = read_state(state_file(settings.data))
    if state is None:
        log = settings.data / "log" / "telemetry.log"
        yield Check("telemetry", Grade.WARNING, "Its process is not up.", f"Read {log}")
        return
    if state.trouble:
        yield Check("telemetry", Grade.WARNING, state.trouble, "Make room, or set telemetry.disk_reserve lower.")
    for one in state.faults:
        yield Check(
            "telemetry",
            Grade.WARNING,
            f"{one.what} is not taken in: {one.fault}",
            "It is tried again until it can be; nothing needs to be started again.",
        )
    if not state.faults and not state.trouble:
        yield Check("telemetry", Grade.GOOD, f"{len(state.places)} ways in listen on ports of this machine")


def _flags(settings: Settings) -> Iterator[Check]:
    """Nothing where Andon does not run: then files need not be the newest."""
    if running_pid(settings.data) is None:
        return
    from andon.app.composition import compose  # noqa: PLC0415 - every room: only who asks the doctor waits for them

    try:
        andon = compose(settings)
    except AndonError as error:
        yield Check("flags", Grade.WARNING, error.message, error.remedy)
        return
    try:
        with andon.database.reading() as reading:
            running = [(one.service, one.name) for one in andon.flow.environments.all(reading)]
            found = tuple(andon.flow.flags.examination(andon.flow.layout.doors).findings(reading, running))
    except AndonError as error:
        yield Check("flags", Grade.WARNING, error.message, error.remedy)
        return
    finally:
        andon.close()
    yield from (Check("flags", Grade.WARNING, one.found, one.remedy) for one in found)
    if not found:
        told = f"{len(running)} {'environment has' if len(running) == 1 else 'environments have'} the newest flags"
        yield Check("flags", Grade.GOOD, told)


def _port(settings: Settings) -> Check:
    address = f"{settings.web.host}:{settings.web.port}"
    pid = running_pid(settings.data)
    if pid is not None:
        found = whereabouts(settings.data)
        told = f" at {found.address}" if found is not None else "; it is not up yet"
        return Check("console", Grade.GOOD, f"Andon runs as process {pid}{told}")
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.web.host, settings.web.port))
        except OSError as error:
            return Check(
                "console",
                Grade.BAD,
                f"{address} cannot be used: {error.strerror}.",
                "Choose another port: andon up --port N, or web.port in settings.toml.",
            )
    return Check("console", Grade.GOOD, f"{address} is free")
