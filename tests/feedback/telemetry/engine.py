"""The engine in this process. It opens one folder in a process' life, so every test shares it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from andon.feedback.telemetry.store.engine import EmbeddedEngine


@cache
def folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="andon-telemetry-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@cache
def the_engine() -> EmbeddedEngine:
    found = EmbeddedEngine(folder() / "store", backups=folder() / "backups")
    atexit.register(found.close)
    return found
