"""``andon migrations check``: the definition and the check come from two rooms; here they meet, without a server."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from andon.flow.definition.contract import DEFINITION_FILE, MigrationDefinition
from andon.flow.schema.contract import Dialect, Report
from andon.flow.schema.contract.backfills import BackfillState
from andon.flow.schema.contract.words import lines
from andon.flow.schema.model import Wish
from andon.flow.schema.views import BackfillRequest, BackfillShape, Migrations
from andon.kernel.errors import Invalid, NotFound, Unavailable
from andon.web.terminal.client import connect
from andon.web.terminal.output import Table, ago, say, show, wants_json

_Service = Annotated[str, typer.Argument(show_default=False)]
_Environment = Annotated[str, typer.Argument(show_default=False)]
_GIT_SECONDS = 60
_SQL_SECONDS = 600
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


class MigrationsRefused(Invalid):
    """The version that serves would not survive a migration of this working copy."""

    code = "schema.refused"
    exit_code = 1


def add_to(cli: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Changes to a service's database: expand, backfill, contract.")
    group.command("check")(check)
    group.command("show")(show_migrations)
    group.command("pause")(pause)
    group.command("resume")(resume)
    group.command("stop")(stop)
    cli.add_typer(group, name="migrations")


def check(
    path: Annotated[Path, typer.Argument(help="The working copy.", file_okay=False, exists=True)] = Path(),
    every: Annotated[bool, typer.Option("--all", help="Judge files that have been pushed already, too.")] = False,
    since: Annotated[
        str | None, typer.Option("--since", help="Judge what differs from this revision, such as what is live.")
    ] = None,
    folder: Annotated[str | None, typer.Option(help="Where the files are, instead of what andon.yaml says.")] = None,
    database: Annotated[Dialect | None, typer.Option(help="What the SQL is written for, instead of the same.")] = None,
) -> None:
    """Check the migrations of a working copy as the first stage will, without a server.

    Judged is what has not been pushed to the branch that this one follows; the other files tell what the tables are
    like. Each finding has its file and line, what breaks for whom, and the safe way.
    """
    from andon.flow.schema.checker import SchemaChecker  # noqa: PLC0415 - other commands need not wait for the parsers

    root = _root(path.resolve())
    declared = _declared(root)
    dialect = database or declared.database
    where = folder or declared.folder
    if dialect is None or (where is None and declared.sql is None):
        raise NotFound(
            f"Nothing says where the migrations of {root.name} are.",
            remedy="Write migrations: {folder: …, database: …} into andon.yaml, or give --folder and --database.",
        )
    if where is None:
        assert declared.sql is not None  # noqa: S101 - one of both is there
        report = SchemaChecker().printed(_printed(declared.sql, root), declared.sql, dialect)
    else:
        report = SchemaChecker().below(root, where, dialect, judged=None if every else _judged(root, since))
    say("\n".join(lines(report)), value=report)
    _leave(report)


def show_migrations(service: _Service, environment: _Environment) -> None:
    """How the newest backfill of an environment goes on, and why its contract migration waits."""
    with connect() as andon:
        found = andon.get(_place(service, environment), Migrations)
    rows = [] if found.backfill is None else [_row(found.backfill)]
    empty = "No backfill yet: one begins when a version that has migrations.backfill takes the traffic."
    columns = Table(
        "backfill of", "state", ">done", ">left", ">batches", ">rows each", "remains", "last", "", empty=empty
    )
    show(found, columns, rows)
    if not wants_json():
        for one in found.contract_waits_for:
            say(f"The contract migration waits: {one}")


def pause(service: _Service, environment: _Environment) -> None:
    """Let no further batch of a backfill begin. What is filled stays filled."""
    _ask(service, environment, Wish.PAUSE)


def resume(service: _Service, environment: _Environment) -> None:
    """Let a backfill go on that was paused or stopped, or had failed."""
    _ask(service, environment, Wish.RESUME)


def stop(service: _Service, environment: _Environment) -> None:
    """End a backfill. What is filled stays filled; the contract migration waits for the rest."""
    _ask(service, environment, Wish.STOP)


def _ask(service: str, environment: str, wish: Wish) -> None:
    with connect() as andon:
        found = andon.post(f"{_place(service, environment)}/backfill", BackfillShape, BackfillRequest(wish=wish))
    say(f"The backfill of {found.commit[:7]} in {environment} is {found.state}.", value=found)


def _row(one: BackfillShape) -> tuple[object, ...]:
    done = None if one.share is None else f"{100 * one.share:.1f} %"
    return (
        one.commit[:7],
        one.state.value,
        done,
        one.left,
        one.batches,
        one.rows,
        _remains(one),
        ago(one.changed_at),
        one.reason,
    )


def _remains(one: BackfillShape) -> str | None:
    """A range: as fast as in its fastest stretch, and as slowly as in its slowest."""
    if one.state is not BackfillState.RUNNING or one.pace is None or one.pace.soonest is None:
        return None
    latest = "…" if one.pace.latest is None else _rounded(one.pace.latest)
    return f"{_rounded(one.pace.soonest)} to {latest}"


def _rounded(seconds: float) -> str:
    return next((f"{seconds / size:,.0f} {unit}" for size, unit in _UNITS if seconds >= 2 * size), f"{seconds:.0f} s")


def _place(service: str, environment: str) -> str:
    return f"/services/{quote(service, safe='')}/environments/{quote(environment, safe='')}/migrations"


def _leave(report: Report) -> None:
    count = len(report.refused)
    if count:
        raise MigrationsRefused(
            f"{count} {'statement' if count == 1 else 'statements'} would break or block the version that serves.",
            safe="Nothing was run.",
            remedy="Take the safe way told above each, or say above the statement why it does no harm: "
            "-- andon: accept RULE: reason.",
        )


def _root(path: Path) -> Path:
    return next((one for one in (path, *path.parents) if (one / DEFINITION_FILE).is_file()), path)


def _declared(root: Path) -> MigrationDefinition:
    from andon.flow.definition.reader import YamlDefinitionReader  # noqa: PLC0415 - as above, for YAML

    file = root / DEFINITION_FILE
    return YamlDefinitionReader().read(file.read_bytes()).migrations if file.is_file() else MigrationDefinition()


def _judged(root: Path, since: str | None) -> set[str] | None:
    """Files that differ from what has been pushed, relative to ``root``; ``None`` where nobody can tell."""
    base = since or _git(root, "merge-base", "HEAD", "@{upstream}")
    if base is None:
        return None
    changed = _git(root, "diff", "--name-only", "--relative", "-z", "--end-of-options", base.strip(), "--")
    if changed is None:
        if since is None:
            return None
        raise NotFound(f"There is no revision {since!r} here.", remedy="Name a branch, a tag or a commit.")
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z") or ""
    return {one for one in (changed + new).split("\0") if one}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        ended = subprocess.run(
            ["git", "-C", root, *arguments], capture_output=True, timeout=_GIT_SECONDS, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout if ended.returncode == 0 else None


def _printed(command: str, root: Path) -> str:
    """The output of the repository's own command, in the working copy, as its user."""
    try:
        ended = subprocess.run(
            ["/bin/sh", "-c", command], cwd=root, stdout=subprocess.PIPE, timeout=_SQL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"`{command}` did not end well: {error}", safe="Nothing was checked.") from None
    if ended.returncode != 0:
        raise Unavailable(
            f"`{command}` ended with {ended.returncode}.",
            safe="Nothing was checked.",
            remedy="It has to print the SQL that expand would run, and end with 0.",
        )
    return ended.stdout.decode("utf-8", "replace")
