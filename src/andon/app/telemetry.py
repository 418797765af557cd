"""The telemetry process: takes in what production says, keeps it, and lets others ask."""

from __future__ import annotations

from collections.abc import Callable

from andon.app.composition import Installation
from andon.feedback.telemetry.process import TelemetryProcess


def listen(installation: Installation, wait: Callable[[], None], ready: Callable[[], None]) -> None:
    """Take in and answer until ``wait`` returns. Raises what the store cannot be opened for."""
    process = TelemetryProcess(installation.settings.telemetry, installation.telemetry)
    process.start()
    try:
        ready()
        wait()
    finally:
        process.stop()
