"""Commands of rollouts: see how a version comes to its customers, and have a say in it."""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import quote

import typer

from andon.feedback.rollouts.contract import RolloutState, Wish
from andon.feedback.rollouts.model.typed import seconds_of, stages_of
from andon.feedback.rollouts.model.words import STATE_WORDS
from andon.feedback.rollouts.terminal import drawn, headline, show_drawn
from andon.feedback.rollouts.views import RolloutList, RolloutShape, TakeoverStageWanted, TakeoverWanted, WishRequest
from andon.flow.routing.contract import conditions_of, place_of
from andon.kernel.errors import AndonError
from andon.web.terminal.client import Client, connect
from andon.web.terminal.groups import group
from andon.web.terminal.output import Table, ago, is_colourful, say, show, wants_json, write_json

EVERY = 1.0
"""Seconds between two looks at a rollout that is followed."""

_Service = Annotated[str, typer.Argument(help="The service, or the id of a rollout (rol_…).")]
_Environment = Annotated[
    str | None, typer.Option("--environment", "-e", help="Where; without it wherever something is on its way.")
]


class NotReleased(AndonError):
    """The rollout that was followed did not come to everybody."""

    code = "rollouts.not_released"


def add_to(cli: typer.Typer) -> None:
    rollout = group(cli, "rollout", "Rollouts: a version comes to its customers in stages, and is judged at each.")
    rollout.command("list")(list_rollouts)
    rollout.command("show")(show_rollout)
    rollout.command("pause")(pause)
    rollout.command("resume")(resume)
    rollout.command("promote")(promote)
    rollout.command("finish")(finish)
    rollout.command("abort")(abort)
    rollout.command("takeover")(takeover)


def list_rollouts(
    service: Annotated[str | None, typer.Argument(help="Only this service's.", show_default=False)] = None,
    running: Annotated[bool, typer.Option("--running", help="Only those on their way.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100)] = 20,
) -> None:
    """Rollouts, newest first."""
    with connect() as andon:
        found = andon.get("/rollouts", RolloutList, of=service, running=True if running else None, limit=limit)
    columns = Table(
        "service",
        "environment",
        "what comes",
        "state",
        "stage",
        ">requests",
        ">failed",
        "began",
        "",
        empty="No release in stages is on its way."
        if running
        else "Nothing was released in stages yet: give an environment `release: {strategy: canary}` in andon.yaml.",
    )
    rows = [
        (
            one.service,
            one.environment,
            one.commit[:7] if one.takeover is None else f"{one.takeover.service}: {one.takeover.requests}",
            STATE_WORDS[one.state],
            f"{one.stages[one.stage].name} ({one.stage + 1}/{len(one.stages)})",
            f"{one.requests:,}",
            f"{one.failed:,}",
            ago(one.started_at),
            one.reason.splitlines()[0] if one.reason else "",
        )
        for one in found.rollouts
    ]
    show(found, columns, rows)


def show_rollout(
    service: _Service,
    environment: _Environment = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until it is over.")] = False,
) -> None:
    """Where a version is on its way to its customers, and what is said of each metric."""
    with connect() as andon:
        found = _of(andon, service, environment)
        if follow:
            found = _follow(andon, found)
        if wants_json():
            write_json(found)
            return
        show_drawn(found)
    if follow and found.state is not RolloutState.PASSED:
        back = found.former[:7] if found.takeover is None else f"{found.service}/{found.environment}"
        safe = f"All traffic is on {back}." if found.takeover is None else f"{back} serves what it served before."
        raise NotReleased(headline(found), safe=safe, remedy=f"See why: {found.address}")


def pause(service: _Service, environment: _Environment = None) -> None:
    """Promote nothing until it is resumed; customers keep the version they have."""
    _wish(service, environment, Wish.PAUSE, "is paused")


def resume(service: _Service, environment: _Environment = None) -> None:
    """Go on after a pause."""
    _wish(service, environment, Wish.RESUME, "goes on")


def promote(service: _Service, environment: _Environment = None) -> None:
    """Go into the next stage now, without waiting for the end of this one."""
    _wish(service, environment, Wish.PROMOTE, "goes into its next stage")


def finish(service: _Service, environment: _Environment = None) -> None:
    """Give the version to everybody now."""
    _wish(service, environment, Wish.FINISH, "goes to everybody")


def abort(service: _Service, environment: _Environment = None) -> None:
    """Take the version back: all traffic goes to the one before."""
    _wish(service, environment, Wish.ABORT, "is being taken back")


def takeover(
    service: Annotated[str, typer.Argument(help="The old service, at whose address customers ask.")],
    environment: Annotated[str, typer.Argument(help="Its environment, such as production.")],
    to: Annotated[str, typer.Option("--to", help="The new service.", metavar="SERVICE/ENVIRONMENT")],
    path: Annotated[str, typer.Option("--path", help="Requests below this path, such as /api.")] = "",
    header: Annotated[
        list[str] | None, typer.Option("--header", help="Requests with this header: NAME, or NAME=VALUE to the letter.")
    ] = None,
    cookie: Annotated[
        list[str] | None, typer.Option("--cookie", help="Requests with this cookie: NAME, or NAME=VALUE to the letter.")
    ] = None,
    stages: Annotated[str, typer.Option("--stages", help="Shares, smallest first; everything follows.")] = "1%,10%,50%",
    lasting: Annotated[str, typer.Option("--for", help="How long each stage lasts at least, such as 10m.")] = "5m",
    requests: Annotated[
        int, typer.Option("--requests", min=0, help="How many the new service must have served in each stage.")
    ] = 100,
) -> None:
    """Let a new service take over requests of an old one, in stages that are judged: it is taken back on harm."""
    target, place = place_of(to)
    wanted = TakeoverWanted(
        service=target,
        environment=place,
        when=conditions_of(path, header or (), cookie or ()),
        stages=[
            TakeoverStageWanted(parts=parts, seconds=seconds_of(lasting), requests=requests)
            for parts in stages_of(stages)
        ],
    )
    here = f"/services/{quote(service, safe='')}/environments/{quote(environment, safe='')}"
    with connect() as andon:
        begun = andon.post(f"{here}/takeovers", RolloutShape, wanted)
    told = [headline(begun), begun.smallest_harm, begun.proposal, begun.address]
    say("\n".join(one for one in told if one), value=begun)


def _wish(service: str, environment: str | None, wish: Wish, said: str) -> None:
    with connect() as andon:
        found = _of(andon, service, environment)
        asked = andon.post(f"/rollouts/{found.id}/wish", RolloutShape, WishRequest(wish=wish))
    told = f"{asked.commit[:7]} {said} in {asked.environment} of {asked.service}."
    if asked.takeover is not None:
        told = f"The takeover of {asked.takeover.requests} by {asked.takeover.service}: {wish.value} is asked for."
    say(f"{told}\n{asked.address}", value=asked)


def _of(andon: Client, service: str, environment: str | None) -> RolloutShape:
    if service.startswith("rol_"):
        return andon.get(f"/rollouts/{quote(service, safe='')}", RolloutShape)
    return andon.get(f"/services/{quote(service, safe='')}/rollout", RolloutShape, environment=environment)


def _follow(andon: Client, found: RolloutShape) -> RolloutShape:
    """Until it is over; draws meanwhile where somebody looks."""
    if wants_json() or not is_colourful():
        told = ""
        while found.ended_at is None:
            line = headline(found)
            if line != told and not wants_json():
                say(line)
                told = line
            time.sleep(EVERY)
            found = andon.get(f"/rollouts/{found.id}", RolloutShape)
        return found
    from rich.live import Live  # noqa: PLC0415 - 40 ms that programs and pipes need not pay

    with Live(drawn(found), refresh_per_second=4, transient=True) as live:
        while found.ended_at is None:
            time.sleep(EVERY)
            found = andon.get(f"/rollouts/{found.id}", RolloutShape)
            live.update(drawn(found))
    return found
