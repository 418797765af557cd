"""What can be set, with its default, its bounds and the sentence that describes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import ClassVar, TypeVar
from urllib.parse import quote

KIB, MIB, GIB = 1024, 1024**2, 1024**3
_T = TypeVar("_T")


def setting(
    default: _T,
    says: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    size: bool = False,
    secret: bool = False,
    form: str = "",
) -> _T:
    """A field of a group of settings.

    ``size``: bytes, which may be written as ``"512MiB"``. ``secret``: its value appears in no message. ``form`` names
    the check in :mod:`andon.kernel.settings.forms` that text has to pass.
    """
    metadata = {
        "says": says,
        "at_least": at_least,
        "at_most": at_most,
        "size": size,
        "secret": secret,
        "form": form,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where the record and everything else that is not a file is kept."""

    url: str = setting(
        "", "`postgresql://…` for a server; empty is SQLite in the data directory.", secret=True, form="database"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The console and the API."""

    host: str = setting("127.0.0.1", "The address to listen on.", form="host")
    port: int = setting(7766, "The port to listen on.", at_least=1, at_most=65535)
    address: str = setting(
        "",
        "How people reach the console from outside, such as `https://andon.example`; empty is host and port, or "
        "`localhost` and port where only this machine can ask.",
        form="address",
    )
    session_hours: float = setting(12.0, "How long a sign-in lasts.", at_least=0.1, at_most=24 * 365)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can ask; people then say ``localhost``, which environments are not under."""
        return self.host in {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """Jobs of pipelines."""

    parallel: int = setting(0, "How many jobs run at once; 0 is the number of processors.", at_least=0, at_most=1000)
    memory_max: int = setting(8 * GIB, "No job may declare more memory.", at_least=64 * MIB, size=True)
    log_bytes: int = setting(
        64 * MIB,
        "Kept of one job's output: half from its beginning, half from its end.",
        at_least=64 * KIB,
        at_most=4 * GIB,
        size=True,
    )
    toolchains: tuple[str, ...] = setting(
        (), "Folders shown read-only inside sandboxes, beside the system's and Python's own.", form="folder"
    )
    require_limits: bool = setting(
        False, "Refuse to run jobs where memory and processes cannot be limited for a whole job."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSettings:
    """Where versions of services run, and the router in front of them."""

    first_port: int = setting(
        7800, "The first of the router's ports for environments that do not name their own.", at_least=1, at_most=65535
    )
    last_port: int = setting(7999, "The last of them.", at_least=1, at_most=65535)
    host: str = setting("127.0.0.1", "Where the router listens.", form="host")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """What is removed, and when."""

    run_days: int = setting(90, "How long a run's logs are kept after its end.", at_least=1, at_most=36500)
    artifact_days: int = setting(
        30,
        "How long an artifact is kept. One that is deployed, warm or could be rolled back to is kept whatever its age.",
        at_least=1,
        at_most=36500,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    data: Path
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    web: WebSettings = field(default_factory=WebSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    environments: EnvironmentSettings = field(default_factory=EnvironmentSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)

    GROUPS: ClassVar[dict[str, type]] = {
        "database": DatabaseSettings,
        "web": WebSettings,
        "jobs": JobSettings,
        "environments": EnvironmentSettings,
        "retention": RetentionSettings,
    }

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite:///{quote(str(self.data / 'andon.db'))}"

    @property
    def address(self) -> str:
        """Where the console is for people, without a slash at the end."""
        host = f"[{self.web.host}]" if ":" in self.web.host else self.web.host
        if self.web.on_loopback:
            host = "localhost"
        return self.web.address.rstrip("/") or f"http://{host}:{self.web.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting, as the reader and the reference see it."""

    group: str
    name: str
    default: object
    says: str
    at_least: float | None
    at_most: float | None
    size: bool
    secret: bool
    form: str

    @property
    def key(self) -> str:
        return f"{self.group}.{self.name}"

    @property
    def variable(self) -> str:
        return f"ANDON_{self.group}_{self.name}".upper()


def all_settings() -> Iterator[Setting]:
    """Every setting, group by group."""
    for group, kind in Settings.GROUPS.items():
        for one in fields(kind):
            yield _setting(group, one)


def _setting(group: str, one: Field[object]) -> Setting:
    return Setting(group=group, name=one.name, default=one.default, **one.metadata)
