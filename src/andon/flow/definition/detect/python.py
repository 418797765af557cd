"""Python: tests by pytest or unittest, services by ASGI or WSGI."""

from __future__ import annotations

import re
from collections.abc import Mapping

from andon.flow.definition.detect.checkout import MAX_FILES, WORD, Checkout, table, texts, toml
from andon.flow.definition.detect.plan import Job, Plan, RepositoryKind

_ASGI = ("fastapi", "starlette", "litestar", "quart")
_WSGI = ("flask", "django", "bottle", "falcon")
_APPLICATION = re.compile(
    r"^([A-Za-z_][A-Za-z0-9_]*)(?:\s*:[^=\n]{1,80})?\s*=\s*"
    r"(?:[a-z]+\.)?(?:FastAPI|Starlette|Litestar|Quart|Flask|Bottle|falcon\.App|App)\(",
    re.MULTILINE,
)


def python(checkout: Checkout) -> Plan | None:
    """The plan for a checkout with Python's manifests, or with modules at its top."""
    manifest = toml(checkout.read("pyproject.toml"))
    requirements = checkout.read("requirements.txt")
    marked = checkout.has("pyproject.toml", "requirements.txt", "setup.py", "setup.cfg")
    if not marked and not checkout.files(".", ".py"):
        return None
    project = table(manifest.get("project"))
    installable = bool(project) or checkout.has("setup.py") or "poetry" in table(manifest.get("tool"))
    dependencies = _python_dependencies(checkout, manifest)
    what = _install_arguments(project, requirements, installable)
    tested_by_pytest = (
        "pytest" in dependencies
        or "pytest" in table(manifest.get("tool"))
        or checkout.has("pytest.ini", "conftest.py", "tests/conftest.py", "test/conftest.py")
    )
    extra = ["pytest"] if tested_by_pytest else []
    run = "-m pytest --junitxml=reports/tests.xml" if tested_by_pytest else "-m unittest discover"
    if what or extra:
        job = Job(
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
        job = Job("test", [f"python3 {run}"])
    if tested_by_pytest:
        job.reports.append("reports/tests.xml")
    plan = Plan(RepositoryKind.PYTHON, [job])
    if not tested_by_pytest:
        plan.notes.append("No sign of pytest: the tests are run with unittest.")
    _python_service(checkout, dependencies, what, plan)
    return plan


def _install_arguments(project: Mapping[str, object], requirements: str | None, installable: bool) -> list[str]:
    arguments: list[str] = []
    if requirements is not None:
        arguments += ["-r", "requirements.txt"]
    if installable:
        extras = table(project.get("optional-dependencies"))
        chosen = next((name for name in ("test", "tests", "testing", "dev") if name in extras), None)
        arguments.append(f"'.[{chosen}]'" if chosen else ".")
    return arguments


def _python_dependencies(checkout: Checkout, manifest: Mapping[str, object]) -> set[str]:
    project = table(manifest.get("project"))
    poetry = table(table(manifest.get("tool")).get("poetry"))
    lines: list[str] = [*texts(project.get("dependencies")), *table(poetry.get("dependencies"))]
    for group in table(project.get("optional-dependencies")).values():
        lines += texts(group)
    for group in table(manifest.get("dependency-groups")).values():
        lines += texts(group)
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


def _python_service(checkout: Checkout, dependencies: set[str], what: list[str], plan: Plan) -> None:
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


def _find_application(checkout: Checkout, framework: str) -> tuple[str | None, bool]:
    """``module:attribute`` of the application, and whether it is below ``src``."""
    for source in ("", "src"):
        base = source or "."
        top = [(name, name.removesuffix(".py")) for name in checkout.files(base, ".py")]
        inner = [
            (f"{folder}/{name}", f"{folder}.{name.removesuffix('.py')}")
            for folder in checkout.folders(base)
            if WORD.fullmatch(folder) and folder != "src"
            for name in checkout.files(f"{base}/{folder}", ".py")
        ]
        for path, dotted in _likely_first([*top, *inner])[:MAX_FILES]:
            module = dotted.removesuffix(".__init__")
            if not all(WORD.fullmatch(word) for word in module.split(".")):
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
