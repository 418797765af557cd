"""A worker with one backfill, to be killed: real workflows, a real database of Andon's, a real one of the shop's."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from andon.app.tables import load_all_tables
from andon.flow.definition.contract import DefinitionReader, MigrationDefinition
from andon.flow.environments.contract import CommandOutcome, Environments
from andon.flow.schema.contract.backfills import BackfillView
from andon.flow.schema.filling import Filling
from andon.flow.schema.service import BackfillService
from andon.flow.schema.workflows import BACKFILL, backfill_workflow
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.db import Database, open_engine
from andon.kernel.workflows.durable import DurableWorkflows
from tests.flow.schema.shop import DEFINED, Shop, run

COMMIT = CommitHash("1" * 40)
STORE = Service("store")


class Place:
    """An environment in which ``COMMIT`` is live for ever."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, _reading: object, _service: Service, _environment: str) -> SimpleNamespace:
        return SimpleNamespace(live=SimpleNamespace(id="set_1", commit=COMMIT))

    def run_command(
        self,
        _set: str,
        *,
        key: str,
        command: str,
        timeout: float,
        variables: Mapping[str, str],
        stopping: Callable[[], bool],
    ) -> CommandOutcome:
        return run(self.folder / "logs", command, variables, Shop(self.folder))


class Declared(Filling):
    def migrations(self, service: Service, commit: CommitHash) -> MigrationDefinition | None:
        return DEFINED


def main(folder: Path) -> None:
    database = Database(open_engine(f"sqlite:///{folder / 'andon.db'}"))
    load_all_tables().create_all(database.engine)
    service = BackfillService()
    filling = Declared(
        database=database,
        service=service,
        environments=cast(Environments, Place(folder)),
        sources=cast(Sources, None),
        definitions=cast(DefinitionReader, None),
    )
    workflows = DurableWorkflows(folder / "workflows.db", [backfill_workflow(filling)], executor="worker")
    workflows.launch()
    found = current(database, service)
    if found is None:
        with database.transaction() as tx:
            service.begin(tx, STORE, "production", COMMIT, DEFINED)
        found = current(database, service)
        assert found is not None
        workflows.start(BACKFILL, found.id, key=f"{found.id}:1")
    while found is not None and not found.state.ended:
        time.sleep(0.05)
        found = current(database, service)
    assert workflows.stop()
    database.close()


def current(database: Database, service: BackfillService) -> BackfillView | None:
    with database.reading() as reading:
        return service.current(reading, STORE, "production")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
