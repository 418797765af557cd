"""Beginning a takeover: a new service gets requests of an old one, in stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from andon.feedback.rollouts import storage
from andon.feedback.rollouts.contract import RolloutId, RolloutState
from andon.feedback.rollouts.model.expecting import Foreseen
from andon.feedback.rollouts.model.records import AlreadyTaking, Rollout
from andon.feedback.rollouts.model.takeovers import Takeover, TakeoverStage, release_of
from andon.feedback.rollouts.model.taking import UNWATCHED, WATCHED
from andon.feedback.rollouts.service import RolloutService
from andon.flow.definition.contract import ReleaseDefinition, share_text
from andon.flow.environments.contract import Environments, SetId
from andon.flow.routing.contract import Condition, Forwarding, Router
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Conflict
from andon.kernel.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody asks for."""

    service: Service
    """The old one, at whose address customers ask."""
    environment: str
    to: Service
    to_environment: str
    when: tuple[Condition, ...]
    stages: Sequence[TakeoverStage]

    @property
    def takeover(self) -> Takeover:
        return Takeover(service=self.to, environment=self.to_environment, when=self.when)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Possible:
    """What a takeover that can begin starts from."""

    release: ReleaseDefinition
    takeover: Takeover
    forwarding: Forwarding
    former: SetId
    live: SetId


class TakeoverService:
    """Safe to share between threads."""

    def __init__(self, rollouts: RolloutService, environments: Environments, router: Router) -> None:
        self._rollouts = rollouts
        self._environments = environments
        self._router = router

    def require(self, principal: Principal, wanted: Wanted) -> None:
        """Raises ``Forbidden`` or ``NotFound`` for somebody who may not begin it."""
        for service, environment in self._ends(wanted):
            principal.require_sight(service)
            principal.require(Permission.RELEASE, service, environment)

    def places(self, reading: Reading, principal: Principal) -> tuple[tuple[Service, str], ...]:
        """Where somebody may begin one, or let one end: environments with something live that they may release in."""
        return tuple(
            (one.service, one.name)
            for one in self._environments.all(reading)
            if principal.may(Permission.READ, one.service)
            and principal.may(Permission.RELEASE, one.service, one.name)
            and self._router.route(reading, one.service, one.name) is not None
        )

    def check(self, reading: Reading, principal: Principal, wanted: Wanted) -> None:
        """Whether it could begin now, as far as one can tell without doing it. Raises as :meth:`begin`."""
        self._possible(reading, principal, wanted)

    def begin(self, tx: Transaction, principal: Principal, wanted: Wanted, foreseen: Foreseen) -> Rollout:
        """Record it with its first stage and the share that belongs to it; the router follows at once.

        Raises ``Forbidden``, ``NotFound``, :class:`AlreadyTaking`, ``StagesInvalid``, and ``Conflict`` where nothing is
        live at one end, or requests would come back to where they came from.
        """
        found = self._possible(tx, principal, wanted)
        former, live = found.former, found.live
        made = Rollout(
            id=RolloutId(new_id("rol")),
            deployment=None,
            service=wanted.service,
            environment=wanted.environment,
            commit=self._environments.set(tx, live).commit,
            former_commit=self._environments.set(tx, former).commit,
            set=live,
            former=former,
            baseline=None,
            state=RolloutState.RUNNING,
            hold=None,
            reason="",
            stage=0,
            wish=None,
            wished_by=None,
            release=found.release,
            watched=WATCHED,
            unwatched=UNWATCHED,
            smallest_harm=foreseen.smallest_harm,
            proposal=foreseen.proposal,
            counters=None,
            differences=None,
            started_at=tx.now,
            ended_at=None,
            takeover=found.takeover,
        )
        self._rollouts.started(tx, made, by=principal.actor)
        entered = self._rollouts.enter(tx, made.id, 0)
        self._router.forward(
            tx,
            wanted.service,
            wanted.environment,
            found.takeover.applied(found.forwarding, entered.now.plan.parts),
            by=principal.actor,
        )
        return entered

    def _possible(self, reading: Reading, principal: Principal, wanted: Wanted) -> _Possible:
        self.require(principal, wanted)
        release, takeover = release_of(wanted.stages), wanted.takeover
        forwarding = self._router.forwarding(reading, wanted.service, wanted.environment)
        self._require_free(reading, wanted, takeover, takeover.parts_in(forwarding))
        former, live = (self._live(reading, *end) for end in self._ends(wanted))
        return _Possible(release=release, takeover=takeover, forwarding=forwarding, former=former, live=live)

    def _require_free(self, reading: Reading, wanted: Wanted, takeover: Takeover, parts: int) -> None:
        running = storage.newest(
            reading.connection, services=[wanted.service], environment=wanted.environment, running=True, limit=_MOST
        )
        for one in running:
            if one.takeover is not None and one.takeover.rule == takeover.rule:
                raise AlreadyTaking(
                    f"{takeover.place} is taking over {takeover.asked} already.",
                    safe="Nothing was changed.",
                    remedy=f"See how far it is: andon rollout show {one.id}",
                )
        if parts >= wanted.stages[0].parts:
            raise AlreadyTaking(
                f"{takeover.place} has {share_text(parts)} of {takeover.asked} already.",
                safe="Traffic goes where it went.",
                remedy="Begin with a larger share, or take the rule back first: andon traffic keep",
            )

    def _live(self, reading: Reading, service: Service, environment: str) -> SetId:
        route = self._router.route(reading, service, environment)
        if route is None:
            raise Conflict(
                f"Nothing is live in {service}/{environment}.",
                safe="Traffic goes where it went.",
                remedy=f"Deploy something there first: andon deploy {service} {environment}",
            )
        return route.set

    @staticmethod
    def _ends(wanted: Wanted) -> tuple[tuple[Service, str], ...]:
        return (wanted.service, wanted.environment), (wanted.to, wanted.to_environment)


_MOST = 200
