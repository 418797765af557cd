"""Commands of repositories: init, repository, git-credential."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

import msgspec
import typer

from andon.flow.sources import credential
from andon.flow.sources.views import Repositories, RepositoryRequest, RepositoryView
from andon.kernel.errors import Conflict, Invalid, Missing
from andon.kernel.files import write_whole
from andon.web.terminal.client import Client, Refusal, connect
from andon.web.terminal.output import Table, ago, say, show

DEFINITION_FILE = "andon.yaml"
REMOTE = "andon"

Propose = Callable[[Path, str], tuple[str, tuple[str, ...]]]
"""For a checkout and the address of the schema: the text of an ``andon.yaml``, and sentences about what was guessed."""

_Name = Annotated[str, typer.Argument(help="Lower-case letters, digits and dashes; the service's name.")]
_Branch = Annotated[str, typer.Option("--default-branch", help="The branch that goes to production.")]


class Begun(msgspec.Struct, kw_only=True):
    """What ``andon init`` has done."""

    repository: RepositoryView
    created: bool
    wrote: str | None
    """The definition's path, when there was none before."""
    notes: tuple[str, ...]


def add_to(cli: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Repositories in Andon.")
    group.command("create")(create_repository)
    group.command("list")(list_repositories)
    cli.add_typer(group, name="repository")
    cli.command("git-credential", hidden=True)(git_credential)


def add_init(cli: typer.Typer, propose: Propose) -> None:
    """``propose`` comes from the room that knows definitions."""

    def init(
        folder: Annotated[Path, typer.Argument(help="A git checkout.")] = Path(),
        name: Annotated[str, typer.Option("--name", help="The service's name; the folder's when left out.")] = "",
    ) -> None:
        """Make this checkout a service: write andon.yaml, make the repository in Andon, add the remote."""
        _init(folder, name, propose)

    cli.command()(init)


def create_repository(name: _Name, default_branch: _Branch = "main") -> None:
    """Make an empty repository to push to."""
    with connect() as andon:
        made = andon.post("/repositories", RepositoryView, RepositoryRequest(name=name, default_branch=default_branch))
    say(f"Made {made.name}. Push to {made.address}; `andon init` in a checkout sets that up.", value=made)


def list_repositories() -> None:
    """Every repository that you may read."""
    with connect() as andon:
        found = andon.get("/repositories", Repositories)
    rows = [(one.name, one.default_branch, ago(one.created_at), one.address) for one in found.repositories]
    empty = "No repository yet: `andon init` in a checkout makes one."
    show(found, Table("repository", "default branch", "made", "address", empty=empty), rows)


def git_credential(operation: Annotated[str, typer.Argument(help="What git asks: get, store or erase.")]) -> None:
    """Hand this machine's token to git; git calls it."""
    raise typer.Exit(credential.main([operation]))


def _init(folder: Path, name: str, propose: Propose) -> None:
    root = _root(folder)
    name = name or _slug(root.name)
    with connect() as andon:
        repository, created = _find_or_create(andon, name, _branch(root))
        # the address under which this machine reaches it, whatever the server calls itself
        repository.address = f"{andon.context.url}/git/{repository.name}.git"
        schema = f"{andon.context.url}/schema/andon.json"
    _add_remote(root, repository.address)
    _push_the_branch_at_hand(root)
    _use_token(root, repository.address)
    definition = root / DEFINITION_FILE
    notes: tuple[str, ...] = ()
    wrote = None
    if not definition.exists():
        text, notes = propose(root, schema)
        write_whole(definition, text.encode())
        wrote = str(definition)
    lines = [
        f"{'Made' if created else 'Found'} {repository.name} at {repository.address}; it is the git remote {REMOTE!r}.",
        f"Wrote {wrote}." if wrote else f"{DEFINITION_FILE} is there already; it was not touched.",
        *(f"- {note}" for note in notes),
        f"Next: git add {DEFINITION_FILE}, git commit, git push {REMOTE} {repository.default_branch}",
    ]
    say("\n".join(lines), value=Begun(repository=repository, created=created, wrote=wrote, notes=notes))


def _find_or_create(andon: Client, name: str, branch: str) -> tuple[RepositoryView, bool]:
    try:
        return andon.get(f"/repositories/{quote(name, safe='')}", RepositoryView), False
    except Refusal as refusal:
        if refusal.answered != 404:
            raise
    wanted = RepositoryRequest(name=name, default_branch=branch)
    return andon.post("/repositories", RepositoryView, wanted), True


def _add_remote(root: Path, address: str) -> None:
    status, there = _git(root, "remote", "get-url", REMOTE)
    if status != 0:
        _must(root, "remote", "add", REMOTE, address)
    elif there != address:
        raise Conflict(
            f"This checkout has a remote {REMOTE!r} already, at {there}.",
            safe="The checkout was not touched.",
            remedy=f"git remote set-url {REMOTE} {address}",
        )


def _push_the_branch_at_hand(root: Path) -> None:
    """``git push andon`` pushes the branch that is checked out, without an upstream; what somebody has set counts."""
    setting = f"remote.{REMOTE}.push"
    if _git(root, "config", "--get-all", setting)[0] != 0:
        _must(root, "config", "--local", setting, "HEAD")


def _use_token(root: Path, address: str) -> None:
    where = urlsplit(address)
    setting = f"credential.{where.scheme}://{where.netloc}.helper"
    # The empty value first: other helpers, which might store the token elsewhere, are not asked here.
    _must(root, "config", "--local", "--replace-all", setting, "")
    _must(root, "config", "--local", "--add", setting, credential.helper())


def _root(folder: Path) -> Path:
    status, said = _git(folder, "rev-parse", "--show-toplevel")
    if status != 0:
        raise Invalid(
            f"{folder.resolve()} is not in a git checkout.", safe="Nothing was changed.", remedy="Run `git init` first."
        )
    return Path(said)


def _branch(root: Path) -> str:
    status, said = _git(root, "symbolic-ref", "--short", "HEAD")
    return said if status == 0 else "main"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or "service"


def _must(root: Path, *arguments: str) -> None:
    status, said = _git(root, *arguments)
    if status != 0:
        raise Invalid(f"git {arguments[0]} failed: {said}", remedy="See what git says, and run `andon init` again.")


def _git(folder: Path, *arguments: str) -> tuple[int, str]:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=30,
            check=False,
        )
    except FileNotFoundError as error:
        raise Missing("There is no git on this machine, or no such folder.", remedy="Install git.") from error
    return done.returncode, done.stdout.strip()
