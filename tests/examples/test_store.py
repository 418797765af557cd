"""The example shop, its later versions, and the promises the demo makes with them.

Every shop here is a real process with a real database, started as Andon would start it.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

import andon_flags
from andon.flow.definition.contract import Trigger
from andon.flow.definition.reader import YamlDefinitionReader
from tests.flags_client.documents import document, switch

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PATIENCE = 100.0
"""Seconds until something that has not happened never will."""


@dataclass(frozen=True, slots=True)
class Shop:
    """One version of the shop in its own folder, with the environment it runs in."""

    folder: Path
    data: Path
    region: str = "test"

    def environ(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        # Nothing of ours: as in a sandbox, the shop sees what it is given.
        return {
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "ANDON_DATA": str(self.data),
            "ANDON_COMMIT": f"{self.folder.name:0<40}",
            "STORE_REGION": self.region,
            **(more or {}),
        }

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=self.environ(more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **more: str) -> tuple[int, str]:
        process = self.start(*arguments, **more)
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        return process.returncode, output

    def must(self, *arguments: str, **more: str) -> str:
        code, output = self.run(*arguments, **more)
        assert code == 0, f"{' '.join(arguments)} ended with {code}:\n{output}"
        return output

    @contextmanager
    def open(self, **more: str) -> Iterator[Running]:
        process = self.start("store", PORT="0", **more)
        try:
            assert process.stdout is not None
            greeting = process.stdout.readline()
            assert "http://" in greeting, greeting + process.stdout.read()
            yield Running(process, int(greeting.split("http://127.0.0.1:")[1].split(",")[0]))
        finally:
            process.kill()
            process.communicate()


@dataclass(frozen=True, slots=True)
class Running:
    """A shop that answers."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read().decode()

    def stop(self) -> tuple[int, str]:
        """Ask it to stop; its exit code and what it said since it started."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output


@dataclass(frozen=True, slots=True)
class Versions:
    one: Shop
    two: Shop
    three: Shop
    four: Shop
    five: Shop
    six: Shop


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All versions, made as the demo makes them: the shop, then one change copied over another."""
    root = tmp_path_factory.mktemp("shop")
    ignored = shutil.ignore_patterns("__pycache__", "reports")
    shutil.copytree(EXAMPLES / "store", root / "1", ignore=ignored)
    for version, before, change in (
        ("2", "1", "02-reviews"),
        ("3", "2", "03-broken"),
        ("4", "2", "04-recommendations"),
        ("5", "2", "05-order-states"),
        ("6", "5", "06-states-only"),
    ):
        shutil.copytree(root / before, root / version, ignore=ignored)
        source = EXAMPLES / "store-changes" / change
        shutil.copytree(
            source, root / version, ignore=shutil.ignore_patterns("__pycache__", "MESSAGE"), dirs_exist_ok=True
        )
        assert (source / "MESSAGE").read_text("utf-8").strip()
    return [root / str(version) for version in range(1, 7)]


@pytest.fixture
def versions(folders: list[Path], tmp_path: Path) -> Versions:
    """All versions in one environment, that is with one database."""
    return Versions(*(Shop(folder, tmp_path) for folder in folders))


@pytest.fixture
def shop(versions: Versions) -> Shop:
    """The first version, with its database made."""
    versions.one.must("store.migrate", "expand")
    return versions.one


def wait_until(true: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up, f"in {PATIENCE:.0f} s it never happened that {what}"
        time.sleep(0.01)


def stocks(running: Running) -> dict[str, int]:
    return {part["sku"]: part["stock"] for part in json.loads(running.get("/api/parts")[1])["parts"]}


# --- what andon.yaml says, and whether the jobs it names pass -----------------------------------------------


def test_the_definition_is_sound_and_says_what_the_demo_shows() -> None:
    definition = YamlDefinitionReader().read((EXAMPLES / "store" / "andon.yaml").read_bytes())
    assert [(stage.name, stage.environment) for stage in definition.stages] == [
        ("commit", None),
        ("acceptance", "acceptance"),
        ("production", "production"),
    ]
    assert definition.stages[2].trigger is Trigger.AUTOMATIC
    production, acceptance = definition.environment("production"), definition.environment("acceptance")
    assert production is not None
    assert acceptance is not None
    assert (production.instances, production.keep_warm) == ({"web": 2}, 2)
    # What the third version stumbles over.
    assert (acceptance.config["STORE_REGION"], production.config["STORE_REGION"]) == ("test", "eu")


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_the_commit_stage_passes_for_every_version(version: int, folders: list[Path], tmp_path: Path) -> None:
    shop = Shop(folders[version - 1], tmp_path)
    shop.must("compileall", "-q", "store", "tests", PYTHONDONTWRITEBYTECODE="", PYTHONPYCACHEPREFIX=str(tmp_path))
    shop.must("tests.style")
    report = tmp_path / "reports" / "unit.xml"
    shop.must("tests.run", "--junit", str(report))
    suite = ElementTree.parse(report).getroot()[0]
    assert int(suite.attrib["tests"]) == len(suite) > 40
    assert (suite.attrib["failures"], suite.attrib["errors"]) == ("0", "0")


def test_a_failing_test_fails_the_job_and_is_named_in_the_report(folders: list[Path], tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(
        "import unittest\n"
        "class Broken(unittest.TestCase):\n"
        "    def test_wrong(self): self.fail('a bell \\x07 and an <angle>')\n"
        "    def test_breaks(self): 1 / 0\n"
        "    def test_right(self): pass\n"
        "class NeverReady(unittest.TestCase):\n"
        "    @classmethod\n"
        "    def setUpClass(cls): raise OSError('no database')\n"
        "    def test_never(self): pass\n"
    )
    report = tmp_path / "report.xml"
    code, _ = Shop(folders[0], tmp_path).run("tests.run", "--junit", str(report), "failing", PYTHONPATH=str(tmp_path))
    assert code == 1
    suite = ElementTree.parse(report).getroot()[0]
    assert (suite.attrib["failures"], suite.attrib["errors"]) == ("1", "2")
    told = {case.attrib["name"]: [element.tag for element in case] for case in suite}
    assert (told["test_wrong"], told["test_breaks"], told["test_right"]) == (["failure"], ["error"], [])


def test_no_test_at_all_is_no_success(folders: list[Path], tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    assert Shop(folders[0], tmp_path).run("tests.run", "empty", PYTHONPATH=str(tmp_path))[0] == 2


# --- the database ------------------------------------------------------------------------------------------


def test_expand_twice_does_the_work_once(versions: Versions) -> None:
    assert "0001-parts-and-orders applied" in versions.one.must("store.migrate", "expand")
    assert "nothing to do" in versions.one.must("store.migrate", "expand")


def test_many_expands_at_once_do_the_work_once(versions: Versions) -> None:
    runs = [versions.two.start("store.migrate", "expand") for _ in range(6)]
    output = "".join(run.communicate(timeout=PATIENCE)[0] for run in runs)
    assert [run.returncode for run in runs] == [0] * 6, output
    assert output.count("0001-parts-and-orders applied") == 1, output
    assert output.count("0002-reviews applied") == 1, output
    with versions.two.open() as running:
        assert json.loads(running.get("/health")[1])["parts"] == 24


def test_a_shop_without_a_database_is_unhealthy_until_there_is_one(versions: Versions) -> None:
    with versions.one.open() as running:
        assert running.get("/health")[0] == 503
        versions.one.must("store.migrate", "expand")
        assert running.get("/health")[0] == 200


def test_both_versions_work_on_one_expanded_database_and_a_contract_ends_that(versions: Versions) -> None:
    old, new = versions.one, versions.two
    old.must("store.migrate", "expand")
    with ExitStack() as stack:
        old_shop = stack.enter_context(old.open())
        new.must("store.migrate", "expand")  # while the old version serves
        new_shop = stack.enter_context(new.open())
        for version, running in ((old, old_shop), (new, new_shop)):
            version.must("tests.run", "tests.journeys", ANDON_URL=running.url)
            version.must("store.smoke", ANDON_URL=running.url)
        # A rollback runs the old version's expand again, on a database that knows more than it does.
        assert "nothing to do" in old.must("store.migrate", "expand")
        assert "applied by a newer version" in old.must("store.migrate", "status")

        reference = old.must("store.smoke", ANDON_URL=old_shop.url).split("order ")[1].split()[0]
        assert new_shop.get(f"/orders/{reference}")[0] == 200

        new.must("store.migrate", "contract")
        assert "nothing to do" in new.must("store.migrate", "contract")
        assert new_shop.get("/health")[0] == 200
        new.must("tests.run", "tests.journeys", ANDON_URL=new_shop.url)
        # The old one says so rather than to sell half a catalogue.
        assert old_shop.get("/health")[0] == 503
        code, output = old.run("store.migrate", "expand")
        assert (code, "too old" in output) == (1, True), output


def test_the_fourth_passes_acceptance_and_its_smoke_test_and_fails_some_customers_under_load(
    versions: Versions,
) -> None:
    production = Shop(versions.four.folder, versions.four.data, region="eu")
    versions.four.must("store.migrate", "expand")
    with versions.four.open() as bench:
        versions.four.must("tests.run", "tests.journeys", ANDON_URL=bench.url)
        assert {bench.get("/")[0] for _ in range(30)} == {200}
    with production.open() as serving:
        assert serving.get("/")[0] == 200
        production.must("store.smoke", ANDON_URL=serving.url)
        wait_until(lambda: {serving.get("/api/parts")[0] for _ in range(10)} == {200, 500}, "some pages fail")


# --- the flag -----------------------------------------------------------------------------------------------


def test_half_of_the_visitors_get_the_new_checkout_and_keep_it_in_every_copy(shop: Shop, tmp_path: Path) -> None:
    half = {"new-checkout": switch(default=[[0, 50_000, "on"], [50_000, 100_000, "off"]])}
    (tmp_path / "flags.json").write_text(json.dumps(document(half)))
    flagged = {
        "ANDON_FLAGS_FILE": str(tmp_path / "flags.json"),
        "ANDON_FLAGS_COUNTING": "off",
        "PYTHONPATH": str(Path(andon_flags.__file__).parents[1]),
    }
    numbers = [f"{number:032x}" for number in range(60)]
    with shop.open(**flagged) as one, shop.open(**flagged) as other:
        found = [[is_short(running, number) for number in numbers] for running in (one, other)]
        assert found[0] == found[1]
        assert 15 < sum(found[0]) < 45
        assert one.stop()[0] == 0
    with shop.open() as without:
        assert not any(is_short(without, number) for number in numbers)


def is_short(running: Running, visitor: str) -> bool:
    status, page = running.get("/parts/WH-6040", {"Cookie": f"visitor={visitor}"})
    assert status == 200
    return "More than one?" in page


# --- orders and the smoke test -----------------------------------------------------------------------------


def test_the_smoke_test_leaves_nothing(shop: Shop) -> None:
    with shop.open() as running:
        before = stocks(running)
        reference = shop.must("store.smoke", ANDON_URL=running.url).split("order ")[1].split()[0]
        assert running.get(f"/orders/{reference}")[0] == 200
        assert stocks(running) != before
        assert "1 order(s)" in shop.must("store.smoke", "--cleanup")
        assert "0 order(s)" in shop.must("store.smoke", "--cleanup")
        assert running.get(f"/orders/{reference}")[0] == 404
        assert stocks(running) == before


def test_the_smoke_test_cleans_up_under_its_own_name_only(shop: Shop) -> None:
    with shop.open() as running:
        mine = shop.must("store.smoke", ANDON_URL=running.url, ANDON_SMOKE_IDENTITY="a@andon.invalid")
        shop.must("store.smoke", ANDON_URL=running.url, ANDON_SMOKE_IDENTITY="b@andon.invalid")
        shop.must("store.smoke", "--cleanup", ANDON_SMOKE_IDENTITY="b@andon.invalid")
        assert running.get(f"/orders/{mine.split('order ')[1].split()[0]}")[0] == 200


def test_smoke_test_and_journeys_reach_the_shop_over_a_unix_socket(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with shop.open() as running, forwarder(path, running.port):
        shop.must("store.smoke", ANDON_URL=f"unix:{path}")
        shop.must("tests.run", "tests.journeys", ANDON_URL=f"unix:{path}")


@contextmanager
def forwarder(path: Path, port: int) -> Iterator[None]:
    """A Unix socket that leads to a port, as a sandbox has one."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def lead(inner: socket.socket) -> None:
        with inner, socket.create_connection(("127.0.0.1", port)) as outer:
            other = threading.Thread(target=copy, args=(outer, inner))
            other.start()
            copy(inner, outer)
            other.join()

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            if stopping.is_set():
                connection.close()
                return
            thread = threading.Thread(target=lead, args=(connection,))
            thread.start()
            threads.append(thread)

    stopping, threads = threading.Event(), list[threading.Thread]()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield
        finally:
            stopping.set()
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(path))
            for thread in (accepting, *threads):
                thread.join()


def test_the_payment_key_signs_and_is_never_shown(shop: Shop) -> None:
    secret = "correct-horse-battery-staple"
    with shop.open(PAYMENT_KEY=secret) as running:
        reference = shop.must("store.smoke", ANDON_URL=running.url).split("order ")[1].split()[0]
        pages = [running.get(path)[1] for path in ("/", f"/orders/{reference}", f"/api/orders/{reference}", "/health")]
        assert "Authorised" in pages[1]
        _, output = running.stop()
    assert all(secret not in text for text in (*pages, output))


def test_what_makes_no_sense_is_refused_at_the_start(shop: Shop, tmp_path: Path) -> None:
    for wrong, word in (({"PORT": "http"}, "PORT"), ({"ANDON_DATA": ""}, "STORE_DATABASE")):
        code, output = shop.run("store", **wrong)
        assert (code, word in output, "Traceback" in output) == (2, True, False), output
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, output = shop.run("store", PORT=str(taken.getsockname()[1]))
    assert (code, "cannot start" in output) == (2, True), output


# --- stopping ----------------------------------------------------------------------------------------------


class Customers:
    """Customers who ask and order without pause over kept-open connections, until nobody opens the door any more."""

    def __init__(self, port: int, number: int = 12) -> None:
        self.port = port
        self.answered = 0
        self.ordered: list[str] = []
        self.lost: list[str] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._shop, args=(index,)) for index in range(number)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads)

    def _shop(self, index: int) -> None:
        turn = 0
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            try:
                connection.connect()
            except ConnectionRefusedError:
                return
            with closing(connection):
                open_ = True
                while open_:
                    turn += 1
                    try:
                        open_ = self._ask(connection, f"customer-{index}-{turn}", order=turn % 8 == 0)
                    except (OSError, http.client.HTTPException, AssertionError) as error:
                        with self._lock:
                            self.lost.append(repr(error))
                        return

    def _ask(self, connection: http.client.HTTPConnection, key: str, *, order: bool) -> bool:
        if order:
            wish = {"sku": "EN-2004", "quantity": 1, "customer": "ada@example.org", "request_key": key}
            connection.request("POST", "/api/orders", json.dumps(wish))
        else:
            connection.request("GET", "/")
        response = connection.getresponse()
        body = response.read()
        assert response.status == (201 if order else 200), body[:200]
        with self._lock:
            self.answered += 1
            if order:
                self.ordered.append(json.loads(body)["reference"])
        return response.getheader("Connection") != "close"


def test_sigterm_under_load_loses_no_request(shop: Shop) -> None:
    with shop.open() as running, shop.open() as other:
        before = stocks(other)["EN-2004"]
        customers = Customers(running.port)
        wait_until(lambda: customers.answered >= 300 or bool(customers.lost), "300 requests were answered")
        code, output = running.stop()
        customers.join()
        assert customers.lost == []
        assert (code, "every request answered" in output) == (0, True), output[-500:]
        # Each order a customer was thanked for is there, and no other.
        assert customers.ordered
        assert before - stocks(other)["EN-2004"] == len(customers.ordered)
        assert all(other.get(f"/api/orders/{reference}")[0] == 200 for reference in customers.ordered)


def test_a_quiet_connection_does_not_keep_the_shop_from_stopping(shop: Shop) -> None:
    with shop.open() as running, socket.create_connection(("127.0.0.1", running.port)) as never_asked:
        with closing(http.client.HTTPConnection("127.0.0.1", running.port)) as asked_once:
            asked_once.request("GET", "/version")
            asked_once.getresponse().read()
            code, output = running.stop()
        assert (code, never_asked.recv(1)) == (0, b""), output


# --- the third version -------------------------------------------------------------------------------------


def test_the_third_version_passes_acceptance_and_fails_its_smoke_test_in_production(
    versions: Versions, tmp_path: Path
) -> None:
    acceptance = Shop(versions.three.folder, tmp_path / "acceptance", region="test")
    acceptance.data.mkdir()
    acceptance.must("store.migrate", "expand")
    with acceptance.open() as running:
        acceptance.must("store.smoke", ANDON_URL=running.url)
        acceptance.must("tests.run", "tests.journeys", ANDON_URL=running.url)

    production = tmp_path / "production"
    production.mkdir()
    good, broken = (Shop(version.folder, production, region="eu") for version in (versions.two, versions.three))
    good.must("store.migrate", "expand")
    with good.open() as serving:
        before = stocks(serving)
        assert "0003-tax applied" in broken.must("store.migrate", "expand")
        with broken.open() as candidate:
            assert candidate.get("/health")[0] == 200
            assert "Parts Unlimited" in candidate.get("/")[1]
            code, output = broken.run("store.smoke", ANDON_URL=candidate.url)
            assert (code, "expected 201, got 500" in output) == (1, True), output
            broken.must("store.smoke", "--cleanup")
            _, log = candidate.stop()
            assert "KeyError: 'eu'" in log
        # What the attempt left behind, a column, does not trouble the version that serves.
        good.must("store.smoke", ANDON_URL=serving.url)
        good.must("store.smoke", "--cleanup")
        good.must("tests.run", "tests.journeys", ANDON_URL=serving.url)
        assert stocks(serving) == before
