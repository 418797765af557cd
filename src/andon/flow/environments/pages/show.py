"""One environment: what runs there, how it is, what it was made from, and its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from andon.flow.configuration.contract import ConfigurationDesk
from andon.flow.definition.contract import EnvironmentDefinition, Network, ProcessDefinition
from andon.flow.deployments.contract import DeploymentId, Deployments, DeploymentView
from andon.flow.environments.contract import EnvironmentView, Health, SetView, Standing
from andon.flow.environments.pages.keeping import Keeping, keeping
from andon.flow.environments.pages.values import ValuesShown, values_shown
from andon.flow.environments.pages.words import (
    LIST,
    STANDINGS,
    colours,
    conclusion,
    health_of,
    place_address,
    record_address,
    service_address,
    tile,
)
from andon.flow.environments.service import EnvironmentService
from andon.flow.sources.contract import Commit, CommitHash, Service, Sources
from andon.kernel.access import Permission, Principal
from andon.kernel.access.contract import People
from andon.kernel.db import Reading
from andon.kernel.errors import AndonError, NotFound
from andon.kernel.events import Facets
from andon.kernel.events import page as page_of
from andon.kernel.logs.text import plain
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import EventLine, Fact, Instance, State
from andon.web.rendering import capital, plural, size
from andon.web.shell import Action, Crumb, Page

EVENTS, MOST_READ = 12, 200
PLACE = "/services/{service:str}/environments/{environment:str}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A set of instances."""

    standing: str
    says: str
    commit: CommitHash
    subject: str
    state: State
    word: str
    since: datetime
    number: int | None
    """Of the deployment that made it."""
    href: str
    tiles: tuple[Instance, ...]
    drift: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEnvironment:
    place: EnvironmentView
    sentence: str
    state: State
    word: str
    since: datetime | None
    """When the live version got the traffic."""
    who: str
    subject: str
    healthy: int
    instances: int
    restarts: int
    drift: str
    groups: tuple[Group, ...]
    facts: tuple[Fact, ...]
    processes: tuple[tuple[ProcessDefinition, int], ...]
    values: ValuesShown
    events: tuple[EventLine, ...]
    note: str
    deeds: tuple[Action, ...]
    keep: Keeping | None
    destroy: Action | None
    region: str
    deploy: str
    record: str


Note = Callable[[Reading, Service, str], str]
"""What another room has to say of an environment for now, a sentence; empty for nothing."""


class Places:
    """Gathers what is shown of environments."""

    def __init__(
        self,
        service: EnvironmentService,
        *,
        configuration: ConfigurationDesk,
        deployments: Deployments,
        sources: Sources,
        people: People,
        note: Note,
    ) -> None:
        self.environments = service
        self._note = note
        self.configuration = configuration
        self.deployments = deployments
        self.people = people
        self._sources = sources

    def commit(self, service: Service, commit: CommitHash) -> Commit | None:
        try:
            found = self._sources.commit(service, commit)
        except AndonError:
            return None  # a page about what runs does not fail because its commit was pruned
        return replace(found, subject=plain(found.subject))

    def subject(self, service: Service, commit: CommitHash) -> str:
        found = self.commit(service, commit)
        return found.subject if found else ""

    def find(self, reading: Reading, principal: Principal, service: str, environment: str) -> EnvironmentView:
        """Raises ``NotFound``."""
        principal.require_sight(service)
        found = self.environments.find(reading, Service(service), environment)
        if found is None:
            raise NotFound(
                f"There is no environment {environment[:80]!r} of {service}.",
                remedy="A deployment makes it; see which there are among the environments.",
            )
        return found

    def definition(self, reading: Reading, of: SetView) -> tuple[EnvironmentDefinition, tuple[ProcessDefinition, ...]]:
        """What of ``andon.yaml`` the set was made from."""
        owner = self.environments.require_set(reading, of.id)
        return self.environments.definition_here(owner), owner.definition.processes

    def deployment(self, reading: Reading, identity: str) -> DeploymentView | None:
        try:
            return self.deployments.get(reading, DeploymentId(identity))
        except NotFound:
            return None

    def gather(self, context: PageContext, service: str, environment: str) -> ShownEnvironment:
        principal = context.principal
        with context.database.reading() as reading:
            place = self.find(reading, principal, service, environment)
            live = place.live
            made = {one.id: self.deployment(reading, one.deployment) for one in place.sets}
            definition, processes = self._defined(reading, place)
            set_values = self.configuration.shown(reading, principal, place.service, place.name)
            serving = self.deployments.live(reading, place.service, place.name)
            who = {one.person for one in set_values}
            if serving is not None:
                who.add(serving.person)
            named = self.people.names(reading, {one for one in who if one is not None})
            called = {str(person): name for person, name in named.items()}
            events = self._events(context, reading, place)
            note = self._note(reading, place.service, place.name)
            values = values_shown(reading, principal, self.configuration, place, definition, called, set_values)
        state, word, sentence = conclusion(place)
        series = colours(place)
        instances = live.instances if live else ()
        return ShownEnvironment(
            place=place,
            sentence=sentence,
            state=state,
            word=word,
            since=serving.switched_at if serving is not None else None,
            who=called.get(serving.person or "", "Andon") if serving is not None else "",
            subject=self.subject(place.service, live.commit) if live else "",
            healthy=sum(one.health is Health.HEALTHY for one in instances),
            instances=len(instances),
            restarts=sum(one.restarts for one in instances),
            drift=live.drift if live else "",
            groups=tuple(self._group(place, of, made[of.id], series[of.commit]) for of in place.sets),
            facts=self._facts(place, definition),
            processes=tuple((one, definition.instances.get(one.name, 1)) for one in processes) if definition else (),
            values=values,
            events=events,
            note=note,
            deeds=_deeds(principal, place),
            keep=keeping(principal, place, reading.now),
            destroy=_destroy(principal, place),
            region=f"{place_address(service, environment)}/now",
            deploy=f"{place_address(service, environment)}/deploy",
            record=record_address(service, environment),
        )

    @staticmethod
    def _events(context: PageContext, reading: Reading, place: EnvironmentView) -> tuple[EventLine, ...]:
        """The newest, without the small steps that led there."""
        found = page_of(reading, Facets(service=place.service, environment=place.name), limit=MOST_READ)
        told = context.told(reading, found)
        return tuple(line for line in told if not line.minor)[:EVENTS]

    def _defined(
        self, reading: Reading, place: EnvironmentView
    ) -> tuple[EnvironmentDefinition | None, tuple[ProcessDefinition, ...]]:
        """By the version that has the traffic, or that will be the first to get it."""
        of = place.live or next(iter(place.sets), None)
        return self.definition(reading, of) if of is not None else (None, ())

    def _group(self, place: EnvironmentView, of: SetView, made: DeploymentView | None, series: int) -> Group:
        standing, says = STANDINGS[of.standing]
        state, word = health_of(of)
        return Group(
            standing=standing,
            says=says,
            commit=of.commit,
            subject=self.subject(place.service, of.commit),
            state=state,
            word=word,
            since=of.created_at,
            number=made.number if made else None,
            href=f"/deployments/{made.id}" if made else "",
            tiles=tuple(tile(place, of, one, series) for one in of.instances),
            drift=of.drift,
        )

    def _facts(self, place: EnvironmentView, definition: EnvironmentDefinition | None) -> tuple[Fact, ...]:
        live = place.live
        facts = [
            Fact("Address", place.address, href=place.address, mono=True, copy=True),
            Fact("Made", place.created_at),
            Fact("Ends", place.expires_at if place.expires_at else "stays until somebody destroys it"),
        ]
        if place.by_hand:
            facts.append(Fact("Made like", place.like))
        if live is not None:
            facts.append(Fact("Definition", f"andon.yaml of {live.commit[:7]}", mono=True))
            facts.append(Fact("Package", f"sha256:{live.digest}", mono=True, copy=True))
        if definition is not None:
            facts.append(Fact("Kept warm", plural(definition.keep_warm, "former version")))
        return tuple(facts)


def environment_pages(places: Places) -> Handlers:
    @page(PLACE)
    def show(context: PageContext, service: str, environment: str) -> Html:
        return draw(places, context, service, environment)

    @page(f"{PLACE}/now")
    def now(context: PageContext, service: str, environment: str) -> Html:
        shown = places.gather(context, service, environment)
        return context.part("environments/environment_live.html", shown=shown, memory=memory, oob=True)

    return [show, now]


def draw(
    places: Places,
    context: PageContext,
    service: str,
    environment: str,
    *,
    wrong: Mapping[str, str] | None = None,
    status: int = 200,
) -> Html:
    """The whole page; ``wrong`` is what a form of it was sent with and why it was not taken."""
    shown = places.gather(context, service, environment)
    return context.page(
        "environments/environment.html",
        Page(
            title=f"{capital(environment)} of {service}",
            sentence=shown.sentence,
            crumbs=(Crumb(service, service_address(service)), Crumb("Environments", LIST)),
            wide=True,
        ),
        status=status,
        shown=shown,
        memory=memory,
        wrong=wrong or {},
        oob=False,
    )


def memory(one: ProcessDefinition) -> str:
    """What a process may take, in a few words."""
    told = [f"at most {size(one.memory)} of memory"]
    if one.cpus:
        told.append(f"{one.cpus:g} processors")
    if one.network is Network.HOST:
        told.append("the machine's network")
    return ", ".join(told)


def _deeds(principal: Principal, place: EnvironmentView) -> tuple[Action, ...]:
    if place.live is None or not principal.may(Permission.DEPLOY, place.service, place.name):
        return ()
    return (Action(f"Rebuild {place.name}", f"{place_address(place.service, place.name)}/rebuild", icon="retry"),)


def _destroy(principal: Principal, place: EnvironmentView) -> Action | None:
    if not principal.may(Permission.DESTROY_ENVIRONMENT, place.service, place.name):
        return None
    count = sum(len(one.instances) for one in place.sets if one.standing is not Standing.RETIRED)
    values = (
        "All its settings and secrets are removed for good."
        if place.by_hand
        else "Its settings and secrets are kept: the next deployment makes it again with them."
    )
    return Action(
        f"Destroy {place.name}",
        f"{place_address(place.service, place.name)}/destroy",
        kind="danger",
        icon="trash",
        confirm=place.name,
        warning=f"Stops {plural(count, 'instance')} and removes the data of {place.name}. "
        f"{values} The record and the packages stay.",
    )
