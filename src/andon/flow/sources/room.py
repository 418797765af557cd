"""What the room of repositories gives to the application."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from andon.flow.definition.contract import DefinitionReader
from andon.flow.sources.adapters.gate import Gate
from andon.flow.sources.adapters.http import GitRemote
from andon.flow.sources.adapters.reconciler import reconcile, tidy
from andon.flow.sources.adapters.sources import GitSources
from andon.flow.sources.api import source_routes
from andon.flow.sources.contract import Announcer
from andon.flow.sources.git import Git
from andon.flow.sources.telling import source_telling
from andon.kernel.access import Principal
from andon.kernel.db import Database
from andon.kernel.errors import NotAuthenticated
from andon.kernel.events import Bell
from andon.kernel.settings import Settings
from andon.web.http.visit import caller_of
from andon.web.room import Reconciler, Room

PREFIX = "/git"


def open_git(settings: Settings) -> Git:
    """The installation's repositories, ready to be asked; what other rooms' questions are answered from."""
    git = Git(settings.data / "repositories")
    git.prepare()
    return git


def sources_room(
    settings: Settings,
    database: Database,
    bell: Bell,
    git: Git,
    *,
    announcers: Sequence[Announcer] = (),
    definitions: DefinitionReader | None = None,
) -> Room:
    """``announcers`` tell pushers what their push has set off; ``definitions`` warns them of faults in theirs."""
    gate = Gate(database, git, announcers=announcers, definitions=definitions, recorded=bell.ring)
    remote = GitRemote(database, git, gate, _authenticate, prefix=PREFIX)
    return Room(
        name="sources",
        handlers=(_mounted(remote), *source_routes(git, settings.address)),
        telling=source_telling(GitSources(git)),
        leave=gate.stop_following,
        reconcilers=(
            Reconciler("repositories", 30.0, lambda: _reconcile(database, git)),
            Reconciler("repositories-tidy", timedelta(hours=1).total_seconds(), lambda: tidy(database, git)),
        ),
    )


def _reconcile(database: Database, git: Git) -> None:
    reconcile(database, git)


def _mounted(remote: GitRemote) -> ASGIRouteHandler:
    @asgi(PREFIX, is_mount=True, copy_scope=False)
    async def serve_git(scope: Scope, receive: Receive, send: Send) -> None:
        await remote(scope, receive, send)

    return serve_git


async def _authenticate(scope: Scope) -> Principal:
    caller = caller_of(scope)
    if caller is None:
        raise NotAuthenticated(
            "Git needs a token.",
            remedy="`andon init` sets git up to use yours; else give any user name and a token as the password.",
        )
    return caller.principal
