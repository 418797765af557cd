"""Commands of artifacts."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from andon.flow.artifacts.views import ArtifactList, ArtifactShape
from andon.web.terminal.client import connect
from andon.web.terminal.output import Table, ago, say, show


def add_to(cli: typer.Typer) -> None:
    group = typer.Typer(invoke_without_command=True, help="Packages: what was built, from what, and by what.")
    group.callback()(list_artifacts)
    group.command("show")(show_artifact)
    cli.add_typer(group, name="artifacts")


def list_artifacts(
    context: typer.Context,
    service: Annotated[str | None, typer.Option("--service", "-s")] = None,
    commit: Annotated[str | None, typer.Option(help="At least four characters.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100)] = 20,
) -> None:
    """Packages, newest first."""
    if context.invoked_subcommand is not None:
        return
    with connect() as andon:
        found = andon.get("/artifacts", ArtifactList, service=service, commit=commit, limit=limit)
    rows = [
        (one.digest[:12], one.service, one.commit[:7], size(one.size), one.files, ago(one.built_at), _kept(one))
        for one in found.artifacts
    ]
    empty = "No package yet: `git push andon` builds one."
    show(found, Table("package", "service", "commit", ">size", ">files", "built", "", empty=empty), rows)


def show_artifact(digest: Annotated[str, typer.Argument(help="At least eight characters of its digest.")]) -> None:
    """One package: from what, by what and how it was built."""
    with connect() as andon:
        one = andon.get(f"/artifacts/{quote(digest, safe='')}", ArtifactShape)
    lines = [
        f"{one.digest}  {size(one.size)}, {one.files} files",
        f"service  {one.service}",
        f"commit   {one.commit}",
        f"run      {one.run}",
        f"built    {ago(one.built_at)} by {one.builder}",
        f"command  {one.command or 'none: the files as they are in the commit'}",
        *(f"input    {name}" for name in one.inputs),
    ]
    say("\n".join(lines), value=one)


def size(count: int) -> str:
    """Bytes in a unit that people read."""
    number = float(count)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def _kept(one: ArtifactShape) -> str:
    return "removed" if one.removed_at is not None else ""
