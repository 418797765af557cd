"""The API of traffic: who gets what, what is forwarded, and how two versions answered."""

from __future__ import annotations

from andon.flow.routing.contract import Comparison, Condition, Forward, Forwarding, Where
from andon.flow.routing.differences import RecentDifferences
from andon.flow.routing.seeing import TrafficSight
from andon.flow.routing.service import RouterService
from andon.flow.routing.views import ComparisonShape, ConditionShape, ForwardingShape, ForwardsWanted, TrafficShape
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission
from andon.kernel.errors import Invalid
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_PLACE = "/services/{service:str}/environments/{environment:str}"


def traffic_routes(router: RouterService, sight: TrafficSight, recent: RecentDifferences) -> Handlers:
    @api.get(_PLACE + "/traffic")
    def show_traffic(call: Call, service: str, environment: str) -> TrafficShape:
        """Who gets which requests of an environment."""
        with call.database.reading() as reading:
            seen = sight.traffic(reading, call.principal, service, environment)
        commits: dict[str, str] = {name: one.commit for name, one in seen.sets.items()}
        return TrafficShape.of(service, environment, seen.plan, seen.forwarding, commits)

    @api.put(_PLACE + "/forwards")
    def set_forwards(call: Call, service: str, environment: str, data: ForwardsWanted) -> ForwardingShape:
        """Let other services serve some of an environment's requests, behind its address. All rules are replaced."""
        wanted = Forwarding(
            version=data.version,
            forwards=tuple(
                Forward(
                    service=Service(one.service),
                    environment=one.environment,
                    when=tuple(map(_condition, one.when)),
                    parts=one.parts,
                )
                for one in data.forwards
            ),
        )
        with call.database.transaction() as tx:
            owner = sight.place(tx, call.principal, service, environment)
            call.principal.require(Permission.RELEASE, owner, environment)
            for one in wanted.forwards:
                # whoever sends customers there could do so by a release of its own
                sight.place(tx, call.principal, one.service, one.environment)
                call.principal.require(Permission.RELEASE, one.service, one.environment)
            return ForwardingShape.of(router.forward(tx, owner, environment, wanted, by=call.principal.actor))

    @api.get(_PLACE + "/comparisons")
    def compare_answers(call: Call, service: str, environment: str) -> ComparisonShape:
        """How the live version and the dark one answered the last requests that were mirrored."""
        with call.database.reading() as reading:
            owner = sight.place(reading, call.principal, service, environment)
        return ComparisonShape.of(service, environment, recent.of(owner, environment))

    return [show_traffic, set_forwards, compare_answers]


def _condition(asked: ConditionShape) -> Condition:
    try:
        where, how = Where(asked.where), Comparison(asked.how)
    except ValueError as error:
        raise Invalid(f"{error}.", safe="Traffic goes where it went.") from error
    return Condition(where, asked.name, how, asked.value)
