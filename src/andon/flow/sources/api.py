"""The API of repositories."""

from __future__ import annotations

from typing import Annotated

from litestar.params import Parameter

from andon.flow.sources import history, service
from andon.flow.sources.git import Git
from andon.flow.sources.views import Commits, CommitView, Repositories, RepositoryRequest, RepositoryView
from andon.kernel.access import Permission
from andon.web.http import api
from andon.web.http.api import Call, Handlers


def source_routes(git: Git, console: str) -> Handlers:
    """``console`` is the installation's address, without a slash at the end."""

    @api.get("/repositories")
    def list_repositories(call: Call) -> Repositories:
        """Every repository that you may read."""
        with call.database.reading() as reading:
            found = service.repositories(reading, call.principal)
        return Repositories(repositories=[RepositoryView.of(one, console) for one in found])

    @api.post("/repositories", status=201)
    def create_repository(call: Call, data: RepositoryRequest) -> RepositoryView:
        """Make an empty repository to push to."""
        with call.database.transaction() as tx:
            made = service.create_repository(tx, git, call.principal, data.name, data.default_branch)
        return RepositoryView.of(made, console)

    @api.get("/repositories/{name:str}")
    def show_repository(call: Call, name: str) -> RepositoryView:
        """One repository, with its branches as the record has them."""
        with call.database.reading() as reading:
            found = service.open_repository(reading, call.principal, name, Permission.READ)
            branches = service.branches(reading, found.service)
        return RepositoryView.of(found, console, branches)

    @api.get("/repositories/{name:str}/commits")
    def list_commits(
        call: Call, name: str, branch: str = "", limit: Annotated[int, Parameter(ge=1, le=200)] = 50
    ) -> Commits:
        """The newest commits of a branch; of the default branch without one."""
        with call.database.reading() as reading:
            found = service.open_repository(reading, call.principal, name, Permission.READ)
        commits = history.latest(git, found.service, branch or found.default_branch, limit)
        return Commits(commits=[CommitView.of(one) for one in commits])

    return [list_repositories, create_repository, show_repository, list_commits]
