"""The API of rollouts."""

from __future__ import annotations

from andon.feedback.rollouts.foretelling import Foretelling
from andon.feedback.rollouts.model.records import Rollout
from andon.feedback.rollouts.model.takeovers import TakeoverStage
from andon.feedback.rollouts.reports import report, shape_of
from andon.feedback.rollouts.service import RolloutService
from andon.feedback.rollouts.service.takeovers import TakeoverService, Wanted
from andon.feedback.rollouts.views import RolloutList, RolloutShape, TakeoverWanted, WishRequest
from andon.flow.sources.contract import Service
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_MOST = 100


def rollout_routes(
    service: RolloutService, takeovers: TakeoverService, foretelling: Foretelling, console: str
) -> Handlers:
    def shaped(reading: Reading, found: Rollout) -> RolloutShape:
        return shape_of(report(service, reading, found), console)

    @api.get("/rollouts")
    def list_rollouts(call: Call, of: str | None = None, running: bool | None = None, limit: int = 20) -> RolloutList:
        """Rollouts, newest first; ``of`` is a service, ``running`` is whether they are under way."""
        if not 1 <= limit <= _MOST:
            raise Invalid(f"limit is between 1 and {_MOST}.", remedy="Ask for fewer.")
        with call.database.reading() as reading:
            found = service.visible(reading, call.principal, service=of, running=running, limit=limit)
            return RolloutList(rollouts=[shaped(reading, one) for one in found])

    @api.get("/rollouts/{rollout:str}")
    def show_rollout(call: Call, rollout: str) -> RolloutShape:
        """One rollout: its stages, and what the judge says of each metric."""
        with call.database.reading() as reading:
            return shaped(reading, service.seen(reading, call.principal, rollout))

    @api.get("/services/{name:str}/rollout")
    def show_rollout_of_service(call: Call, name: str, environment: str | None = None) -> RolloutShape:
        """The rollout of a service that is under way, or else its newest."""
        call.principal.require_sight(name)
        with call.database.reading() as reading:
            return shaped(reading, service.at(reading, Service(name), environment))

    @api.post("/rollouts/{rollout:str}/wish", status=202)
    def ask_rollout(call: Call, rollout: str, data: WishRequest) -> RolloutShape:
        """Ask for a pause, to go on, for the next stage, for everybody, or for the end; heeded within seconds."""
        with call.database.transaction() as tx:
            found = service.seen(tx, call.principal, rollout)
            return shaped(tx, service.wish(tx, call.principal, found.id, data.wish))

    @api.post("/services/{name:str}/environments/{environment:str}/takeovers", status=201)
    def begin_takeover(call: Call, name: str, environment: str, data: TakeoverWanted) -> RolloutShape:
        """Let another service take over some of an environment's requests, in stages that are judged.

        ``smallest_harm`` is what it can see with the traffic that these requests had lately.
        """
        wanted = Wanted(
            service=Service(name),
            environment=environment,
            to=Service(data.service),
            to_environment=data.environment,
            when=tuple(data.when),
            stages=[TakeoverStage(parts=one.parts, seconds=one.seconds, requests=one.requests) for one in data.stages],
        )
        takeovers.require(call.principal, wanted)
        foreseen = foretelling.of(wanted)
        with call.database.transaction() as tx:
            return shaped(tx, takeovers.begin(tx, call.principal, wanted, foreseen))

    return [list_rollouts, show_rollout, show_rollout_of_service, ask_rollout, begin_takeover]
