"""The rooms of the First Way, wired: what each asks of another is given to it here."""

from __future__ import annotations

import os
from collections.abc import Callable

import andon
from andon.app.authority import GrantedAuthority
from andon.app.starter import WorkflowStarter
from andon.flow.artifacts.service import ArtifactService
from andon.flow.artifacts.store import FileStore
from andon.flow.configuration.sealing import FileSecretBox
from andon.flow.configuration.service import ConfigurationService
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.deployments.execution import Execution as DeploymentExecution
from andon.flow.deployments.room import deployments_room
from andon.flow.deployments.service.deployments import DeploymentService
from andon.flow.environments.room import build_environments, environments_room
from andon.flow.pipelines.execution import Execution as PipelineExecution
from andon.flow.pipelines.reactions import reactions as pipeline_reactions
from andon.flow.pipelines.runner.sandboxed import SandboxRunner
from andon.flow.pipelines.service import PipelineService, Progress
from andon.flow.pipelines.workflows import run_workflow
from andon.flow.routing.adapters import EnvoyDataPlane, envoy_binary
from andon.flow.routing.room import routing_room
from andon.flow.routing.service import RouterService
from andon.flow.sources.adapters.sources import GitSources
from andon.flow.sources.room import open_git, sources_room
from andon.kernel.access.contract import People
from andon.kernel.db import Database
from andon.kernel.events import Bell
from andon.kernel.settings import Settings
from andon.web.room import Room


def flow_rooms(
    settings: Settings, database: Database, bell: Bell, starter: WorkflowStarter, people: People
) -> tuple[Room, ...]:
    data = settings.data
    git = open_git(settings)
    sources = GitSources(git)
    definitions = YamlDefinitionReader()
    artifacts = ArtifactService(FileStore(data / "artifacts"), keep_days=settings.retention.artifact_days)
    configuration = ConfigurationService(FileSecretBox(data / "keys" / "secrets.key"))

    built = build_environments(
        settings,
        database,
        sources=sources,
        definitions=definitions,
        artifacts=artifacts,
        configuration=configuration,
    )
    environments = built.environments
    plane = EnvoyDataPlane(
        binary=envoy_binary(), folder=data / "router", sockets=built.layout.sockets, keepers=built.layout.keepers
    )
    router = RouterService(database=database, environments=environments, plane=plane, host=settings.environments.host)
    built.routed_by(router.apply)

    pipelines = PipelineService(sources=sources, definitions=definitions, artifacts=artifacts)
    deployments = DeploymentService(
        database=database,
        bell=bell,
        sources=sources,
        definitions=definitions,
        configuration=configuration,
        environments=environments,
        router=router,
        pipelines=pipelines,
    )
    artifacts.keep(deployments)

    authority = GrantedAuthority()
    runner = SandboxRunner(data=data, settings=settings.jobs, sources=sources, artifacts=artifacts)
    progress = Progress(
        service=pipelines,
        sources=sources,
        artifacts=artifacts,
        authority=authority,
        builder=f"andon {andon.__version__}",
    )
    running = PipelineExecution(
        database=database,
        progress=progress,
        deployments=deployments,
        environments=environments,
        authority=authority,
        runner=runner,
        parallel=settings.jobs.parallel or os.cpu_count() or 2,
    )
    return (
        sources_room(settings, database, bell, git, definitions=definitions),
        routing_room(router, plane),
        environments_room(built),
        deployments_room(
            database=database,
            service=deployments,
            execution=DeploymentExecution(
                database=database, service=deployments, environments=environments, router=router
            ),
            workflows=starter,
            environments=environments,
            pipelines=pipelines,
            sources=sources,
            router=router,
            console=settings.address,
        ),
        Room(
            name="pipelines",
            workflows=(run_workflow(running),),
            reactions=pipeline_reactions(pipelines, progress, running, starter),
            begin=_in_order(runner.end_orphans),
            end=running.close,
        ),
    )


def _in_order(*actions: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        for action in actions:
            action()

    return run
