"""Proposals for repositories of each kind: what is in them, and that they read without faults."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.flow.definition.contract import Definition, Network
from andon.flow.definition.detect import Proposal, RepositoryKind, propose
from andon.flow.definition.reader import YamlDefinitionReader

READER = YamlDefinitionReader()

REPOSITORIES: dict[str, tuple[RepositoryKind, bool, dict[str, str]]] = {
    "fastapi": (
        RepositoryKind.PYTHON,
        True,
        {
            "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\ndependencies = ["fastapi>=0.1", "uvicorn"]\n'
            '[project.optional-dependencies]\ntest = ["pytest"]\n',
            "src/shop/__init__.py": "",
            "src/shop/web.py": "from fastapi import FastAPI\n\napi = FastAPI(title='x')\n",
        },
    ),
    "flask": (
        RepositoryKind.PYTHON,
        True,
        {
            "requirements.txt": "Flask==3\n# x\n-e .\n",
            "app.py": "import flask\napplication: flask.Flask = flask.Flask(__name__)\n",
        },
    ),
    "django": (
        RepositoryKind.PYTHON,
        True,
        {
            "requirements.txt": "Django\ngunicorn\n",
            "manage.py": "",
            "shop/wsgi.py": "application = get_wsgi_application()",
        },
    ),
    "litestar without its application": (
        RepositoryKind.PYTHON,
        False,
        {"requirements.txt": "litestar", "make_app.py": "def create(): ..."},
    ),
    "python library": (
        RepositoryKind.PYTHON,
        False,
        {"setup.py": "from setuptools import setup\nsetup()", "tests/conftest.py": ""},
    ),
    "python script": (RepositoryKind.PYTHON, False, {"tool.py": "print()"}),
    "broken pyproject": (RepositoryKind.PYTHON, False, {"pyproject.toml": "[[[", "conftest.py": ""}),
    "node service": (
        RepositoryKind.NODE,
        True,
        {
            "package.json": '{"scripts": {"test": "jest", "lint": "eslint", "build": "tsc", "start": "node ."}}',
            "package-lock.json": "{}",
        },
    ),
    "node library": (
        RepositoryKind.NODE,
        False,
        {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}', "yarn.lock": ""},
    ),
    "node nonsense": (RepositoryKind.NODE, False, {"package.json": "[" * 100_000, "pnpm-lock.yaml": ""}),
    "go service": (RepositoryKind.GO, True, {"go.mod": "module x", "cmd/shop/main.go": "package main\n"}),
    "go library": (RepositoryKind.GO, False, {"go.mod": "module x", "x.go": "package x\n"}),
    "go with two programs": (
        RepositoryKind.GO,
        False,
        {"go.mod": "module x", "cmd/a/main.go": "package main\n", "cmd/b/main.go": "package main\n"},
    ),
    "make service": (RepositoryKind.MAKE, True, {"Makefile": "test:\n\ttrue\nlint: x\nx := 1\ndist:\nserve:\n"}),
    "make": (RepositoryKind.MAKE, False, {"Makefile": "check:\n\ttrue\n"}),
    "make without test": (RepositoryKind.MAKE, False, {"Makefile": "all:\n"}),
    "plain": (RepositoryKind.PLAIN, False, {"README": "hello"}),
    "empty": (RepositoryKind.PLAIN, False, {}),
}


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def sound(proposal: Proposal) -> Definition:
    return READER.read(proposal.text.encode())


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_proposal_reads_without_faults(name: str, tmp_path: Path) -> None:
    kind, deploys, files = REPOSITORIES[name]
    proposal = propose(lay(tmp_path, files), schema_url="https://andon.test/andon.schema.json")
    assert proposal.kind is kind
    assert proposal.text.startswith("# yaml-language-server: $schema=https://andon.test/andon.schema.json\n")
    definition = sound(proposal)
    assert [stage.name for stage in definition.stages] == (
        ["commit", "acceptance", "production"] if deploys else ["commit"]
    )
    if not deploys:
        # what is commented out is as sound as the rest
        uncommented = re.sub(r"^#( *[a-z].*)$", r"\1", proposal.text.split("\n", 1)[1], flags=re.MULTILINE)
        whole = READER.read(uncommented.encode())
        assert [stage.name for stage in whole.stages] == ["commit", "acceptance", "production"]


def test_a_fastapi_service_is_tested_packaged_and_run(tmp_path: Path) -> None:
    definition = sound(propose(lay(tmp_path, REPOSITORIES["fastapi"][2])))
    (job,) = definition.stages[0].jobs
    assert "pip install --quiet '.[test]' pytest\n" in job.command
    assert (job.caches, job.network, job.reports) == ((".venv",), Network.HOST, ("reports/tests.xml",))
    assert definition.package is not None
    assert definition.package.command == "python3 -m pip install --quiet --target vendor ."
    assert definition.processes[0].command == (
        'exec env PYTHONPATH=vendor:src python3 -m uvicorn shop.web:api --host 127.0.0.1 --port "$PORT"'
    )


def test_a_wsgi_service_without_a_server_gets_one_and_is_told(tmp_path: Path) -> None:
    proposal = propose(lay(tmp_path, REPOSITORIES["flask"][2]))
    assert 'waitress --listen="127.0.0.1:$PORT" app:application' in sound(proposal).processes[0].command
    assert any("waitress is added" in note for note in proposal.notes)


def test_a_django_service_gets_its_migrations(tmp_path: Path) -> None:
    definition = sound(propose(lay(tmp_path, REPOSITORIES["django"][2])))
    assert "gunicorn shop.wsgi:application" in definition.processes[0].command
    assert definition.migrations.expand is not None
    assert definition.migrations.contract is None


def test_a_repository_nobody_can_test_gets_a_job_that_fails(tmp_path: Path) -> None:
    proposal = propose(lay(tmp_path, REPOSITORIES["node library"][2]))
    assert sound(proposal).stages[0].jobs[0].command.endswith("exit 1\n")
    assert proposal.notes


def test_it_follows_no_link_and_waits_for_no_pipe(tmp_path: Path) -> None:
    secret = lay(tmp_path / "elsewhere", {"requirements.txt": "flask", "app.py": "app = Flask(__name__)\n"})
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "requirements.txt").symlink_to(secret / "requirements.txt")
    (root / "src").symlink_to(secret, target_is_directory=True)
    os.mkfifo(root / "package.json")
    (root / "go.mod").mkdir()
    assert propose(root).kind is RepositoryKind.PLAIN


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=200), st.sampled_from(["package.json", "requirements.txt", "pyproject.toml", "Makefile", "go.mod"])
)
def test_whatever_a_repository_holds_the_proposal_is_sound(
    text: str,
    name: str,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        sound(propose(Path(folder), schema_url=f"./x{text}"))
