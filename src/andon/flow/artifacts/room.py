"""What artifacts offer to the application."""

from __future__ import annotations

from collections.abc import Callable

from andon.flow.artifacts.api import artifact_routes
from andon.flow.artifacts.service import ArtifactService
from andon.flow.artifacts.telling import TELLING
from andon.kernel.db import Database
from andon.web.room import Reconciler, Room

_HOUR = 3600.0


def artifacts_room(database: Database, artifacts: ArtifactService) -> Room:
    return Room(
        name="artifacts",
        handlers=tuple(artifact_routes(artifacts)),
        telling=TELLING,
        reconcilers=(
            Reconciler("artifacts past their time", _HOUR, _retention(database, artifacts)),
            Reconciler("artifacts as they were stored", 24 * _HOUR, _check(database, artifacts)),
        ),
    )


def _retention(database: Database, artifacts: ArtifactService) -> Callable[[], None]:
    def run() -> None:
        with database.transaction() as tx:
            artifacts.expire(tx)
        # In a transaction of its own: what is removed from the disk has been recorded as removed before.
        with database.transaction() as tx:
            artifacts.sweep(tx)

    return run


def _check(database: Database, artifacts: ArtifactService) -> Callable[[], None]:
    def run() -> None:
        # Read without a transaction open: comparing gigabytes must not keep others from writing.
        with database.reading() as reading:
            damaged = artifacts.damaged(reading)
        if damaged:
            with database.transaction() as tx:
                artifacts.report_damage(tx, damaged)

    return run
