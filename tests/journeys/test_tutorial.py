"""The tutorial does what it says: every command of it is run, in order, in one shell, against a real Andon."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from andon.app.demo.server import free_ports

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guide" / "tutorial.md"
_FENCE = re.compile(
    r"(?:<!-- (?P<mark>expect|skip): (?P<text>[^\n]*?) -->\n)?```console\n(?P<body>.*?)\n```", re.DOTALL
)
_END = "tutorial-block-ended"


@dataclass(frozen=True, slots=True)
class Block:
    """The commands of one fenced block; ``expected`` has to be in what they print."""

    line: int
    commands: str
    expected: str


def blocks(text: str) -> Iterator[Block]:
    for found in _FENCE.finditer(text):
        if found["mark"] == "skip":
            continue
        commands = [line.removeprefix("$ ") for line in found["body"].splitlines() if line.startswith("$ ")]
        assert commands, f"a console block without a command, near line {text.count(chr(10), 0, found.start()) + 1}"
        yield Block(text.count("\n", 0, found.start("body")) + 1, "\n".join(commands), found["text"] or "")


class Shell:
    """One bash that runs block after block, as a reader's terminal does."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, commands: str) -> tuple[int, str]:
        """Exit code of the last command that failed, or 0, and what was printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # The commands must not eat the shell's own input, as git and andon otherwise might.
        lines = "\n".join(f"{{ {line}; }} </dev/null || failed=$?" for line in commands.splitlines())
        self._process.stdin.write(f"failed=0\n{lines}\nprintf '\\n{_END} %s\\n' $failed\n")
        self._process.stdin.flush()
        said: list[str] = []
        for line in self._process.stdout:
            if line.startswith(_END):
                return int(line.split()[1]), "".join(said)
            said.append(line)
        raise AssertionError(f"the shell ended:\n{''.join(said)}")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def home() -> Iterator[Path]:
    # not pytest's own folder: its name is long, and sockets lie below this one
    folder = Path(tempfile.mkdtemp(prefix="andon-tutorial-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def shell(home: Path) -> Iterator[Shell]:
    console, first = free_ports()
    tools = home / "bin"
    tools.mkdir()
    (tools / "andon").symlink_to(Path(sys.executable).parent / "andon")
    if shutil.which("curl") is None:
        (tools / "curl").write_text(
            f"#!{sys.executable}\nimport sys, urllib.request\n"
            "print(urllib.request.urlopen(sys.argv[-1], timeout=60).read().decode())\n"
        )
        (tools / "curl").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANDON_", "XDG_", "GIT_"))}
    environment |= {
        "HOME": str(home),
        "PATH": f"{tools}:{os.environ['PATH']}",
        "ANDON_WEB_PORT": str(console),
        "ANDON_ENVIRONMENTS_FIRST_PORT": str(first),
        "ANDON_ENVIRONMENTS_LAST_PORT": str(first + 5),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Maxine Chambers",
        "GIT_AUTHOR_EMAIL": "maxine@parts-unlimited.example",
        "GIT_COMMITTER_NAME": "Maxine Chambers",
        "GIT_COMMITTER_EMAIL": "maxine@parts-unlimited.example",
    }
    opened = Shell(environment)
    try:
        yield opened
    finally:
        opened.close()
        subprocess.run([str(tools / "andon"), "down"], env=environment, check=False, capture_output=True, timeout=120)


@pytest.mark.journey
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_tutorial_does_what_it_says(shell: Shell) -> None:
    for block in blocks(PAGE.read_text(encoding="utf-8")):
        code, said = shell.run(block.commands)
        where = f"{PAGE.name}:{block.line}\n{block.commands}\n\n{said}"
        assert code == 0, f"a command of the tutorial failed with {code}: {where}"
        assert block.expected in said, f"{block.expected!r} is not in what the tutorial's commands print: {where}"
