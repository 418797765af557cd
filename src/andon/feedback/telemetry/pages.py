"""The page of telemetry itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.contract.sight import sight_of
from andon.feedback.telemetry.control import Control
from andon.feedback.telemetry.overview import REASONS, WAYS, Overview, Seen, WayIn, per_second
from andon.feedback.telemetry.store.backup import BackupInfo
from andon.kernel.access import Permission
from andon.kernel.errors import AndonError
from andon.kernel.settings import TelemetrySettings
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.model import State
from andon.web.rendering import plural, size
from andon.web.shell import Action, Page

_SPEAKS: Mapping[str, str] = {"StatsD": "UDP and TCP", "Graphite": "TCP", "Syslog": "UDP and TCP"}
"""Of the places that speak no HTTP, over what."""


@dataclass(frozen=True, slots=True)
class WayRow:
    name: str
    way: WayIn
    lost: tuple[tuple[str, float], ...]
    """Why, in words, and how many."""


@dataclass(frozen=True, slots=True)
class PlaceRow:
    what: str
    over: str
    address: str
    fault: str


@dataclass(frozen=True, slots=True)
class KeptRow:
    what: str
    how_long: str
    size: str
    """On the disk, in words; empty where another row has it."""


@dataclass(frozen=True, slots=True)
class ServiceRow:
    name: str
    series: int
    share: float
    """Of the limit."""
    state: State


@dataclass(frozen=True, slots=True)
class CopyRow:
    info: BackupInfo
    began: datetime
    restore: Action | None = None


def telemetry_pages(overview: Overview, control: Control, settings: TelemetrySettings) -> Handlers:
    @page("/telemetry")
    def telemetry(context: PageContext) -> Html:
        sight = sight_of(context.principal)
        seen = overview.look(now_ms(), sight=sight)
        port = settings.statsd_port
        administers = context.principal.may(Permission.ADMINISTER)
        return context.page(
            "telemetry/telemetry.html",
            _head(seen, whole=sight is None),
            seen=seen,
            whole=sight is None,
            ways=_ways(seen),
            rate=None if seen.rate is None else per_second(seen.rate),
            places=_places(seen),
            services=_services(seen),
            kept=_kept(seen, settings),
            first=f'echo "login.success:1|c|#service:store" > /dev/udp/127.0.0.1/{port}' if port else "",
            copies=_copies(control) if administers else None,
            copy=Action("Copy telemetry now", "/telemetry/backups", kind="plain") if administers else None,
        )

    @deed("/telemetry/backups")
    def copy_now(context: PageContext) -> Html:
        context.principal.require(Permission.ADMINISTER)
        control.backup(datetime.now(UTC).strftime("%Y%m%d-%H%M%S"))
        return context.go("/telemetry#copies")

    return [telemetry, copy_now]


def _head(seen: Seen, *, whole: bool) -> Page:
    """Who sees some services only is told of those: what came in and what was lost is not theirs to know."""
    if seen.fault or seen.trouble:
        state, word = State.BAD, "does not answer" if seen.fault else "takes nothing in"
    elif any(one.full for one in seen.offenders):
        state, word = State.WARN, "a service has all the series it may have"
    elif whole:
        lost = seen.lost >= 1
        state = State.WARN if lost or seen.faults else State.OK
        word = "is lost" if lost else "does not listen everywhere" if seen.faults else "all is taken in"
    else:
        state, word = None, ""
    own = sum(count for name, count in (seen.series or {}).items() if name)
    return Page(
        title="Telemetry",
        sentence=seen.sentence
        if whole or seen.fault or seen.trouble
        else f"{plural(own, 'series', 'series')} today of the services that you see",
        lede="What production says of itself: where it comes in, what is kept, and what was not taken and why."
        if whole
        else "How much your services may send, and whether one comes near its limit.",
        state=state,
        word=word,
    )


def _ways(seen: Seen) -> list[WayRow]:
    return [
        WayRow(
            WAYS[one.way],
            one,
            tuple((REASONS[why], count) for why, count in sorted((one.dropped or {}).items()) if count >= 1),
        )
        for one in seen.ways
    ]


def _places(seen: Seen) -> list[PlaceRow]:
    return [
        PlaceRow(one.what, _SPEAKS.get(one.what, ""), one.address.rpartition("//")[2].removeprefix("tcp:"), one.fault)
        for one in seen.places
    ]


def _kept(seen: Seen, settings: TelemetrySettings) -> list[KeptRow]:
    sizes = seen.bytes or {}
    tables = (
        ("Single samples", "samples", _days(settings.raw_days)),
        ("One value a minute", "samples_minute", _days(settings.minute_days)),
        ("One value an hour", "samples_hour", _days(settings.hour_days)),
        ("Names of series", "series", "as long as what they name"),
        ("Lines of logs", "logs", _days(settings.log_days)),
        ("Patterns of lines", "templates", "for good"),
        ("Traces", "spans", _days(settings.trace_days)),
        ("Exemplars, which lead from metrics to traces", "exemplars", _days(settings.raw_days)),
    )
    rows = [
        KeptRow(what, how_long, size(sizes[table]) if table in sizes else "none yet")
        for what, table, how_long in tables
    ]
    for one in settings.level_days:
        level, _, days = one.partition("=")
        rows.insert(1, KeptRow(f"Those of the {level} level", _days(int(days)), ""))
    return rows


def _days(days: int) -> str:
    return plural(days // 365, "year") if days >= 730 and days % 365 == 0 else plural(days, "day")


def _services(seen: Seen) -> list[ServiceRow]:
    counts = sorted((seen.series or {}).items(), key=lambda item: (-item[1], item[0]))
    return [
        ServiceRow(
            name,
            count,
            count / seen.limit,
            State.BAD if count >= seen.limit else State.WARN if count >= 0.8 * seen.limit else State.OK,
        )
        for name, count in counts
    ]


def _copies(control: Control) -> list[CopyRow]:
    try:
        found = control.backups()
    except AndonError:  # kept on a server: it is copied there
        return []
    return [CopyRow(one, datetime.fromtimestamp(one.began / 1000, UTC)) for one in found]
