"""Where telemetry is heard, as its process tells the others: in a file, which needs nothing of it to be read."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Heard(msgspec.Struct, frozen=True):
    """One place that is listened at, or that should be."""

    what: str
    """Such as "OpenTelemetry over HTTP"."""
    address: str
    fault: str = ""
    """Why it is not listened at."""


class State(msgspec.Struct, frozen=True):
    """What the process tells of itself, for the console, ``andon up`` and ``andon doctor``."""

    places: tuple[Heard, ...] = ()
    environments: int = 0
    """How many have sockets of their own."""
    trouble: str = ""
    """Why nothing at all is taken in; empty while something is."""

    @property
    def faults(self) -> tuple[Heard, ...]:
        return tuple(one for one in self.places if one.fault)


def state_file(data: Path) -> Path:
    """Below the data directory."""
    return data / "telemetry" / "state.json"


def read_state(path: Path) -> State | None:
    """``None`` when no telemetry process has written one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
