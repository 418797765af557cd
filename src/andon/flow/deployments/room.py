"""What deployments offer to the application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from andon.flow.configuration.contract import Configuration
from andon.flow.deployments.api import deployment_routes
from andon.flow.deployments.desk import Rooms
from andon.flow.deployments.execution import Execution
from andon.flow.deployments.model import EnvironmentBusy
from andon.flow.deployments.pages import deployment_pages
from andon.flow.deployments.reactions import reactions
from andon.flow.deployments.service.deployments import DeploymentService
from andon.flow.deployments.telling import TELLING
from andon.flow.deployments.workflows import deploy_workflow
from andon.flow.environments.contract import Environments
from andon.flow.pipelines.contract import Pipelines
from andon.flow.routing.contract import Router
from andon.flow.sources.contract import Sources
from andon.kernel.access.contract import People
from andon.kernel.db import Database
from andon.kernel.workflows import Workflows
from andon.web.room import Reconciler, Room
from andon.web.shell import NavItem

EXPIRY_SECONDS = 20.0


def deployments_room(
    *,
    database: Database,
    service: DeploymentService,
    execution: Execution,
    workflows: Workflows,
    environments: Environments,
    pipelines: Pipelines,
    sources: Sources,
    configuration: Configuration,
    router: Router,
    people: People,
    console: str,
) -> Room:
    """``console`` is the address under which Andon is reached, such as ``http://127.0.0.1:7766``."""
    rooms = Rooms(
        deployments=service,
        pipelines=pipelines,
        sources=sources,
        environments=environments,
        configuration=configuration,
        router=router,
        people=people,
    )
    return Room(
        name="deployments",
        templates="andon.flow.deployments",
        handlers=(*deployment_routes(service, pipelines, sources, people, console), *deployment_pages(rooms)),
        navigation=(
            NavItem("Flow", "Deploy", "/deploy", "deploy", "d"),
            NavItem("Flow", "Deployments", "/deployments", "route"),
        ),
        telling=TELLING,
        reactions=reactions(service, workflows, router),
        workflows=(deploy_workflow(execution),),
        end=execution.close,
        reconcilers=(
            Reconciler("deployment queues", 30.0, _queues(database, service)),
            Reconciler("expired environments", EXPIRY_SECONDS, _expiry(database, service, environments)),
        ),
    )


def _queues(database: Database, service: DeploymentService) -> Callable[[], None]:
    def run() -> None:
        """Give free locks to whoever waits: for requests whose reaction became a dead letter."""
        with database.reading() as reading:
            places = service.places_with_work(reading)
        for name, environment in places:
            with database.transaction() as tx:
                service.dispatch(tx, name, environment)

    return run


def _expiry(database: Database, service: DeploymentService, environments: Environments) -> Callable[[], None]:
    def run() -> None:
        """Take away environments whose time is over."""
        with database.reading() as reading:
            over = environments.expired(reading)
        for name, environment in over:
            # A deployment under way there is let finish; the next round looks again.
            with suppress(EnvironmentBusy), database.transaction() as tx:
                service.end_if_over(tx, name, environment)

    return run
