"""Real processes: what `andon up`, `down` and `restart` leave running, and what a killed supervisor does."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from andon.app.role import Role
from benchmarks.harness.checkouts import Checkout
from benchmarks.harness.crashing import PRODUCTION, SERVICE, address_of
from benchmarks.harness.installation import Andon, left_behind, until
from benchmarks.harness.record import Record

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ONLY_PRODUCTION = """\
stages:
  first: {jobs: {nothing: {run: "true"}}}
  production: {environment: production, when: automatic}
package: {files: [page.html]}
run:
  web:
    command: exec python3 -m http.server 8000
    port: 8000
    health: {path: /page.html, every: 100ms, within: 30s}
environments:
  production: {instances: 1}
"""


def andon_command(andon: Andon, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "andon", *arguments, "--data", str(andon.data)],
        env=andon.environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def andon() -> Iterator[Andon]:
    """One with a service in production."""
    with Andon() as running:
        checkout = Checkout(running.folder / "service", running.create(SERVICE), running.token)
        checkout.commit({"andon.yaml": ONLY_PRODUCTION, "page.html": "here"}, "One page")
        checkout.push()
        Record(running.client).await_event("deployment.finished", environment="production", state="succeeded")
        yield running


class Asking:
    """Asks production all the time."""

    def __init__(self, andon: Andon) -> None:
        self._url = address_of(andon, SERVICE, PRODUCTION) + "/page.html"
        self._ending = threading.Event()
        self.answers = 0
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Asking:
        self._thread.start()
        until(lambda: self.answers > 0, "production answers")
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx.Client(trust_env=False, timeout=20) as client:
            while not self._ending.is_set():
                try:
                    answer = client.get(self._url)
                    if answer.status_code != 200 or answer.text != "here":
                        self.failures.append(f"{answer.status_code} {answer.text[:80]}")
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                self.answers += 1
                time.sleep(0.01)


def test_a_restart_changes_the_roles_and_nothing_else(andon: Andon) -> None:
    kept, (supervisor, *roles) = andon.keepers(), andon.roles()
    assert len(kept) == 2, "Envoy and one instance"
    with Asking(andon) as asking:
        done = andon_command(andon, "restart", "--json")
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pid"] == supervisor.pid
    assert asking.failures == []
    assert andon.keepers() == kept
    same_supervisor, *new_roles = andon.roles()
    assert same_supervisor.pid == supervisor.pid
    assert {one.pid for one in new_roles}.isdisjoint(one.pid for one in roles)
    assert len(new_roles) == len(Role)
    assert answers(andon)
    # A terminal that knows the data directory and nothing of the port.
    elsewhere = {name: value for name, value in andon.environment().items() if name != "ANDON_WEB_PORT"}
    elsewhere |= {"ANDON_DATA": str(andon.data), "XDG_CONFIG_HOME": str(andon.folder / "config")}
    for asked, said in (("whoami", "operator"), ("doctor", f"at http://localhost:{andon.port}")):
        told = subprocess.run(
            [sys.executable, "-m", "andon", asked], env=elsewhere, capture_output=True, text=True, check=False
        )
        assert said in told.stdout, told.stdout + told.stderr


def test_a_value_set_ahead_of_its_environment_is_told_to_be(andon: Andon) -> None:
    for environment, said in (
        ("try-two", f"There is no environment try-two of {SERVICE} yet; whoever makes it will find this."),
        (PRODUCTION, f"The next deployment of {SERVICE}/{PRODUCTION} takes it up."),
    ):
        told = subprocess.run(
            [sys.executable, "-m", "andon", "config", "set", SERVICE, environment, "COLOUR=blue"],
            env={**andon.environment(), "ANDON_DATA": str(andon.data), "XDG_CONFIG_HOME": str(andon.folder / "config")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (told.returncode, told.stdout) == (0, f"Set. {said}\n"), told.stderr


def test_a_fallen_role_is_started_again(andon: Andon) -> None:
    kept, old = andon.keepers(), {name: andon.role(name) for name in Role}
    for one in old.values():
        one.kill()
    gone = {one.pid for one in old.values()}
    until(lambda: len(andon.roles()) == 1 + len(Role) and not gone & set(pids(andon)), "all are back")
    until(lambda: answers(andon), "the API answers again")
    assert andon.keepers() == kept


def test_roles_fall_with_the_process_they_are_forked_from_and_all_come_back(andon: Andon) -> None:
    kept, (supervisor, *roles) = andon.keepers(), andon.roles()
    (nursery,) = supervisor.children()
    nursery.kill()
    _, still = psutil.wait_procs(roles, timeout=30)
    assert still == []
    until(lambda: len(andon.roles()) == 1 + len(Role), "all are back")
    until(lambda: answers(andon), "the API answers again")
    assert [one.pid for one in supervisor.children()] != [nursery.pid]
    assert andon.keepers() == kept


def test_a_killed_supervisor_takes_its_roles_along_and_the_next_one_adopts_what_is_kept(andon: Andon) -> None:
    kept, (supervisor, *roles) = andon.keepers(), andon.roles()
    with Asking(andon) as asking:
        supervisor.kill()
        supervisor.wait()
        _, still = psutil.wait_procs(roles, timeout=30)
        assert still == []
        assert andon.keepers() == kept
        andon.start()
        until(lambda: answers(andon), "the API answers again")
    assert asking.failures == []
    assert andon.keepers() == kept


def test_a_second_one_is_refused_by_name(andon: Andon) -> None:
    supervisor = andon.roles()[0].pid
    done = andon_command(andon, "up")
    assert done.returncode != 0
    assert f"Process {supervisor} is already at work" in done.stderr
    assert "andon down" in done.stderr
    assert answers(andon)


@pytest.mark.parametrize("further", [(), ("--detach",)], ids=["in sight", "detached"])
def test_a_taken_port_is_told_and_nothing_is_left(further: tuple[str, ...], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "andon", "up", "--port", str(port), "--data", str(tmp_path / "data"), *further],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode != 0
    assert f"127.0.0.1:{port}" in done.stderr
    assert "web.port" in done.stderr
    assert left_behind(tmp_path) == []
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700, "nobody else looks into it"


def test_a_restart_that_fails_leaves_production_alone(andon: Andon) -> None:
    kept = andon.keepers()
    settings = andon.data / "settings.toml"
    settings.write_text("[web]\nport = 'seven'\n")
    try:
        with Asking(andon) as asking:
            done = andon_command(andon, "restart")
            # Either word will do: the command itself reads the settings first.
            assert done.returncode != 0
            supervisor = andon.roles()[0]
            supervisor.send_signal(signal.SIGHUP)
            supervisor.wait(60)
    finally:
        settings.unlink()
    assert asking.failures == []
    assert andon.keepers() == kept
    andon.start()
    assert andon.keepers() == kept


def test_down_ends_everything_and_a_detached_up_begins_again(andon: Andon) -> None:
    done = andon_command(andon, "down", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["running"] is True
    until(lambda: left_behind(andon.folder) == [], "nothing is left")
    again = andon_command(andon, "down", "--json")
    assert json.loads(again.stdout) == {"running": False, "kept": 0}

    up = andon_command(andon, "up", "--detach", "--json")
    assert up.returncode == 0, up.stderr
    assert json.loads(up.stdout)["address"] == f"http://localhost:{andon.port}"
    assert answers(andon)
    until(lambda: len(andon.keepers()) == 2, "production is served again")
    with Asking(andon) as asking:
        until(lambda: asking.answers > 3, "answers")
    assert andon_command(andon, "down").returncode == 0
    until(lambda: left_behind(andon.folder) == [], "nothing is left")


def pids(andon: Andon) -> list[int]:
    return [one.pid for one in andon.roles()]


def answers(andon: Andon) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", andon.port), timeout=5):
            return True
    except OSError:
        return False
