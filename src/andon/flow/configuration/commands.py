"""Commands of configuration: config, secret."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec
import typer

from andon.flow.configuration.views import ConfigShape, ConfigValues, SecretValue
from andon.kernel.errors import Invalid
from andon.web.terminal.client import Client, Refusal, connect
from andon.web.terminal.output import Table, ago, say, show

_Service = Annotated[str, typer.Argument(help="The service.")]
_Environment = Annotated[str, typer.Argument(help="The environment, such as production.")]
_Name = Annotated[str, typer.Argument(help="The variable's name.")]


class _Named(msgspec.Struct):
    name: str


class _There(msgspec.Struct):
    """As much of the list of environments as is asked here."""

    environments: list[_Named]


class _Station(msgspec.Struct):
    environment: str


class _Line(msgspec.Struct):
    service: str
    places: list[_Station]


class _Lines(msgspec.Struct):
    """As much of the status as is asked here: which environments a service's andon.yaml leads to."""

    services: list[_Line]


def add_to(cli: typer.Typer) -> None:
    config = typer.Typer(no_args_is_help=True, help="Values of an environment that are not in the repository.")
    config.command("list")(list_config)
    config.command("set")(set_config)
    config.command("unset")(unset_config)
    cli.add_typer(config, name="config")
    secret = typer.Typer(no_args_is_help=True, help="Secrets of an environment, sealed and never shown again.")
    secret.command("list")(list_secrets)
    secret.command("set")(set_secret)
    secret.command("unset")(unset_secret)
    cli.add_typer(secret, name="secret")


def list_config(service: _Service, environment: _Environment) -> None:
    """What is set, beside what andon.yaml says; of secrets only that they are."""
    found = _fetch(service, environment)
    show(
        found,
        Table("name", "value", "set", empty=f"Nothing is set for {service}/{environment} beside andon.yaml."),
        [(one.name, "(secret)" if one.secret else one.value, ago(one.set_at)) for one in found.values],
    )


def set_config(
    service: _Service,
    environment: _Environment,
    values: Annotated[list[str], typer.Argument(help="NAME=VALUE, as many as you like.", metavar="NAME=VALUE…")],
) -> None:
    """Set values, all or none; the next deployment takes them up."""
    wanted: dict[str, str] = {}
    for one in values:
        name, is_pair, value = one.partition("=")
        if not is_pair:
            raise Invalid(f"{one!r} is no NAME=VALUE.", safe="Nothing was changed.", remedy="Write NAME=VALUE.")
        wanted[name] = value
    with connect() as andon:
        found = andon.put(_place(service, environment, "config"), ConfigShape, ConfigValues(values=wanted))
        say(f"Set. {_taken_up(andon, service, environment)}", value=found)


def unset_config(service: _Service, environment: _Environment, name: _Name) -> None:
    """Remove a value; one in andon.yaml counts again."""
    with connect() as andon:
        andon.delete(_place(service, environment, "config", name))
    say(f"{name} is removed. The next deployment of {service}/{environment} takes it up.", value={"name": name})


def list_secrets(service: _Service, environment: _Environment) -> None:
    """Which secrets are set. Their values are never shown."""
    found = _fetch(service, environment)
    found.values = [one for one in found.values if one.secret]
    show(
        found,
        Table("name", "set", empty=f"{service}/{environment} has no secret."),
        [(one.name, ago(one.set_at)) for one in found.values],
    )


def set_secret(
    service: _Service,
    environment: _Environment,
    name: _Name,
    from_file: Annotated[Path | None, typer.Option("--from-file", help="Take the value from this file.")] = None,
) -> None:
    """Set a secret. Its value is asked for or read from standard input: an argument would be seen by others."""
    value = _secret_value(name, from_file)
    if not value:
        raise Invalid(
            f"Nothing was given as the value of {name}.",
            safe="Nothing was changed.",
            remedy=f"Type it when asked, pipe it in, or name a file: andon secret set {service} {environment} {name}",
        )
    with connect() as andon:
        found = andon.put(_place(service, environment, "secrets", name), ConfigShape, SecretValue(value=value))
        say(f"{name} is sealed. {_taken_up(andon, service, environment)}", value=found)


def unset_secret(service: _Service, environment: _Environment, name: _Name) -> None:
    """Remove a secret."""
    with connect() as andon:
        andon.delete(_place(service, environment, "secrets", name))
    say(f"{name} is removed. The next deployment of {service}/{environment} takes it up.", value={"name": name})


def _taken_up(andon: Client, service: str, environment: str) -> str:
    """Whose the value will be: one may be set ahead of its environment, and a slip of the pen looks the same."""
    usual = f"The next deployment of {service}/{environment} takes it up."
    try:
        there = andon.get(f"/services/{quote(service, safe='')}/environments", _There).environments
        lines = [one for one in andon.get("/status", _Lines).services if one.service == service]
    except Refusal:  # a token that may set values and read nothing
        return usual
    known = {one.name for one in there} | {place.environment for line in lines for place in line.places}
    if environment in known:
        return usual
    return f"There is no environment {environment} of {service} yet; whoever makes it will find this."


def _secret_value(name: str, from_file: Path | None) -> str:
    if from_file is not None:
        try:
            return from_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"{from_file} cannot be read as text: {error}.", safe="Nothing was changed.") from error
    if sys.stdin.isatty():
        return str(typer.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True))
    # One line end at the end is the shell's, not the secret's.
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def _fetch(service: str, environment: str) -> ConfigShape:
    with connect() as andon:
        return andon.get(_place(service, environment, "config"), ConfigShape)


def _place(service: str, environment: str, *rest: str) -> str:
    parts = ["services", service, "environments", environment, *rest]
    return "".join(f"/{quote(part, safe='')}" for part in parts)
