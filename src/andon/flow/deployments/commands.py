"""Commands of deployments: deploy, rollback, rebuild, contract, deployments; env create and env destroy.

Exit codes of what is followed: 0 when the deployment came to its end, 1 when it did not.
"""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import quote

import typer

from andon.flow.deployments.contract import DeploymentState, StepName, StepState
from andon.flow.deployments.following import EVERY, conclusion, drawing, follow, headline, outcome, taken
from andon.flow.deployments.views import (
    Choices,
    ContractRequest,
    DeploymentDetails,
    DeploymentList,
    DeploymentShape,
    DeployRequest,
    EnvironmentRequest,
    RollbackRequest,
    TargetShape,
)
from andon.kernel.errors import AndonError, Conflict, NotFound
from andon.web.terminal.asking import ask, ask_name
from andon.web.terminal.client import Client, connect
from andon.web.terminal.durations import seconds_of
from andon.web.terminal.groups import group
from andon.web.terminal.output import Table, ago, say, show, wants_json, write_json

_Service = Annotated[str, typer.Argument(help="The service.")]
_Environment = Annotated[str, typer.Argument(help="The environment, such as production.")]
_Detach = Annotated[bool, typer.Option("--detach", "-d", help="Do not follow it.")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


class NotDeployed(AndonError):
    """The deployment that was followed did not come to its end."""

    code = "deployments.not_deployed"


def add_to(cli: typer.Typer) -> None:
    for command in (deploy, rollback, rebuild, contract, deployments):
        cli.command()(command)
    env = group(cli, "env", "Environments: where versions run.")
    env.command("create")(create_environment)
    env.command("destroy")(destroy_environment)


def deploy(
    service: _Service,
    environment: _Environment,
    revision: Annotated[
        str, typer.Argument(help="A commit, branch or tag; without it the newest build that may go.")
    ] = "",
    override: Annotated[
        str | None, typer.Option("--override", metavar="REASON", help="Deploy a build that has not passed, and why.")
    ] = None,
    list_it: Annotated[bool, typer.Option("--list", "-l", help="Show what could go, and do nothing.")] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Cancel what is on its way there; it must not have switched traffic yet.")
    ] = False,
    detach: _Detach = False,
) -> None:
    """Put a build into an environment and follow it until it serves."""
    place = _place(service, environment)
    with connect() as andon:
        if list_it:
            _list(andon, place)
        elif cancel:
            _cancel(andon, place, service, environment)
        else:
            wanted = DeployRequest(revision=revision, override=override)
            _follow(andon, andon.post(f"{place}/deployments", DeploymentShape, wanted), detach)


def rollback(
    service: _Service,
    environment: _Environment,
    commit: Annotated[str, typer.Argument(help="The former version; without it the last one.")] = "",
    yes: _Yes = False,
    detach: _Detach = False,
) -> None:
    """Go back to a former version. One that still runs takes over at once; for a cold start you are asked first."""
    place = _place(service, environment)
    with connect() as andon:
        target = _target(andon.get(f"{place}/deployable", Choices), service, environment, commit)
        if target is not None and not target.warm and target.refusal is None:
            _ask(
                f"{target.commit[:7]} does not run any more: it must start and be tested first. Go back to it?",
                yes,
            )
        wanted = RollbackRequest(to=commit if target is None else target.commit)
        _follow(andon, andon.post(f"{place}/rollback", DeploymentShape, wanted), detach)


def rebuild(service: _Service, environment: _Environment, detach: _Detach = False) -> None:
    """Put what runs there into fresh instances."""
    with connect() as andon:
        made = andon.post(f"{_place(service, environment)}/rebuild", DeploymentShape)
        _follow(andon, made, detach)


def contract(
    service: _Service,
    environment: _Environment,
    give_up: Annotated[
        bool, typer.Option("--give-up-rollback", help="Give up going back to the versions that need the old shape.")
    ] = False,
    yes: _Yes = False,
    detach: _Detach = False,
) -> None:
    """Run the contract migration of what is live: it removes what only older versions need."""
    place = _place(service, environment)
    with connect() as andon:
        if give_up:
            choices = andon.get(f"{place}/deployable", Choices)
            lost = ", ".join(one.commit[:7] for one in choices.rollback_targets if one.refusal is None)
            if lost:
                _ask_name(f"{lost} can then never be rolled back to.", environment, yes)
        wanted = ContractRequest(give_up_rollback=give_up)
        _follow(andon, andon.post(f"{place}/contract", DeploymentShape, wanted), detach)


def deployments(
    service: Annotated[str | None, typer.Argument(help="Only this service's.", show_default=False)] = None,
    environment: Annotated[str | None, typer.Argument(help="Only to this environment.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100)] = 20,
) -> None:
    """What was deployed where and when, newest first."""
    with connect() as andon:
        found = andon.get("/deployments", DeploymentList, service=service, environment=environment, limit=limit)
    rows = [
        (
            f"{one.service}#{one.number}",
            one.environment,
            one.kind.value,
            one.commit[:7],
            word,
            one.by,
            taken(one.started_at, one.ended_at),
            ago(one.requested_at),
            why,
        )
        for one, (word, why) in ((one, outcome(one)) for one in found.deployments)
    ]
    empty = "Nothing was deployed yet: `andon deploy SERVICE ENVIRONMENT`, or a stage of a pipeline, begins."
    columns = Table("deployment", "environment", "kind", "commit", "state", "by", ">took", "asked", "", empty=empty)
    show(found, columns, rows)


def create_environment(
    service: _Service,
    name: Annotated[str, typer.Argument(help="Of the new environment: lower-case letters, digits, dashes.")],
    from_: Annotated[str, typer.Option("--from", help="The commit, branch or tag to run there.")],
    like: Annotated[str, typer.Option("--like", help="An environment of andon.yaml to take after.")],
    ttl: Annotated[str, typer.Option("--ttl", help="How long it lives: 30m, 8h, 2d; 0 is for good.")] = "8h",
    detach: _Detach = False,
) -> None:
    """Make an environment of your own from a commit."""
    wanted = EnvironmentRequest(name=name, revision=from_, like=like, time_to_live=seconds_of(ttl))
    with connect() as andon:
        made = andon.post(f"/services/{_segment(service)}/environments", DeploymentShape, wanted)
        _follow(andon, made, detach)


def destroy_environment(service: _Service, environment: _Environment, yes: _Yes = False) -> None:
    """Take an environment away with its instances and its data; one made by hand with its settings and secrets, too."""
    with connect() as andon:
        warning = (
            f"This ends every instance of {service}/{environment} and removes its data.\n"
            "If it was made by hand, its settings and secrets go for good; those of one in andon.yaml are kept."
        )
        _ask_name(warning, environment, yes)
        andon.delete(_place(service, environment))
    say(f"{service}/{environment} is gone.", value={"service": service, "environment": environment})


def _follow(andon: Client, made: DeploymentShape, detach: bool) -> None:
    if detach:
        say(f"{headline(made)}.\n{made.address}", value=made)
        return
    path = f"/deployments/{made.id}"
    if wants_json():
        found = andon.get(path, DeploymentDetails)
        while found.deployment.ended_at is None:
            time.sleep(EVERY)
            found = andon.get(path, DeploymentDetails)
        write_json(found)
    else:
        with drawing() as shown:
            found = follow(lambda: andon.get(path, DeploymentDetails), shown)
        if found.deployment.state is DeploymentState.SUCCEEDED:
            say(conclusion(found.deployment))
        say(found.deployment.address)
    ended = found.deployment
    if ended.state is not DeploymentState.SUCCEEDED:
        safe = {
            DeploymentState.FAILED: _untouched(ended),
            DeploymentState.ROLLED_BACK: "The traffic is back on the version that had it.",
        }.get(ended.state, "Nothing was switched.")
        raise NotDeployed(conclusion(ended), safe=safe, remedy=f"See its steps: {ended.address}")


def _untouched(ended: DeploymentShape) -> str:
    if any(step.name is StepName.RELEASE and step.state is StepState.FAILED for step in ended.steps):
        return "The traffic is back on the version that had it."
    return "Its traffic was never touched."


def _list(andon: Client, place: str) -> None:
    found = andon.get(f"{place}/deployable", Choices)
    live = None if found.live is None else found.live.commit
    rows = [
        (
            one.commit[:7],
            one.branch,
            "runs there" if one.commit == live else one.verdict.value,
            f"failed in {one.failed_stage}" if one.failed_stage else "",
            ago(one.pushed_at),
        )
        for one in found.builds
    ]
    show(found, Table("build", "branch", "verdict", "", "pushed", empty="Nothing was built yet: git push andon"), rows)
    if not wants_json():
        for target in found.rollback_targets:
            how = target.refusal or ("warm: takes over at once" if target.warm else "cold: has to start first")
            say(f"back to {target.commit[:7]}: {how}")


def _cancel(andon: Client, place: str, service: str, environment: str) -> None:
    lock = andon.get(f"{place}/deployable", Choices).lock
    chosen = lock.holder or (lock.queue[0] if lock.queue else None)
    if chosen is None:
        raise NotFound(f"Nothing is on its way to {environment} of {service}.", safe="Nothing was changed.")
    cancelled = andon.post(f"/deployments/{chosen}/cancel", DeploymentShape)
    more = f" {len(lock.queue)} more wait." if lock.holder and lock.queue else ""
    say(f"{headline(cancelled)}: is being cancelled.{more}", value=cancelled)


def _target(choices: Choices, service: str, environment: str, commit: str) -> TargetShape | None:
    """The former version meant, as far as one can tell here; the server decides."""
    found = [one for one in choices.rollback_targets if (one.commit.startswith(commit) if commit else not one.newer)]
    if not choices.rollback_targets:
        raise Conflict(
            f"{service} has no former version in {environment}.",
            safe="Nothing was changed.",
            remedy=f"See what has run there: andon deployments {service} {environment}",
        )
    return found[0] if found else None


def _ask(question: str, yes: bool) -> None:
    if not yes:
        ask(question)


def _ask_name(warning: str, name: str, yes: bool) -> None:
    if not yes:
        ask_name(warning, name)


def _place(service: str, environment: str) -> str:
    return f"/services/{_segment(service)}/environments/{_segment(environment)}"


def _segment(text: str) -> str:
    return quote(text, safe="")
