"""Where versions run: sets of instances, kept and watched by the worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from andon.flow.artifacts.contract import Artifacts
from andon.flow.configuration.contract import Configuration
from andon.flow.definition.contract import DefinitionReader
from andon.flow.environments.api import environment_routes
from andon.flow.environments.contract.equipment import BARE, Equipper
from andon.flow.environments.instances import Instances
from andon.flow.environments.layout import Layout
from andon.flow.environments.pages import environment_entries
from andon.flow.environments.probing import port_is_free
from andon.flow.environments.running import RunningEnvironments
from andon.flow.environments.service import EnvironmentService
from andon.flow.environments.sets import Sets
from andon.flow.environments.telling import environment_telling
from andon.flow.environments.watch import Watch
from andon.flow.sources.contract import Sources
from andon.kernel.db import Database
from andon.kernel.sandbox.limits import Promise, best_limiter
from andon.kernel.sandbox.spool import end_orphans
from andon.kernel.settings import Settings
from andon.web.http.pages import Handlers
from andon.web.room import Reconciler, Room
from andon.web.shell import NavItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The room's parts, for whoever wires it."""

    layout: Layout
    service: EnvironmentService
    sets: Sets
    environments: RunningEnvironments
    watch: Watch

    def routed_by(self, follow: Callable[[], None]) -> None:
        """What to call when endpoints of a set have changed: ``Router.apply``."""
        self.sets.follow = follow


def build_environments(
    settings: Settings,
    database: Database,
    *,
    sources: Sources,
    definitions: DefinitionReader,
    artifacts: Artifacts,
    configuration: Configuration,
    equipper: Equipper = BARE,
) -> Built:
    """``equipper`` tells what upper rooms give to sandboxes; nothing unless something is given."""
    weaken = frozenset[Promise]() if settings.jobs.require_limits else frozenset(Promise)
    limiter = best_limiter(may_weaken=weaken)
    toolchains = tuple(Path(one) for one in settings.jobs.toolchains)
    layout = Layout(settings.data)
    instances = Instances(layout, limiter, toolchains, equipper)
    service = EnvironmentService(
        sources=sources,
        definitions=definitions,
        first_port=settings.environments.first_port,
        last_port=settings.environments.last_port,
        host=settings.environments.host,
        endpoint=instances.endpoint,
        log=layout.instance_log,
        port_is_free=port_is_free,
    )
    sets = Sets(
        database=database,
        service=service,
        artifacts=artifacts,
        configuration=configuration,
        layout=layout,
        instances=instances,
    )
    environments = RunningEnvironments(
        database=database, service=service, sets=sets, limiter=limiter, toolchains=toolchains, equipper=equipper
    )
    watch = Watch(database=database, service=service, environments=environments, sets=sets)
    return Built(layout=layout, service=service, sets=sets, environments=environments, watch=watch)


def environments_room(built: Built, *, pages: Handlers | None = None) -> Room:
    """``pages`` are :func:`andon.flow.environments.pages.environments_pages`, which ask deployments as well."""
    watch = built.watch
    return Room(
        name="environments",
        templates="andon.flow.environments",
        handlers=(*(pages or ()), *environment_routes(built.service)),
        navigation=(NavItem("Flow", "Environments", "/environments", "environment", "e", place=1),),
        entries=environment_entries(built.service),
        telling=environment_telling(built.service),
        begin=lambda: _forget(end_orphans(built.layout.commands)),
        reconcilers=(
            Reconciler("environments", 10.0, watch.reconcile),
            Reconciler("health", 0.5, lambda: _forget(watch.begin_health())),
            Reconciler("drift", 30.0, watch.check_drift),
        ),
        end=watch.close,
    )


def _forget(_answer: object) -> None:
    return
