"""Progressive releases: what brings a version to its customers, what it was judged by, and what people ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from andon.feedback.judge.contract import Judge
from andon.feedback.rollouts.api import rollout_routes
from andon.feedback.rollouts.beginning import beginning_pages
from andon.feedback.rollouts.belonging import Releases
from andon.feedback.rollouts.conducting import Conductor
from andon.feedback.rollouts.contract import RolloutState
from andon.feedback.rollouts.foretelling import Foretelling
from andon.feedback.rollouts.later import LateConfirmation
from andon.feedback.rollouts.model.pacing import Rhythm
from andon.feedback.rollouts.model.words import STATE_WORDS, named, stated
from andon.feedback.rollouts.pages import rollout_pages
from andon.feedback.rollouts.ports import Backing, Signals
from andon.feedback.rollouts.reactions import reactions
from andon.feedback.rollouts.service import RolloutService
from andon.feedback.rollouts.service.takeovers import TakeoverService
from andon.feedback.rollouts.taking import Taking
from andon.feedback.rollouts.telling import TELLING, address
from andon.feedback.rollouts.workflows import takeover_workflow
from andon.flow.deployments.contract import Deployments
from andon.flow.deployments.contract.release import Doubts
from andon.flow.environments.contract import Environments
from andon.flow.flags.contract.audiences import Segments
from andon.flow.routing.contract import AccessLog, Comparisons, Router
from andon.kernel.access import Principal
from andon.kernel.db import Database, Reading
from andon.kernel.workflows import Workflows
from andon.web.model import State
from andon.web.room import Entry, Reconciler, Room
from andon.web.shell import Light, NavItem

_SHOWN = 20
LATE_SECONDS = 60.0
"""Between two looks at versions that nobody could confirm."""


@dataclass(frozen=True, slots=True)
class BuiltRollouts:
    room: Room
    conductor: Conductor
    """What deployments ask."""
    service: RolloutService


def build_rollouts(
    *,
    database: Database,
    environments: Environments,
    deployments: Deployments,
    router: Router,
    judge: Judge,
    signals: Signals,
    comparisons: Callable[[], Comparisons],
    log: Callable[[], AccessLog],
    segments: Segments,
    backing: Backing,
    workflows: Workflows,
    console: str,
    doubts: Doubts,
) -> BuiltRollouts:
    service = RolloutService()
    conductor = Conductor(
        database=database,
        service=service,
        environments=environments,
        router=router,
        judge=judge,
        signals=signals,
        comparisons=comparisons,
        segments=segments,
        backing=backing,
    )
    segments.used_by(Releases(service))
    taking = Taking(
        database=database,
        service=service,
        environments=environments,
        router=router,
        looking=conductor.looking,
        log=log,
    )
    takeovers = TakeoverService(service, environments, router)
    foretelling = Foretelling(database=database, environments=environments, router=router, judge=judge, log=log)
    room = rollouts_room(service, takeovers, foretelling, deployments, console)
    late = LateConfirmation(
        database=database, deployments=doubts, service=service, judge=judge, signals=signals, rhythm=Rhythm()
    )
    room = replace(
        room,
        reactions=reactions(workflows),
        workflows=(takeover_workflow(taking),),
        reconcilers=(Reconciler("late confirmations", LATE_SECONDS, late.look),),
        end=taking.stop,
    )
    return BuiltRollouts(room, conductor, service)


def rollouts_room(
    service: RolloutService,
    takeovers: TakeoverService,
    foretelling: Foretelling,
    deployments: Deployments,
    console: str,
) -> Room:
    def light(reading: Reading, principal: Principal) -> Light | None:
        """A rollout that waits for somebody owns the light; one on its way is only said."""
        running = service.visible(reading, principal, running=True, limit=_SHOWN)
        if not running:
            return None
        paused = next((one for one in running if one.state is RolloutState.PAUSED), None)
        one = paused or running[0]
        told = stated(one)
        if paused is None:
            return Light(State.RUN, told, address(one.id))
        return Light(State.WARN, f"{told}: {one.reason}", address(one.id))

    def entries(reading: Reading, principal: Principal) -> Iterator[Entry]:
        for one in service.visible(reading, principal, running=True, limit=_SHOWN):
            yield Entry(f"Rollout of {named(one)}", address(one.id), "route", STATE_WORDS[one.state])

    return Room(
        name="rollouts",
        templates="andon.feedback.rollouts",
        handlers=(
            *rollout_pages(service, deployments),
            *beginning_pages(takeovers, foretelling),
            *rollout_routes(service, takeovers, foretelling, console),
        ),
        navigation=(NavItem(section="Feedback", label="Rollouts", href="/rollouts", icon="route", key="y"),),
        light=light,
        entries=entries,
        telling=TELLING,
    )
