"""`andon migrations check` in a working copy, without a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DEFINITION = "stages: {commit: {jobs: {test: {run: make test}}}}\n"


class Copy:
    """A working copy whose branch has been pushed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "store"
        self.folder.mkdir()
        origin = folder / "origin.git"
        self.git("init", "-q", "-b", "main")
        subprocess.run(["git", "init", "-q", "--bare", origin], check=True)
        self.git("remote", "add", "origin", str(origin))

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=Brent", "-c", "user.email=brent@parts.example"]
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True)

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def push(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "as it is")
        self.git("push", "-q", "-u", "origin", "main")

    def check(self, *arguments: str, where: str = ".") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ANDON_URL": "http://127.0.0.1:1"}
        return subprocess.run(
            [sys.executable, "-m", "andon", "migrations", "check", *arguments],
            cwd=self.folder / where,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            timeout=60,
        )


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    made = Copy(tmp_path)
    made.write("andon.yaml", DEFINITION + "migrations: {folder: migrations, database: postgresql}\n")
    made.write(
        "migrations/0001_orders.expand.sql", "CREATE TABLE orders (id int, state varchar(20));\nDROP TABLE old;\n"
    )
    made.push()
    return made


def test_a_refused_statement_is_told_with_file_line_and_the_safe_way(copy: Copy) -> None:
    copy.write("migrations/0002_state.expand.sql", "\n\nALTER TABLE orders DROP COLUMN state;\n")
    ended = copy.check()
    assert ended.returncode == 1
    assert "✗ migrations/0002_state.expand.sql:3: drop: The version that serves names orders.state" in ended.stdout
    assert "ALTER TABLE orders DROP COLUMN state;" in ended.stdout
    assert "0001" not in ended.stdout, "what has been pushed is not judged again"
    assert "Nothing was run." in ended.stderr


def test_what_was_pushed_tells_which_type_a_column_has(copy: Copy) -> None:
    copy.write(
        "migrations/0002.expand.sql", "SET lock_timeout = '3s';\nALTER TABLE orders ALTER state TYPE varchar(40);\n"
    )
    ended = copy.check(where="migrations")
    assert (ended.returncode, ended.stdout) == (0, "1 file, 2 statements: nothing to say\n")
    copy.write(
        "migrations/0002.expand.sql", "SET lock_timeout = '3s';\nALTER TABLE orders ALTER state TYPE varchar(4);\n"
    )
    assert copy.check().returncode == 1


def test_every_file_and_another_base_can_be_asked_for(copy: Copy) -> None:
    assert copy.check().stdout == "0 files, 0 statements: nothing to say\n"
    assert "0001_orders.expand.sql:2: drop" in copy.check("--all").stdout
    copy.write("migrations/0002.expand.sql", "DROP TABLE orders;")
    copy.push()
    assert copy.check().returncode == 0
    assert copy.check("--since", "HEAD~1").returncode == 1
    assert copy.check("--since", "nowhere").returncode == 3


def test_json_is_the_report(copy: Copy) -> None:
    copy.write("migrations/0002.expand.sql", "DROP TABLE orders;")
    found = json.loads(copy.check("--json").stdout)["findings"]
    assert {(one["rule"], one["line"], one["weight"]) for one in found if one["weight"] == "refused"} == {
        ("drop", 1, "refused")
    }


def test_a_command_that_prints_sql_is_run(copy: Copy) -> None:
    copy.write("andon.yaml", DEFINITION + "migrations: {sql: echo 'DROP TABLE orders;', database: postgresql}\n")
    ended = copy.check()
    assert ended.returncode == 1
    assert "✗ $ echo 'DROP TABLE orders;':1: drop" in ended.stdout


def test_where_nothing_is_declared_it_says_how_to_declare_it(copy: Copy) -> None:
    copy.write("andon.yaml", DEFINITION)
    ended = copy.check()
    assert ended.returncode == 3
    assert "migrations: {folder: …, database: …}" in ended.stderr
    copy.write("migrations/0002.expand.sql", "DROP TABLE orders;")
    assert copy.check("--folder", "migrations", "--database", "sqlite").returncode == 1


def test_a_statement_cannot_steer_the_terminal(copy: Copy) -> None:
    copy.write("migrations/0002.expand.sql", 'DROP TABLE "\x1b]0;owned\x07";')
    assert "\x1b" not in copy.check().stdout
