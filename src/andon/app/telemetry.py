"""The telemetry process, wired: takes in what production says, keeps it, and lets others ask.

It reads the database through flow's own questions, and changes nothing in it.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from urllib.parse import urlsplit

from andon.app.composition import Installation
from andon.app.feedback import keep
from andon.feedback.logs.contract import CountedLines
from andon.feedback.logs.service import LogsService
from andon.feedback.telemetry import declared
from andon.feedback.telemetry.contract.intake import Way
from andon.feedback.telemetry.contract.metrics import INSTANCE, Resolution
from andon.feedback.telemetry.declared import Declared
from andon.feedback.telemetry.ingress import Ingress, Place
from andon.feedback.telemetry.listening import Listening
from andon.feedback.telemetry.own import access, follower, host, instances, itself, pipeline, router
from andon.feedback.telemetry.own.discovery import Discovery
from andon.feedback.telemetry.own.positions import StoredPositions
from andon.feedback.telemetry.own.rounds import Round, Rounds
from andon.feedback.telemetry.process import Part, Store, TelemetryProcess
from andon.feedback.telemetry.store.counting import Counted
from andon.feedback.telemetry.store.retention import sweep
from andon.feedback.telemetry.ways.browser.beacons import Allowed
from andon.feedback.telemetry.ways.gathering import Window
from andon.feedback.telemetry.ways.network import NetworkWays
from andon.feedback.telemetry.ways.scrape.scraper import Scraper
from andon.feedback.telemetry.ways.scrape.target import Target
from andon.feedback.telemetry.ways.statsd.way import StatsdWay
from andon.flow.routing.access import EnvoyAccessLog
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission
from andon.kernel.access.signing_in import caller_of_token
from andon.kernel.db import Database, Reading
from andon.kernel.errors import NotAuthenticated
from andon.kernel.keeper import control

_PLACES_EVERY = 1.0
_SWEEP_EVERY = 3600.0
_TOKEN_SECONDS = 10.0
"""How long a token that was revoked may still send."""
_MOST_TOKENS = 10_000
_SWITCH_SECONDS = 0.0005
"""After how long a thread makes way for one that waits for the interpreter; a tenth of what is usual. Decoding and
writing compute without a pause, and a question takes its turn after them several times before it is answered."""
_COLLECTED_AFTER = 50_000, 20, 50
"""Objects, and rounds, after which garbage is looked for, instead of 700, 10 and 10: a request makes thousands that are
no garbage, and series are known by the hundred thousand. Looking through those stops everything for long."""


def listen(installation: Installation, wait: Callable[[], None], ready: Callable[[], None]) -> None:
    """Take in and answer until ``wait`` returns. Raises what the store cannot be opened for."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_COLLECTED_AFTER)
    _allow_many_files()
    wiring = _Wiring(installation)
    process = TelemetryProcess(
        installation.settings.telemetry,
        installation.telemetry,
        ways=wiring.ways,
        counted=wiring.declared.counted,
        level=wiring.declared.level,
        # the supervisor starts again what ends by itself
        begin_anew=lambda: os.kill(os.getpid(), signal.SIGTERM),
    )
    process.start()
    try:
        ready()
        wait()
    finally:
        process.stop()


def _allow_many_files() -> None:
    """The store holds a file for each column it reads, and each environment has three sockets: more than the 1,024 that
    many systems begin with."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Tokens:
    """Whether a token may send: one of somebody who may push. Remembered for a moment, since every request asks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, tuple[float, bool]] = {}
        self._lock = threading.Lock()

    def __call__(self, token: str) -> bool:
        digest = sha256(token.encode()).digest()
        now = time.monotonic()
        with self._lock:
            until, admitted = self._known.get(digest, (0.0, False))
        if now < until:
            return admitted
        admitted = bool(token) and self._look(token)
        with self._lock:
            if len(self._known) >= _MOST_TOKENS:
                self._known.clear()
            self._known[digest] = (now + _TOKEN_SECONDS, admitted)
        return admitted

    def _look(self, token: str) -> bool:
        try:
            with self._database.reading() as reading:
                caller = caller_of_token(reading, token)
        except NotAuthenticated:
            return False
        principal = caller.principal
        return any(principal.may(Permission.PUSH, service) for service in (None, *(principal.services or ())))


class _Wiring:
    """What each way is given. Nothing here starts anything."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._settings = installation.settings.telemetry
        self._keep = keep(self._settings)
        flow = installation.flow
        self.declared = Declared(
            environments=flow.environments,
            sources=flow.sources,
            definitions=flow.definitions,
            reading=installation.database.reading,
            scraped=[_scraped(address) for address in self._settings.scrape],
            clicked=_clicked(LogsService()),
        )
        # before the first line and the first series come in
        self.declared.round()

    def ways(self, store: Store) -> Sequence[tuple[str, Part]]:
        window = Window(lambda: self._keep.horizon(Resolution.RAW))
        listening = self._listening(store, window)
        scraper = Scraper(store.writer, window, self.declared.targets, interval=self._settings.scrape_seconds)
        watching = Rounds(
            [
                Round("environments' sockets", _PLACES_EVERY, listening.round),
                Round("what services declare", declared.EVERY, self.declared.round),
                Round("retention", _SWEEP_EVERY, lambda: self.sweep(store)),
            ],
            name="telemetry housekeeping",
        )
        return (
            ("what listens", listening),
            ("housekeeping", watching),
            ("scraping", scraper),
            ("what Andon measures", Rounds(self._measured(store), name="telemetry measuring")),
            ("logs", self._followed(store)),
        )

    def _listening(self, store: Store, window: Window) -> Listening:
        installation, settings = self._installation, self._settings
        allowed = Allowed(
            knows=lambda service, environment: Place(Service(service), environment) in self._places(),
            origins=frozenset(settings.beacon_origins),
        )
        network = NetworkWays(store.writer, window, allowed)

        def statsd() -> StatsdWay:
            return StatsdWay(
                store.engine,
                store.tables,
                store.book,
                store.writer,
                parser=store.parser,
                disk=store.disk,
                listening=(),
                past=self._keep.horizon(Resolution.RAW),
                took=lambda samples: store.drops.took(Way.STATSD, samples=samples),
                writing=store.writer.writing,
            )

        ingress = Ingress(installation.telemetry.sockets)
        return Listening(
            settings,
            ingress,
            network,
            statsd,
            self._places,
            installation.telemetry.state,
            Tokens(installation.database),
            trouble=lambda: store.disk.trouble,
        )

    def _places(self) -> frozenset[Place]:
        with self._installation.database.reading() as reading:
            places = self._installation.flow.places(reading)
        return frozenset(
            Place(Service(service), environment) for service, names in places.items() for environment in (*names, "")
        )

    def _measured(self, store: Store) -> Sequence[Round]:
        installation, flow = self._installation, self._installation.flow
        reading = installation.database.reading
        positions = StoredPositions(store.engine, log_days=self._settings.log_days)
        places = router.Places(flow.environments, reading)
        machine = host.HostMetrics(store.writer, folders=[installation.settings.data])
        running = instances.InstanceMetrics(
            store.writer,
            environments=flow.environments,
            reading=reading,
            kept=lambda: control.kept(flow.layout.keepers),
        )
        served = router.RouterMetrics(store.writer, statistics=flow.router.statistics, places=places)
        requests = access.AccessFollower(
            store.writer,
            log=EnvoyAccessLog(installation.settings.data / "router"),
            positions=positions,
            places=places,
            endpoints=access.Endpoints(flow.environments, reading),
        )
        runs = pipeline.PipelineMetrics(
            store.writer,
            reading=reading,
            positions=positions,
            sources=flow.sources,
            needs=pipeline.needs_in(flow.sources, flow.definitions),
            kept=timedelta(days=self._settings.raw_days),
        )
        own = itself.TelemetryItself(
            store.writer,
            counts=store.drops.counts,
            series=store.book.counts,
            waiting=lambda: store.writer.waiting,
            tables=lambda: itself.table_sizes(store.engine),
        )
        return (
            Round("the machine", host.EVERY, machine.round),
            Round("instances", instances.EVERY, running.round),
            Round("the router", router.EVERY, served.round),
            Round("requests", access.EVERY, requests.round),
            Round("the pipeline", pipeline.EVERY, runs.round),
            Round("telemetry itself", itself.EVERY, own.round),
        )

    def _followed(self, store: Store) -> Rounds:
        flow = self._installation.flow
        found = Discovery(
            reading=self._installation.database.reading,
            environments=flow.environments,
            pipelines=flow.pipelines,
            set_folder=flow.layout.set,
            job_log=flow.folders.log,
            kept=timedelta(days=self._settings.log_days),
        )
        positions = StoredPositions(store.engine, log_days=self._settings.log_days)
        lines = follower.LogFollower(store.writer, discovery=found, positions=positions)
        return Rounds([Round("logs", follower.EVERY, lines.round)], name="telemetry logs")

    def sweep(self, store: Store) -> None:
        sweep(store.engine, self._keep)


def _clicked(lines: CountedLines) -> Callable[[Reading], Sequence[Counted]]:
    return lambda reading: [
        Counted(service=one.service, metric=one.metric, query=one.query) for one in lines.counted(reading)
    ]


def _scraped(address: str) -> Target:
    parts = urlsplit(address)
    place = parts.netloc
    return Target(
        labels={"job": parts.hostname or "", INSTANCE: place},
        host=parts.hostname or "127.0.0.1",
        port=parts.port or (443 if parts.scheme == "https" else 80),
        path=parts.path + (f"?{parts.query}" if parts.query else "") or "/metrics",
    )
