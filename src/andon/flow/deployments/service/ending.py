"""The end of an environment, on request or because its time is over."""

from __future__ import annotations

from andon.flow.deployments import storage
from andon.flow.deployments.model import EnvironmentBusy
from andon.flow.deployments.service.questions import DeploymentQuestions
from andon.flow.environments.contract import Standing
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM, Permission, Principal
from andon.kernel.db import Transaction
from andon.kernel.errors import NotFound


class EnvironmentEnding(DeploymentQuestions):
    """Implements :class:`andon.flow.deployments.contract.EnvironmentEnd`."""

    def destroy(
        self, tx: Transaction, principal: Principal, service: Service, environment: str, *, reason: str
    ) -> None:
        """Take an environment away: its traffic, its instances, its data; of one made by hand also what was set for it.

        A reaction does what lies outside the database.
        """
        principal.require(Permission.DESTROY_ENVIRONMENT, service, environment)
        # Requests wait at the same row: none can slip in between the look at the queue and the end.
        storage.lock_row(tx.connection, service, environment)
        place = self._environments.find(tx, service, environment)
        if place is None:
            raise NotFound(f"There is no environment {service}/{environment}.", remedy="List them: andon env list")
        lock = self.lock(tx, service, environment)
        holder = None if lock.holder is None else self.get(tx, lock.holder)
        if lock.queue or (holder is not None and not holder.state.ended):
            raise EnvironmentBusy(
                f"A deployment to {service}/{environment} is under way.",
                safe="Nothing was changed.",
                remedy=f"Wait for it, or cancel it: andon deployments {service} {environment}",
            )
        self._router.withdraw(tx, service, environment)
        for one in place.sets:
            self._environments.mark(tx, one.id, Standing.RETIRED, reason=f"{environment} was destroyed")
        # Former versions were of the environment that goes; one made anew under its name begins without them.
        storage.give_up(tx.connection, service, environment, "the environment was destroyed since", but=None)
        self._environments.remove(tx, service, environment, reason=reason, by=principal.actor)
        if place.by_hand and not self.is_meant(tx, service, environment):
            # One of andon.yaml is made again by the next run that comes to it, and finds what was set for it; one
            # declared under this name meanwhile, too.
            self._configuration.forget(tx, service, environment, by=principal.actor)

    def end_if_over(self, tx: Transaction, service: Service, environment: str) -> None:
        """Take an environment away if its time is over, which is looked at again here.

        Somebody may have extended it since it was found, or made another one under its name. Raises
        :class:`EnvironmentBusy` while a deployment to it is under way.
        """
        # First the lock that destroying takes first: the other way round two of them could wait for each other.
        storage.lock_row(tx.connection, service, environment)
        if self._environments.is_over(tx, service, environment):
            self.destroy(tx, SYSTEM, service, environment, reason="its time to live is over")
