"""The API of traffic: who gets what, what is forwarded, and how two versions answered."""

from __future__ import annotations

from andon.flow.environments.contract import Environments
from andon.flow.routing.contract import (
    PARTS,
    Arm,
    Comparison,
    Condition,
    Forward,
    Forwarding,
    Plan,
    Share,
    Where,
)
from andon.flow.routing.differences import RecentDifferences
from andon.flow.routing.service import RouterService
from andon.flow.routing.views import ComparisonShape, ConditionShape, ForwardingShape, ForwardsWanted, TrafficShape
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid, NotFound
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_PLACE = "/services/{service:str}/environments/{environment:str}"


def traffic_routes(router: RouterService, environments: Environments, recent: RecentDifferences) -> Handlers:
    def known(reading: Reading, principal: Principal, service: str, environment: str) -> Service:
        principal.require_sight(service)
        found = Service(service)
        if environments.find(reading, found, environment) is None:
            raise NotFound(
                f"There is no environment {service[:80]}/{environment[:80]}.",
                remedy="See which there are: andon env list",
            )
        return found

    @api.get(_PLACE + "/traffic")
    def show_traffic(call: Call, service: str, environment: str) -> TrafficShape:
        """Who gets which requests of an environment."""
        with call.database.reading() as reading:
            owner = known(reading, call.principal, service, environment)
            route = router.route(reading, owner, environment)
            if route is None:
                raise NotFound(
                    f"{service}/{environment} has no traffic: nothing was deployed there.",
                    remedy=f"Deploy something: andon deploy {service} {environment}",
                )
            plan = router.plan(reading, owner, environment)
            if plan is None:
                plan = Plan(shares=(Share(route.set, PARTS),), arms={route.set: Arm.STABLE}, sticky=None)
            commits: dict[str, str] = {one: environments.set(reading, one).commit for one in plan.arms}
            return TrafficShape.of(service, environment, plan, router.forwarding(reading, owner, environment), commits)

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
            owner = known(tx, call.principal, service, environment)
            call.principal.require(Permission.RELEASE, owner, environment)
            for one in wanted.forwards:
                # whoever sends customers there could do so by a release of its own
                known(tx, call.principal, one.service, one.environment)
                call.principal.require(Permission.RELEASE, one.service, one.environment)
            return ForwardingShape.of(router.forward(tx, owner, environment, wanted, by=call.principal.actor))

    @api.get(_PLACE + "/comparisons")
    def compare_answers(call: Call, service: str, environment: str) -> ComparisonShape:
        """How the live version and the dark one answered the last requests that were mirrored."""
        with call.database.reading() as reading:
            owner = known(reading, call.principal, service, environment)
        return ComparisonShape.of(service, environment, recent.of(owner, environment))

    return [show_traffic, set_forwards, compare_answers]


def _condition(asked: ConditionShape) -> Condition:
    try:
        where, how = Where(asked.where), Comparison(asked.how)
    except ValueError as error:
        raise Invalid(f"{error}.", safe="Traffic goes where it went.") from error
    return Condition(where, asked.name, how, asked.value)
