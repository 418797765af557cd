"""Everything that may differ between two environments, read once at start.

The code is the same everywhere; only what stands here changes. Andon sets the ANDON_ names, `andon.yaml` and
`andon config` the STORE_ names, and `andon secret` sets PAYMENT_KEY.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

GREETING = "Every part. Any car. In the post tonight."
REGION = "test"
UNVERSIONED = "unversioned"


class ConfigError(Exception):
    """A setting is missing or makes no sense. The message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Config:
    """What one running copy of the shop knows about where it is."""

    database: Path
    """The SQLite file. All copies in one environment share it, and it outlives every version."""
    port: int = 8000
    greeting: str = GREETING
    region: str = REGION
    """Where this shop sells: `test` on the test bench, `eu` in production."""
    commit: str = UNVERSIONED
    """The full commit this code was built from, or `unversioned` when started by hand."""
    payment_key: bytes | None = field(default=None, repr=False)
    """Signs payment authorisations. Kept out of repr, pages and logs."""
    telemetry: str | None = None
    """The socket that counts go to, if anybody counts."""

    @property
    def version(self) -> str:
        """The commit as people write it: seven characters."""
        return self.commit if self.commit == UNVERSIONED else self.commit[:7]


def database_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the database is: $STORE_DATABASE, or store.db in the environment's shared folder $ANDON_DATA."""
    if path := environ.get("STORE_DATABASE"):
        return Path(path)
    if folder := environ.get("ANDON_DATA"):
        return Path(folder) / "store.db"
    raise ConfigError("No place for the database. Set STORE_DATABASE to a file, or ANDON_DATA to a folder.")


def load(environ: Mapping[str, str] = os.environ) -> Config:
    """Read the settings. Raises ConfigError naming the one that is wrong."""
    port = environ.get("PORT", "8000")
    if not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ConfigError(f"PORT is {port!r}; it must be a number from 0 to 65535 (0 takes any free port).")
    key = environ.get("PAYMENT_KEY", "")
    return Config(
        database=database_path(environ),
        port=int(port),
        greeting=environ.get("STORE_GREETING") or GREETING,
        region=environ.get("STORE_REGION") or REGION,
        commit=environ.get("ANDON_COMMIT") or UNVERSIONED,
        payment_key=key.encode() if key else None,
        telemetry=environ.get("ANDON_TELEMETRY") or None,
    )
