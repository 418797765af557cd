from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from andon.app.people.room import people_room
from andon.app.record.room import record_room
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.db import Database, open_engine
from tests.databases import Databases
from tests.forking import forks
from tests.serving import Serving, quick_passwords, serving, settings_for


@dataclass(frozen=True)
class Answer:
    """What a command printed and with which code it left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Terminal:
    """Runs `andon` as somebody's shell would; ``home`` is their own folder."""

    home: Path
    data: Path
    url: str

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        own = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config"), "COLUMNS": "200"}
        return {**kept, **own, "ANDON_DATA": str(self.data), "ANDON_URL": self.url, **more}

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "andon", *arguments],
            env=self.environment(**more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, typed: str = "", **more: str) -> Answer:
        done = forks().run(arguments, self.environment(**more), typed=typed)
        return Answer(done.returncode, done.stdout, done.stderr)


def people_and_record(folder: Path, databases: Databases) -> AbstractContextManager[Serving]:
    """People and the record, served; nothing else."""
    settings = settings_for(folder, databases.url("sqlite"))
    passwords = quick_passwords()
    rooms = (record_room(PeopleDirectory(), settings.data / "keys" / "record.pem"), people_room(settings, passwords))
    return serving(settings, Database(open_engine(settings.database_url)), rooms, passwords)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Serving]:
    """Shared by the tests of a module."""
    with people_and_record(tmp_path_factory.mktemp("andon"), databases) as running:
        yield running


@pytest.fixture
def andon(tmp_path: Path, server: Serving) -> Terminal:
    """The command line on the server's own machine."""
    return Terminal(tmp_path, server.settings.data, server.address)
