"""What is listened at, what is not and why, and that it is tried again until it can be."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from andon.feedback.telemetry.heard import Heard, read_state
from andon.feedback.telemetry.ingress import OTLP, STATSD, Ingress, Place
from andon.feedback.telemetry.listening import Listening
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.ways.browser.beacons import Allowed
from andon.feedback.telemetry.ways.network import NetworkWays
from andon.feedback.telemetry.ways.statsd.way import StatsdWay
from andon.flow.sources.contract import Service
from andon.kernel.settings import TelemetrySettings
from tests.feedback.telemetry.ways.places import until, window

NAMES = ("StatsD", "OpenTelemetry over HTTP", "OpenTelemetry over gRPC", "Graphite", "Syslog")


class Taken:
    """Somebody else's sockets at five ports. Given back, they are free for whoever asks for just these ports, as Andon
    does, and for nobody who takes any port there is."""

    def __init__(self) -> None:
        self._streams = [socket.create_server(("127.0.0.1", 0)) for _ in NAMES]
        self.ports = [int(one.getsockname()[1]) for one in self._streams]
        self._kept: list[socket.socket] = []

    def give_back(self) -> None:
        for stream, port in zip(self._streams, self.ports, strict=True):
            stream.close()
            kept = socket.socket()
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.bind(("127.0.0.1", port))
            self._kept.append(kept)

    def close(self) -> None:
        for one in (*self._streams, *self._kept):
            one.close()


class Running:
    def __init__(self, engine: Engine, folder: Path, ports: list[int]) -> None:
        self.places: list[Place] = []
        self.state, self.sockets, self.engine = folder / "state.json", folder, engine
        intake = MemoryIntake()
        self.ways = NetworkWays(intake, window(), Allowed(knows=lambda service, environment: True))
        statsd, http, grpc, graphite, syslog = ports
        settings = TelemetrySettings(
            statsd_port=statsd, otlp_port=http, otlp_grpc_port=grpc, graphite_port=graphite, syslog_port=syslog
        )
        self.statsd = StatsdWay(
            engine, Tables(engine), Book(limit=100, total=100), intake, listening=(), linger=0.02, buffer=1024**2
        )
        self.listening = Listening(
            settings, Ingress(folder), self.ways, lambda: self.statsd, lambda: self.places, self.state
        )

    def heard(self) -> dict[str, Heard]:
        state = read_state(self.state)
        assert state is not None
        return {one.what: one for one in state.places}

    def rounds(self, count: int) -> None:
        for _ in range(count):
            self.listening.round()


@pytest.fixture
def taken() -> Iterator[Taken]:
    made = Taken()
    yield made
    made.close()


@pytest.fixture
def running(engine: Engine, tmp_path: Path, taken: Taken) -> Iterator[Running]:
    made = Running(engine, tmp_path, taken.ports)
    made.listening.start()
    yield made
    made.listening.stop()


def test_every_port_that_is_taken_is_told_and_tried_again_until_it_is_free(
    running: Running, taken: Taken, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ("statsd_port", "otlp_port", "otlp_grpc_port", "graphite_port", "syslog_port")
    faults = running.heard()
    assert tuple(faults) == NAMES
    for name, port, setting in zip(NAMES, taken.ports, settings, strict=True):
        assert faults[name].address == f"127.0.0.1:{port}"
        assert "Address already in use" in faults[name].fault
        assert f"telemetry.{setting}" in faults[name].fault
    running.rounds(100)
    logged = [one for one in (*caplog.get_records("setup"), *caplog.records) if one.levelno >= logging.WARNING]
    assert len(logged) == len(NAMES), "each is said once, however often it is tried"

    taken.give_back()
    running.rounds(61)  # the longest pause
    heard = running.heard()
    assert [one.fault for one in heard.values()] == [""] * len(NAMES)
    assert "StatsD is taken in now" in caplog.text
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
        sender.sendto(b"hits:1|c", ("127.0.0.1", taken.ports[0]))
    until(lambda: running.statsd.statistics.samples == 1)
    with closing(socket.create_connection(("127.0.0.1", taken.ports[0]))) as sender:
        sender.sendall(b"hits:1|c\n")
    until(lambda: running.statsd.statistics.samples == 2)


def test_the_first_tries_come_soon_after_each_other(running: Running, taken: Taken) -> None:
    taken.give_back()
    running.rounds(2)
    assert [one.fault for one in running.heard().values()] == [""] * len(NAMES)


def test_an_environment_whose_sockets_cannot_be_made_has_none_and_gets_all_of_them_later(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(Service("shop"), "production")
    folder = Ingress(running.sockets).folder(place)
    folder.mkdir(parents=True)
    (folder / STATSD).write_text("something else has this name")
    running.places.append(place)
    running.rounds(100)
    assert caplog.text.count("shop/production cannot send telemetry") == 1
    assert not (folder / OTLP).exists(), "nobody should find half of them"
    state = read_state(running.state)
    assert state is not None
    assert state.environments == 0
    (folder / STATSD).unlink()
    running.rounds(61)
    assert (folder / OTLP).is_socket()
    assert (folder / STATSD).is_socket()
    state = read_state(running.state)
    assert state is not None
    assert state.environments == 1
    running.places.clear()
    running.rounds(1)
    assert not (folder / OTLP).exists()
    assert not (folder / STATSD).exists()
