"""Everything the deploy console of one environment shows, gathered from one reading of the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from andon.flow.deployments.contract import (
    DeploymentView,
)
from andon.flow.deployments.desk import Candidate, Could, Desk, Live, Past, Rooms, Running, Way
from andon.flow.deployments.difference import Between
from andon.flow.deployments.drawing import (
    Traffic,
    console_address,
    health_of,
    place_address,
    sentence_of,
    shares_of,
)
from andon.flow.environments.contract import EnvironmentView, SetView, Standing
from andon.flow.pipelines.contract import Build, Verdict
from andon.flow.routing.contract import PARTS, Router
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading
from andon.kernel.errors import AndonError, NotFound
from andon.web.model import Choice, Share, State
from andon.web.shell import Action

HISTORY = 6
REMEMBERED = 40
"""Deployments looked at for how a build went here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    service: Service
    environment: str
    sentence: str
    tabs: tuple[Choice, ...]
    region: str
    address: str
    """Where the environment is reached; empty as long as it is not there."""
    live: Live | None
    could: Could | None
    between: Between | None
    builds: tuple[Candidate, ...]
    running: Running | None
    shares: tuple[Share, ...]
    lock: str
    queue: tuple[Past, ...]
    ways: tuple[Way, ...]
    rebuild: Action | None
    contract: Action | None
    migrations: str
    """The page of the database's migrations; empty where nothing runs."""
    history: tuple[Past, ...]
    deploys: bool


def board(
    rooms: Rooms, reading: Reading, principal: Principal, service: Service, environment: str, commit: str
) -> Board:
    """``commit`` is what somebody has chosen; without it the newest build that may go. Raises ``NotFound``."""
    principal.require_sight(service)
    rooms.sources.default_branch(reading, service)
    place = rooms.environments.find(reading, service, environment)
    tabs = _tabs(rooms, reading, service, environment)
    if environment not in {one.label for one in tabs}:
        raise NotFound(
            f"{service} has no environment {environment!r}.",
            remedy="Its andon.yaml names its environments; `andon env create` makes one of your own.",
        )
    lock = rooms.deployments.lock(reading, service, environment)
    holder = None if lock.holder is None else rooms.deployments.get(reading, lock.holder)
    holder = None if holder is None or holder.state.ended else holder
    waiting = [rooms.deployments.get(reading, one) for one in lock.queue]
    history = rooms.deployments.recent(reading, service, environment, limit=REMEMBERED)
    builds = rooms.pipelines.builds(reading, service, environment=environment)
    targets = rooms.deployments.rollback_targets(reading, service, environment)
    serving = rooms.deployments.live(reading, service, environment)
    live = None if place is None else place.live
    persons = [one.person for one in (*history, *waiting, holder, serving) if one is not None]
    desk = Desk(rooms, reading, principal, service, environment, _names(rooms, reading, persons))
    chosen = _chosen(builds, commit, live)
    found_between = None
    if chosen is not None and (live is None or chosen.commit != live.commit):
        found_between = desk.between(live, chosen.commit)
    return Board(
        service=service,
        environment=environment,
        sentence=_sentence(service, environment, live, holder, chosen),
        tabs=tabs,
        region=f"{place_address(service, environment)}/deploy/now"
        + (f"?commit={chosen.commit}" if commit and chosen is not None else ""),
        address="" if place is None else place.address,
        live=None if live is None else desk.live(live, serving),
        could=None if chosen is None else desk.could(chosen, live, [*waiting, *([holder] if holder else [])]),
        between=found_between,
        builds=tuple(desk.candidate(one, chosen, live, history) for one in builds),
        running=None if holder is None else desk.running(holder),
        shares=() if place is None else shares_of(place, traffic_of(rooms.router, reading, place)),
        lock=desk.lock(holder, waiting),
        queue=tuple(desk.past(one) for one in waiting),
        ways=tuple(desk.way(one, place) for one in targets),
        rebuild=desk.rebuild(live),
        contract=desk.contract(live, targets),
        migrations="" if live is None else f"{place_address(service, environment)}/migrations",
        history=tuple(desk.past(one) for one in history[:HISTORY]),
        deploys=principal.may(Permission.DEPLOY, service, environment),
    )


def traffic_of(router: Router, reading: Reading, place: EnvironmentView) -> Traffic:
    route = router.route(reading, place.service, place.name)
    plan = router.plan(reading, place.service, place.name)
    shares = {} if route is None else {route.set: PARTS}
    dark = {}
    if plan is not None:
        shares = {one.set: one.parts for one in plan.shares if one.parts}
        if plan.mirror is not None:
            dark[plan.mirror.set] = plan.mirror.parts
    served = {
        one.id: counts
        for one in place.sets
        if (one.standing is not Standing.CANDIDATE or one.id in shares)
        and (counts := router.served(one.id)) is not None
    }
    return Traffic(shares, served, dark)


def environments_of(rooms: Rooms, reading: Reading, service: Service) -> tuple[str, ...]:
    """In the order of the newest pipeline, then those that are there besides."""
    newest = rooms.pipelines.recent(reading, service, limit=1)
    named = [stage.environment for run in newest for stage in run.stages if stage.environment is not None]
    there = [place.name for place in rooms.environments.all(reading, service)]
    defined: list[str] = []
    if newest:
        try:
            found = rooms.deployments.definition(service, newest[0].commit)
            defined = [one.name for one in found.environments]
        except AndonError:
            defined = []  # the newest definition cannot be read; what runs is still shown
    return tuple(dict.fromkeys((*named, *defined, *sorted(there))))


def _tabs(rooms: Rooms, reading: Reading, service: Service, current: str) -> tuple[Choice, ...]:
    known = {place.name: place for place in rooms.environments.all(reading, service)}
    found = []
    for name in environments_of(rooms, reading, service):
        place = known.get(name)
        live = None if place is None else place.live
        state = State.NONE if live is None else health_of(live)[0]
        found.append(Choice(name, console_address(service, name), None, name == current, state))
    return tuple(found)


def _names(rooms: Rooms, reading: Reading, persons: Iterable[str | None]) -> Mapping[str, str]:
    found = rooms.people.names(reading, {one for one in persons if one})
    return {str(person): name for person, name in found.items()}


def _chosen(builds: Sequence[Build], commit: str, live: SetView | None) -> Build | None:
    """What was asked for; else the newest that may go and is not there yet; else the newest of all."""
    if commit:
        asked = [one for one in builds if one.commit.startswith(commit)]
        return next((one for one in asked if one.verdict is Verdict.PASSED), asked[0] if asked else None)
    passed = next((one for one in builds if one.verdict is Verdict.PASSED), None)
    if passed is not None and live is not None and passed.commit == live.commit:
        newer = builds[: builds.index(passed)]
        return newer[0] if newer else passed
    return passed or (builds[0] if builds else None)


def _sentence(
    service: Service,
    environment: str,
    live: SetView | None,
    holder: DeploymentView | None,
    chosen: Build | None,
) -> str:
    if holder is not None:
        return sentence_of(holder)
    name = f"{environment.capitalize()} of {service}"
    if live is None:
        return f"Nothing runs in {environment} of {service} yet"
    said = f"{name} runs {live.commit[:7]}, {health_of(live)[1]}"
    if chosen is None or chosen.commit == live.commit:
        return f"{said}; nothing newer waits"
    if chosen.verdict is Verdict.PASSED:
        return f"{said}; {chosen.commit[:7]} could go"
    return said
