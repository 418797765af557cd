"""What a person may do at this moment, for work that goes on after they have gone."""

from __future__ import annotations

from andon.flow.deployments.contract import DeploymentId, Deployments
from andon.flow.pipelines.contract import Pipelines
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM, Permission, PersonId, Principal
from andon.kernel.access.signing_in import grants_of, person_actor
from andon.kernel.access.tokens import may_token
from andon.kernel.db import Reading
from andon.kernel.events import Actor, ActorKind


class GrantedAuthority:
    """Implements :class:`andon.flow.pipelines.ports.Authority` with the roles people have now, not those they had."""

    def principal_of(self, reading: Reading, person: str | None) -> Principal | None:
        if person is None:
            return None
        known = PersonId(person)
        grants = grants_of(reading, known)
        if not grants:
            return None  # erased, or without any role: nobody stands for the work any more
        return Principal(actor=person_actor(known), person=known, grants=grants)

    def lends(self, reading: Reading, actor: Actor) -> bool:
        return actor.kind is not ActorKind.TOKEN or may_token(reading, actor.id, Permission.DEPLOY)

    def releaser(self, reading: Reading, actor: Actor) -> Principal | None:
        """Whoever stands behind a push, as far as releasing goes; ``None`` for a token that may not release."""
        if actor.kind is ActorKind.SYSTEM and actor.person is None:
            return SYSTEM
        if actor.kind is ActorKind.TOKEN and not may_token(reading, actor.id, Permission.RELEASE):
            return None
        return self.principal_of(reading, actor.person)


class GrantedBacking:
    """Implements :class:`andon.feedback.rollouts.ports.Backing`."""

    def __init__(self, authority: GrantedAuthority, deployments: Deployments, pipelines: Pipelines) -> None:
        self._authority = authority
        self._deployments = deployments
        self._pipelines = pipelines

    def sees(self, reading: Reading, deployment: DeploymentId, service: Service) -> bool:
        found = self._deployments.get(reading, deployment)
        build = self._pipelines.build_of(reading, found.service, found.commit, environment=found.environment)
        pushed = None if build is None else self._pipelines.run(reading, build.run).person
        return all(self._sees(reading, person, service) for person in (found.person, pushed))

    def _sees(self, reading: Reading, person: str | None, service: Service) -> bool:
        if person is None:
            return True
        principal = self._authority.principal_of(reading, person)
        return principal is not None and principal.may(Permission.READ, service)
