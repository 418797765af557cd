"""All environments, by service."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from andon.flow.environments.contract import EnvironmentView
from andon.flow.environments.pages.show import Places
from andon.flow.environments.pages.words import LIST, conclusion, health_of, place_address, service_address
from andon.flow.environments.service import EnvironmentService
from andon.kernel.access import Principal
from andon.kernel.db import Reading
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import State
from andon.web.rendering import plural
from andon.web.room import Entry
from andon.web.shell import Page

_TOPICS = 40
"""Services that are listened for one by one; with more, everything is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    href: str
    name: str
    state: State
    word: str
    commit: str
    subject: str
    instances: int
    since: datetime | None
    address: str
    expires_at: datetime | None
    pending: str
    """Something besides: a candidate on its way, drift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    service: str
    href: str
    rows: tuple[Row, ...]


def listing_pages(places: Places) -> Handlers:
    def gather(context: PageContext) -> tuple[tuple[Section, ...], str]:
        context.principal.require_reading()
        seen = context.principal.visible_services()
        with context.database.reading() as reading:
            found = [one for one in places.environments.all(reading) if seen is None or one.service in seen]
        by_service: dict[str, list[EnvironmentView]] = {}
        for one in found:
            by_service.setdefault(one.service, []).append(one)
        sections = tuple(
            Section(service=name, href=service_address(name), rows=tuple(_row(places, one) for one in own))
            for name, own in sorted(by_service.items())
        )
        few = 0 < len(by_service) <= _TOPICS
        return sections, " ".join(f"service:{name}" for name in by_service) if few else "record"

    @page(LIST)
    def environments(context: PageContext) -> Html:
        sections, topics = gather(context)
        return context.page(
            "environments/environments.html",
            Page(title="Environments", sentence=_sentence(sections), wide=True),
            sections=sections,
            topics=topics,
        )

    @page(f"{LIST}/list")
    def rows_only(context: PageContext) -> Html:
        sections, topics = gather(context)
        return context.part("environments/environment_rows.html", sections=sections, topics=topics)

    return [environments, rows_only]


def environment_entries(service: EnvironmentService) -> Callable[[Reading, Principal], Iterable[Entry]]:
    """Every environment, for the palette."""

    def entries(reading: Reading, principal: Principal) -> Iterable[Entry]:
        seen = principal.visible_services()
        return [
            Entry(
                f"{one.name} of {one.service}", place_address(one.service, one.name), "environment", conclusion(one)[1]
            )
            for one in service.all(reading)
            if seen is None or one.service in seen
        ]

    return entries


def _row(places: Places, place: EnvironmentView) -> Row:
    live = place.live
    state, word, _said = conclusion(place)
    pending = ""
    coming = next((one for one in place.sets if one.standing.value == "candidate"), None)
    if coming is not None and live is not None:
        pending = f"{coming.commit[:7]} is on its way: {health_of(coming)[1]}"
    elif live is not None and live.drift:
        pending = "differs from what was deployed"
    return Row(
        href=place_address(place.service, place.name),
        name=place.name,
        state=state,
        word=word,
        commit=live.commit if live else "",
        subject=places.subject(place.service, live.commit) if live else "",
        instances=len(live.instances) if live else 0,
        since=live.created_at if live else place.created_at,
        address=place.address,
        expires_at=place.expires_at,
        pending=pending,
    )


def _sentence(sections: tuple[Section, ...]) -> str:
    rows = [row for section in sections for row in section.rows]
    if not rows:
        return "No environment yet"
    ill = [row for row in rows if row.state in {State.BAD, State.WARN}]
    used = [row for row in rows if row.commit]
    if ill:
        return (
            f"{len(ill)} of {plural(len(rows), 'environment')} {'is' if len(ill) == 1 else 'are'} not as it should be"
        )
    if not used:
        return f"{plural(len(rows), 'environment')}, empty so far"
    return f"{plural(len(used), 'environment')}, all healthy" if len(used) > 1 else "One environment, healthy"
