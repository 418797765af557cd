"""The deploy console, one deployment, and what was deployed when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from andon.flow.deployments.board import Board, board, environments_of
from andon.flow.deployments.contract import DeploymentId, DeploymentState, DeploymentView
from andon.flow.deployments.desk import Past, Rooms, cancel_of, past_of, subject_of
from andon.flow.deployments.drawing import (
    STATES,
    address,
    console_address,
    health_of,
    outcome_of,
    sentence_of,
    tasks_of,
    who,
)
from andon.flow.deployments.model import NothingToRollBackTo
from andon.flow.deployments.service.steps import StepRecord
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid, NotFound
from andon.kernel.events import Facets
from andon.kernel.events import page as page_of
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.model import Choice, Commit, EventLine, Facet, Fact, State, Task
from andon.web.rendering import capital, duration
from andon.web.shell import Action, Crumb, Page

SHOWN = 25
EVENTS = 60
_ADDRESS = "/deployments"
_PLACE = "/services/{service:str}/environments/{environment:str}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """An environment to choose for a deployment."""

    service: Service
    environment: str
    href: str
    state: State
    word: str
    commit: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One deployment as its page shows it."""

    view: DeploymentView
    state: State
    word: str
    sentence: str
    tasks: tuple[Task, ...]
    facts: tuple[Fact, ...]
    events: tuple[EventLine, ...]
    commits: tuple[Commit, ...]
    undone: tuple[Commit, ...]
    former: str
    cancel: Action | None


def deployment_pages(rooms: Rooms) -> Handlers:
    return [*_console(rooms), *_deeds(rooms), *_one(rooms), *_history(rooms)]


def _console(rooms: Rooms) -> Handlers:
    def found(context: PageContext, service: str, environment: str) -> Board:
        with context.database.reading() as reading:
            return board(
                rooms,
                reading,
                context.principal,
                Service(service),
                environment,
                context.query.get("commit", ""),
            )

    @page("/deploy")
    def choose(context: PageContext) -> Html:
        with context.database.reading() as reading:
            spots = _spots(rooms, reading, context)
        sentence = "Choose where a build should go" if spots else "There is nothing to deploy yet"
        return context.page("deployments/choose.html", Page(title="Deploy", sentence=sentence), spots=spots)

    @page(_PLACE + "/deploy")
    def show(context: PageContext, service: str, environment: str) -> Html:
        shown = found(context, service, environment)
        crumbs = (Crumb(service, f"/services/{quote(service, safe='')}"), Crumb("Deploy", "/deploy"))
        title = f"Deploy {service} to {environment}"
        return context.page(
            "deployments/console.html",
            Page(title=title, sentence=shown.sentence, crumbs=crumbs, wide=True),
            board=shown,
        )

    @page(_PLACE + "/deploy/now")
    def region(context: PageContext, service: str, environment: str) -> Html:
        return context.part("deployments/board.html", board=found(context, service, environment))

    @page(_PLACE + "/deploy/sentence")
    def sentence(context: PageContext, service: str, environment: str) -> Html:
        return context.part("deployments/board_sentence.html", board=found(context, service, environment))

    @page(_PLACE + "/deploy/actions")
    def actions(context: PageContext, service: str, environment: str) -> Html:
        return context.part("deployments/board_actions.html", board=found(context, service, environment))

    return [choose, show, region, sentence, actions]


def _deeds(rooms: Rooms) -> Handlers:
    deployments = rooms.deployments

    @deed(_PLACE + "/deployments")
    def deploy(context: PageContext, service: str, environment: str) -> Html:
        context.principal.require_sight(service)
        with context.database.transaction() as tx:
            deployments.request(
                tx,
                context.principal,
                service=Service(service),
                environment=environment,
                commit=rooms.sources.resolve(Service(service), context.required("commit")),
                override=context.form.get("override"),
            )
        return context.go(console_address(service, environment))

    @deed(_PLACE + "/rollback")
    def roll_back(context: PageContext, service: str, environment: str) -> Html:
        context.principal.require_sight(service)
        to = context.required("to")
        with context.database.transaction() as tx:
            targets = deployments.rollback_targets(tx, Service(service), environment)
            if to not in {one.commit for one in targets}:
                raise NothingToRollBackTo(
                    f"{to[:7]!r} is no former version of {service} in {environment}.",
                    safe="Nothing was changed.",
                    remedy="Load the page again and choose one of those it offers.",
                )
            deployments.roll_back(tx, context.principal, Service(service), environment, to=CommitHash(to))
        return context.go(console_address(service, environment))

    @deed(_PLACE + "/rebuild")
    def rebuild(context: PageContext, service: str, environment: str) -> Html:
        context.principal.require_sight(service)
        with context.database.transaction() as tx:
            deployments.rebuild(tx, context.principal, Service(service), environment)
        return context.go(console_address(service, environment))

    @deed(_PLACE + "/contract")
    def contract(context: PageContext, service: str, environment: str) -> Html:
        context.principal.require_sight(service)
        give_up = context.form.get("give_up_rollback") == "yes"
        if give_up and context.form.get("confirm", "").strip() != environment:
            raise Invalid(
                f"To give roll-backs up, type the environment's name: {environment}.",
                safe="Nothing was changed.",
                remedy="Go back and type it.",
            )
        with context.database.transaction() as tx:
            deployments.contract(tx, context.principal, Service(service), environment, give_up_rollback=give_up)
        return context.go(console_address(service, environment))

    @deed(_ADDRESS + "/{deployment:str}/cancel")
    def cancel(context: PageContext, deployment: str) -> Html:
        with context.database.transaction() as tx:
            view = deployments.seen(tx, context.principal, deployment)
            deployments.cancel(tx, context.principal, view.id)
        return context.go(address(view))

    return [deploy, roll_back, rebuild, contract, cancel]


def _one(rooms: Rooms) -> Handlers:
    @page(_ADDRESS + "/{deployment:str}")
    def show(context: PageContext, deployment: str) -> Html:
        shown = _shown(rooms, context, deployment)
        view = shown.view
        return context.page(
            "deployments/deployment.html",
            Page(
                title=f"Deployment {view.number} of {view.service}",
                sentence=shown.sentence,
                lede=_lede(shown),
                crumbs=(
                    Crumb(view.service, f"/services/{quote(view.service, safe='')}"),
                    Crumb("Deployments", f"{_ADDRESS}?{urlencode({'service': view.service})}"),
                    Crumb(str(view.number), address(view)),
                ),
            ),
            one=shown,
        )

    @page(_ADDRESS + "/{deployment:str}/now")
    def region(context: PageContext, deployment: str) -> Html:
        return context.part("deployments/deployment_now.html", one=_shown(rooms, context, deployment))

    @page(_ADDRESS + "/{deployment:str}/sentence")
    def sentence(context: PageContext, deployment: str) -> Html:
        return context.part("deployments/deployment_sentence.html", one=_shown(rooms, context, deployment))

    return [show, region, sentence]


def _shown(rooms: Rooms, context: PageContext, deployment: str) -> Shown:
    record = StepRecord()
    with context.database.reading() as reading:
        view = rooms.deployments.seen(reading, context.principal, deployment)
        loaded = record.load(reading, view.id)
        commands = record.commands(reading, view.id)
        found = page_of(reading, Facets(deployment=view.id), limit=EVENTS * 3)
        persons = [view.person] if view.person else []
        names = {str(one): name for one, name in rooms.people.names(reading, persons).items()}
        # what stands in the list of steps already is left out
        told = [line for line in context.told(reading, found) if line.minor not in {"step", "health change"}]
        former = None
        if loaded.former_set is not None:
            former = rooms.environments.set(reading, loaded.former_set).commit
    commits, undone = _brought(rooms, view, former)
    state, word = outcome_of(view)
    return Shown(
        view=view,
        state=state,
        word=word,
        sentence=sentence_of(view),
        tasks=tasks_of(view, loaded.course, commands, names),
        facts=_facts(view, names, former),
        events=tuple(told[:EVENTS]),
        commits=commits,
        undone=undone,
        former="" if former is None else former,
        cancel=cancel_of(view, context.principal),
    )


def _brought(
    rooms: Rooms, view: DeploymentView, former: CommitHash | None
) -> tuple[tuple[Commit, ...], tuple[Commit, ...]]:
    if former == view.commit:
        return (), ()
    try:
        found = rooms.sources.difference(view.service, former, view.commit)
    except NotFound:
        return (), ()  # one of the two is gone from the repository
    return (
        tuple(Commit(one.hash, one.subject, one.author, one.committed_at) for one in found.commits[:SHOWN]),
        tuple(Commit(one.hash, one.subject, one.author, one.committed_at) for one in found.undone[:SHOWN]),
    )


def _facts(view: DeploymentView, names: Mapping[str, str], former: CommitHash | None) -> tuple[Fact, ...]:
    facts = [
        Fact("Asked for by", who(view.person, names)),
        Fact("Asked for", view.requested_at),
        Fact("Version", view.commit[:7], mono=True, copy=True),
        Fact("Package", f"sha256 {view.digest[:12]}", mono=True),
        Fact("Instead of", "nothing: it is the first here" if former is None else former[:7], mono=former is not None),
    ]
    if view.run is not None:
        facts.append(Fact("Built by", "its run", href=f"/runs/{view.run}"))
    if view.switched_at is not None:
        facts.append(Fact("Traffic since", view.switched_at))
    if view.lead_time is not None:
        facts.append(Fact("Lead time", f"{duration(view.lead_time)} from its push"))
    if view.override is not None:
        facts.append(Fact("Overridden", view.override, state=State.WARN))
    return tuple(facts)


def _lede(shown: Shown) -> str:
    view = shown.view
    if view.state is DeploymentState.SUCCEEDED and view.started_at is not None and view.ended_at is not None:
        taken = duration(view.ended_at - view.started_at)
        return f"It took {taken}, from the lock to the last step."
    return ""


def _history(rooms: Rooms) -> Handlers:
    @page(_ADDRESS)
    def history(context: PageContext) -> Html:
        query = context.query
        service, environment = query.get("service", ""), query.get("environment", "")
        state = next((one for one in DeploymentState if one.value == query.get("state")), None)
        if service:
            context.principal.require_sight(service)
        with context.database.reading() as reading:
            found = rooms.deployments.history(
                reading,
                services=context.principal.visible_services(),
                service=Service(service) if service else None,
                environment=environment or None,
                states=None if state is None else (state,),
                older_than=DeploymentId(query["older"]) if query.get("older") else None,
                limit=SHOWN + 1,
            )
            persons = {one.person for one in found if one.person}
            names = {str(one): name for one, name in rooms.people.names(reading, persons).items()}
            groups = _facets(rooms, reading, context)
        shown = found[:SHOWN]
        rows: list[Past] = [
            past_of(
                one,
                names,
                subject_of(rooms.sources, one.service, one.commit),
                cancel_of(one, context.principal),
            )
            for one in shown
        ]
        older = _with(query, older=shown[-1].id) if len(found) > SHOWN else ""
        return context.page(
            "deployments/history.html",
            Page(
                title="Deployments",
                sentence=_says(shown, service, environment, bool(query.get("older"))),
                wide=True,
            ),
            rows=rows,
            facets=groups,
            newer=_with(query, older="") if query.get("older") else "",
            older=older,
            filtered=bool(service or environment or state),
            topics=[f"service:{service}"] if service else ["light"],
            here=_with(query),
        )

    return [history]


def _says(found: tuple[DeploymentView, ...], service: str, environment: str, later: bool) -> str:
    where = f" {'to ' + environment if environment else ''}{' of ' + service if service else ''}".rstrip()
    if not found:
        return f"Nothing was deployed{where} yet" if not later else "There is nothing older"
    newest = found[0]
    return sentence_of(newest) if not later else f"Older deployments{where}"


def _facets(rooms: Rooms, reading: Reading, context: PageContext) -> tuple[Facet, ...]:
    query = context.query
    visible = context.principal.visible_services()
    services = [one for one in rooms.sources.services(reading) if visible is None or one in visible]
    places = rooms.environments.all(reading, Service(query["service"]) if query.get("service") else None)
    environments = sorted({place.name for place in places if place.service in services})
    return (
        Facet("State", tuple(_choice(query, "state", one.value, capital(STATES[one][1])) for one in DeploymentState)),
        Facet("Service", tuple(_choice(query, "service", one, one) for one in services)),
        Facet("Environment", tuple(_choice(query, "environment", one, one) for one in environments)),
    )


def _choice(query: Mapping[str, str], name: str, value: str, label: str) -> Choice:
    current = query.get(name) == value
    return Choice(label, _with(query, **{name: "" if current else value, "older": ""}), None, current)


def _with(query: Mapping[str, str], **changes: str) -> str:
    kept = {name: query.get(name, "") for name in ("service", "environment", "state", "older")} | changes
    chosen = {name: value for name, value in kept.items() if value}
    return f"{_ADDRESS}?{urlencode(chosen)}" if chosen else _ADDRESS


def _spots(rooms: Rooms, reading: Reading, context: PageContext) -> tuple[Spot, ...]:
    visible = context.principal.visible_services()
    known = {(place.service, place.name): place for place in rooms.environments.all(reading)}
    found = []
    for service in rooms.sources.services(reading):
        if visible is not None and service not in visible:
            continue
        for environment in environments_of(rooms, reading, service):
            place = known.get((service, environment))
            live = None if place is None else place.live
            state, word = (State.NONE, "nothing there yet") if live is None else health_of(live)
            found.append(
                Spot(
                    service=service,
                    environment=environment,
                    href=console_address(service, environment),
                    state=state,
                    word=word,
                    commit="" if live is None else live.commit,
                    title="" if live is None else subject_of(rooms.sources, service, live.commit),
                )
            )
    return tuple(found)
