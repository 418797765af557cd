"""What upper rooms give to sandboxes: it is there in instances and commands, and the service's own comes before it."""

from __future__ import annotations

import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.flow.environments.contract.equipment import Equipment, Equipper, Folder, Occupant, Purpose
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM
from andon.kernel.keeper.ways import Transport, WayOut
from tests.flow.environments.place import DEFINITION, Place, opened_place

SEND = (
    "import os, socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
    "s.sendto(os.environ.get('ANDON_INSTANCE', 'a command').encode(), ('127.0.0.1', 8125))"
)


class Telemetry(Equipper):
    """A folder for each environment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[Occupant] = []
        self.withdrawn: list[tuple[Service, str]] = []

    def folder(self, service: Service) -> Path:
        return self.root / service

    def equip(self, occupant: Occupant) -> Equipment:
        self.asked.append(occupant)
        return Equipment(
            folders=(Folder(self.folder(occupant.service), "/run/telemetry"),),
            variables={"ANDON_TELEMETRY": "/run/telemetry/statsd.sock", "COLOUR": "none", "ANDON_DATA": "/nowhere"},
            ways_out=(
                WayOut(Transport.UDP, 8125, "/run/telemetry/statsd.sock", {"STATSD_PORT": "8125"}),
                WayOut(Transport.TCP, 8000, "/run/telemetry/otlp.sock", {"OTLP": "http://127.0.0.1:8000"}),
                WayOut(Transport.TCP, 4317, "/run/telemetry/grpc.sock", {"GRPC": "127.0.0.1:4317"}),
            ),
        )

    def withdraw(self, service: Service, environment: str) -> None:
        self.withdrawn.append((service, environment))


@pytest.fixture(scope="module")
def telemetry() -> Iterator[Telemetry]:
    with tempfile.TemporaryDirectory(prefix="andon-eq-") as folder:
        yield Telemetry(Path(folder))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, telemetry: Telemetry) -> Iterator[Place]:
    with opened_place(tmp_path_factory.mktemp("data"), telemetry) as opened:
        yield opened


def listening(telemetry: Telemetry, service: Service) -> socket.socket:
    """As a program does that is started after the service, or again."""
    path = telemetry.folder(service) / "statsd.sock"
    path.unlink(missing_ok=True)
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    found.settimeout(60)
    found.bind(str(path))
    return found


def test_an_instance_has_folders_variables_and_ways_out(place: Place, telemetry: Telemetry) -> None:
    shop = place.service()
    with place.database.transaction() as tx:
        place.configuration.set(tx, SYSTEM, shop.service, "production", "COLOUR", "blue", secret=False)
    version = shop.commit("v1", instances=1)
    made = version.go_live()
    (instance,) = place.view(made).instances
    names = ("ANDON_TELEMETRY", "STATSD_PORT", "ANDON_INSTANCE", "ANDON_VERSION", "COLOUR", "ANDON_DATA", "OTLP")
    assert {name: shop.get(f"/env/{name}").text for name in names} == {
        "ANDON_TELEMETRY": "/run/telemetry/statsd.sock",
        "STATSD_PORT": "8125",
        "ANDON_INSTANCE": instance.id,
        "ANDON_VERSION": version.commit[:7],
        "COLOUR": "blue",  # what the service's people have set
        "ANDON_DATA": "/data",
        "OTLP": "unset",  # its port is the one the process listens on: it has no way out there
    }
    assert stat.S_IMODE(telemetry.folder(shop.service).stat().st_mode) == 0o700
    asked = telemetry.asked[-1]
    assert (asked.purpose, asked.service, asked.environment) == (Purpose.INSTANCE, shop.service, "production")
    assert (asked.id, asked.version) == (instance.id, version.commit[:7])
    listening(telemetry, shop.service).close()
    assert shop.get("/see/run/telemetry").text == "statsd.sock"


def test_a_process_that_listens_nowhere_and_a_command_have_ways_out_too(place: Place, telemetry: Telemetry) -> None:
    shop = place.service()
    telemetry.folder(shop.service).mkdir(mode=0o700)
    text = DEFINITION.format(instances="{ web: 1, mail: 1 }", within="60s").replace(
        "environments:", f'  mail:\n    command: python3 -c "{SEND}"; exec sleep 600\n    routed: false\nenvironments:'
    )
    with listening(telemetry, shop.service) as heard:
        made = shop.commit("v1", definition=text).go_live()
        mail, _web = place.view(made).instances
        assert heard.recv(100).decode() == mail.id
    with listening(telemetry, shop.service) as heard:
        went = place.built.environments.run_command(
            made, key="smoke", command=f'python3 -c "{SEND}"', timeout=60, variables={}, stopping=lambda: False
        )
        assert went.passed
        assert heard.recv(100) == b"a command"
    asked = telemetry.asked[-1]
    assert (asked.purpose, asked.id) == (Purpose.COMMAND, made)


def test_a_service_that_says_itself_where_to_send_has_the_port_for_itself(place: Place) -> None:
    shop = place.service()
    with place.database.transaction() as tx:
        place.configuration.set(tx, SYSTEM, shop.service, "production", "GRPC", "127.0.0.1:4317", secret=False)
    made = shop.commit("v1", instances=1).start()
    listen = "import socket; socket.create_server(('127.0.0.1', {})).close()"
    for port, passes in ((4317, True), (8000, False)):
        went = place.built.environments.run_command(
            made,
            key=f"listen-{port}",
            command=f'python3 -c "{listen.format(port)}"',
            timeout=60,
            variables={},
            stopping=lambda: False,
        )
        assert went.passed is passes


def test_on_the_machines_network_there_are_sockets_but_no_ways_out(place: Place) -> None:
    shop = place.service()
    text = DEFINITION.format(instances=1, within="60s").replace("port: 8000", "port: 8000\n    network: host")
    shop.commit("v1", definition=text).go_live()
    assert shop.get("/env/ANDON_TELEMETRY").text == "/run/telemetry/statsd.sock"
    assert shop.get("/env/STATSD_PORT").text == "unset"
    assert shop.get("/see/run/telemetry").text == "empty"


def test_the_end_of_an_environment_is_told(place: Place, telemetry: Telemetry) -> None:
    shop = place.service()
    place.built.environments.remove_data(shop.service, "production")
    assert telemetry.withdrawn == [(shop.service, "production")]
