"""Looks at a checkout and proposes an ``andon.yaml`` for it: what ``andon init`` writes.

It reads a few well-known files, bounded in size and never through a link, and runs nothing. A guess that
cannot be made well is left as a comment to fill in rather than made badly; and where it does not know how
the repository is tested, it proposes a job that fails, because a test that tests nothing is worse than none.
"""

from __future__ import annotations

import json
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from andon.flow.definition.document import ScalarType, scalar_type

MAX_READ = 256 * 1024
"""Bytes looked at of any one file."""
MAX_FILES = 400
"""Source files looked at in search of the application."""
DEFAULT_SCHEMA = "./andon.schema.json"
"""What the editor comment names if nobody says where the schema is."""


class RepositoryKind(StrEnum):
    PYTHON = "python"
    NODE = "node"
    GO = "go"
    MAKE = "make"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Proposal:
    kind: RepositoryKind
    text: str
    """The file to write; reads without faults as it is."""
    notes: tuple[str, ...]
    """What was guessed and should be looked at, a sentence each."""


@dataclass(slots=True)
class _Job:
    name: str
    commands: list[str]
    caches: list[str] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    network: str | None = None
    """Why the job needs the network."""


@dataclass(slots=True)
class _Plan:
    kind: RepositoryKind
    jobs: list[_Job]
    command: str | None = None
    """How the service runs; ``None`` if nobody can tell."""
    build: list[str] = field(default_factory=list)
    build_network: str | None = None
    files: list[str] = field(default_factory=lambda: ["**"])
    migrate: str | None = None
    notes: list[str] = field(default_factory=list)


def propose(root: Path, *, schema_url: str = DEFAULT_SCHEMA) -> Proposal:
    """A commented ``andon.yaml`` for the checkout at ``root``; nothing is written."""
    checkout = _Checkout(root)
    plan = _python(checkout) or _node(checkout) or _go(checkout) or _make(checkout) or _plain()
    return Proposal(plan.kind, _render(plan, schema_url), tuple(plan.notes))


class _Checkout:
    """A folder somebody else filled."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str) -> str | None:
        """The beginning of a plain file, or ``None``."""
        path = self._root / name
        try:
            for part in (path, *path.parents):
                if part == self._root:
                    break
                if part.is_symlink():
                    return None
            if not stat.S_ISREG(path.stat().st_mode):
                return None
            with path.open("rb") as file:
                return file.read(MAX_READ).decode("utf-8", "replace")
        except OSError:
            return None

    def has(self, *names: str) -> bool:
        return any(self.read(name) is not None for name in names)

    def folders(self, name: str = ".") -> list[str]:
        """Names of the folders right below ``name`` that may hold source."""
        return [one.name for one in self._entries(name) if one.is_dir() and one.name not in _NOT_SOURCE]

    def files(self, name: str, suffix: str) -> list[str]:
        return [one.name for one in self._entries(name) if one.suffix == suffix and one.is_file()]

    def _entries(self, name: str) -> list[Path]:
        try:
            entries = sorted((self._root / name).iterdir())
        except OSError:
            return []
        return [one for one in entries[:MAX_FILES] if not one.name.startswith(".") and not one.is_symlink()]


_NOT_SOURCE = frozenset({"node_modules", "venv", "vendor", "dist", "build", "docs", "test", "tests"})
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# --- Python ------------------------------------------------------------------------------------------------

_ASGI = ("fastapi", "starlette", "litestar", "quart")
_WSGI = ("flask", "django", "bottle", "falcon")
_APPLICATION = re.compile(
    r"^([A-Za-z_][A-Za-z0-9_]*)(?:\s*:[^=\n]{1,80})?\s*=\s*"
    r"(?:[a-z]+\.)?(?:FastAPI|Starlette|Litestar|Quart|Flask|Bottle|falcon\.App|App)\(",
    re.MULTILINE,
)


def _python(checkout: _Checkout) -> _Plan | None:
    manifest = _toml(checkout.read("pyproject.toml"))
    requirements = checkout.read("requirements.txt")
    marked = checkout.has("pyproject.toml", "requirements.txt", "setup.py", "setup.cfg")
    if not marked and not checkout.files(".", ".py"):
        return None
    project = _table(manifest.get("project"))
    installable = bool(project) or checkout.has("setup.py") or "poetry" in _table(manifest.get("tool"))
    dependencies = _python_dependencies(checkout, manifest)
    what = _install_arguments(project, requirements, installable)
    tested_by_pytest = (
        "pytest" in dependencies
        or "pytest" in _table(manifest.get("tool"))
        or checkout.has("pytest.ini", "conftest.py", "tests/conftest.py", "test/conftest.py")
    )
    extra = ["pytest"] if tested_by_pytest else []
    run = "-m pytest --junitxml=reports/tests.xml" if tested_by_pytest else "-m unittest discover"
    if what or extra:
        job = _Job(
            "test",
            [
                "python3 -m venv .venv",
                f".venv/bin/python -m pip install --quiet {' '.join([*what, *extra])}",
                f".venv/bin/python {run}",
            ],
            caches=[".venv"],
            network="pip fetches what the tests need",
        )
    else:
        job = _Job("test", [f"python3 {run}"])
    if tested_by_pytest:
        job.reports.append("reports/tests.xml")
    plan = _Plan(RepositoryKind.PYTHON, [job])
    if not tested_by_pytest:
        plan.notes.append("No sign of pytest: the tests are run with unittest.")
    _python_service(checkout, dependencies, what, plan)
    return plan


def _install_arguments(project: Mapping[str, object], requirements: str | None, installable: bool) -> list[str]:
    arguments: list[str] = []
    if requirements is not None:
        arguments += ["-r", "requirements.txt"]
    if installable:
        extras = _table(project.get("optional-dependencies"))
        chosen = next((name for name in ("test", "tests", "testing", "dev") if name in extras), None)
        arguments.append(f"'.[{chosen}]'" if chosen else ".")
    return arguments


def _python_dependencies(checkout: _Checkout, manifest: Mapping[str, object]) -> set[str]:
    project = _table(manifest.get("project"))
    poetry = _table(_table(manifest.get("tool")).get("poetry"))
    lines: list[str] = [*_texts(project.get("dependencies")), *_table(poetry.get("dependencies"))]
    for group in _table(project.get("optional-dependencies")).values():
        lines += _texts(group)
    for group in _table(manifest.get("dependency-groups")).values():
        lines += _texts(group)
    for name in ("requirements.txt", "requirements-dev.txt", "requirements/dev.txt", "dev-requirements.txt"):
        lines += (checkout.read(name) or "").splitlines()
    # setup.py is a program, not data: only the names of frameworks and tools are looked for in it.
    setup = (checkout.read("setup.py") or "") + (checkout.read("setup.cfg") or "")
    lines += [word for word in (*_ASGI, *_WSGI, "pytest", *_SERVERS) if re.search(rf"\b{word}\b", setup, re.IGNORECASE)]
    names = (re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", name[1]).lower() for name in names if name is not None}


_SERVERS = {
    "uvicorn": 'uvicorn {app} --host 127.0.0.1 --port "$PORT"',
    "hypercorn": 'hypercorn {app} --bind "127.0.0.1:$PORT"',
    "gunicorn": 'gunicorn {app} --bind "127.0.0.1:$PORT"',
    "waitress": 'waitress --listen="127.0.0.1:$PORT" {app}',
}


def _python_service(checkout: _Checkout, dependencies: set[str], what: list[str], plan: _Plan) -> None:
    asgi = next((name for name in _ASGI if name in dependencies), None)
    wsgi = next((name for name in _WSGI if name in dependencies), None)
    framework = asgi or wsgi
    if framework is None:
        return
    application, source = _find_application(checkout, framework)
    if application is None:
        plan.notes.append(
            f"This looks like {framework}, but the application object was not found: fill in 'run' and take "
            "the comment signs away."
        )
        return
    fitting = ("uvicorn", "hypercorn") if asgi else ("gunicorn", "waitress")
    server = next((name for name in fitting if name in dependencies), None)
    added = [] if server is not None else ["uvicorn" if asgi else "waitress"]
    server = server or added[0]
    path = "vendor:src" if source else "vendor"
    plan.command = f"exec env PYTHONPATH={path} python3 -m {_SERVERS[server].format(app=application)}"
    production = [re.sub(r"^'\.\[\w+\]'$", ".", one) for one in what]
    plan.build = [f"python3 -m pip install --quiet --target vendor {' '.join([*production, *added])}"]
    plan.build_network = "pip fetches what the service needs"
    plan.notes.append(f"The service is taken to be {application} ({framework}), served by {server}.")
    if added:
        plan.notes.append(f"{server} is added when the package is built; better name it among the dependencies.")
    if framework == "django" and checkout.has("manage.py"):
        plan.migrate = f"env PYTHONPATH={path} python3 manage.py migrate --no-input"
        plan.notes.append(
            "manage.py migrate is proposed as 'expand': that is right only while migrations add and never remove."
        )


def _find_application(checkout: _Checkout, framework: str) -> tuple[str | None, bool]:
    """``module:attribute`` of the application, and whether it is below ``src``."""
    for source in ("", "src"):
        base = source or "."
        top = [(name, name.removesuffix(".py")) for name in checkout.files(base, ".py")]
        inner = [
            (f"{folder}/{name}", f"{folder}.{name.removesuffix('.py')}")
            for folder in checkout.folders(base)
            if _WORD.fullmatch(folder) and folder != "src"
            for name in checkout.files(f"{base}/{folder}", ".py")
        ]
        for path, dotted in _likely_first([*top, *inner])[:MAX_FILES]:
            module = dotted.removesuffix(".__init__")
            if not all(_WORD.fullmatch(word) for word in module.split(".")):
                continue
            if framework == "django":
                if module.rpartition(".")[2] == "wsgi":
                    return f"{module}:application", bool(source)
                continue
            found = _APPLICATION.search(checkout.read(f"{base}/{path}") or "")
            if found is not None:
                return f"{module}:{found[1]}", bool(source)
    return None, False


def _likely_first(modules: list[tuple[str, str]]) -> list[tuple[str, str]]:
    usual = ("app", "main", "asgi", "wsgi", "server", "web", "api", "__init__")

    def order(one: tuple[str, str]) -> int:
        last = one[1].rpartition(".")[2]
        return usual.index(last) if last in usual else len(usual)

    return sorted(modules, key=order)


# --- Node --------------------------------------------------------------------------------------------------


def _node(checkout: _Checkout) -> _Plan | None:
    text = checkout.read("package.json")
    if text is None:
        return None
    try:
        manifest = _table(json.loads(text))
    except (ValueError, RecursionError):
        manifest = {}
    scripts = _table(manifest.get("scripts"))
    if checkout.has("pnpm-lock.yaml"):
        tool, install, cache = "pnpm", "pnpm install --frozen-lockfile --store-dir .pnpm-store", ".pnpm-store"
        prune = "pnpm prune --prod"
    elif checkout.has("yarn.lock"):
        tool, install, cache = "yarn", "yarn install --frozen-lockfile --cache-folder .yarn-cache", ".yarn-cache"
        prune = "yarn install --production --frozen-lockfile"
    else:
        verb = "ci" if checkout.has("package-lock.json", "npm-shrinkwrap.json") else "install"
        tool, install, cache = "npm", f"npm {verb} --no-audit --no-fund --cache .npm", ".npm"
        prune = "npm prune --omit=dev"
    why = f"{tool} fetches what the package needs"
    steps = [name for name in ("lint", "test") if name in scripts]
    if "no test specified" in str(scripts.get("test", "")):
        steps.remove("test")
    jobs = [_Job(name, [install, f"{tool} run {name}"], caches=[cache], network=why) for name in steps]
    plan = _Plan(RepositoryKind.NODE, jobs or [_untested()])
    if "test" not in steps:
        plan.notes.append("package.json has no test script: say how the repository is tested.")
    if "start" in scripts:
        plan.command = f"exec {tool} start"
        plan.build = [install, *([f"{tool} run build"] if "build" in scripts else []), prune]
        plan.build_network = why
        plan.notes.append(f"The service is taken to be '{tool} start'; it must listen on 127.0.0.1:$PORT.")
    return plan


# --- Go ----------------------------------------------------------------------------------------------------


def _go(checkout: _Checkout) -> _Plan | None:
    if not checkout.has("go.mod"):
        return None
    cached = 'export GOMODCACHE="$PWD/.go/mod" GOCACHE="$PWD/.go/build" GOFLAGS=-modcacherw'
    why = "go fetches the modules"
    plan = _Plan(
        RepositoryKind.GO,
        [_Job("test", [cached, "go vet ./...", "go test ./..."], caches=[".go"], network=why)],
    )
    mains = [(".", "main.go")] + [
        (f"./cmd/{name}", f"cmd/{name}/main.go")
        for name in checkout.folders("cmd")
        if re.fullmatch(r"[A-Za-z0-9_-]+", name)
    ]
    programs = [(package, checkout.read(file) or "") for package, file in mains]
    servers = [package for package, text in programs if re.search(r"^package main\b", text, re.MULTILINE)]
    if len(servers) == 1:
        plan.build = [cached, f"go build -trimpath -o dist/app {servers[0]}"]
        plan.build_network = why
        plan.files = ["dist/app"]
        plan.command = "exec dist/app"
        plan.notes.append("The service is taken to be the one main package; it must listen on 127.0.0.1:$PORT.")
    elif servers:
        plan.notes.append(f"There are {len(servers)} main packages: fill in which of them is the service.")
    return plan


# --- Make, and nothing known -------------------------------------------------------------------------------


def _make(checkout: _Checkout) -> _Plan | None:
    names = ("GNUmakefile", "makefile", "Makefile")
    text = next((text for text in map(checkout.read, names) if text is not None), None)
    if text is None:
        return None
    targets = re.findall(r"^([a-z][a-z0-9_-]{0,39})\s*:(?![:=])", text, re.MULTILINE)
    lint = [_Job("lint", ["make lint"])] if "lint" in targets else []
    test = next((name for name in ("test", "tests", "check") if name in targets), None)
    plan = _Plan(RepositoryKind.MAKE, [*lint, _Job("test", [f"make {test}"])] if test else [*lint, _untested()])
    if test is None:
        plan.notes.append("The Makefile has neither 'test' nor 'check': say how the repository is tested.")
    build = next((name for name in ("dist", "package", "build") if name in targets), None)
    start = next((name for name in ("run", "serve", "start") if name in targets), None)
    if build:
        plan.build = [f"make {build}"]
    if start:
        plan.command = f"exec make {start}"
        plan.notes.append(f"The service is taken to be 'make {start}'; it must listen on 127.0.0.1:$PORT.")
    return plan


def _plain() -> _Plan:
    return _Plan(
        RepositoryKind.PLAIN,
        [_untested()],
        notes=["Nothing tells how this repository is tested: fill in the command of the job 'test'."],
    )


def _untested() -> _Job:
    return _Job("test", ["echo 'andon.yaml: say here how this repository is tested' >&2", "exit 1"])


# --- writing it --------------------------------------------------------------------------------------------


def _render(plan: _Plan, schema_url: str) -> str:
    address = re.sub(r"[\x00-\x20\x7f-\x9f]", "", schema_url)
    lines = [
        f"# yaml-language-server: $schema={address}",
        "## How a commit is tested, packaged and run. Each key is explained in the reference of andon.yaml.",
        "",
        "stages:",
        "  ## The first stage: quick checks of every commit. Jobs run side by side, each in its own sandbox.",
        "  commit:",
        "    jobs:",
    ]
    for job in plan.jobs:
        lines += _job(job)
    deploys = [
        "",
        "  ## The package is built once, after the first stage, and deployed here; jobs would find it at $ANDON_URL.",
        "  acceptance:",
        "    environment: acceptance",
        "",
        "  ## The same bytes, when somebody says so. `when: automatic` deploys what passed the stages before.",
        "  production:",
        "    environment: production",
        "    when: manual",
        "",
        "package:",
        *_commands("run", plan.build, 2),
        *([f"  network: host  # {plan.build_network}"] if plan.build_network else []),
        "  ## What goes in; ** is everything.",
        f"  files: {_flow(plan.files)}",
        "",
        "run:",
        "  web:",
        "    ## Runs in the unpacked package and listens on $PORT.",
        f"    command: {_scalar(plan.command or 'exec ./start')}",
        "    health: {path: /}",
        "",
        "## Asked of each new version before it gets traffic.",
        "smoke:",
        "  front page: {path: /, status: 200}",
        "",
        *(["migrations:", f"  expand: {_scalar(plan.migrate)}", ""] if plan.migrate else []),
        "environments:",
        "  acceptance:",
        "  production:",
        "    instances: {web: 2}",
        "    ## Names only: `andon secret set` keeps the values.",
        "    secrets: []",
    ]
    if plan.command is None:
        lines += ["", "## To deploy, say what is packaged and how it runs, and take the single # away."]
        deploys = [_commented(line) for line in deploys]
    return "\n".join([*lines, *deploys]) + "\n"


def _commented(line: str) -> str:
    return line if not line or line.lstrip().startswith("##") else f"#{line}"


def _job(job: _Job) -> list[str]:
    lines = [f"      {job.name}:", *_commands("run", job.commands, 8)]
    if job.caches:
        lines.append(f"        caches: {_flow(job.caches)}")
    if job.network:
        lines.append(f"        network: host  # {job.network}")
    if job.reports:
        lines.append(f"        reports: {_flow(job.reports)}")
    return lines


def _commands(key: str, commands: Sequence[str], indent: int) -> list[str]:
    if not commands:
        return []
    spaces = " " * indent
    if len(commands) == 1:
        return [f"{spaces}{key}: {_scalar(commands[0])}"]
    return [f"{spaces}{key}: |", *(f"{spaces}  {command}" for command in commands)]


def _scalar(text: str) -> str:
    """``text`` without quotes where YAML reads it the same, else with double ones."""
    bare = re.fullmatch(r"[A-Za-z./$][A-Za-z0-9 ./$_=\"'+*@,-]*(:[A-Za-z0-9 ./$_=\"'+*@,-]+)*", text)
    if bare and ": " not in text and scalar_type(text) is ScalarType.TEXT:
        return text
    return json.dumps(text)


def _flow(texts: Iterable[str]) -> str:
    return "[" + ", ".join(one if re.fullmatch(r"[A-Za-z.][\w./-]*", one) else json.dumps(one) for one in texts) + "]"


def _toml(text: str | None) -> Mapping[str, object]:
    try:
        return tomllib.loads(text or "")
    except (ValueError, RecursionError):
        return {}


def _table(value: object) -> Mapping[str, object]:
    return {str(key): one for key, one in value.items()} if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
