"""What schema changes offer to the application."""

from __future__ import annotations

from andon.flow.environments.contract import Environments
from andon.flow.schema.api import schema_routes
from andon.flow.schema.filling import Filling
from andon.flow.schema.ledger import Ledger
from andon.flow.schema.pages import schema_pages
from andon.flow.schema.reactions import reactions
from andon.flow.schema.service import BackfillService
from andon.flow.schema.telling import TELLING
from andon.flow.schema.workflows import backfill_workflow
from andon.flow.sources.contract import Sources
from andon.kernel.workflows import Workflows
from andon.web.room import Room
from andon.web.shell import NavItem


def schema_room(
    service: BackfillService,
    filling: Filling,
    workflows: Workflows,
    *,
    ledger: Ledger,
    environments: Environments,
    sources: Sources,
) -> Room:
    return Room(
        name="schema",
        templates="andon.flow.schema",
        handlers=(*schema_routes(service, ledger, sources), *schema_pages(service, ledger, environments, sources)),
        navigation=(NavItem("Flow", "Migrations", "/migrations", "database"),),
        telling=TELLING,
        reactions=reactions(service, filling, workflows),
        workflows=(backfill_workflow(filling),),
        end=filling.close,
    )
