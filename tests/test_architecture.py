"""The walls of the house.

The floors (app > … > kernel) are import-linter's matter, see pyproject.toml; here are the walls between the rooms of a
floor, and the order of the modules inside a room. A wall may be moved: change it here, in the same commit as the code
that needs it, and say why in docs/decisions/.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

WAYS = ("flow", "feedback", "learning", "security")
EDGES = ("api", "pages", "commands", "reactions", "adapters")
NAMED = ("room", *EDGES, "workflows", "service", "storage", "ports", "model", "contract")
PART = "part"  # a module with a name of its own, above or below the service
PURE = ("model", "contract")
OUTSIDE = {"sqlalchemy", "alembic", "litestar", "dbos", "httpx", "psycopg", "uvicorn"}

BELOW_THE_EDGE = {"workflows", "service", PART, "ports", "model", "contract"}
MAY_IMPORT: dict[str, set[str]] = {
    "room": {*NAMED, PART},
    **dict.fromkeys(EDGES, BELOW_THE_EDGE),
    "workflows": {"service", PART, "ports", "model", "contract"},
    "service": {"storage", PART, "ports", "model", "contract"},
    PART: {"service", PART, "ports", "model", "contract"},  # test_no_circles watches over parts and service
    "storage": {"model", "contract"},
    "ports": {"model", "contract"},
    "model": {"contract"},
    "contract": set(),
    "__init__": set(),
}


@dataclass(frozen=True, slots=True)
class Import:
    importer: str
    imported: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the house a module is: `andon.flow.routing.storage.weights` is room `flow.routing`, role `storage`."""

    room: str
    role: str

    @classmethod
    def of(cls, module: str) -> Place | None:
        match module.split("."):
            case ["andon", way, room] if way in WAYS:
                return cls(f"{way}.{room}", "__init__")
            case ["andon", way, room, name, *_] if way in WAYS:
                return cls(f"{way}.{room}", name if name in NAMED else PART)
        return None


def complaints(imports: Iterable[Import]) -> Iterator[str]:
    for one in imports:
        for what in broken_by(one):
            yield f"{one.importer}:{one.line} imports {one.imported}\n    {what}"


def broken_by(one: Import) -> Iterator[str]:
    package = one.imported.split(".", maxsplit=1)[0]
    if package == "dbos" and not is_within(one.importer, "andon.kernel.workflows"):
        yield (
            "only andon.kernel.workflows speaks to DBOS: its sharp edges (executor ids, recovery, patches) are "
            "handled there once, and a room that goes around it loses work at a restart"
        )
    here, there = Place.of(one.importer), Place.of(one.imported)
    if here is None:
        return
    # a contract may name the kernel's transaction in a question's signature, a model has no use for it
    too_heavy = ("andon.web",) if here.role == "contract" else ("andon.web", "andon.kernel.db")
    if here.role in PURE and (package in OUTSIDE or is_within(one.imported, *too_heavy)):
        yield (
            f"{here.role} stays free of database, web and workflow engine: it is what tests and other rooms use "
            "without starting anything"
        )
    if there is None:
        return
    if here.room != there.room:
        if there.role != "contract":
            yield (
                f"a room knows another only through {there.room}.contract: what it does inside must be free to "
                "change; ask for an event or a Protocol there, wired in andon.app"
            )
    elif there.role == "storage" and here.role not in {"service", "room", "storage"}:
        yield (
            "only service.py (and room.py, to register the tables) opens the door to the tables: a write from "
            "elsewhere is a change without its event and outside its transaction"
        )
    elif here.role != there.role and there.role not in MAY_IMPORT[here.role]:
        yield inside(here.role, there.role)


def inside(here: str, there: str) -> str:
    if here == "__init__":
        return "a room's __init__.py stays empty: whoever reads its contract would otherwise load the whole room"
    if here in EDGES and there in EDGES:
        return "edges do not know each other: what both need is a use case, so it belongs in service.py"
    return (
        f"inside a room imports go downwards only, and {there} is not below {here}: the next import the other way "
        "round would be a circle"
    )


def circle(imports: Iterable[Import]) -> list[str]:
    """The first circle among the modules (a package counts as one) of any room, or nothing."""
    below: dict[str, set[str]] = {}
    for one in imports:
        here, there = Place.of(one.importer), Place.of(one.imported)
        if here and there and here.room == there.room and "__init__" not in {here.role, there.role}:
            importer, imported = (".".join(name.split(".")[:4]) for name in (one.importer, one.imported))
            if importer != imported:
                below.setdefault(importer, set()).add(imported)
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def is_within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.fixture(scope="module")
def imports_of_andon() -> list[Import]:
    graph = grimp.build_graph("andon", include_external_packages=True, cache_dir=None)
    return [
        Import(importer, imported, min(detail["line_number"] for detail in details) if details else 0)
        for importer in sorted(graph.modules)
        if is_within(importer, "andon")
        for imported in sorted(graph.find_modules_directly_imported_by(importer))
        for details in [graph.get_import_details(importer=importer, imported=imported)]
    ]


def test_walls_stand(imports_of_andon: list[Import]) -> None:
    found = list(complaints(imports_of_andon))
    assert not found, "\n" + "\n".join(found)


def test_no_circles(imports_of_andon: list[Import]) -> None:
    found = circle(imports_of_andon)
    assert not found, f"neither of these can be read or tested without the other: {' <- '.join(found)}"


def test_a_circle_is_seen() -> None:
    service, snapshot = "andon.flow.routing.service", "andon.flow.routing.snapshot"
    assert circle([Import(service, snapshot)]) == []
    assert circle([Import(service, snapshot), Import(f"{snapshot}.parts", service)]) != []


ALLOWED = [
    ("andon.flow.routing.contract", "andon.kernel.db"),
    ("andon.flow.routing.service", "andon.flow.routing.storage"),
    ("andon.flow.routing.room", "andon.flow.routing.storage.weights"),
    ("andon.flow.routing.storage.weights", "andon.flow.routing.storage.tables"),
    ("andon.flow.routing.storage", "sqlalchemy"),
    ("andon.flow.routing.api", "andon.flow.routing.service"),
    ("andon.flow.routing.pages", "andon.web.page"),
    ("andon.flow.routing.service", "andon.flow.routing.snapshot"),
    ("andon.flow.routing.snapshot", "andon.flow.routing.service"),
    ("andon.flow.routing.storage", "andon.flow.deployments.contract"),
    ("andon.flow.routing.workflows", "andon.kernel.workflows"),
    ("andon.flow.routing.model", "andon.kernel.ids"),
    ("andon.feedback.rollouts.service", "andon.flow.routing.contract"),
    ("andon.kernel.workflows.engine", "dbos"),
    ("andon.app.main", "andon.flow.routing.room"),
]
REFUSED = [
    (
        "andon.flow.routing.service",
        "andon.flow.deployments.service",
        "only through flow.deployments.contract",
    ),
    ("andon.flow.routing.service", "andon.flow.deployments", "only through flow.deployments.contract"),
    ("andon.flow.routing.pages", "andon.flow.routing.storage", "opens the door to the tables"),
    ("andon.flow.routing.workflows", "andon.flow.routing.storage.weights", "opens the door to the tables"),
    ("andon.flow.routing.api", "andon.flow.routing.pages", "edges do not know each other"),
    ("andon.flow.routing.service", "andon.flow.routing.api", "downwards only"),
    ("andon.flow.routing.contract", "andon.flow.routing.model", "downwards only"),
    ("andon.flow.routing.service", "andon.flow.routing.room", "downwards only"),
    ("andon.flow.routing.snapshot", "andon.flow.routing.storage", "opens the door to the tables"),
    ("andon.flow.routing.snapshot", "andon.flow.routing.api", "downwards only"),
    ("andon.flow.routing", "andon.flow.routing.service", "stays empty"),
    ("andon.flow.routing.model", "sqlalchemy", "stays free of database"),
    ("andon.flow.routing.model.weights", "andon.kernel.db", "stays free of database"),
    ("andon.flow.routing.workflows", "dbos", "only andon.kernel.workflows"),
    ("andon.kernel.events", "dbos", "only andon.kernel.workflows"),
]


@pytest.mark.parametrize(("importer", "imported"), ALLOWED)
def test_doors_are_open(importer: str, imported: str) -> None:
    assert list(complaints([Import(importer, imported)])) == []


@pytest.mark.parametrize(("importer", "imported", "because"), REFUSED)
def test_walls_hold(importer: str, imported: str, because: str) -> None:
    (complaint,) = complaints([Import(importer, imported)])
    assert because in complaint


def test_the_command_line_knows_nothing_of_the_server() -> None:
    """Every command of every user waits for what is imported here."""
    script = "import sys; from andon.app.cli import build; build(); print(*sys.modules)"
    asked = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in asked.stdout.split()}
    assert {"andon", "typer", "httpx"} <= loaded
    assert loaded & {"sqlalchemy", "litestar", "dbos", "uvicorn", "jinja2", "alembic", "cryptography"} == set()
