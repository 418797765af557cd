"""The page of telemetry itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.contract.sight import sight_of
from andon.feedback.telemetry.control import Control
from andon.feedback.telemetry.overview import REASONS, WAYS, Overview, Seen, WayIn
from andon.feedback.telemetry.store.backup import BackupInfo
from andon.kernel.access import Permission
from andon.kernel.errors import AndonError
from andon.kernel.settings import TelemetrySettings
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.model import State
from andon.web.shell import Action, Page

_TABLES: Mapping[str, str] = {
    "samples": "Samples",
    "samples_minute": "One value a minute",
    "samples_hour": "One value an hour",
    "series": "Names of series",
    "logs": "Lines of logs",
    "spans": "Traces",
    "exemplars": "Exemplars",
    "templates": "Patterns of lines",
}


@dataclass(frozen=True, slots=True)
class WayRow:
    name: str
    way: WayIn
    lost: tuple[tuple[str, float], ...]
    """Why, in words, and how many."""


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
        administers = context.principal.may(Permission.ADMINISTER)
        return context.page(
            "telemetry/telemetry.html",
            Page(
                title="Telemetry",
                sentence=seen.sentence if sight is None or seen.fault else "How many series your services have",
                lede="What production says of itself: where it comes in, what is kept, and what was not taken and why.",
                state=State.BAD if seen.fault else State.WARN if seen.lost >= 1 or seen.faults else State.OK,
                word="does not answer" if seen.fault else "is lost" if seen.lost >= 1 else "all is taken in",
            ),
            seen=seen,
            whole=sight is None,
            ways=_ways(seen),
            services=_services(seen),
            tables=[(_TABLES[name], size) for name, size in (seen.bytes or {}).items() if name in _TABLES],
            settings=settings,
            copies=_copies(control) if administers else None,
            copy=Action("Copy telemetry now", "/telemetry/backups", kind="plain") if administers else None,
        )

    @deed("/telemetry/backups")
    def copy_now(context: PageContext) -> Html:
        context.principal.require(Permission.ADMINISTER)
        control.backup(datetime.now(UTC).strftime("%Y%m%d-%H%M%S"))
        return context.go("/telemetry#copies")

    return [telemetry, copy_now]


def _ways(seen: Seen) -> list[WayRow]:
    return [
        WayRow(
            WAYS[one.way],
            one,
            tuple((REASONS[why], count) for why, count in sorted((one.dropped or {}).items()) if count >= 1),
        )
        for one in seen.ways
    ]


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
