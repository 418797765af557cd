"""The rooms of the First Way, wired: what each asks of another is given to it here."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

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
from andon.flow.environments.instances import Instances, port_is_free
from andon.flow.environments.layout import Layout
from andon.flow.environments.running import RunningEnvironments
from andon.flow.environments.service import EnvironmentService
from andon.flow.pipelines.execution import Execution as PipelineExecution
from andon.flow.pipelines.reactions import reactions as pipeline_reactions
from andon.flow.pipelines.runner.sandboxed import SandboxRunner
from andon.flow.pipelines.service import PipelineService, Progress
from andon.flow.pipelines.workflows import run_workflow
from andon.flow.routing.adapters import EnvoyDataPlane, envoy_binary
from andon.flow.routing.service import RouterService
from andon.flow.sources.adapters.sources import GitSources
from andon.flow.sources.room import open_git, sources_room
from andon.kernel.access.contract import People
from andon.kernel.db import Database
from andon.kernel.events import Bell
from andon.kernel.sandbox.limits import Promise, best_limiter
from andon.kernel.settings import Settings
from andon.web.room import Reconciler, Room


def flow_rooms(
    settings: Settings, database: Database, bell: Bell, starter: WorkflowStarter, people: People
) -> tuple[Room, ...]:
    data = settings.data
    git = open_git(settings)
    sources = GitSources(git)
    definitions = YamlDefinitionReader()
    artifacts = ArtifactService(FileStore(data / "artifacts"), keep_days=settings.retention.artifact_days)
    configuration = ConfigurationService(FileSecretBox(data / "keys" / "secrets.key"))

    weaken = frozenset[Promise]() if settings.jobs.require_limits else frozenset(Promise)
    limiter = best_limiter(may_weaken=weaken)
    layout = Layout(data)
    instances = Instances(layout, limiter, tuple(Path(one) for one in settings.jobs.toolchains))
    recorded_environments = EnvironmentService(
        sources=sources,
        definitions=definitions,
        first_port=settings.environments.first_port,
        last_port=settings.environments.last_port,
        host=settings.environments.host,
        endpoint=instances.endpoint,
        log=lambda owner, one: layout.instance_log(owner.service, owner.environment, owner.id, one.id),
        port_is_free=port_is_free,
    )
    environments = RunningEnvironments(
        database=database,
        service=recorded_environments,
        artifacts=artifacts,
        configuration=configuration,
        layout=layout,
        instances=instances,
        limiter=limiter,
    )
    plane = EnvoyDataPlane(binary=envoy_binary(), folder=data / "router", keepers=layout.keepers)
    router = RouterService(database=database, environments=environments, plane=plane, host=settings.environments.host)

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
        Room(
            name="routing",
            begin=_in_order(plane.start),
            reconcilers=(Reconciler("router", 10.0, _in_order(plane.start, router.apply)),),
        ),
        Room(
            name="environments",
            reconcilers=(
                Reconciler("environments", 10.0, environments.reconcile),
                Reconciler("health", 1.0, environments.check_health),
                Reconciler("drift", 30.0, environments.check_drift),
            ),
        ),
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
