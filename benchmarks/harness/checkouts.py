"""Checkouts that push."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from andon.kernel.errors import Unavailable

_WHO = {
    "GIT_AUTHOR_NAME": "Maxine Chambers",
    "GIT_AUTHOR_EMAIL": "maxine@parts-unlimited.example",
    "GIT_COMMITTER_NAME": "Maxine Chambers",
    "GIT_COMMITTER_EMAIL": "maxine@parts-unlimited.example",
}


class Checkout:
    """A working copy of files of one's own, with a remote. The token travels in git's environment."""

    def __init__(self, folder: Path, remote: str, token: str = "") -> None:
        self.folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            **_WHO,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }
        if token:
            self._environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "http.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {token}",
            }
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("remote", "add", "andon", remote)

    def commit(self, files: Mapping[str, str], message: str) -> str:
        """Write files and commit everything; the commit's hash."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def push(self) -> float:
        """Push main; the moment it began, in seconds since 1970."""
        began = time.time()
        self.git("push", "--quiet", "andon", "main")
        return began

    def start_push(self) -> subprocess.Popen[bytes]:
        """A push that is not waited for, and may fail."""
        return subprocess.Popen(
            ["git", "push", "--quiet", "andon", "main"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unavailable(f"git {arguments[0]} failed.", remedy=done.stderr.strip()[-2000:])
        return done.stdout
