from __future__ import annotations

from dataclasses import dataclass

import pytest

from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.flags.places import DefinedPlaces
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.service.flags import FlagService
from andon.flow.flags.service.segments import SegmentService
from andon.kernel.access import Grant, Principal, Role
from tests.flow.installation import Installation, definition

SECOND_PERSON = definition().replace("    keep_warm: 2\n", "    keep_warm: 2\n    flags: { second_person: true }\n")


@dataclass(frozen=True, slots=True)
class Flagged:
    """An installation with the repository ``store``, its environments acceptance and production, and people."""

    installation: Installation
    flags: FlagService
    segments: SegmentService
    maxine: Principal
    """A developer."""
    patty: Principal
    """Another one."""
    wes: Principal
    """May look on."""


def flagged(installation: Installation, andon_yaml: str = "") -> Flagged:
    installation.commit(files={"andon.yaml": andon_yaml or definition()})
    documents = Documents()
    places = DefinedPlaces(installation.sources, YamlDefinitionReader(), installation.environments)
    return Flagged(
        installation=installation,
        flags=FlagService(documents, places),
        segments=SegmentService(documents, places),
        maxine=installation.sign_up("Maxine", Grant(Role.DEVELOPER, "store")),
        patty=installation.sign_up("Patty", Grant(Role.DEVELOPER, "store")),
        wes=installation.sign_up("Wes", Grant(Role.VIEWER, "store")),
    )


@pytest.fixture
def place(installation: Installation) -> Flagged:
    """On SQLite and on PostgreSQL."""
    return flagged(installation)


@pytest.fixture
def here(local: Installation) -> Flagged:
    """On SQLite only."""
    return flagged(local)


@pytest.fixture
def guarded(local: Installation) -> Flagged:
    """Production asks for a second person."""
    return flagged(local, SECOND_PERSON)
