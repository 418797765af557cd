"""Commands of environments: env list, show, logs, restart, extend."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

import typer

from andon.flow.environments.views import (
    EnvironmentList,
    EnvironmentShape,
    ExtensionRequest,
    InstanceLog,
    InstanceShape,
    LogLineShape,
)
from andon.kernel.errors import NotFound
from andon.web.terminal.client import Client, connect
from andon.web.terminal.durations import seconds_of
from andon.web.terminal.groups import group
from andon.web.terminal.output import Table, ago, printable, say, show, wants_json, write_json

_FOLLOW_SECONDS = 20.0

_Service = Annotated[str, typer.Argument(help="The service.")]
_Environment = Annotated[str, typer.Argument(help="The environment, such as production.")]
_Instance = Annotated[str, typer.Argument(help="Which one, such as web-1.")]


def add_to(cli: typer.Typer) -> None:
    env = group(cli, "env", "Environments: where versions run.")
    env.command("list")(list_environments)
    env.command("show")(show_environment)
    env.command("logs")(logs)
    env.command("restart")(restart_instances)
    env.command("extend")(extend_environment)


def list_environments(
    service: Annotated[str | None, typer.Argument(help="Only this service's.", show_default=False)] = None,
) -> None:
    """What runs where, and how it is."""
    with connect() as andon:
        path = "/environments" if service is None else f"/services/{_segment(service)}/environments"
        found = andon.get(path, EnvironmentList)
    show(
        found,
        Table(
            "service",
            "environment",
            "version",
            "state",
            "instances",
            "warm",
            "address",
            "ends",
            empty="No environment yet: the first deployment makes one.",
        ),
        (_row(one) for one in found.environments),
    )


def show_environment(service: _Service, environment: _Environment) -> None:
    """The versions in an environment, their instances and how they are."""
    with connect() as andon:
        found = andon.get(_place(service, environment), EnvironmentShape)
    if not wants_json():
        end = "" if found.expires_at is None else f", ends {_until(found.expires_at)}"
        made = "" if found.like == found.name else f", made like {found.like}"
        say(f"{service}/{environment} at {found.address}{made}{end}")
        for one in found.sets:
            if one.drift:
                say(printable(f"The files of {one.commit[:7]} were changed: {one.drift}"))
    show(
        found,
        Table("version", "is", "instance", "health", ">restarts", "for", "because", empty="Nothing runs there."),
        [
            (
                version.commit[:7],
                version.standing,
                f"{one.process}-{one.number}",
                one.health,
                one.restarts,
                ago(one.since).removesuffix(" ago"),
                one.reason,
            )
            for version in found.sets
            for one in version.instances
        ],
    )


def logs(
    service: _Service,
    environment: _Environment,
    instance: Annotated[str, typer.Argument(help="Such as web-1; the first of the live version if left out.")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=5000, help="How many of the last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come, until Ctrl-C.")] = False,
) -> None:
    """What an instance prints."""
    with connect() as andon:
        chosen = instance or _first(andon, service, environment)
        path = _place(service, environment, "instances", chosen, "log")
        page = andon.get(path, InstanceLog, start=0, limit=lines)
        _print(page.lines)
        while follow and not page.complete:
            page = andon.get(path, InstanceLog, start=page.next, limit=1000, wait=_FOLLOW_SECONDS)
            _print(page.lines)


def restart_instances(
    service: _Service,
    environment: _Environment,
    instance: Annotated[str, typer.Argument(help="Such as web-1; all of the live version if left out.")] = "",
) -> None:
    """Replace instances by new ones of the same version, without losing a request."""
    with connect() as andon:
        if instance:
            names = [instance]
        else:
            live = andon.get(_place(service, environment), EnvironmentShape).live
            if live is None:
                raise NotFound(f"{service}/{environment} has no live version.", remedy="Deploy one first.")
            names = [one.id for one in live.instances]
        asked = [andon.post(_place(service, environment, "instances", one, "replace"), InstanceShape) for one in names]
    told = ", ".join(f"{one.process}-{one.number}" for one in asked)
    say(f"{told}: will be replaced. See how it goes: andon env show {service} {environment}", value=asked)


def extend_environment(
    service: _Service,
    environment: _Environment,
    by: Annotated[str, typer.Option("--by", help="How much longer than it would: 30m, 8h, 2d.")],
) -> None:
    """Let an environment with a time to live end later."""
    wanted = ExtensionRequest(by=seconds_of(by))
    with connect() as andon:
        found = andon.post(_place(service, environment, "extend"), EnvironmentShape, wanted)
    if found.expires_at is None:
        ends = "for good"
    else:
        ends = f"until {found.expires_at.astimezone():%Y-%m-%d %H:%M %Z}, {_until(found.expires_at)}"
    say(f"{service}/{environment} lives {ends}.", value=found)


def _row(one: EnvironmentShape) -> tuple[object, ...]:
    live = one.live
    warm = sum(1 for version in one.sets if version.standing == "warm")
    ends = None if one.expires_at is None else _until(one.expires_at)
    if live is None:
        return one.service, one.name, None, "no version", None, warm, one.address, ends
    healthy = sum(1 for instance in live.instances if instance.health == "healthy")
    state = f"{live.state}, changed files" if live.drift else live.state
    return (
        one.service,
        one.name,
        live.commit[:7],
        state,
        f"{healthy}/{len(live.instances)}",
        warm,
        one.address,
        ends,
    )


def _until(at: datetime) -> str:
    return "now" if at <= datetime.now(UTC) else ago(at).replace(" from now", "").join(("in ", ""))


def _first(andon: Client, service: str, environment: str) -> str:
    live = andon.get(_place(service, environment), EnvironmentShape).live
    if live is None or not live.instances:
        raise NotFound(f"{service}/{environment} has no live version.", remedy="Name an instance of another one.")
    return live.instances[0].id


def _print(lines: Iterable[LogLineShape]) -> None:
    for line in lines:
        if wants_json():
            write_json(line)
        else:
            sys.stdout.write(printable("".join(text for text, _classes in line.spans)) + "\n")
    sys.stdout.flush()


def _place(service: str, environment: str, *rest: str) -> str:
    parts = ["services", service, "environments", environment, *rest]
    return "".join(f"/{_segment(part)}" for part in parts)


def _segment(text: str) -> str:
    return quote(text, safe="")
