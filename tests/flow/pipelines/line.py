"""A whole line in one process: real git, real sandboxes, real workflows; only deployments are imagined."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from andon.app.authority import GrantedAuthority
from andon.app.tables import load_all_tables
from andon.flow.artifacts.contract import Artifact
from andon.flow.artifacts.service import ArtifactService
from andon.flow.artifacts.store import FileStore
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.deployments.memory import InMemoryDeployments
from andon.flow.environments.memory import InMemoryEnvironments
from andon.flow.flags.equipping import FlagEquipper, FlagFolders
from andon.flow.flags.files import FlagFiles
from andon.flow.flags.reaching import FolderReach
from andon.flow.flags.reactions import reactions as flag_reactions
from andon.flow.flags.room import build_flags
from andon.flow.flags.service.pretending import PretenceService
from andon.flow.pipelines.contract import JobState, RunId, RunState, RunSummary
from andon.flow.pipelines.execution import Execution
from andon.flow.pipelines.model import Job
from andon.flow.pipelines.reactions import reactions
from andon.flow.pipelines.runner.sandboxed import SandboxRunner
from andon.flow.pipelines.service import PipelineService, Progress
from andon.flow.pipelines.workflows import run_workflow
from andon.flow.schema.checker import SchemaChecker
from andon.flow.sources import service as repositories
from andon.flow.sources.adapters.sources import GitSources
from andon.flow.sources.contract import NO_COMMIT, BranchPushed, CommitHash, PushId, Service
from andon.flow.sources.git import Git
from andon.kernel.access import SYSTEM, Grant, PersonId, Principal, Role
from andon.kernel.db import Database, Reading, open_engine
from andon.kernel.events import Actor, ActorKind, Bell, Event, Facets, append, page
from andon.kernel.events.reactions import Reactor, failed_deliveries
from andon.kernel.ids import new_id
from andon.kernel.logs.reader import LogReader
from andon.kernel.settings import JobSettings
from andon.kernel.workflows.durable import DurableWorkflows

T = TypeVar("T")
SHOP = Service("shop")
ROLES = {"dev": Role.DEVELOPER, "contributor": Role.CONTRIBUTOR, "viewer": Role.VIEWER}


def person(name: str) -> Principal:
    return Principal(
        actor=Actor(ActorKind.PERSON, name, name), person=PersonId(name), grants=(Grant(ROLES[name], "shop"),)
    )


class Roles:
    """The ``Authority`` of these tests."""

    def principal_of(self, reading: Reading, person_id: str | None) -> Principal | None:
        return person(person_id) if person_id in ROLES else None

    def lends(self, reading: Reading, actor: Actor) -> bool:
        return actor.kind is not ActorKind.TOKEN


class Line:
    def __init__(self, data: Path, *, parallel: int = 2, executor: str = "worker", flagged: bool = False) -> None:
        """``flagged``: acceptance has flags, in files; nothing serves them over sockets."""
        self.data = data
        self.database = Database(open_engine(f"sqlite:///{data / 'andon.db'}"))
        load_all_tables().create_all(self.database.engine)
        self.git = Git(data / "repositories")
        self.git.prepare()
        self.sources = GitSources(self.git)
        self.artifacts = ArtifactService(FileStore(data / "artifacts"), keep_days=30)
        definitions = YamlDefinitionReader()
        self.service = PipelineService(sources=self.sources, definitions=definitions, artifacts=self.artifacts)
        self.deployments = InMemoryDeployments()
        self.environments = InMemoryEnvironments(
            self.database, sources=self.sources, definitions=definitions, folder=data / "environments"
        )
        self.progress = Progress(
            service=self.service,
            sources=self.sources,
            artifacts=self.artifacts,
            authority=Roles(),
            builder="andon tests",
        )
        self.flags = build_flags(
            self.database,
            sources=self.sources,
            definitions=definitions,
            environments=self.environments,
            authority=GrantedAuthority(),
        )
        folders = FlagFolders(data / "doors")
        files = FlagFiles(self.database, self.flags.flags, folders, lambda reading: [(SHOP, "acceptance")])
        pretences = PretenceService(self.flags.documents, self.flags.places, FolderReach(folders, between=0.0))
        self.runner = SandboxRunner(
            data=data,
            settings=JobSettings(),
            sources=self.sources,
            artifacts=self.artifacts,
            check=SchemaChecker(),
            equipper=FlagEquipper(folders),
        )
        self.execution = Execution(
            database=self.database,
            progress=self.progress,
            deployments=self.deployments,
            environments=self.environments,
            authority=Roles(),
            runner=self.runner,
            parallel=parallel,
            pretences=pretences if flagged else None,
        )
        self.bell = Bell(self.database)
        self.workflows = DurableWorkflows(data / "workflows.db", [run_workflow(self.execution)], executor=executor)
        self.reactor = Reactor(
            self.database,
            self.bell,
            (
                *reactions(self.service, self.progress, self.execution, self.workflows),
                *(flag_reactions(self.flags.code, files) if flagged else ()),
            ),
        )

    def start(self) -> None:
        """As the worker does."""
        self.runner.end_orphans()
        self.execution.return_flags("Andon was started again", all_of_them=True)
        self.workflows.launch()
        self.bell.start()
        self.reactor.start()

    def stop(self) -> None:
        self.workflows.stopping.set()
        self.execution.close()
        assert self.workflows.stop()
        self.reactor.stop()
        self.bell.stop()
        with self.database.reading() as reading:
            failed = failed_deliveries(reading)
        errors = [one.error for one in failed]
        self.database.close()
        assert not errors

    # What people do

    def create(self) -> None:
        with self.database.transaction() as tx:
            repositories.create_repository(tx, self.git, SYSTEM, SHOP, "main")

    def commit(self, files: Mapping[str, str], branch: str = "main") -> CommitHash:
        """A commit with these files (and nothing else) on top of the branch."""
        return commit_files(self.data, self.git, files, branch)

    def push(
        self, files: Mapping[str, str], *, branch: str = "main", by: str = "dev", token: bool = False
    ) -> CommitHash:
        """``token``: by one of theirs that may not deploy."""
        commit = self.commit(files, branch)
        with self.database.transaction() as tx:
            pushed = BranchPushed(
                push=PushId(new_id("push")),
                service=SHOP,
                branch=branch,
                before=NO_COMMIT,
                commit=commit,
                forced=False,
            )
            append(tx, pushed, by=Actor(ActorKind.TOKEN, "token_robot", by) if token else person(by).actor)
        self.bell.ring()
        return commit

    # What there is

    def run_of(self, commit: CommitHash) -> RunSummary | None:
        with self.database.reading() as reading:
            found = self.service.list_runs(reading, commit=commit)
        return found[0] if found else None

    def summary(self, run: RunId) -> RunSummary:
        with self.database.reading() as reading:
            return self.service.run(reading, run)

    def jobs(self, run: RunId) -> dict[str, Job]:
        with self.database.reading() as reading:
            return {one.name: one for one in self.service.jobs(reading, run)}

    def states(self, run: RunId) -> dict[str, str]:
        return {name: job.state.value for name, job in self.jobs(run).items()}

    def log(self, run: RunId, name: str) -> str:
        job = self.jobs(run)[name]
        reader = LogReader(self.runner.folders.log(run, job.id, job.attempt))
        return "\n".join(line.text for line in reader.lines(limit=10_000).lines)

    def events(self, kind: type[Event] | None = None) -> list[Event]:
        with self.database.reading() as reading:
            found = page(reading, Facets(), after=0, limit=10_000)
        decoded = [one.decode() for one in found]
        return [one for one in decoded if one is not None and (kind is None or isinstance(one, kind))]

    def package(self, run: RunId) -> Artifact | None:
        with self.database.reading() as reading:
            return self.artifacts.of_run(reading, run)

    def await_run(self, commit: CommitHash, *states: RunState) -> RunSummary:
        """Wait until the commit's run has ended, or is in one of these states."""

        def there() -> RunSummary | None:
            found = self.run_of(commit)
            right = found is not None and (found.state in states if states else found.state.ended)
            return found if right else None

        return wait_for(there)

    def await_job(self, run: RunId, name: str, state: JobState, attempt: int = 1) -> Job:
        def there() -> Job | None:
            job = self.jobs(run)[name]
            return job if job.state is state and job.attempt >= attempt else None

        return wait_for(there)

    def await_printed(self, run: RunId, name: str, text: str) -> None:
        wait_for(lambda: text in self.log(run, name) or None)


def commit_files(data: Path, git: Git, files: Mapping[str, str], branch: str = "main") -> CommitHash:
    """A commit with these files (and nothing else) on top of the branch; "-> there" is a link."""
    work = data / "checkout"
    bare = git.path(SHOP)
    if not work.is_dir():
        _git(data, "init", "-q", "-b", "main", "checkout")
    _git(work, "checkout", "-q", "-B", branch)
    _git(work, "rm", "-rqf", "--ignore-unmatch", ".")
    for name, content in files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("-> "):
            path.symlink_to(content[3:])
        else:
            path.write_text(content)
    _git(work, "add", "-A")
    _git(work, "commit", "-q", "--allow-empty", "-m", "a change")
    _git(bare, "fetch", "-q", "--force", str(work), f"{branch}:refs/heads/{branch}")
    return CommitHash(_git(work, "rev-parse", "HEAD"))


def wait_for(look: Callable[[], T | None], seconds: float = 100.0) -> T:
    end = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < end, "it never came to this"
        time.sleep(0.02)
    return found


@contextmanager
def running(data: Path, *, parallel: int = 2) -> Iterator[Line]:
    line = Line(data, parallel=parallel)
    line.create()
    line.start()
    try:
        yield line
    finally:
        line.stop()


def _git(folder: Path, *words: str) -> str:
    identity = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Maxine"), ("EMAIL", "maxine@parts.example"))
    }
    clean = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "PATH": os.environ["PATH"], **identity}
    done = subprocess.run(["git", *words], cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
