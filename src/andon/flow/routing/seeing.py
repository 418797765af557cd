"""Who gets which traffic, as somebody who may see it sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from andon.flow.environments.contract import Environments, SetId, SetView
from andon.flow.routing.contract import PARTS, Arm, Forwarding, Plan, Share
from andon.flow.routing.service import RouterService
from andon.flow.sources.contract import Service
from andon.kernel.access import Principal
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    service: Service
    environment: str
    plan: Plan
    """One set with all parts where nothing is divided."""
    forwarding: Forwarding
    sets: Mapping[SetId, SetView]
    """Each that the plan names."""


class TrafficSight:
    def __init__(self, router: RouterService, environments: Environments) -> None:
        self._router = router
        self._environments = environments

    def place(self, reading: Reading, principal: Principal, service: str, environment: str) -> Service:
        """Raises ``NotFound`` for an environment that is not there or may not be seen."""
        principal.require_sight(service)
        found = Service(service)
        if self._environments.find(reading, found, environment) is None:
            raise NotFound(
                f"There is no environment {service[:80]}/{environment[:80]}.",
                remedy="See which there are: andon env list",
            )
        return found

    def traffic(self, reading: Reading, principal: Principal, service: str, environment: str) -> Seen:
        """Raises ``NotFound`` as :meth:`place`, and where nothing was deployed."""
        owner = self.place(reading, principal, service, environment)
        route = self._router.route(reading, owner, environment)
        if route is None:
            raise NotFound(
                f"{service}/{environment} has no traffic: nothing was deployed there.",
                remedy=f"Deploy something: andon deploy {service} {environment}",
            )
        plan = self._router.plan(reading, owner, environment)
        if plan is None:
            plan = Plan(shares=(Share(route.set, PARTS),), arms={route.set: Arm.STABLE}, sticky=None)
        return Seen(
            service=owner,
            environment=environment,
            plan=plan,
            forwarding=self._router.forwarding(reading, owner, environment),
            sets={one: self._environments.set(reading, one) for one in plan.arms},
        )
