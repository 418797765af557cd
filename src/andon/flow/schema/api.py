"""The API of backfills."""

from __future__ import annotations

from andon.flow.schema.service import BackfillService
from andon.flow.schema.views import BackfillRequest, BackfillShape, Migrations
from andon.flow.sources.contract import Service, Sources
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_PLACE = "/services/{service:str}/environments/{environment:str}/migrations"


def schema_routes(backfills: BackfillService, sources: Sources) -> Handlers:
    @api.get(_PLACE)
    def show_migrations(call: Call, service: str, environment: str) -> Migrations:
        """How the newest backfill of an environment goes on."""
        call.principal.require_sight(service)
        name = Service(service)
        with call.database.reading() as reading:
            sources.default_branch(reading, name)
            found = backfills.current(reading, name, environment)
        return Migrations(backfill=None if found is None else BackfillShape.of(found))

    @api.post(_PLACE + "/backfill")
    def ask_of_backfill(call: Call, service: str, environment: str, data: BackfillRequest) -> BackfillShape:
        """Pause, resume or stop the newest backfill. What is filled stays filled."""
        call.principal.require_sight(service)
        with call.database.transaction() as tx:
            found = backfills.ask(tx, call.principal, Service(service), environment, data.wish)
        return BackfillShape.of(found)

    return [show_migrations, ask_of_backfill]
