from __future__ import annotations

from pathlib import Path

import pytest

from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.own.names import METRICS
from andon.kernel.db import Database
from tests.flow.installation import Installation


def undeclared(intake: MemoryIntake) -> set[tuple[str, str]]:
    """Names and labels that the list of metrics does not have."""
    declared = {one.name: one for one in METRICS}
    return {
        (one.name, label)
        for one in intake.series
        for label, _ in one.labels
        if one.name not in declared or label not in declared[one.name].labels
    }


@pytest.fixture
def local(sqlite_database: Database, tmp_path: Path) -> Installation:
    """A First Way with the repository ``store`` in it."""
    made = Installation(sqlite_database, tmp_path / "flow")
    made.create()
    return made
