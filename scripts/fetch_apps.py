#!/usr/bin/env python3
"""Fetch the applications that nobody here wrote, by their hashes, before tests that use loopback only.

``tests/journeys/apps/<app>/source.txt`` names a source distribution, ``requirements.txt`` everything it needs to be
built, run and tested. Both come to ``.cache/apps/<app>``: ``source/`` has the archive, ``wheels/`` the wheels; what
is published without a wheel becomes one here. Again: nothing to do, in an instant.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = ROOT / "tests" / "journeys" / "apps"
CACHE = ROOT / ".cache" / "apps"
BUILDING = ("setuptools", "wheel", "pytest-runner")
"""What source distributions are built with; from the same locked list, so that these too come by their hashes."""


class Stopped(Exception):
    pass


def main() -> int:
    missing = [app for app in sorted(APPS.iterdir()) if (app / "source.txt").is_file() and not is_there(app)]
    started = time.monotonic()
    for app in missing:
        say(f"fetching {app.name} and what it needs, by hash")
        try:
            fetch(app)
        except Stopped as problem:
            say(str(problem))
            return 1
    if missing:
        say(f"fetched in {time.monotonic() - started:.0f} s")
    return 0


def is_there(app: Path) -> bool:
    stamp = CACHE / app.name / "stamp"
    return stamp.is_file() and stamp.read_text("ascii") == wanted(app)


def wanted(app: Path) -> str:
    """Changes with the lists and with the Python that the wheels are for."""
    whole = hashlib.sha256(f"{sys.implementation.cache_tag} {sys.platform} {os.uname().machine}".encode())
    for name in ("source.txt", "requirements.txt"):
        whole.update(b"\0" + (app / name).read_bytes())
    return whole.hexdigest()


def fetch(app: Path) -> None:
    final = CACHE / app.name
    beside = CACHE / f".{app.name}-{os.getpid()}"
    beside.mkdir(parents=True)
    try:
        requirements = app / "requirements.txt"
        tools = beside / "tools"
        tools.mkdir()
        listed = tools / "tools.txt"
        listed.write_text("".join(entries(requirements, BUILDING)), "utf-8")
        pip("install", "--only-binary", ":all:", "--target", tools, "-r", listed)
        pip("wheel", "--no-build-isolation", "--wheel-dir", beside / "wheels", "-r", requirements, tools=tools)
        source = app / "source.txt"
        into = beside / "source"
        pip("download", "--no-build-isolation", "--no-binary", ":all:", "--dest", into, "-r", source, tools=tools)
        shutil.rmtree(tools)
        (beside / "stamp").write_text(wanted(app), "ascii")
        shutil.rmtree(final, ignore_errors=True)
        beside.rename(final)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def entries(requirements: Path, names: tuple[str, ...]) -> list[str]:
    """The entries of a locked list for some packages, with their hashes."""
    whole = re.findall(r"(?m)^[a-z0-9].*\n(?:    .*\n)*", requirements.read_text("utf-8"))
    return [entry for entry in whole if entry.split("==")[0] in names]


def pip(command: str, *arguments: str | Path, tools: Path | None = None) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    if tools is not None:
        environment["PYTHONPATH"] = str(tools)
    told = subprocess.run(
        [sys.executable, "-m", "pip", command, "--quiet", "--require-hashes", "--no-deps", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if told.returncode:
        raise Stopped(f"{told.stdout.strip()[-3000:]}\npip {command} ended with {told.returncode}")


def say(text: str) -> None:
    sys.stdout.write(f"fetch: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
