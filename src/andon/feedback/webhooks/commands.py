"""Commands of webhooks: which programs are told what happens."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from andon.feedback.webhooks.views import DeliveryList, DeliveryShape, NewWebhook, WebhookList, WebhookRequest
from andon.web.terminal.client import connect
from andon.web.terminal.output import Table, ago, printable, say, show

_Id = Annotated[str, typer.Argument(help="Its id, as `andon webhooks list` shows it.")]


def add_to(cli: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Which other programs are told what happens.")
    group.command("list")(list_webhooks)
    group.command()(add)
    group.command()(test)
    group.command()(deliveries)
    group.command()(remove)
    cli.add_typer(group, name="webhooks")


def list_webhooks() -> None:
    """The programs that are told what happens, and whether they answer."""
    with connect() as andon:
        found = andon.get("/webhooks", WebhookList)
    show(
        found,
        Table("id", "address", "is told", "of", "state", "taken", empty="No program is told anything."),
        [
            (
                one.id,
                printable(one.url),
                ", ".join(one.types),
                one.service or "every service",
                f"{one.state}{f': {printable(one.error)}' if one.error else ''}",
                ago(one.delivered_at),
            )
            for one in found.webhooks
        ],
    )


def add(
    url: Annotated[str, typer.Argument(help="Where events are posted to; https, or http on this machine.")],
    types: Annotated[
        list[str], typer.Option("--event", "-e", help="A type, or `dev.andon.rollout.*`; may be repeated.")
    ],
    service: Annotated[str | None, typer.Option("--service", "-s", help="Only what is about this service.")] = None,
) -> None:
    """Tell a program what happens from now on. The secret to check signatures with is shown this once."""
    with connect() as andon:
        made = andon.post("/webhooks", NewWebhook, WebhookRequest(url=url, types=types, service=service))
    say(f"{made.webhook.id}\n{made.secret}", value=made)


def test(webhook: _Id) -> None:
    """Send an event about this test now; an answer starts again what was given up."""
    with connect() as andon:
        found = andon.post(f"/webhooks/{quote(webhook, safe='')}/test", DeliveryShape)
    if found.taken:
        say(f"It took the test: {found.status} within {found.milliseconds} ms.", value=found)
        return
    say(f"It did not take the test: {found.problem}.", value=found)
    raise typer.Exit(1)


def deliveries(webhook: _Id) -> None:
    """The last tries, newest first."""
    with connect() as andon:
        found = andon.get(f"/webhooks/{quote(webhook, safe='')}/deliveries", DeliveryList)
    show(
        found,
        Table("at", "event", "type", ">attempt", ">took", "came of it", empty="Nothing was sent yet."),
        [
            (
                ago(one.at),
                one.event,
                one.type,
                one.attempt,
                f"{one.milliseconds} ms",
                printable(one.problem) or f"taken ({one.status})",
            )
            for one in found.deliveries
        ],
    )


def remove(webhook: _Id) -> None:
    """Send nothing there any more, nor what waits."""
    with connect() as andon:
        andon.delete(f"/webhooks/{quote(webhook, safe='')}")
    say("Nothing is sent there any more.", value={"removed": webhook})
