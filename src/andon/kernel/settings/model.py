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
class TelemetrySettings:
    """What production says of itself: where it listens, how much it takes in, how long it keeps it."""

    enabled: bool = setting(True, "Whether Andon keeps telemetry at all.")
    url: str = setting(
        "",
        "`https://USER:PASSWORD@HOST:PORT/DATABASE` of a ClickHouse server; empty keeps it in the data directory.",
        secret=True,
        form="clickhouse",
    )
    host: str = setting(
        "127.0.0.1",
        "The address on which it listens for OpenTelemetry and the others. Beyond this machine senders need a token, "
        "and what knows no tokens (StatsD, Graphite, syslog) stays on loopback. What arrives says itself which service "
        "it is of; services that Andon runs have sockets of their own and cannot pass for others.",
        form="host",
    )
    statsd_port: int = setting(8125, "StatsD, over UDP and TCP; 0 is off.", at_least=0, at_most=65535)
    otlp_port: int = setting(
        4318,
        "OpenTelemetry over HTTP, and with it Prometheus remote write, JSON lines and browsers; 0 is off.",
        at_least=0,
        at_most=65535,
    )
    otlp_grpc_port: int = setting(4317, "OpenTelemetry over gRPC; 0 is off.", at_least=0, at_most=65535)
    graphite_port: int = setting(2003, "Graphite's plain text over TCP; 0 is off.", at_least=0, at_most=65535)
    syslog_port: int = setting(0, "Syslog (RFC 5424) over UDP and TCP; 0 is off.", at_least=0, at_most=65535)
    beacon_origins: tuple[str, ...] = setting(
        (),
        "Pages of these (`https://shop.example`) may send from browsers, beside those of the host that they send to.",
        form="address",
    )
    scrape: tuple[str, ...] = setting(
        (), "Addresses such as `http://127.0.0.1:9100/metrics` whose Prometheus metrics are fetched.", form="scrape"
    )
    scrape_seconds: float = setting(15.0, "How often they are fetched.", at_least=1, at_most=3600)
    raw_days: int = setting(14, "How long single samples are kept.", at_least=1, at_most=36500)
    minute_days: int = setting(90, "How long one value a minute is kept.", at_least=1, at_most=36500)
    hour_days: int = setting(1095, "How long one value an hour is kept.", at_least=1, at_most=36500)
    level_days: tuple[str, ...] = setting(
        (),
        "How long single samples of one level are kept where that differs, such as `business=90` or `client=3`.",
        form="level_days",
    )
    log_days: int = setting(14, "How long lines of logs are kept.", at_least=1, at_most=36500)
    trace_days: int = setting(7, "How long traces are kept.", at_least=1, at_most=36500)
    series_per_service: int = setting(
        100_000, "How many different series one service may have in a day.", at_least=100, at_most=10_000_000
    )
    series: int = setting(
        2_000_000, "How many all services together may have in a day.", at_least=1000, at_most=50_000_000
    )
    memory: int = setting(
        2 * GIB, "What the store's questions and merges may take together.", at_least=256 * MIB, size=True
    )
    disk_reserve: int = setting(
        2 * GIB, "With less room than this on the disk, telemetry takes nothing in.", at_least=64 * MIB, size=True
    )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine's programs can send."""
        return self.host in {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Other programs that are told what happens."""

    plain_http: bool = setting(
        False, "Whether webhooks may go over http to other machines too, where everybody on the way can read along."
    )
    private_networks: tuple[str, ...] = setting(
        (),
        "Ranges of private addresses, such as `10.20.0.0/16`, to which webhooks of a single service may go too. Those "
        "of the whole installation may go to any.",
        form="network",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    data: Path
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    web: WebSettings = field(default_factory=WebSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    environments: EnvironmentSettings = field(default_factory=EnvironmentSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)

    GROUPS: ClassVar[dict[str, type]] = {
        "database": DatabaseSettings,
        "web": WebSettings,
        "jobs": JobSettings,
        "environments": EnvironmentSettings,
        "retention": RetentionSettings,
        "telemetry": TelemetrySettings,
        "webhooks": WebhookSettings,
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
