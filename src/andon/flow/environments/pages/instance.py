"""One instance: how it is, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from litestar import Response, get
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from andon.flow.environments.contract import HEALTH_WORDS, EnvironmentView, InstanceView, SetView, Standing
from andon.flow.environments.pages.show import PLACE, Places
from andon.flow.environments.pages.words import (
    LIST,
    STANDINGS,
    instance_address,
    instance_name,
    place_address,
    service_address,
)
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound
from andon.kernel.logs.reader import LogReader
from andon.kernel.logs.text import plain
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.http.plain import in_thread
from andon.web.logs import Drawn, log_answer, log_lines
from andon.web.model import Fact, State, state_of
from andon.web.shell import Action, Crumb, Page

LINES = 200
"""Lines of a log that the server draws for readers without script."""
_PIECE = 2000
_INSTANCE = f"{PLACE}/instances/{{instance:str}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownInstance:
    place: EnvironmentView
    view: InstanceView
    name: str
    sentence: str
    state: State
    word: str
    facts: tuple[Fact, ...]
    replace: Action | None
    lines: tuple[Drawn, ...]
    dropped: int
    address: str


def member(
    places: Places, reading: Reading, principal: Principal, service: str, environment: str, instance: str
) -> tuple[EnvironmentView, SetView, InstanceView]:
    """An instance by its id, or as people call it: web-1 is the live version's. Raises ``NotFound``."""
    place = places.find(reading, principal, service, environment)
    for of in place.sets:
        for one in of.instances:
            if one.id == instance or (of.standing is Standing.LIVE and instance_name(one) == instance):
                return place, of, one
    raise NotFound(
        f"There is no instance {instance[:80]!r} in {environment} of {service} any more.",
        remedy="See which there are on the environment's page.",
    )


def instance_pages(places: Places) -> Handlers:
    def gather(context: PageContext, service: str, environment: str, instance: str) -> ShownInstance:
        with context.database.reading() as reading:
            place, of, one = member(places, reading, context.principal, service, environment, instance)
            asked = places.environments.instance(reading, one.id)[0].rebuild
        tail = LogReader(one.log).tail(LINES)
        state, word = state_of(one.health), HEALTH_WORDS[one.health]
        name = instance_name(one)
        return ShownInstance(
            place=place,
            view=one,
            name=name,
            sentence=f"{name} in {environment} of {service} is {'being replaced' if asked else word}",
            state=State.RUN if asked else state,
            word="being replaced" if asked else word,
            facts=(
                Fact("Health", word, state=state),
                Fact("Since", one.since),
                *((Fact("Why", one.reason),) if one.reason else ()),
                Fact("Version", of.commit, mono=True, copy=True),
                Fact("Set", f"{STANDINGS[of.standing][0].lower()}, {STANDINGS[of.standing][1]}"),
                Fact("Restarts", one.restarts),
                Fact("Endpoint", one.endpoint or "none: it takes no requests", mono=bool(one.endpoint)),
                Fact("Instance", one.id, mono=True, copy=True, href=f"/record?subject=instance:{one.id}"),
            ),
            replace=_replace(context.principal, place, of, one, asked=asked),
            lines=tuple(log_lines(tail)),
            dropped=tail.dropped,
            address=instance_address(service, environment, one.id),
        )

    @page(_INSTANCE)
    def show(context: PageContext, service: str, environment: str, instance: str) -> Html:
        shown = gather(context, service, environment, instance)
        return context.page(
            "environments/instance.html",
            Page(
                title=f"{shown.name} in {environment} of {service}",
                sentence=shown.sentence,
                crumbs=(
                    Crumb(service, service_address(service)),
                    Crumb("Environments", LIST),
                    Crumb(environment, place_address(service, environment)),
                ),
                wide=True,
            ),
            shown=shown,
            oob=False,
        )

    @page(f"{_INSTANCE}/now")
    def now(context: PageContext, service: str, environment: str, instance: str) -> Html:
        shown = gather(context, service, environment, instance)
        return context.part("environments/instance_live.html", shown=shown, oob=True)

    return [show, now, *_logs(places)]


def _logs(places: Places) -> list[ControllerRouterHandler]:
    def reader(context: PageContext, service: str, environment: str, instance: str) -> tuple[LogReader, str]:
        with context.database.reading() as reading:
            _place, _of, one = member(places, reading, context.principal, service, environment, instance)
        return LogReader(one.log), f"{service}-{environment}-{instance_name(one)}.log"

    def log(context: PageContext, service: str, environment: str, instance: str) -> Response[bytes]:
        found, _name = reader(context, service, environment, instance)
        return Response(log_answer(found, context.query), media_type="application/json")

    def text(context: PageContext, service: str, environment: str, instance: str) -> Stream:
        found, name = reader(context, service, environment, instance)
        return Stream(
            _plain_lines(found),
            media_type="text/plain; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    return [
        get(f"{_INSTANCE}/log", include_in_schema=False)(in_thread(log, (_INSTANCE,))),
        get(f"{_INSTANCE}/log.txt", include_in_schema=False)(in_thread(text, (_INSTANCE,))),
    ]


def _plain_lines(reader: LogReader) -> Iterator[bytes]:
    start = 0
    while True:
        found = reader.lines(start, _PIECE)
        if found.lines:
            yield "".join(f"{plain(line.text)}\n" for line in found.lines).encode()
        if found.next <= start or found.next >= found.total:
            return
        start = found.next


def _replace(
    principal: Principal, place: EnvironmentView, of: SetView, one: InstanceView, *, asked: bool
) -> Action | None:
    if not principal.may(Permission.DEPLOY, place.service, place.name):
        return None
    label, blocked = f"Replace {instance_name(one)}", ""
    if asked:
        blocked = "It is being replaced."
    elif of.standing is Standing.CANDIDATE:
        blocked = "Its deployment looks after it."
    address = f"{instance_address(place.service, place.name, one.id)}/replace"
    return Action(label, address, icon="retry", blocked=blocked)
