"""A First Way with real git, real definitions, real runs and deployments; what runs and what routes is imagined."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from argon2 import PasswordHasher

from andon.app.authority import GrantedAuthority
from andon.flow.artifacts.contract import Provenance
from andon.flow.artifacts.service import ArtifactService
from andon.flow.artifacts.store import FileStore
from andon.flow.configuration.sealing import FileSecretBox
from andon.flow.configuration.service import ConfigurationService
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.deployments.contract import DeploymentId, DeploymentState, DeploymentView
from andon.flow.deployments.execution import Execution
from andon.flow.deployments.reactions import reactions
from andon.flow.deployments.room import deployments_room
from andon.flow.deployments.service.deployments import DeploymentService
from andon.flow.deployments.workflows import deploy_workflow
from andon.flow.environments.contract import EnvironmentView, SetId
from andon.flow.environments.memory import InMemoryEnvironments
from andon.flow.flags.room import build_flags
from andon.flow.overview.room import overview_room
from andon.flow.pipelines import storage as runs
from andon.flow.pipelines.contract import RunFinished, RunId, RunState, RunSummary, StageState
from andon.flow.pipelines.service import PipelineService
from andon.flow.routing.memory import InMemoryDataPlane
from andon.flow.routing.service import RouterService
from andon.flow.sources import service as repositories
from andon.flow.sources.adapters.sources import GitSources
from andon.flow.sources.contract import NO_COMMIT, BranchPushed, CommitHash, PushId, Service
from andon.flow.sources.git import Git
from andon.flow.sources.telling import source_telling
from andon.kernel.access import SYSTEM, Grant, PersonId, Principal, Role, people, signing_in, tokens
from andon.kernel.access.passwords import Passwords
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.db import Database
from andon.kernel.events import Actor, ActorKind, Bell, Event, Facets, append, page
from andon.kernel.events.reactions import Reactor, failed_deliveries
from andon.kernel.ids import new_id
from andon.kernel.workflows.memory import InMemoryWorkflows
from andon.web.room import Room

STORE = Service("store")
CONSOLE = "http://127.0.0.1:7766"
PASSWORD = "three parts and no more"

DEFINITION = """
stages:
  commit:
    jobs:
      unit: { run: python3 -m unittest }
  acceptance:
    environment: acceptance
    jobs:
      journeys: { run: python3 -m journeys }
  production:
    environment: production
    when: WHEN
package:
  files: [app/**]
run:
  web:
    command: exec python3 -m app
    port: 8000
smoke:
  one order:
    command: python3 -m smoke
    cleanup: python3 -m smoke --cleanup
migrations:
  expand: python3 -m migrate expand
  contract: python3 -m migrate contract
environments:
  acceptance:
    instances: 1
    keep_warm: 1
  production:
    instances: 3
    keep_warm: 2
"""


def definition(*, when: str = "automatic", more: str = "") -> str:
    return DEFINITION.replace("WHEN", when) + more


class Installation:
    """``sign_up`` people, ``create`` a repository, ``commit``, ``push``, ``build``, then deploy."""

    def __init__(self, database: Database, folder: Path, *, confirm_seconds: float = 0.0) -> None:
        self.database = database
        self.folder = folder
        self.bell = Bell(database)
        self.git = Git(folder / "repositories")
        self.git.prepare()
        self.sources = GitSources(self.git)
        definitions = YamlDefinitionReader()
        self.artifacts = ArtifactService(FileStore(folder / "artifacts"), keep_days=30)
        self.configuration = ConfigurationService(FileSecretBox(folder / "secrets.key"))
        self.environments = InMemoryEnvironments(
            database, sources=self.sources, definitions=definitions, folder=folder / "environments"
        )
        self.plane = InMemoryDataPlane()
        flags = build_flags(
            database,
            sources=self.sources,
            definitions=definitions,
            environments=self.environments,
            authority=GrantedAuthority(),
        )
        self.segments, self.audiences = flags.segments, flags.audiences
        self.router = RouterService(
            database=database,
            environments=self.environments,
            plane=self.plane,
            host="127.0.0.1",
            segments=self.audiences,
        )
        self.pipelines = PipelineService(sources=self.sources, definitions=definitions, artifacts=self.artifacts)
        self.deployments = DeploymentService(
            database=database,
            bell=self.bell,
            sources=self.sources,
            definitions=definitions,
            configuration=self.configuration,
            environments=self.environments,
            router=self.router,
            pipelines=self.pipelines,
        )
        self.execution = Execution(
            database=database,
            service=self.deployments,
            environments=self.environments,
            router=self.router,
            confirm_seconds=confirm_seconds,
        )
        self.workflows = InMemoryWorkflows([deploy_workflow(self.execution)])
        self.reactor = Reactor(database, self.bell, reactions(self.deployments, self.workflows, self.router))
        self.people = PeopleDirectory()
        # The cheapest hash there is: a test signs in, it does not guard anything.
        self.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self._hash = ""

    def rooms(self) -> tuple[Room, ...]:
        return (
            overview_room(
                sources=self.sources,
                runs=self.pipelines,
                deployments=self.deployments,
                environments=self.environments,
                people=self.people,
                console=CONSOLE,
            ),
            deployments_room(
                database=self.database,
                service=self.deployments,
                execution=self.execution,
                workflows=self.workflows,
                environments=self.environments,
                pipelines=self.pipelines,
                sources=self.sources,
                configuration=self.configuration,
                router=self.router,
                people=self.people,
                console=CONSOLE,
            ),
            Room(name="sources", telling=source_telling(self.sources)),
        )

    # People

    def sign_up(self, name: str, *grants: Grant) -> Principal:
        """Somebody with an account; the password is ``PASSWORD``."""
        if not self._hash:
            self._hash = self.passwords.hash(PASSWORD)
        with self.database.transaction() as tx:
            link = people.invite(tx, name=name, email=None, roles=grants, by=SYSTEM.actor)
            person = people.accept_invitation(tx, link.secret, password_hash=self._hash)
            return Principal(
                actor=Actor(ActorKind.PERSON, person, person),
                person=person,
                grants=signing_in.grants_of(tx, person),
            )

    def session(self, who: Principal) -> str:
        """The secret of a new session, for the cookie."""
        assert who.person is not None
        with self.database.transaction() as tx:
            return signing_in.open_session(tx, PersonId(who.person), agent="a test", hours=12).secret

    def token(self, who: Principal) -> str:
        with self.database.transaction() as tx:
            return tokens.create_token(tx, who, label="a test").secret

    # Repositories and runs

    def create(self, service: Service = STORE) -> None:
        with self.database.transaction() as tx:
            repositories.create_repository(tx, self.git, SYSTEM, service, "main")

    def commit(
        self,
        service: Service = STORE,
        files: Mapping[str, str] | None = None,
        *,
        message: str = "Change it",
        author: str = "Maxine",
        branch: str = "main",
        at: str = "",
    ) -> CommitHash:
        """A commit with ``files`` changed; without ``andon.yaml`` there, :func:`definition` is written."""
        work = self.folder / "checkouts" / service
        if not work.is_dir():
            work.mkdir(parents=True)
            _git(work, "init", "-q", "-b", branch)
        content = dict(files or {})
        if not (work / "andon.yaml").exists():
            content.setdefault("andon.yaml", definition())
        content.setdefault("app/stamp.txt", new_id("st"))
        for name, text in content.items():
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        _git(work, "checkout", "-q", "-B", branch)
        _git(work, "add", "-A")
        _git(work, "commit", "-q", "-m", message, author=author, at=at)
        _git(self.git.path(service), "fetch", "-q", "--force", str(work), f"{branch}:refs/heads/{branch}")
        return CommitHash(_git(work, "rev-parse", "HEAD"))

    def push(
        self, commit: CommitHash, *, by: Principal = SYSTEM, service: Service = STORE, branch: str = "main"
    ) -> RunId:
        """Tell the record of the push and make its run, as the reaction does."""
        with self.database.transaction() as tx:
            pushed = BranchPushed(
                push=PushId(new_id("push")),
                service=service,
                branch=branch,
                before=NO_COMMIT,
                commit=commit,
                forced=False,
            )
            key = append(tx, pushed, by=by.actor)
            run = self.pipelines.queue(
                tx,
                service=service,
                commit=commit,
                branch=branch,
                pushed_at=tx.now,
                person=by.person,
                by=by.actor,
                key=key,
            )
        assert run is not None, "its andon.yaml is faulty"
        return run

    def build(self, run: RunId, *, through: str = "commit", failed: str = "", state: RunState | None = None) -> None:
        """Let a run have come to somewhere: its package is published, its stages up to ``through`` have passed."""
        with self.database.reading() as reading:
            found = self.pipelines.run(reading, run)
        tree = self.folder / "trees" / run
        (tree / "app").mkdir(parents=True)
        (tree / "app" / "main.py").write_text(f"VERSION = {found.commit!r}\n")
        digest, size, count = self.artifacts.pack(tree, ["app/**"])
        with self.database.transaction() as tx:
            provenance = Provenance(commit=found.commit, run=run, command="", builder="a test", inputs=())
            self.artifacts.publish(
                tx, service=found.service, digest=digest, size=size, files=count, provenance=provenance
            )
        self.reach(run, through=through, failed=failed, state=state)

    def reach(self, run: RunId, *, through: str, failed: str = "", state: RunState | None = None) -> None:
        """Mark stages up to ``through`` as passed, ``failed`` as failed, and the run as what follows from it."""
        with self.database.transaction() as tx:
            found = self.pipelines.run(tx, run)
            names = [stage.name for stage in found.stages]
            last = names.index(through) if through else -1
            for place, name in enumerate(names):
                became = StageState.PASSED if place <= last else StageState.PENDING
                if name == failed:
                    became = StageState.FAILED
                elif place == last + 1 and state is RunState.WAITING:
                    became = StageState.WAITING
                elif place == last + 1 and state is RunState.RUNNING:
                    became = StageState.RUNNING
                times = {} if became is StageState.PENDING else {"started_at": tx.now}
                if became in {StageState.PASSED, StageState.FAILED}:
                    times["ended_at"] = tx.now
                runs.update_stage(tx.connection, run, place, state=became, **times)
            ended = RunState.FAILED if failed else RunState.PASSED if last == len(names) - 1 else None
            now = state or ended or RunState.RUNNING
            runs.update_run(tx.connection, run, state=now, started_at=tx.now, ended_at=tx.now if now.ended else None)
            if now.ended:
                finished = RunFinished(
                    run=run, service=found.service, commit=found.commit, outcome=now, reason=f"{failed} failed"
                )
                append(tx, finished, by=SYSTEM.actor)

    def built(
        self,
        files: Mapping[str, str] | None = None,
        *,
        by: Principal = SYSTEM,
        service: Service = STORE,
        message: str = "Change it",
        through: str = "production",
        failed: str = "",
    ) -> CommitHash:
        """A commit that was pushed and whose run has come so far."""
        commit = self.commit(service, files, message=message)
        self.build(self.push(commit, by=by, service=service), through=through, failed=failed)
        return commit

    def run(self, run: RunId) -> RunSummary:
        with self.database.reading() as reading:
            return self.pipelines.run(reading, run)

    # Deployments

    def request(
        self,
        commit: CommitHash,
        environment: str = "production",
        *,
        by: Principal = SYSTEM,
        service: Service = STORE,
        override: str | None = None,
        key: str | None = None,
    ) -> DeploymentId:
        with self.database.transaction() as tx:
            return self.deployments.request(
                tx, by, service=service, environment=environment, commit=commit, override=override, key=key
            )

    def deploy(
        self,
        commit: CommitHash,
        environment: str = "production",
        *,
        by: Principal = SYSTEM,
        service: Service = STORE,
    ) -> DeploymentView:
        """Ask for a deployment and let everything come to its end."""
        made = self.request(commit, environment, by=by, service=service)
        self.settle()
        return self.view(made)

    def settle(self) -> None:
        """React to what has happened and wait for what that began, until nothing happens any more."""
        while self.react():
            self.workflows.join()

    def react(self) -> bool:
        """React to what has happened, without waiting for the workflows."""
        worked = self.reactor.turn()
        with self.database.reading() as reading:
            assert [one.error for one in failed_deliveries(reading)] == []
        return worked

    def view(self, deployment: DeploymentId) -> DeploymentView:
        with self.database.reading() as reading:
            return self.deployments.get(reading, deployment)

    def state(self, deployment: DeploymentId) -> DeploymentState:
        return self.view(deployment).state

    def place(self, environment: str = "production", service: Service = STORE) -> EnvironmentView:
        with self.database.reading() as reading:
            found = self.environments.find(reading, service, environment)
        assert found is not None
        return found

    def live(self, environment: str = "production", service: Service = STORE) -> CommitHash | None:
        """The commit that has the traffic, as the data plane has it."""
        routed = {(one.service, one.environment): one.set for one in self.plane.table.listeners}
        found = routed.get((service, environment))
        return None if found is None else self.commit_of(found)

    def commit_of(self, set_id: SetId) -> CommitHash:
        with self.database.reading() as reading:
            return self.environments.set(reading, set_id).commit

    def events(self, *kinds: type[Event]) -> list[Event]:
        with self.database.reading() as reading:
            found = [one.decode() for one in page(reading, Facets(), after=0, limit=10_000)]
        return [one for one in found if one is not None and (not kinds or isinstance(one, kinds))]


def roles(*found: Role, service: str | None = None, environment: str | None = None) -> tuple[Grant, ...]:
    return tuple(Grant(one, service, environment) for one in found)


def _git(folder: Path, *words: str, author: str = "Maxine", at: str = "") -> str:
    identity = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", author), ("EMAIL", f"{author.split(maxsplit=1)[0].lower()}@parts.example"))
    }
    clean = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "PATH": os.environ["PATH"], **identity}
    if at:
        clean |= {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
    done = subprocess.run(["git", *words], cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
