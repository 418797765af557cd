"""All runs, with what was refused among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from andon.flow.deployments.contract import DeploymentId, Deployments, StepState
from andon.flow.pipelines.contract import RunId, RunRefused, RunState, RunSummary
from andon.flow.pipelines.pages.line import mini_line
from andon.flow.pipelines.pages.places import LIST, list_address, run_address
from andon.flow.pipelines.pages.refused import Refused, refusal, refused_pages
from andon.flow.pipelines.pages.run import Commits
from andon.flow.pipelines.pages.words import RUN_WORDS
from andon.flow.pipelines.service import PipelineService
from andon.flow.pipelines.service.listing import branches
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access import Principal
from andon.kernel.access.contract import People
from andon.kernel.db import Reading
from andon.kernel.events import Facets, Sight
from andon.kernel.events import page as page_of
from andon.kernel.ids import is_id
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import Choice, Facet, State, Step
from andon.web.room import Entry
from andon.web.shell import Crumb, Page

SHOWN = 30
REFUSED = "refused"
UNDER_WAY = (RunState.QUEUED, RunState.RUNNING, RunState.WAITING)
BRANCHES = 16
_LOOKED_AT = 500
"""Refusals that are read at most to find those of one branch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of the list: a run, or a push that was refused."""

    href: str
    name: str
    state: State
    word: str
    title: str
    commit: CommitHash
    branch: str
    at: datetime
    who: str
    took: timedelta | None
    since: datetime | None
    steps: tuple[Step, ...]
    note: str = ""
    under_way: bool = False

    @property
    def said(self) -> str:
        return f"was {self.word}" if self.word in {"cancelled", "superseded"} else self.word


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of the list begins: the last run and the last refusal of the page before it."""

    run: RunId | None = None
    refused: int | None = None

    @classmethod
    def parse(cls, text: str) -> Cursor:
        run, _, refused = text.partition(".")
        return cls(
            RunId(run) if is_id(run, "run") else None,
            int(refused) if refused.isascii() and refused.isdigit() and len(refused) < 20 else None,
        )

    def __str__(self) -> str:
        return f"{self.run or ''}.{self.refused or ''}"


@dataclass(frozen=True, slots=True)
class Wanted:
    service: Service | None
    branch: str | None
    state: str | None

    @classmethod
    def asked(cls, query: Mapping[str, str]) -> Wanted:
        state = query.get("state")
        known = {one.value for one in RunState} | {REFUSED, "open"}
        service = query.get("service")
        return cls(
            Service(service) if service else None, query.get("branch") or None, state if state in known else None
        )

    @property
    def states(self) -> tuple[RunState, ...] | None:
        if self.state is None or self.state == REFUSED:
            return None
        return UNDER_WAY if self.state == "open" else (RunState(self.state),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of the list."""

    wanted: Wanted
    rows: tuple[Line, ...]
    older: str
    newer: str
    facets: tuple[Facet, ...]
    filtered: bool
    has_services: bool
    region: str
    """Where the rows fetch themselves anew; empty for older pages, which stay as they are."""
    topics: str


def listing_pages(service: PipelineService, sources: Sources, people: People, deployments: Deployments) -> Handlers:
    commits = Commits(sources)

    def gather(context: PageContext) -> Found:
        context.principal.require_reading()
        wanted = Wanted.asked(context.query)
        if wanted.service is not None:
            context.principal.require_sight(wanted.service)
        cursor = Cursor.parse(context.query.get("before", ""))
        seen = context.principal.visible_services()
        with context.database.reading() as reading:
            runs = _runs(service, reading, wanted, seen, cursor)
            refused = _refusals(reading, wanted, seen, cursor)
            both: list[RunSummary | Refused] = [*runs, *refused]
            both.sort(key=_moment, reverse=True)
            shown = both[:SHOWN]
            names = people.names(reading, {one.person for one in shown if one.person is not None})
            unconfirmed = deployments.unconfirmed(reading, _deployments(shown))
            services = [one for one in sources.services(reading) if seen is None or one in seen]
            known = _branches(reading, wanted, seen)
        called = {str(who): name for who, name in names.items()}
        query = {name: context.query.get(name, "") for name in ("service", "branch", "state")}
        first = not context.query.get("before")
        return Found(
            wanted=wanted,
            rows=tuple(_line(one, called, commits, unconfirmed) for one in shown),
            older=list_address(**query, before=str(_next(cursor, shown))) if len(both) > SHOWN else "",
            newer="" if first else list_address(**query),
            facets=_facets(query, services, known),
            filtered=any(query.values()),
            has_services=bool(services),
            region=_region(query) if first else "",
            topics=f"service:{wanted.service}" if wanted.service else "record",
        )

    @page(LIST)
    def runs(context: PageContext) -> Html:
        found = gather(context)
        own = found.wanted.service
        crumbs = (Crumb(own, list_address(service=own)),) if own else ()
        return context.page(
            "pipelines/runs.html", Page(title="Runs", sentence=_sentence(found), crumbs=crumbs, wide=True), found=found
        )

    @page(f"{LIST}/list")
    def rows_only(context: PageContext) -> Html:
        return context.part("pipelines/run_rows.html", found=gather(context))

    return [runs, rows_only, *refused_pages(people, commits)]


def run_entries(service: PipelineService) -> Callable[[Reading, Principal], Iterable[Entry]]:
    """The newest runs, for the palette."""

    def entries(reading: Reading, principal: Principal) -> Iterable[Entry]:
        found = service.list_runs(reading, services=principal.visible_services(), limit=SHOWN)
        return [
            Entry(
                f"{one.service} {one.number}", run_address(one.run), "run", f"{RUN_WORDS[one.state][1]}, {one.branch}"
            )
            for one in found
        ]

    return entries


def _runs(
    service: PipelineService, reading: Reading, wanted: Wanted, seen: frozenset[str] | None, cursor: Cursor
) -> tuple[RunSummary, ...]:
    if wanted.state == REFUSED:
        return ()
    return service.list_runs(
        reading,
        services=seen,
        service=wanted.service,
        branch=wanted.branch,
        states=wanted.states,
        older_than=cursor.run,
        limit=SHOWN + 1,
    )


def _refusals(reading: Reading, wanted: Wanted, seen: frozenset[str] | None, cursor: Cursor) -> tuple[Refused, ...]:
    if wanted.state not in {None, REFUSED}:
        return ()
    facets = Facets(type=RunRefused.type, service=wanted.service, sight=Sight(services=seen))
    limit = SHOWN + 1 if wanted.branch is None else _LOOKED_AT
    found = (refusal(one) for one in page_of(reading, facets, before=cursor.refused, limit=limit))
    kept = [one for one in found if one is not None and wanted.branch in {None, one.branch}]
    return tuple(kept[: SHOWN + 1])


def _branches(reading: Reading, wanted: Wanted, seen: frozenset[str] | None) -> tuple[str, ...]:
    """Those that ran last, then those of which nothing but refused pushes is known."""
    ran = branches(reading, [wanted.service] if wanted.service else seen)
    facets = Facets(type=RunRefused.type, service=wanted.service, sight=Sight(services=seen))
    events = (one.decode() for one in page_of(reading, facets, limit=_LOOKED_AT))
    return tuple(dict.fromkeys((*ran, *(one.branch for one in events if isinstance(one, RunRefused)))))[:BRANCHES]


def _next(cursor: Cursor, shown: list[RunSummary | Refused]) -> Cursor:
    for one in shown:
        match one:
            case RunSummary():
                cursor = replace(cursor, run=one.run)
            case Refused():
                cursor = replace(cursor, refused=one.position)
    return cursor


def _deployments(shown: Iterable[RunSummary | Refused]) -> frozenset[DeploymentId]:
    """Those which stages of the runs asked for."""
    runs = (one for one in shown if isinstance(one, RunSummary))
    return frozenset(DeploymentId(stage.deployment) for one in runs for stage in one.stages if stage.deployment)


def _line(
    one: RunSummary | Refused, names: Mapping[str, str], commits: Commits, unconfirmed: Mapping[DeploymentId, StepState]
) -> Line:
    commit = commits.find(one.service, one.commit)
    title = commit.subject if commit else "A commit that is no longer there"
    who = names.get(one.person or "", commit.author if commit else "")
    if isinstance(one, Refused):
        return Line(
            href=one.href,
            name=one.service,
            state=State.BAD,
            word="refused",
            title=title,
            commit=one.commit,
            branch=one.branch,
            at=one.at,
            who=who,
            took=None,
            since=None,
            steps=(Step("Commit", State.OK, one.commit[:7]), Step("andon.yaml", State.BAD, "refused")),
            note=one.says,
        )
    state, word = RUN_WORDS[one.state]
    ended = one.state.ended and one.started_at is not None and one.ended_at is not None
    return Line(
        href=run_address(one.run),
        name=f"{one.service} {one.number}",
        state=state,
        word=word,
        title=title,
        commit=one.commit,
        branch=one.branch,
        at=one.pushed_at,
        who=who,
        took=one.ended_at - one.started_at if ended and one.ended_at and one.started_at else None,
        since=one.started_at if one.state is RunState.RUNNING else None,
        steps=mini_line(one, unconfirmed=unconfirmed),
        note=one.reason if one.state in {RunState.FAILED, RunState.WAITING, RunState.SUPERSEDED} else "",
        under_way=one.state in UNDER_WAY,
    )


def _facets(query: Mapping[str, str], services: list[Service], known: tuple[str, ...]) -> tuple[Facet, ...]:
    def choice(name: str, value: str, label: str) -> Choice:
        chosen = query.get(name) == value
        return Choice(label, list_address(**{**query, name: "" if chosen else value}), current=chosen)

    states = (
        ("open", "Under way"),
        (RunState.WAITING.value, "Waits for a person"),
        (RunState.PASSED.value, "Passed"),
        (RunState.FAILED.value, "Failed"),
        (REFUSED, "Refused"),
        (RunState.CANCELLED.value, "Cancelled"),
        (RunState.SUPERSEDED.value, "Superseded"),
    )
    chosen = query.get("branch", "")
    named = (chosen, *known) if chosen and chosen not in known else known
    groups = [
        Facet("State", tuple(choice("state", value, label) for value, label in states)),
        Facet("Service", tuple(choice("service", one, one) for one in services)),
        Facet("Branch", tuple(choice("branch", one, one) for one in named)),
    ]
    return tuple(one for one in groups if one.choices)


def _region(query: Mapping[str, str]) -> str:
    address = list_address(**query)
    return address.replace(LIST, f"{LIST}/list", 1)


def _sentence(found: Found) -> str:
    wanted, rows = found.wanted, found.rows
    where = f" of {wanted.service}" if wanted.service else ""
    if not rows:
        return f"No runs{where}" + (" like that" if wanted.branch or wanted.state else " yet")
    if wanted.branch or wanted.state:
        return f"Runs{where} that fit"
    if moving := sum(one.under_way for one in rows):
        return f"{moving} {'run is' if moving == 1 else 'runs are'} under way{where}"
    newest = rows[0]
    return f"The newest push{where} was refused" if newest.word == REFUSED else f"The newest run{where} {newest.said}"


def _moment(one: RunSummary | Refused) -> datetime:
    return one.pushed_at if isinstance(one, RunSummary) else one.at
