"""The command line. Each room adds its commands; this module only puts them together.

A room's ``commands.py`` has ``add_to(cli)``. It asks the API through :mod:`andon.web.terminal` and imports
nothing of the server's side, so that the command line starts quickly. Exit codes: 0 done, 1 failed, 2 invalid,
3 not found, 4 not allowed, 5 conflict, 6 too many attempts, 7 unavailable, 8 the machine lacks something.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

import andon
from andon.kernel.errors import AndonError
from andon.web.terminal.client import Refusal
from andon.web.terminal.output import report, set_json

COMMANDS = (
    "andon.app.commands",
    "andon.app.people.commands",
    "andon.app.record.commands",
    "andon.app.beginning",
    "andon.flow.sources.commands",
    "andon.flow.pipelines.commands",
    "andon.flow.artifacts.commands",
    "andon.flow.environments.commands",
    "andon.flow.configuration.commands",
    "andon.flow.deployments.commands",
    "andon.flow.routing.commands",
    "andon.app.migrations",
    "andon.flow.flags.commands",
    "andon.flow.overview.commands",
    "andon.feedback.rollouts.commands",
    "andon.feedback.graphs.commands",
    "andon.feedback.logs.commands",
    "andon.feedback.traces.commands",
    "andon.feedback.registry.commands",
    "andon.feedback.telemetry.commands",
    "andon.feedback.webhooks.commands",
    # each room's commands go here
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    try:
        build()(list(arguments) if arguments is not None else None, prog_name="andon")
    except AndonError as error:
        code = error.problem.code if isinstance(error, Refusal) else error.code
        report(error.message, error.safe, error.remedy, code=code)
        sys.exit(error.leaves if isinstance(error, Refusal) else error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has seen enough
        sys.exit(141)


def build() -> Any:  # Any: Typer has no public name for what get_command answers
    """All commands, each with ``--json``."""
    cli = typer.Typer(
        name="andon",
        cls=_Root,
        help="Andon takes a change from push to production, watches it, and takes it back.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    cli.callback()(_root)
    for name in COMMANDS:
        importlib.import_module(name).add_to(cli)
    command = get_command(cli)
    _offer_json(command)
    return command


class _Root(TyperGroup):
    def invoke(self, ctx: Any) -> Any:  # Any: Typer has no public name for its context's base
        """Without the words that the library which checks the values puts before its own."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"andon {andon.__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Andon takes a change from push to production, watches it, and takes it back."""


def _only_json(
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print the answer as JSON, for programs.",
            is_eager=True,
            expose_value=False,
            callback=set_json,
        ),
    ] = False,
) -> None:
    """Never run: it lends its option to every command."""


def _offer_json(command: Any) -> None:  # Any: as in build
    lender = typer.Typer(add_completion=False)
    lender.command()(_only_json)
    options = [one for one in get_command(lender).params if one.name == "json"]
    _lend(command, options)


def _lend(command: Any, options: list[Any]) -> None:  # Any: as in build
    for one in getattr(command, "commands", {}).values():
        _lend(one, options)
    if not hasattr(command, "commands") or command.invoke_without_command:
        command.params.extend(options)
