"""The room in the real web application: the API, the commands, and git behind both."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from andon.app.tables import load_all_tables
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.sources.adapters.reconciler import tidy
from andon.flow.sources.contract import Service
from andon.flow.sources.git import PACKS, Git
from andon.flow.sources.room import open_git, sources_room
from andon.kernel.access import tokens
from andon.kernel.db import Database, open_engine
from andon.kernel.events import Bell
from andon.kernel.settings import Settings, WebSettings
from andon.web.http.application import WebApplication
from tests.flow.sources.installation import CLEAN, Checkout, new_checkout, wait_until
from tests.forking import forks

# the web framework announces a new way to declare parameters; that is the web spine's to follow
pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")


@dataclass
class Site:
    url: str
    token: str
    git: Git
    database: Database
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**CLEAN, "HOME": str(self.home), "ANDON_DATA": str(self.home / "data"), "ANDON_URL": self.url}

    def address(self, name: str) -> str:
        return f"http://x:{self.token}@{self.url.removeprefix('http://')}/git/{name}.git"

    def andon(self, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        return forks().run(arguments, self.environment, folder=folder or self.home)

    def git_in(self, checkout: Checkout, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=checkout.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        settings = Settings(data=tmp_path / "data", web=WebSettings(port=port))
        database = Database(open_engine(settings.database_url))
        load_all_tables().create_all(database.engine)
        with database.transaction() as tx:
            tokens.ensure_operator(tx, settings.data / "operator.token")
        bell = Bell(database)
        git = open_git(settings)
        room = sources_room(settings, database, bell, git, definitions=YamlDefinitionReader())
        app = WebApplication(settings=settings, database=database, bell=bell, rooms=[room], version="0")
        server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_level="warning"))
        bell.start()
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
        thread.start()
        wait_until(lambda: server.started)
        token = (settings.data / "operator.token").read_text().strip()
        yield Site(settings.address, token, git, database, tmp_path)
        server.should_exit = True
        thread.join(60)
        bell.stop()
        database.close()
        assert not thread.is_alive()


def test_init_makes_a_checkout_a_service_without_leaving_a_token_in_it(site: Site, tmp_path: Path) -> None:
    checkout = new_checkout(tmp_path / "Parts Unlimited!")
    checkout.commit()
    begun = site.andon("init", folder=checkout.folder)
    assert begun.returncode == 0, begun.stderr
    assert "Made parts-unlimited" in begun.stdout
    proposed = (checkout.folder / "andon.yaml").read_text()
    assert YamlDefinitionReader().read(proposed.encode()).stages
    assert f"$schema={site.url}/schema/andon.json" in proposed, "where an editor finds every key"
    commit = checkout.commit("andon.yaml", "nonsense: 1\n")
    said = site.git_in(checkout, "push", "andon", "main")
    assert "remote: warning: andon.yaml:1:" in said, "through the whole application"
    assert site.git.refs(Service("parts-unlimited")) == {"refs/heads/main": commit}
    for file in (checkout.folder / ".git").rglob("*"):
        assert not file.is_file() or site.token.encode() not in file.read_bytes()

    (checkout.folder / "andon.yaml").write_text("# mine\n")
    again = site.andon("init", "--json", folder=checkout.folder)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["created"] is False
    assert (checkout.folder / "andon.yaml").read_text() == "# mine\n"

    checkout.git("remote", "set-url", "andon", "http://elsewhere.example/x.git")
    other = site.andon("init", folder=checkout.folder)
    assert other.returncode == 5
    assert "git remote set-url" in other.stderr
    assert site.andon("init", folder=tmp_path).returncode == 2


def test_after_init_git_push_andon_pushes_the_branch_at_hand(site: Site, tmp_path: Path) -> None:
    checkout = new_checkout(tmp_path / "plain")
    first = checkout.commit()
    assert site.andon("init", folder=checkout.folder).returncode == 0
    site.git_in(checkout, "push", "andon")
    checkout.git("checkout", "-q", "-b", "mine")
    second = checkout.commit()
    site.git_in(checkout, "push", "andon")
    site.git_in(checkout, "push", "andon", "mine:other")
    third = checkout.commit()
    site.git_in(checkout, "push", "andon", "mine")
    at = site.git.refs(Service("plain"))
    assert at == {"refs/heads/main": first, "refs/heads/mine": third, "refs/heads/other": second}

    own = "refs/heads/main:refs/heads/theirs"
    checkout.git("config", "remote.andon.push", own)
    assert site.andon("init", folder=checkout.folder).returncode == 0
    assert checkout.git("config", "--get-all", "remote.andon.push").said.split() == [
        "refs/heads/main:refs/heads/theirs"
    ]


def test_the_helper_gives_a_token_to_its_own_address_only(site: Site) -> None:
    def ask(host: str, operation: str = "get") -> str:
        return subprocess.run(
            [sys.executable, "-I", "-m", "andon.flow.sources.credential", operation],
            input=f"protocol=http\nhost={host}\n\n",
            env=site.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    own = site.url.removeprefix("http://")
    assert ask(own) == f"username=andon\npassword={site.token}\n"
    assert ask("evil.example") == "quit=1\n"
    assert ask(f"{own}.evil.example") == "quit=1\n"
    assert ask(own, "store") == ask(own, "erase") == ""


def test_repositories_are_made_and_listed_from_the_terminal(site: Site, tmp_path: Path) -> None:
    assert site.andon("repository", "create", "shop", "--default-branch", "trunk").returncode == 0
    assert site.andon("repository", "create", "shop").returncode == 5
    refused = site.andon("repository", "create", "../shop")
    assert refused.returncode == 2
    assert "lower-case letters" in refused.stderr
    listed = json.loads(site.andon("repository", "list", "--json").stdout)
    assert [(one["name"], one["address"]) for one in listed["repositories"]] == [("shop", f"{site.url}/git/shop.git")]

    checkout = new_checkout(tmp_path / "checkout")
    commits = [checkout.commit(message=f"Change {number}") for number in range(3)]
    site.git_in(
        checkout, "push", f"http://x:{site.token}@{site.url.removeprefix('http://')}/git/shop.git", "main:trunk"
    )
    api = f"{site.url}/api/v1/repositories"
    asked = ["curl", "-sf", "-H", f"Authorization: Bearer {site.token}"]
    shown = json.loads(subprocess.check_output([*asked, f"{api}/shop"]))
    assert shown["branches"] == {"trunk": commits[-1]}
    found = json.loads(subprocess.check_output([*asked, f"{api}/shop/commits?limit=2"]))["commits"]
    assert [one["subject"] for one in found] == ["Change 2", "Change 1"]


def test_strangers_are_asked_for_a_token_and_told_how_to_get_one(site: Site) -> None:
    site.andon("repository", "create", "shop")
    asked = subprocess.run(
        ["git", "ls-remote", f"{site.url}/git/shop.git"],
        env={**site.environment, "GIT_ASKPASS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode != 0
    assert "could not read Username" in asked.stderr or "Authentication failed" in asked.stderr


def test_a_push_larger_than_a_forms_limit_passes(site: Site, tmp_path: Path) -> None:
    site.andon("repository", "create", "shop")
    checkout = new_checkout(tmp_path / "checkout")
    (checkout.folder / "big").write_bytes(os.urandom(6_000_000))
    checkout.commit()
    checkout.git("push", "-q", site.address("shop"), "main")
    assert site.git.refs(Service("shop")) == {"refs/heads/main": checkout.head}


def test_tidying_joins_packs_and_throws_nothing_away(site: Site, tmp_path: Path) -> None:
    site.andon("repository", "create", "shop")
    shop = Service("shop")
    checkout = new_checkout(tmp_path / "checkout")
    url = site.address("shop")
    kept = checkout.commit()
    checkout.git("push", "-q", url, "main:away")
    checkout.git("push", "-q", url, ":away")  # no branch leads to it; it may be what runs in production
    checkout.git("checkout", "-q", "--orphan", "other")
    packs = site.git.path(shop) / "objects" / "pack"
    for number in range(PACKS):
        checkout.commit(content=f"{number}\n")
        pack = subprocess.run(
            ["git", "pack-objects", "--stdout", "--revs", "-q"],
            cwd=checkout.folder,
            input=b"HEAD\n",
            capture_output=True,
            check=True,
        )
        site.git.run(shop, "index-pack", "--stdin", given=pack.stdout)
    assert len(list(packs.glob("*.pack"))) > PACKS
    tidy(site.database, site.git)
    assert len(list(packs.glob("*.pack"))) < PACKS
    assert site.git.run(shop, "cat-file", "-t", kept).output == b"commit\n"
    assert site.git.run(shop, "cat-file", "-t", checkout.head).output == b"commit\n"
