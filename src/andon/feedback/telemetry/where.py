"""Where telemetry lies, for the process that keeps it and for those that ask it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from andon.feedback.telemetry.heard import state_file


@dataclass(frozen=True, slots=True)
class Where:
    """Where telemetry lies below the data directory."""

    data: Path
    sockets: Path
    """A folder near enough to the root for a socket's path."""

    @property
    def store(self) -> Path:
        return self.data / "telemetry" / "store"

    @property
    def backups(self) -> Path:
        return self.data / "telemetry" / "backups"

    @property
    def door(self) -> Path:
        return self.sockets / "telemetry.sock"

    @property
    def editions(self) -> Path:
        """Counts what is written down of series; see :mod:`andon.feedback.telemetry.store.editions`."""
        return self.data / "telemetry" / "editions"

    @property
    def state(self) -> Path:
        """What the process tells of itself."""
        return state_file(self.data)
