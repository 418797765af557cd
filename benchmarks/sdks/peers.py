"""The SDKs, each in an environment of its own, installed by name from where the machine's clients look."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from andon.kernel.errors import Unavailable
from benchmarks.sdks.corpus import Case, Context, Told, context_of

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parents[1] / ".cache" / "ofrep-peers"
LONGEST = 900.0
PYTHON = ("openfeature-sdk", "openfeature-provider-ofrep")
SERVER = ("@openfeature/server-sdk", "@openfeature/ofrep-provider")
WEB = ("@openfeature/web-sdk", "@openfeature/ofrep-web-provider")


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    versions: str
    command: tuple[str, ...]
    folder: Path


class Answered(msgspec.Struct, kw_only=True):
    """As a program tells it."""

    value: object
    variant: str | None
    reason: str | None
    error: str | None
    rule: str | None
    says: str

    def told(self) -> Told:
        # an empty reason or variant is none: so do some languages say it
        return Told(self.value, self.variant or None, self.reason or "", self.error, self.rule)


@dataclass(frozen=True, slots=True)
class Door:
    url: str
    token: str
    asked: Sequence[tuple[Case, Context]]


def asked_of(cases: Sequence[Case]) -> list[tuple[Case, Context]]:
    return [(one, context_of(one.who)) for one in cases]


def as_sent(case: Case, context: Context) -> dict[str, object]:
    return {"key": case.key, "kind": case.kind.value, "default": case.default, "context": context}


def python() -> Peer | None:
    """``None``, as for the others, where it cannot be had."""
    folder = ENVIRONMENTS / "python"
    program = folder / "bin" / "python"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(program), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--upgrade", *PYTHON]
    subprocess.run(pip, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    tell = (
        "import importlib.metadata as m, sys; print(*(f'{name} {m.version(name)}' for name in sys.argv[1:]), sep=', ')"
    )
    done = subprocess.run([str(program), "-c", tell, *PYTHON], capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    return Peer("Python", done.stdout.strip(), (str(program), str(HERE / "program.py")), folder)


def server() -> Peer | None:
    return _node("JavaScript, server", SERVER, "server.mjs")


def web() -> Peer | None:
    # the EventSource of browsers, which Node has only when it is asked for
    return _node("JavaScript, web", WEB, "web.mjs", "--experimental-eventsource")


def _node(name: str, packages: Sequence[str], program: str, *flags: str) -> Peer | None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        return None
    folder = ENVIRONMENTS / Path(program).stem
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}\n', "utf-8")
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", *(f"{one}@latest" for one in packages)]
    subprocess.run(install, cwd=folder, capture_output=True, check=False, timeout=300)
    versions = []
    for one in (*packages, "@openfeature/ofrep-core"):
        found = folder / "node_modules" / one / "package.json"
        if not found.exists():
            return None
        versions.append(f"{one} {msgspec.json.decode(found.read_bytes())['version']}")
    # what it imports is looked for beside it
    shutil.copy(HERE / program, folder / program)
    return Peer(name, ", ".join(versions), ("node", *flags, program), folder)


def answers(peer: Peer, doors: Sequence[Door]) -> list[list[Answered]]:
    """Of a program that answers everything at once. Raises ``Unavailable``."""
    sent = {
        "doors": [
            {"url": one.url, "token": one.token, "cases": [as_sent(*asked) for asked in one.asked]} for one in doors
        ]
    }
    done = subprocess.run(
        peer.command,
        cwd=peer.folder,
        env={"PATH": os.environ["PATH"], "HOME": str(peer.folder), "LANG": "C.UTF-8"},
        input=msgspec.json.encode(sent),
        capture_output=True,
        timeout=LONGEST,
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"{peer.name} broke: {done.stderr.decode('utf-8', 'replace')[-1000:]}")
    return msgspec.json.decode(done.stdout, type=list[list[Answered]])
