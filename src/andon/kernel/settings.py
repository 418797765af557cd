"""Settings: the file ``settings.toml`` in the data directory and ``ANDON_…`` variables, checked once at start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    url: str = ""
    """``postgresql://…`` for a server; empty is SQLite in the data directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    host: str = "127.0.0.1"
    port: int = 7766
    address: str = ""
    """How people reach the console from outside, such as ``https://andon.example``; empty is host and port."""
    session_hours: float = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    parallel: int = 0
    """How many jobs run at once; 0 is the number of processors."""
    memory_max: int = 8 * 1024**3
    """No job may declare more, in bytes."""
    log_bytes: int = 64 * 1024**2
    """Kept of one job's output: half from its beginning, half from its end."""
    toolchains: tuple[str, ...] = ()
    """Folders shown read-only inside sandboxes, beside the system's and Python's own."""
    require_limits: bool = False
    """Refuse to run jobs where memory and processes cannot be limited for a whole job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSettings:
    first_port: int = 7800
    last_port: int = 7999
    """The router's ports for environments that do not name their own."""
    host: str = "127.0.0.1"
    """Where the router listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    run_days: int = 90
    artifact_days: int = 30
    """An artifact that is deployed, warm or could be rolled back to is kept whatever its age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    data: Path
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    web: WebSettings = field(default_factory=WebSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    environments: EnvironmentSettings = field(default_factory=EnvironmentSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite:///{self.data / 'andon.db'}"

    @property
    def address(self) -> str:
        """Where the console is, without a slash at the end."""
        return self.web.address.rstrip("/") or f"http://{self.web.host}:{self.web.port}"
