"""The composition root: the one place that knows every room and gives each what it needs.

Read it from top to bottom to see what there is. Nothing here starts a thread or opens a port: the processes
(:mod:`andon.app.web`, the worker) take from it what they run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from andon.app.feedback import Feedback, build_feedback
from andon.app.flow import Flow, build_flow
from andon.app.people.room import people_room
from andon.app.record.room import record_room
from andon.app.releasing import BoundReleasing
from andon.app.starter import WorkflowStarter
from andon.feedback.telemetry.ingress import Ingress, TelemetryEquipper
from andon.feedback.telemetry.where import Where
from andon.feedback.webhooks.room import webhooks_room
from andon.flow.configuration.sealing import FileSecretBox
from andon.flow.environments.contract.equipment import BARE
from andon.flow.environments.layout import Layout
from andon.kernel.access.contract import People
from andon.kernel.access.passwords import Passwords
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.clock import Clock
from andon.kernel.db import Database, open_engine
from andon.kernel.events import Bell
from andon.kernel.settings import Settings
from andon.web.room import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Everything that is one Andon, not yet running."""

    settings: Settings
    database: Database
    bell: Bell
    people: People
    passwords: Passwords
    starter: WorkflowStarter
    """What rooms start durable work with; only a worker binds the engine to it."""
    rooms: tuple[Room, ...]
    telemetry: Where
    """Where telemetry lies; the telemetry process opens it, the others ask that process."""
    flow: Flow
    feedback: Feedback

    def close(self) -> None:
        self.feedback.close()
        self.database.close()


def compose(settings: Settings, *, clock: Clock | None = None, passwords: Passwords | None = None) -> Installation:
    """Build the installation that the settings describe. The database must be at this release's version."""
    database = Database(open_engine(settings.database_url), clock)
    bell = Bell(database)
    directory = PeopleDirectory()
    passwords = passwords or Passwords()
    starter = WorkflowStarter()

    sockets = Layout(settings.data).doors
    telemetry = Where(settings.data, sockets)
    equipper = TelemetryEquipper(Ingress(sockets)) if settings.telemetry.enabled else BARE
    releasing = BoundReleasing()
    flow = build_flow(settings, database, bell, starter, directory, equipper, releasing)
    feedback = build_feedback(settings, database, telemetry, flow, directory, starter)
    releasing.bind(feedback.releasing)
    # Each room is made here, in the order of the rail; what one asks of another goes in as an argument.
    rooms: tuple[Room, ...] = (
        *flow.rooms,
        *feedback.rooms,
        record_room(directory, sealing_key(settings)),
        people_room(settings, passwords, places=flow.places),
        webhooks_room(
            database=database,
            bell=bell,
            box=FileSecretBox(settings.data / "keys" / "secrets.key"),
            people=directory,
            source=settings.address,
            plain_http=settings.webhooks.plain_http,
            private_networks=settings.webhooks.private_networks,
        ),
    )
    return Installation(
        settings=settings,
        database=database,
        bell=bell,
        people=directory,
        passwords=passwords,
        starter=starter,
        rooms=rooms,
        telemetry=telemetry,
        flow=flow,
        feedback=feedback,
    )


def sealing_key(settings: Settings) -> Path:
    """Where the key is that seals the record."""
    return settings.data / "keys" / "record.pem"
