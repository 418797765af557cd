"""Parts Unlimited as it is, deployed by real workflows into real sandboxes behind a real Envoy."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from andon.flow.artifacts.contract import Provenance
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.deployments.execution import Execution
from andon.flow.deployments.reactions import reactions as deployment_reactions
from andon.flow.deployments.service.deployments import DeploymentService
from andon.flow.deployments.workflows import deploy_workflow
from andon.flow.environments.contract import Environments
from andon.flow.pipelines.contract import RunId, RunState
from andon.flow.schema.contract.backfills import BackfillView
from andon.flow.schema.filling import Filling
from andon.flow.schema.ledger import Ledger, Story
from andon.flow.schema.reactions import reactions
from andon.flow.schema.service import BackfillService
from andon.flow.schema.workflows import backfill_workflow
from andon.flow.sources.contract import CommitHash
from andon.kernel.access import SYSTEM
from andon.kernel.events.reactions import Reactor
from andon.kernel.workflows.memory import InMemoryWorkflows
from tests.flow.environments.place import Place
from tests.flow.installation import STORE, Installation

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
ENVIRONMENT = "production"


class PartsUnlimited(Installation):
    """An installation whose environments run; ``version`` commits and builds the shop with a change upon it."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.database, place.data)
        self.real = place
        environments: Environments = place.built.environments
        self.environments = environments  # type: ignore[assignment]  # the real one, where others imagine it
        self.router = place.router
        self.deployments = DeploymentService(
            database=place.database,
            bell=self.bell,
            sources=self.sources,
            definitions=YamlDefinitionReader(),
            configuration=place.configuration,
            environments=environments,
            router=place.router,
            pipelines=self.pipelines,
        )
        self.backfills = BackfillService()
        self.deployments.guarded_by(self.backfills)
        execution = Execution(
            database=place.database,
            service=self.deployments,
            environments=environments,
            router=place.router,
            confirm_seconds=0.0,
        )
        filling = Filling(
            database=place.database,
            service=self.backfills,
            environments=environments,
            sources=self.sources,
            definitions=YamlDefinitionReader(),
            retry_seconds=0.0,
        )
        self.ledger = Ledger(
            backfills=self.backfills,
            deployments=self.deployments,
            contracting=self.deployments,
            sources=self.sources,
            definitions=YamlDefinitionReader(),
        )
        self.workflows = InMemoryWorkflows([deploy_workflow(execution), backfill_workflow(filling)])
        both = (
            *deployment_reactions(self.deployments, self.workflows, self.router),
            *reactions(self.backfills, filling, self.workflows),
        )
        self.reactor = Reactor(place.database, self.bell, both)
        self.create()

    @property
    def checkout(self) -> Path:
        return self.folder / "checkouts" / STORE

    def version(self, *changes: str, more: dict[str, str] | None = None) -> CommitHash:
        """The shop with these changes copied over it, built and through its pipeline."""
        if not self.checkout.is_dir():
            self.commit(files={"andon.yaml": "stages: {}\n"})  # makes the checkout
        for source in (EXAMPLES / "store", *(EXAMPLES / "store-changes" / one for one in changes)):
            ignored = shutil.ignore_patterns("__pycache__", "MESSAGE", "tests")
            shutil.copytree(source, self.checkout, ignore=ignored, dirs_exist_ok=True)
        definition = self.checkout / "andon.yaml"
        definition.write_text(definition.read_text("utf-8").replace("instances: 2", "instances: 1"), "utf-8")
        return self.built(more, through="production")

    def build(self, run: RunId, *, through: str = "commit", failed: str = "", state: RunState | None = None) -> None:
        digest, size, count = self.artifacts.pack(self.checkout, ["store/**"])
        with self.database.transaction() as tx:
            found = self.pipelines.run(tx, run)
            provenance = Provenance(commit=found.commit, run=run, command="", builder="a test", inputs=())
            self.artifacts.publish(tx, service=STORE, digest=digest, size=size, files=count, provenance=provenance)
        self.reach(run, through=through, failed=failed, state=state)

    # Questions

    @property
    def serving(self) -> CommitHash:
        live = self.place().live
        assert live is not None
        return live.commit

    @property
    def backfill(self) -> BackfillView:
        with self.database.reading() as reading:
            found = self.backfills.current(reading, STORE, ENVIRONMENT)
        assert found is not None
        return found

    def has_begun_to_fill(self) -> bool:
        with self.database.reading() as reading:
            return self.backfills.current(reading, STORE, ENVIRONMENT) is not None

    @property
    def story(self) -> Story:
        with self.database.reading() as reading:
            return self.ledger.story(reading, STORE, ENVIRONMENT)

    def contract(self) -> str:
        """Give rollbacks up and contract; how that ended."""
        with self.database.transaction() as tx:
            asked = self.deployments.contract(tx, SYSTEM, STORE, ENVIRONMENT, give_up_rollback=True)
        self.settle()
        return self.view(asked).state.value

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.place().address + path, timeout=60, trust_env=False)

    @contextmanager
    def book(self) -> Iterator[sqlite3.Connection]:
        """The shop's own database, as the environment's data folder holds it."""
        path = self.real.built.layout.data(STORE, ENVIRONMENT) / "store.db"
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            yield connection

    def ask(self, question: str) -> object:
        with self.book() as book:
            return book.execute(question).fetchone()[0]
