"""Commands of traffic: show, compare, forward, keep."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from andon.flow.definition.contract import share_text
from andon.flow.routing.contract import conditions_of, place_of, share_of
from andon.flow.routing.views import (
    ComparisonShape,
    ConditionShape,
    ForwardingShape,
    ForwardShape,
    ForwardsWanted,
    TrafficShape,
)
from andon.kernel.errors import NotFound
from andon.web.terminal.client import connect
from andon.web.terminal.output import Table, say, show, wants_json, write_json

_Service = Annotated[str, typer.Argument(help="The service.")]
_Environment = Annotated[str, typer.Argument(help="The environment, such as production.")]
_To = Annotated[str, typer.Option("--to", help="Who serves them: SERVICE/ENVIRONMENT.", metavar="SERVICE/ENVIRONMENT")]
_Path = Annotated[str, typer.Option("--path", help="Requests below this path, such as /api.")]
_Header = Annotated[
    list[str] | None, typer.Option("--header", help="Requests with this header: NAME, or NAME=VALUE to the letter.")
]
_Cookie = Annotated[
    list[str] | None, typer.Option("--cookie", help="Requests with this cookie: NAME, or NAME=VALUE to the letter.")
]


def add_to(cli: typer.Typer) -> None:
    traffic = typer.Typer(no_args_is_help=True, help="Who gets which requests of an environment.")
    traffic.command("show")(show_traffic)
    traffic.command("compare")(compare)
    traffic.command("forward")(forward)
    traffic.command("keep")(keep)
    cli.add_typer(traffic, name="traffic")


def show_traffic(service: _Service, environment: _Environment) -> None:
    """Who gets which requests: what is forwarded, then what a rule leads somewhere, then shares."""
    with connect() as andon:
        found = andon.get(_place(service, environment, "traffic"), TrafficShape)
    rows = [
        (_told(one.when) or "all requests", share_text(one.parts), _owner(one)) for one in found.forwarding.forwards
    ]
    rows += [(_told(one.when), "all", _version(one.commit)) for one in found.matches]
    rows += [("the others", share_text(one.parts), f"{_version(one.commit)} ({one.arm})") for one in found.arms]
    if found.mirror is not None:
        methods = ", ".join(found.mirror.methods)
        rows.append((f"copies of {methods}", share_text(found.mirror.parts), f"{_version(found.mirror.commit)} (dark)"))
    show(found, Table("requests", "share", "who serves them"), rows)


def compare(service: _Service, environment: _Environment) -> None:
    """How the live version and the dark one answered the last requests that were mirrored."""
    with connect() as andon:
        found = andon.get(_place(service, environment, "comparisons"), ComparisonShape)
    if wants_json():
        write_json(found)
        return
    table = Table(
        *("request", "pairs", "status", "type", "size", "body", "live", "dark"),
        empty=f"No request of {service}/{environment} was mirrored lately.",
    )
    show(
        found,
        table,
        [
            (
                f"{one.method} {one.path}",
                one.pairs,
                one.status,
                one.content_type,
                one.size,
                one.body,
                f"{one.served_ms:.1f} ms",
                f"{one.dark_ms:.1f} ms",
            )
            for one in found.requests
        ],
    )
    if found.pairs:
        say(f"{found.differing} of {found.pairs} pairs of answers differ.")


def forward(
    service: _Service,
    environment: _Environment,
    to: _To,
    path: _Path = "",
    header: _Header = None,
    cookie: _Cookie = None,
    share: Annotated[str, typer.Option("--share", help="How many of them, such as 5%.")] = "100%",
) -> None:
    """Let another service serve some requests, behind the same address. Again with another share changes that."""
    wanted = _rule(to, path, header, cookie, share_of(share))
    with connect() as andon:
        before = andon.get(_place(service, environment, "traffic"), TrafficShape).forwarding
        others = [one for one in before.forwards if not _same(one, wanted)]
        # what says more comes first: it would never be reached behind what says less
        rules = sorted([*others, wanted], key=lambda one: (-len(_path(one)), -len(one.when)))
        body = ForwardsWanted(version=before.version, forwards=rules)
        found = andon.put(_place(service, environment, "forwards"), ForwardingShape, body)
    told = _told(wanted.when) or "all requests"
    say(f"{to} serves {share_text(wanted.parts)} of {told} of {service}/{environment}.", value=found)


def keep(
    service: _Service,
    environment: _Environment,
    to: _To,
    path: _Path = "",
    header: _Header = None,
    cookie: _Cookie = None,
) -> None:
    """Serve again what was forwarded by such a rule."""
    wanted = _rule(to, path, header, cookie, 0)
    with connect() as andon:
        before = andon.get(_place(service, environment, "traffic"), TrafficShape).forwarding
        left = [one for one in before.forwards if not _same(one, wanted)]
        if len(left) == len(before.forwards):
            raise NotFound(
                f"{service}/{environment} forwards nothing like that to {to}.",
                safe="Nothing was changed.",
                remedy=f"See what it does: andon traffic show {service} {environment}",
            )
        body = ForwardsWanted(version=before.version, forwards=left)
        found = andon.put(_place(service, environment, "forwards"), ForwardingShape, body)
    say(f"{service}/{environment} serves {_told(wanted.when) or 'all requests'} itself.", value=found)


def _rule(to: str, path: str, header: list[str] | None, cookie: list[str] | None, parts: int) -> ForwardShape:
    target, place = place_of(to)
    when = [ConditionShape.of(one) for one in conditions_of(path, header or (), cookie or ())]
    return ForwardShape(service=target, environment=place, when=when, parts=parts)


def _same(one: ForwardShape, other: ForwardShape) -> bool:
    return (one.service, one.environment, one.when) == (other.service, other.environment, other.when)


def _path(one: ForwardShape) -> str:
    return next((asked.value for asked in one.when if asked.where == "path"), "")


def _told(when: list[ConditionShape]) -> str:
    return " and ".join(_condition(one) for one in when)


def _condition(one: ConditionShape) -> str:
    if one.where == "path":
        return f"{one.value}/…" if one.how == "prefix" and one.value != "/" else one.value
    if one.how == "member-of":
        return f"members of {one.value} by {one.where} {one.name}"
    words = {"is": f" {one.value}", "prefix": f" {one.value}…"}.get(one.how, "")
    return f"{one.where} {one.name}{words}"


def _owner(one: ForwardShape) -> str:
    return f"{one.service}/{one.environment}"


def _version(commit: str) -> str:
    return commit[:7]


def _place(service: str, environment: str, *rest: str) -> str:
    parts = ["services", service, "environments", environment, *rest]
    return "".join(f"/{quote(part, safe='')}" for part in parts)
