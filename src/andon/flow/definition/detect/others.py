"""Node, Go, Make, and what shows no sign of any."""

from __future__ import annotations

import json
import re

from andon.flow.definition.detect.checkout import Checkout, table
from andon.flow.definition.detect.plan import Job, Plan, RepositoryKind, untested


def node(checkout: Checkout) -> Plan | None:
    """The plan for a checkout with a ``package.json``."""
    text = checkout.read("package.json")
    if text is None:
        return None
    try:
        manifest = table(json.loads(text))
    except (ValueError, RecursionError):
        manifest = {}
    scripts = table(manifest.get("scripts"))
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
    jobs = [Job(name, [install, f"{tool} run {name}"], caches=[cache], network=why) for name in steps]
    plan = Plan(RepositoryKind.NODE, jobs or [untested()])
    if "test" not in steps:
        plan.notes.append("package.json has no test script: say how the repository is tested.")
    if "start" in scripts:
        plan.command = f"exec {tool} start"
        plan.build = [install, *([f"{tool} run build"] if "build" in scripts else []), prune]
        plan.build_network = why
        plan.notes.append(f"The service is taken to be '{tool} start'; it must listen on 127.0.0.1:$PORT.")
    return plan


def go(checkout: Checkout) -> Plan | None:
    """The plan for a checkout with a ``go.mod``."""
    if not checkout.has("go.mod"):
        return None
    cached = 'export GOMODCACHE="$PWD/.go/mod" GOCACHE="$PWD/.go/build" GOFLAGS=-modcacherw'
    why = "go fetches the modules"
    plan = Plan(
        RepositoryKind.GO,
        [Job("test", [cached, "go vet ./...", "go test ./..."], caches=[".go"], network=why)],
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


def make(checkout: Checkout) -> Plan | None:
    """The plan for a checkout with a makefile."""
    names = ("GNUmakefile", "makefile", "Makefile")
    text = next((text for text in map(checkout.read, names) if text is not None), None)
    if text is None:
        return None
    targets = re.findall(r"^([a-z][a-z0-9_-]{0,39})\s*:(?![:=])", text, re.MULTILINE)
    lint = [Job("lint", ["make lint"])] if "lint" in targets else []
    test = next((name for name in ("test", "tests", "check") if name in targets), None)
    plan = Plan(RepositoryKind.MAKE, [*lint, Job("test", [f"make {test}"])] if test else [*lint, untested()])
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


def plain() -> Plan:
    """The plan when nothing tells how the repository is tested."""
    return Plan(
        RepositoryKind.PLAIN,
        [untested()],
        notes=["Nothing tells how this repository is tested: fill in the command of the job 'test'."],
    )
