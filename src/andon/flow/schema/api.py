"""The API of migrations and backfills."""

from __future__ import annotations

from andon.flow.schema.ledger import Ledger, Story
from andon.flow.schema.service import BackfillService
from andon.flow.schema.views import BackfillRequest, BackfillShape, Migrations, MigrationShape
from andon.flow.sources.contract import Service, Sources
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_PLACE = "/services/{service:str}/environments/{environment:str}/migrations"


def schema_routes(backfills: BackfillService, ledger: Ledger, sources: Sources) -> Handlers:
    @api.get(_PLACE)
    def show_migrations(call: Call, service: str, environment: str) -> Migrations:
        """What has run in an environment, how its newest backfill goes on, and why a contract migration waits."""
        call.principal.require_sight(service)
        name = Service(service)
        with call.database.reading() as reading:
            sources.default_branch(reading, name)
            story = ledger.story(reading, name, environment)
        return Migrations(
            backfill=None if story.backfill is None else BackfillShape.of(story.backfill, story.pace),
            migrations=_phases(story),
            contract_waits_for=_waits(story),
        )

    @api.post(_PLACE + "/backfill")
    def ask_of_backfill(call: Call, service: str, environment: str, data: BackfillRequest) -> BackfillShape:
        """Pause, resume or stop the newest backfill. What is filled stays filled."""
        call.principal.require_sight(service)
        with call.database.transaction() as tx:
            found = backfills.ask(tx, call.principal, Service(service), environment, data.wish)
        return BackfillShape.of(found)

    return [show_migrations, ask_of_backfill]


def _phases(story: Story) -> list[MigrationShape]:
    return [
        MigrationShape(
            name=change.name,
            phase=one.phase,
            file=one.file,
            progress=one.progress,
            at=one.at,
            commit=one.commit,
            deployment=one.deployment,
        )
        for change in story.changes
        for one in change.entries
    ]


def _waits(story: Story) -> list[str]:
    if not story.contracts_wait:
        return []
    versions = [f"{one.commit[:7]} can be rolled back to" for one in story.targets]
    return [*versions, *(one.sentence for one in story.objections)]
