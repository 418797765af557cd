"""Migrations in the console: what has run where, a backfill under way, and why a contract waits."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from andon.flow.deployments.contract import DeploymentView
from andon.flow.environments.contract import Environments, EnvironmentView
from andon.flow.schema.drawing import (
    STATES,
    Filling,
    Needed,
    Row,
    address,
    filling_of,
    needed_of,
    place_address,
    rows_of,
    sentence_of,
)
from andon.flow.schema.ledger import Ledger, Story
from andon.flow.schema.model import Wish
from andon.flow.schema.service import BackfillService
from andon.flow.sources.contract import Service, Sources
from andon.kernel.access import Permission
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid, NotFound
from andon.kernel.events import Facets
from andon.kernel.events import page as page_of
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.model import Choice, EventLine, State
from andon.web.rendering import percent
from andon.web.shell import Crumb, Page

SHOWN = 60
EVENTS = 20
_PLACE = "/services/{service:str}/environments/{environment:str}/migrations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An environment's migrations as the page shows them."""

    story: Story
    sentence: str
    region: str
    tabs: tuple[Choice, ...]
    filling: Filling | None
    rows: tuple[Row, ...]
    more: int
    """Rows that are left out, older than the others."""
    needed: tuple[Needed, ...]
    failed: DeploymentView | None
    contract_href: str
    """Where the contract migration can be asked for; empty for who may not."""
    events: tuple[EventLine, ...]
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A line of the list over all services."""

    service: Service
    environment: str
    href: str
    commit: str
    state: State
    word: str
    says: str


def schema_pages(backfills: BackfillService, ledger: Ledger, environments: Environments, sources: Sources) -> Handlers:
    def gather(context: PageContext, service: str, environment: str) -> Shown:
        context.principal.require_sight(service)
        with context.database.reading() as reading:
            name = Service(service)
            sources.default_branch(reading, name)
            places = environments.all(reading, name)
            place = next((one for one in places if one.name == environment), None)
            if place is None:
                raise NotFound(
                    f"There is no environment {environment[:80]!r} of {service}.",
                    remedy="A deployment makes it; see which there are among the environments.",
                )
            story = ledger.story(reading, name, environment)
            return _shown(context, reading, story, place, places, ledger)

    @page("/migrations")
    def every(context: PageContext) -> Html:
        with context.database.reading() as reading:
            listed = _listed(context, reading, backfills, ledger, environments)
        fills = [one for one in listed if one.state is State.RUN]
        sentence = (
            f"{len(fills)} of {len(listed)} databases are being filled" if fills else "No database is being filled"
        )
        title = Page(title="Migrations", sentence=sentence if listed else "No service that runs brings migrations yet")
        return context.page("schema/every.html", title, listed=listed)

    @page(_PLACE)
    def show(context: PageContext, service: str, environment: str) -> Html:
        shown = gather(context, service, environment)
        crumbs = (
            Crumb(service, f"/services/{quote(service, safe='')}"),
            Crumb(environment, place_address(service, environment)),
            Crumb("Migrations", "/migrations"),
        )
        head = Page(title=f"Migrations of {service} {environment}", sentence=shown.sentence, crumbs=crumbs, wide=True)
        return context.page("schema/migrations.html", head, shown=shown)

    @page(_PLACE + "/now")
    def region(context: PageContext, service: str, environment: str) -> Html:
        return context.part("schema/migrations_now.html", shown=gather(context, service, environment))

    @page(_PLACE + "/sentence")
    def sentence(context: PageContext, service: str, environment: str) -> Html:
        return context.part("schema/migrations_sentence.html", shown=gather(context, service, environment))

    @deed(_PLACE + "/backfill")
    def ask(context: PageContext, service: str, environment: str) -> Html:
        context.principal.require_sight(service)
        try:
            wish = Wish(context.required("wish"))
        except ValueError:
            raise Invalid("A backfill can be paused, resumed or stopped.", safe="Nothing was changed.") from None
        with context.database.transaction() as tx:
            backfills.ask(tx, context.principal, Service(service), environment, wish)
        return context.go(address(service, environment))

    return [every, show, region, sentence, ask]


def _shown(
    context: PageContext,
    reading: Reading,
    story: Story,
    place: EnvironmentView,
    places: tuple[EnvironmentView, ...],
    ledger: Ledger,
) -> Shown:
    here = place_address(story.service, story.environment)
    fill = story.backfill
    facets = Facets(service=story.service, environment=story.environment, sight=context.principal.sight())
    told = [one for one in page_of(reading, facets, limit=EVENTS * 10) if one.type.startswith(_TOLD)]
    rows = rows_of(story)
    may = context.principal.may(Permission.CONTRACT, story.service, story.environment)
    return Shown(
        story=story,
        sentence=sentence_of(story),
        region=address(story.service, story.environment),
        tabs=tuple(
            Choice(one.name, address(one.service, one.name), None, one.name == story.environment) for one in places
        ),
        filling=None
        if fill is None
        else filling_of(fill, story.pace, ledger.migrations(story.service, fill.commit), context.principal),
        rows=rows[:SHOWN],
        more=max(0, len(rows) - SHOWN),
        needed=needed_of(story, {one.id: len(one.instances) for one in place.sets}),
        failed=story.failed,
        contract_href=f"{here}/deploy" if may else "",
        events=context.told(reading, told[:EVENTS]),
        record=f"/record?service={quote(story.service, safe='')}&environment={quote(story.environment, safe='')}",
    )


_TOLD = ("dev.andon.backfill.", "dev.andon.rollback.given-up.")


def _listed(
    context: PageContext, reading: Reading, backfills: BackfillService, ledger: Ledger, environments: Environments
) -> tuple[Listed, ...]:
    visible = context.principal.visible_services()
    found = []
    for place in environments.all(reading):
        live = place.live
        if (visible is not None and place.service not in visible) or live is None:
            continue
        migrations = ledger.migrations(place.service, live.commit)
        if migrations is None:
            continue
        fill = backfills.current(reading, place.service, place.name)
        state, word, says = State.NONE, "no backfill yet", "expand runs before each new version"
        if fill is not None:
            state, word = STATES[fill.state]
            done = "" if fill.share is None else f", {percent(fill.share)} filled"
            says = f"the backfill of {fill.commit[:7]}{done}"
        found.append(
            Listed(
                service=place.service,
                environment=place.name,
                href=address(place.service, place.name),
                commit=live.commit,
                state=state,
                word=word,
                says=says,
            )
        )
    return tuple(found)
