"""An Andon whose console is looked at: runs in every state, driven by the same use cases that the worker calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from andon.app.authority import GrantedAuthority
from andon.flow.artifacts.contract import Digest
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.environments.pages import environment_entries, environments_pages
from andon.flow.flags.room import build_flags
from andon.flow.pipelines.contract import JobState, RunId, StageState
from andon.flow.pipelines.folders import RunFolders
from andon.flow.pipelines.model import Job, JobKind, JobResult, Package
from andon.flow.pipelines.pages import run_entries, run_pages
from andon.flow.pipelines.service import Progress
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM, Principal
from andon.kernel.db import Database
from andon.kernel.logs.writer import LogWriter
from andon.kernel.settings import Settings
from andon.web.http.authentication import CookieNames
from andon.web.room import Room
from tests.flow.installation import STORE, Installation
from tests.serving import Browser, serving, settings_for


class Shown(Installation):
    """``drive`` a run as the worker would, with results that are given instead of earned."""

    def __init__(self, database: Database, folder: Path) -> None:
        super().__init__(database, folder)
        self.folders = RunFolders(folder / "runs")
        self.progress = Progress(
            service=self.pipelines,
            sources=self.sources,
            artifacts=self.artifacts,
            authority=GrantedAuthority(),
            builder="andon 0.1.0",
        )
        self.flags = build_flags(
            database,
            sources=self.sources,
            definitions=YamlDefinitionReader(),
            environments=self.environments,
            authority=GrantedAuthority(),
        )

    def rooms(self) -> tuple[Room, ...]:
        return (*super().rooms(), self.pipelines_room(), self.environments_room())

    def environments_room(self) -> Room:
        handlers = environments_pages(
            self.environments.recorded,
            configuration=self.configuration,
            deployments=self.deployments,
            end=self.deployments,
            sources=self.sources,
            people=self.people,
            note=self.flags.note,
        )
        return Room(
            name="environments",
            templates="andon.flow.environments",
            handlers=tuple(handlers),
            entries=environment_entries(self.environments.recorded),
        )

    def pipelines_room(self) -> Room:
        handlers = run_pages(
            self.pipelines,
            sources=self.sources,
            artifacts=self.artifacts,
            deployments=self.deployments,
            people=self.people,
            folders=self.folders,
        )
        return Room(
            name="pipelines",
            templates="andon.flow.pipelines",
            handlers=tuple(handlers),
            entries=run_entries(self.pipelines),
        )

    def enter(self, run: RunId, stage: int) -> bool:
        """Begin a run's stage; false when it waits, or is not for this branch."""
        with self.database.transaction() as tx:
            self.progress.begin(tx, run)
            entry = self.progress.enter(tx, run, stage)
            if entry.answer is not None:
                if entry.answer.value == "waiting":
                    self.progress.finish(tx, run, entry.answer)
                return False
            self.progress.begin_jobs(tx, entry.run, stage)
            self.progress.advance(tx, entry.run, stage)
        return True

    def job(self, run: RunId, name: str) -> Job:
        with self.database.reading() as reading:
            return next(one for one in self.pipelines.jobs(reading, run) if one.name == name)

    def start_job(self, run: RunId, name: str, *, says: bytes = b"") -> int:
        one = self.job(run, name)
        with self.database.transaction() as tx:
            whole = self.progress.enter(tx, run, one.stage).run
            attempt = self.progress.start_attempt(tx, whole, one)
        assert attempt is not None
        if says:
            writer = LogWriter(self.folders.log(run, one.id, attempt))
            writer.write(says)
            writer.close()
        return attempt

    def end_job(self, run: RunId, name: str, result: JobResult | None = None) -> None:
        one = self.job(run, name)
        if result is None:
            package = self.package(run) if one.kind is JobKind.PACKAGE else None
            result = JobResult(outcome=JobState.PASSED, exit_code=0, package=package)
        with self.database.transaction() as tx:
            whole = self.progress.enter(tx, run, one.stage).run
            assert self.progress.end_attempt(tx, whole, one, one.attempt, result)
            self.progress.advance(tx, whole, one.stage)

    def end_stage(self, run: RunId, stage: int, *, failed: StageState | None = None, reason: str = "") -> None:
        """Record how the stage ended; the run ends when there is nothing left to do."""
        with self.database.transaction() as tx:
            whole = self.progress.enter(tx, run, stage).run
            answer = self.progress.end_stage(tx, whole, stage, failed=failed, reason=reason)
            assert answer is not None
            last = stage == len(whole.definition.stages) - 1
            if answer.value != "passed" or last:
                self.progress.finish(tx, run, answer)

    def pass_jobs(self, run: RunId, stage: int) -> None:
        """Let every job of a stage pass, and with them the stage."""
        assert self.enter(run, stage)
        with self.database.reading() as reading:
            names = [one.name for one in self.pipelines.jobs(reading, run) if one.stage == stage]
        for name in names:
            self.start_job(run, name, says=f"{name} says so\n".encode())
            self.end_job(run, name)
        self.end_stage(run, stage)

    def deploy_stage(self, run: RunId, stage: int) -> bool:
        """What a stage that deploys begins with; false when it waits for somebody."""
        with self.database.transaction() as tx:
            self.progress.begin(tx, run)
            entry = self.progress.enter(tx, run, stage)
            if entry.answer is not None:
                self.progress.finish(tx, run, entry.answer)
                return False
            found = entry.run
            environment = found.definition.stages[stage].environment
            assert environment is not None
            made = self.deployments.request(
                tx, SYSTEM, service=found.service, environment=environment, commit=found.commit, run=run
            )
            self.progress.note_deployment(tx, run, stage, made)
        self.settle()
        return True

    def package(self, run: RunId) -> Package:
        tree = self.folder / "trees" / run
        (tree / "app").mkdir(parents=True, exist_ok=True)
        (tree / "app" / "main.py").write_text(f"VERSION = {run!r}\n")
        digest, size, files = self.artifacts.pack(tree, ["app/**"])
        return Package(digest=Digest(digest), size=size, files=files)

    def refuse(
        self,
        files: Mapping[str, str],
        *,
        by: Principal,
        service: Service = STORE,
        message: str = "Break it",
        branch: str = "main",
    ) -> None:
        """Push a commit whose ``andon.yaml`` cannot be used."""
        commit = self.commit(service, files, message=message)
        with self.database.transaction() as tx:
            made = self.pipelines.queue(
                tx,
                service=service,
                commit=commit,
                branch=branch,
                pushed_at=tx.now,
                person=by.person,
                by=by.actor,
                key=commit,
            )
        assert made is None


class Console:
    """The console on a port of this machine."""

    def __init__(self, installation: Shown, settings: Settings) -> None:
        self.installation = installation
        self.address = settings.address
        self.cookie = CookieNames.of(settings).session

    def browser(self, who: Principal) -> Browser:
        """Somebody's browser, signed in."""
        browser = Browser(self.address)
        browser.cookies.set(self.cookie, self.installation.session(who))
        return browser


@contextmanager
def console_of(installation: Shown) -> Iterator[Console]:
    """Serve an installation's rooms until the block ends."""
    settings = settings_for(installation.folder, "sqlite://")
    with serving(settings, installation.database, installation.rooms(), installation.passwords, installation.bell):
        yield Console(installation, settings)
