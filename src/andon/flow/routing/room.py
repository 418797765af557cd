"""Who gets which traffic: Envoy, started and kept at what is recorded."""

from __future__ import annotations

from pathlib import Path

from andon.flow.environments.contract import EnvironmentDestroyed, Environments
from andon.flow.routing.api import traffic_routes
from andon.flow.routing.contract import TrafficForwarded
from andon.flow.routing.contract.offering import TrafficOffers
from andon.flow.routing.differences import RecentDifferences
from andon.flow.routing.pages import traffic_pages
from andon.flow.routing.ports import DataPlane
from andon.flow.routing.seeing import TrafficSight
from andon.flow.routing.service import RouterService
from andon.flow.routing.telling import TELLING
from andon.kernel.db import Transaction
from andon.kernel.events import Envelope, Reaction
from andon.web.room import Reconciler, Room


def routing_room(
    router: RouterService,
    plane: DataPlane,
    *,
    environments: Environments,
    folder: Path,
    offers: TrafficOffers | None = None,
) -> Room:
    """``folder`` is the router's own."""

    def keep() -> None:
        plane.start()
        router.apply()

    def forget(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        assert isinstance(happened, EnvironmentDestroyed)  # noqa: S101 - the reaction's only type
        router.forget(tx, happened.service, happened.environment)

    def follow(tx: Transaction, envelope: Envelope) -> None:
        # Reads the routes as they are now and writes files: safe within this transaction, and to repeat. Here and not
        # where it was asked for: two processes that write those files at once could leave the older state.
        router.apply()

    sight, recent = TrafficSight(router, environments), RecentDifferences(folder)
    return Room(
        name="routing",
        templates="andon.flow.routing",
        telling=TELLING,
        handlers=(*traffic_routes(router, sight, recent), *traffic_pages(sight, recent, offers or TrafficOffers())),
        reactions=(
            Reaction("routing.forget", (EnvironmentDestroyed,), forget),
            Reaction("routing.follow", (TrafficForwarded,), follow),
        ),
        begin=plane.start,
        # Again from time to time: somebody may have ended Envoy's keeper, and a new one starts with old files.
        reconcilers=(Reconciler("router", 10.0, keep), Reconciler("access log", 10.0, plane.rotate)),
    )
