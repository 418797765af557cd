"""Who gets which traffic: Envoy, started and kept at what is recorded."""

from __future__ import annotations

from andon.flow.environments.contract import EnvironmentDestroyed
from andon.flow.routing.ports import DataPlane
from andon.flow.routing.service import RouterService
from andon.flow.routing.telling import TELLING
from andon.kernel.db import Transaction
from andon.kernel.events import Envelope, Reaction
from andon.web.room import Reconciler, Room


def routing_room(router: RouterService, plane: DataPlane) -> Room:
    def keep() -> None:
        plane.start()
        router.apply()

    def forget(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        assert isinstance(happened, EnvironmentDestroyed)  # noqa: S101 - the reaction's only type
        router.forget(tx, happened.service, happened.environment)

    return Room(
        name="routing",
        telling=TELLING,
        reactions=(Reaction("routing.forget", (EnvironmentDestroyed,), forget),),
        begin=plane.start,
        # Again from time to time: somebody may have ended Envoy's keeper, and a new one starts with old files.
        reconcilers=(Reconciler("router", 10.0, keep), Reconciler("access log", 10.0, plane.rotate)),
    )
