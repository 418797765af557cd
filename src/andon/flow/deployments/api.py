"""The API of deployments."""

from __future__ import annotations

import re
from collections.abc import Iterable

from andon.flow.deployments.contract import DeploymentView
from andon.flow.deployments.model import NothingDeployable, NothingToRollBackTo
from andon.flow.deployments.service.deployments import DeploymentService
from andon.flow.deployments.service.steps import StepRecord
from andon.flow.deployments.views import (
    BuildShape,
    Choices,
    CommandShape,
    ContractRequest,
    DeploymentDetails,
    DeploymentList,
    DeploymentShape,
    DeployRequest,
    EnvironmentRequest,
    LockShape,
    RollbackRequest,
    TargetShape,
)
from andon.flow.environments.contract import LONGEST_LIFE
from andon.flow.pipelines.contract import Pipelines, Verdict
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access.contract import People
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_PLACE = "/services/{service:str}/environments/{environment:str}"
_MOST = 100


def deployment_routes(
    deployments: DeploymentService, pipelines: Pipelines, sources: Sources, people: People, console: str
) -> Handlers:
    record = StepRecord()

    def shapes(reading: Reading, views: Iterable[DeploymentView]) -> list[DeploymentShape]:
        found = tuple(views)
        names = people.names(reading, {one.person for one in found if one.person})
        by = {str(person): name for person, name in names.items()}
        return [DeploymentShape.of(one, console, by.get(one.person or "", "Andon")) for one in found]

    def shape(reading: Reading, view: DeploymentView) -> DeploymentShape:
        return shapes(reading, (view,))[0]

    @api.get("/deployments")
    def list_deployments(
        call: Call,
        service: str | None = None,
        environment: str | None = None,
        before: int | None = None,
        limit: int = 20,
    ) -> DeploymentList:
        """Deployments, newest first; ``before`` (a number) needs a service."""
        if not 1 <= limit <= _MOST:
            raise Invalid(f"limit is between 1 and {_MOST}.", remedy="Ask for fewer and follow `next`.")
        if service is not None:
            call.principal.require_sight(service)
        with call.database.reading() as reading:
            found = (
                deployments.history(
                    reading, services=call.principal.visible_services(), environment=environment, limit=limit
                )
                if service is None
                else deployments.recent(reading, Service(service), environment, before=before, limit=limit)
            )
            shown = shapes(reading, found)
        more = found[-1].number if service is not None and len(found) == limit else None
        return DeploymentList(deployments=shown, next=more)

    @api.get("/deployments/{deployment:str}")
    def show_deployment(call: Call, deployment: str) -> DeploymentDetails:
        """One deployment with its steps and the commands that ran."""
        with call.database.reading() as reading:
            view = deployments.seen(reading, call.principal, deployment)
            ran = record.commands(reading, view.id)
            shown = shape(reading, view)
        return DeploymentDetails(
            deployment=shown,
            commands=[
                CommandShape(
                    step=one.step,
                    name=one.name,
                    command=one.command,
                    exit_code=one.exit_code,
                    seconds=one.seconds,
                    output=one.output,
                    started_at=one.started_at,
                )
                for one in ran
            ],
        )

    @api.post("/deployments/{deployment:str}/cancel", status=202)
    def cancel_deployment(call: Call, deployment: str) -> DeploymentShape:
        """Ask for the end of a deployment that has not switched traffic yet."""
        with call.database.transaction() as tx:
            view = deployments.seen(tx, call.principal, deployment)
            deployments.cancel(tx, call.principal, view.id)
            return shape(tx, deployments.get(tx, view.id))

    @api.get(_PLACE + "/deployable")
    def list_choices(call: Call, service: str, environment: str) -> Choices:
        """What is there, what could be, what can be gone back to, and who holds the lock."""
        call.principal.require_sight(service)
        name = Service(service)
        with call.database.reading() as reading:
            sources.default_branch(reading, name)
            live = deployments.live(reading, name, environment)
            builds = pipelines.builds(reading, name, environment=environment)
            targets = deployments.rollback_targets(reading, name, environment)
            lock = deployments.lock(reading, name, environment)
            shown = None if live is None else shape(reading, live)
        return Choices(
            live=shown,
            builds=[BuildShape.of(one) for one in builds],
            rollback_targets=[TargetShape.of(one) for one in targets],
            lock=LockShape.of(lock),
        )

    @api.post(_PLACE + "/deployments", status=202)
    def deploy(call: Call, service: str, environment: str, data: DeployRequest) -> DeploymentShape:
        """Put a build into the environment's queue."""
        call.principal.require_sight(service)
        name = Service(service)
        with call.database.transaction() as tx:
            commit = chosen_commit(pipelines, sources, tx, name, environment, data.revision)
            made = deployments.request(
                tx, call.principal, service=name, environment=environment, commit=commit, override=data.override
            )
            return shape(tx, deployments.get(tx, made))

    @api.post(_PLACE + "/rollback", status=202)
    def roll_back(call: Call, service: str, environment: str, data: RollbackRequest | None = None) -> DeploymentShape:
        """Go back to a former version; without a body to the last one."""
        call.principal.require_sight(service)
        name = Service(service)
        with call.database.transaction() as tx:
            to = chosen_target(deployments, tx, name, environment, "" if data is None else data.to)
            made = deployments.roll_back(tx, call.principal, name, environment, to=to)
            return shape(tx, deployments.get(tx, made))

    @api.post(_PLACE + "/rebuild", status=202)
    def rebuild(call: Call, service: str, environment: str) -> DeploymentShape:
        """Put what runs there into fresh instances."""
        call.principal.require_sight(service)
        with call.database.transaction() as tx:
            made = deployments.rebuild(tx, call.principal, Service(service), environment)
            return shape(tx, deployments.get(tx, made))

    @api.post(_PLACE + "/contract", status=202)
    def contract(call: Call, service: str, environment: str, data: ContractRequest | None = None) -> DeploymentShape:
        """Run the contract migration of what is live."""
        call.principal.require_sight(service)
        with call.database.transaction() as tx:
            made = deployments.contract(
                tx,
                call.principal,
                Service(service),
                environment,
                give_up_rollback=data is not None and data.give_up_rollback,
            )
            return shape(tx, deployments.get(tx, made))

    @api.post("/services/{service:str}/environments", status=202)
    def create_environment(call: Call, service: str, data: EnvironmentRequest) -> DeploymentShape:
        """Make an environment of one's own from a commit; answers the deployment that fills it."""
        call.principal.require_sight(service)
        check_name(data.name)
        if not 0 <= data.time_to_live <= LONGEST_LIFE:
            raise Invalid(
                "An environment made by hand lives for 90 days at most.", remedy="Choose a shorter time, such as 8h."
            )
        with call.database.transaction() as tx:
            made = deployments.create_environment(
                tx,
                call.principal,
                Service(service),
                sources.resolve(Service(service), data.revision),
                name=data.name,
                like=data.like,
                time_to_live=data.time_to_live or None,
            )
            return shape(tx, deployments.get(tx, made))

    @api.delete(_PLACE)
    def destroy_environment(call: Call, service: str, environment: str) -> None:
        """Take an environment away with its instances and data."""
        call.principal.require_sight(service)
        with call.database.transaction() as tx:
            deployments.destroy(tx, call.principal, Service(service), environment, reason="on request")

    return [
        list_deployments,
        show_deployment,
        cancel_deployment,
        list_choices,
        deploy,
        roll_back,
        rebuild,
        contract,
        create_environment,
        destroy_environment,
    ]


def check_name(name: str) -> None:
    """Raises ``Invalid`` for what cannot name an environment."""
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name!r} is no name for an environment.",
            safe="Nothing was changed.",
            remedy="Use lower-case letters, digits and dashes, at most 40.",
        )


def chosen_commit(
    pipelines: Pipelines, sources: Sources, reading: Reading, service: Service, environment: str, revision: str
) -> CommitHash:
    """The commit somebody means; without a word the newest build that may go there. Raises ``NotFound``."""
    sources.default_branch(reading, service)
    if revision:
        return sources.resolve(service, revision)
    builds = pipelines.builds(reading, service, environment=environment)
    passed = next((one for one in builds if one.verdict is Verdict.PASSED), None)
    if passed is None:
        raise NothingDeployable(
            f"No build of {service} may go to {environment} yet.",
            safe="Nothing was changed.",
            remedy=f"See what its pipelines say: andon runs {service}",
        )
    return passed.commit


def chosen_target(
    deployments: DeploymentService, reading: Reading, service: Service, environment: str, to: str
) -> CommitHash | None:
    """The rollback target whose commit begins with ``to``; ``None`` without a word."""
    if not to:
        return None
    targets = deployments.rollback_targets(reading, service, environment)
    found = [one.commit for one in targets if one.commit.startswith(to)]
    if len(found) != 1:
        known = ", ".join(one.commit[:7] for one in targets) or "none"
        raise NothingToRollBackTo(
            f"{to!r} does not name one former version of {service} in {environment}.",
            safe="Nothing was changed.",
            remedy=f"Former versions: {known}.",
        )
    return found[0]
