"""The example shop as somebody's checkout: commits and pushes, with git itself."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import andon
from andon.kernel.errors import Missing, Unavailable

SERVICE = "store"


def examples() -> Path:
    """Where the examples lie: beside the program when it is installed, in the checkout otherwise."""
    installed = Path(andon.__file__).parent / "examples"
    checkout = Path(andon.__file__).parents[2] / "examples"
    for folder in (installed, checkout):
        if (folder / "store" / "andon.yaml").exists():
            return folder
    raise Missing("The example shop is not here.", remedy="Run `make demo` in a checkout of Andon.")


class Checkout:
    """A working copy with a remote called ``andon``. The token travels in git's environment, never in a file."""

    def __init__(self, folder: Path, remote: str, token: str, *, source: Path | None = None) -> None:
        """``source`` is the tree it begins with: the shop, unless another one is named."""
        self._folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {token}",
            "GIT_AUTHOR_NAME": "Maxine Chambers",
            "GIT_AUTHOR_EMAIL": "maxine@parts-unlimited.example",
            "GIT_COMMITTER_NAME": "Maxine Chambers",
            "GIT_COMMITTER_EMAIL": "maxine@parts-unlimited.example",
        }
        ignored = shutil.ignore_patterns("__pycache__", "*.db*")
        shutil.copytree(source or examples() / "store", folder, ignore=ignored)
        self._git("init", "--quiet", "--initial-branch", "main")
        self._git("remote", "add", "andon", remote)
        # Whoever looks around after the story pushes with what the command line knows, as after `andon init`.
        where = urlsplit(remote)
        helper = f"!{shlex.quote(sys.executable)} -m andon git-credential"
        self._git("config", "--local", f"credential.{where.scheme}://{where.netloc}.helper", helper)

    def apply(self, change: str) -> str:
        """Copy a change's files over the checkout; the message to commit them with."""
        source = examples() / "store-changes" / change
        message = (source / "MESSAGE").read_text("utf-8").strip()
        shutil.copytree(
            source,
            self._folder,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("MESSAGE", "README.md", "__pycache__"),
        )
        return message

    def undo(self) -> None:
        """A commit that takes the last one back."""
        self._git("revert", "--no-edit", "HEAD")

    def commit(self, message: str) -> str:
        """Commit everything; the commit's hash."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        return self._git("rev-parse", "HEAD").strip()

    def push(self) -> str:
        """Push main; what the remote said. Raises ``Unavailable``."""
        done = subprocess.run(
            ["git", "push", "--porcelain", "andon", "main"],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unavailable("git push failed.", remedy=done.stderr.strip()[-2000:])
        return done.stderr

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unavailable(f"git {arguments[0]} failed.", remedy=done.stderr.strip()[-2000:])
        return done.stdout
