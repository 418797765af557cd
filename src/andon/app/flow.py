"""The rooms of the First Way, wired: what each asks of another is given to it here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import andon
from andon.app.authority import GrantedAuthority
from andon.app.starter import WorkflowStarter
from andon.flow.artifacts.room import artifacts_room
from andon.flow.artifacts.service import ArtifactService
from andon.flow.artifacts.store import FileStore
from andon.flow.configuration.room import configuration_room
from andon.flow.configuration.sealing import FileSecretBox
from andon.flow.configuration.service import ConfigurationService
from andon.flow.definition.contract import DefinitionReader
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.definition.schema import json_schema
from andon.flow.deployments.contract import Deployments
from andon.flow.deployments.contract.release import Releasing
from andon.flow.deployments.execution import Execution as DeploymentExecution
from andon.flow.deployments.room import deployments_room
from andon.flow.deployments.service.deployments import DeploymentService
from andon.flow.environments.contract import Environments
from andon.flow.environments.contract.equipment import BARE, Equipper, Together
from andon.flow.environments.layout import Layout
from andon.flow.environments.pages import environments_pages
from andon.flow.environments.room import build_environments, environments_room
from andon.flow.flags.room import BuiltFlags, build_flags, build_pretences, flag_equipper, flags_room
from andon.flow.overview.room import overview_room
from andon.flow.pipelines.adapters import RunAnnouncer
from andon.flow.pipelines.contract import Pipelines
from andon.flow.pipelines.execution import Execution as PipelineExecution
from andon.flow.pipelines.folders import RunFolders
from andon.flow.pipelines.pages import run_pages
from andon.flow.pipelines.room import pipelines_room
from andon.flow.pipelines.runner.sandboxed import SandboxRunner
from andon.flow.pipelines.service import PipelineService, Progress
from andon.flow.routing.access import EnvoyAccessLog
from andon.flow.routing.adapters import EnvoyDataPlane, envoy_binary
from andon.flow.routing.comparing import EnvoyComparisons
from andon.flow.routing.contract import AccessLog, Comparisons, Router
from andon.flow.routing.contract.offering import TrafficOffers
from andon.flow.routing.room import routing_room
from andon.flow.routing.service import RouterService
from andon.flow.schema.checker import SchemaChecker
from andon.flow.schema.filling import Filling
from andon.flow.schema.flagged import FlagGuard
from andon.flow.schema.ledger import Ledger
from andon.flow.schema.room import schema_room
from andon.flow.schema.service import BackfillService
from andon.flow.sources.adapters.sources import GitSources
from andon.flow.sources.contract import Sources
from andon.flow.sources.room import open_git, sources_room
from andon.kernel.access.contract import People
from andon.kernel.db import Database, Reading
from andon.kernel.events import Bell
from andon.kernel.settings import Settings
from andon.web.room import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The rooms of the First Way, and what rooms elsewhere may ask of them."""

    rooms: tuple[Room, ...]
    places: Callable[[Reading], Mapping[str, tuple[str, ...]]]
    """The environments of each service."""
    sources: Sources
    definitions: DefinitionReader
    environments: Environments
    pipelines: Pipelines
    deployments: Deployments
    router: Router
    offers: TrafficOffers
    """On the page of an environment's traffic."""
    comparisons: Callable[[], Comparisons]
    """A reader of what is answered to mirrored requests."""
    requests: Callable[[], AccessLog]
    """A reader of what the router served."""
    flags: BuiltFlags
    layout: Layout
    folders: RunFolders


def build_flow(
    settings: Settings,
    database: Database,
    bell: Bell,
    starter: WorkflowStarter,
    people: People,
    equipper: Equipper = BARE,
    releasing: Releasing | None = None,
) -> Flow:
    """``equipper`` tells what upper rooms give to sandboxes, ``releasing`` who releases versions in stages."""
    data = settings.data
    git = open_git(settings)
    sources = GitSources(git)
    definitions = YamlDefinitionReader()
    artifacts = ArtifactService(FileStore(data / "artifacts"), keep_days=settings.retention.artifact_days)
    configuration = ConfigurationService(FileSecretBox(data / "keys" / "secrets.key"))

    doors = Layout(data).doors
    equipper = Together(equipper, flag_equipper(doors))
    built = build_environments(
        settings,
        database,
        sources=sources,
        definitions=definitions,
        artifacts=artifacts,
        configuration=configuration,
        equipper=equipper,
    )
    environments = built.environments
    plane = EnvoyDataPlane(
        binary=envoy_binary(), folder=data / "router", sockets=built.layout.sockets, keepers=built.layout.keepers
    )
    authority = GrantedAuthority()
    flags = build_flags(
        database, sources=sources, definitions=definitions, environments=environments, authority=authority
    )
    router = RouterService(
        database=database,
        environments=environments,
        plane=plane,
        host=settings.environments.host,
        segments=flags.audiences,
    )
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

    backfills = BackfillService()
    deployments.guarded_by(backfills, FlagGuard(flags.contract))
    runner = SandboxRunner(
        data=data,
        settings=settings.jobs,
        sources=sources,
        artifacts=artifacts,
        check=SchemaChecker(),
        entry=router.entry,
        equipper=equipper,
    )
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
        pretences=build_pretences(flags, doors),
    )
    announcer = RunAnnouncer(
        database=database, bell=bell, service=pipelines, folders=runner.folders, console=settings.address
    )

    def places(reading: Reading) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = dict.fromkeys(sources.services(reading), ())
        for one in environments.all(reading):
            found[one.service] = (*found.get(one.service, ()), one.name)
        return found

    offers = TrafficOffers()
    rooms = (
        overview_room(
            sources=sources,
            runs=pipelines,
            deployments=deployments,
            environments=environments,
            people=people,
            console=settings.address,
        ),
        sources_room(settings, database, bell, git, announcers=(announcer, flags.announcer), definitions=definitions),
        routing_room(router, plane, environments=environments, folder=data / "router", offers=offers),
        environments_room(
            built,
            pages=environments_pages(
                built.service,
                configuration=configuration,
                deployments=deployments,
                end=deployments,
                sources=sources,
                people=people,
                note=flags.note,
            ),
        ),
        configuration_room(configuration, sources),
        flags_room(
            flags,
            database=database,
            bell=bell,
            sources=sources,
            environments=environments,
            people=people,
            doors=doors,
        ),
        schema_room(
            backfills,
            Filling(
                database=database,
                service=backfills,
                environments=environments,
                sources=sources,
                definitions=definitions,
            ),
            starter,
            ledger=Ledger(
                backfills=backfills,
                deployments=deployments,
                contracting=deployments,
                sources=sources,
                definitions=definitions,
            ),
            environments=environments,
            sources=sources,
        ),
        deployments_room(
            database=database,
            service=deployments,
            execution=DeploymentExecution(
                database=database,
                service=deployments,
                environments=environments,
                router=router,
                releasing=releasing,
            ),
            workflows=starter,
            environments=environments,
            pipelines=pipelines,
            sources=sources,
            configuration=configuration,
            router=router,
            people=people,
            console=settings.address,
        ),
        pipelines_room(
            database=database,
            service=pipelines,
            progress=progress,
            execution=running,
            runner=runner,
            workflows=starter,
            artifacts=artifacts,
            console=settings.address,
            keep_days=settings.retention.run_days,
            schema=json_schema(address=f"{settings.address}/schema/andon.json"),
            pages=run_pages(
                pipelines,
                sources=sources,
                artifacts=artifacts,
                deployments=deployments,
                people=people,
                folders=runner.folders,
            ),
        ),
        artifacts_room(database, artifacts),
    )
    return Flow(
        rooms=rooms,
        places=places,
        sources=sources,
        definitions=definitions,
        environments=environments,
        pipelines=pipelines,
        deployments=deployments,
        router=router,
        offers=offers,
        comparisons=lambda: EnvoyComparisons(data / "router"),
        requests=lambda: EnvoyAccessLog(data / "router"),
        flags=flags,
        layout=built.layout,
        folders=runner.folders,
    )
