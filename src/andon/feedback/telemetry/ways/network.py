"""All ways in over the network but StatsD, put together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from andon.feedback.telemetry.contract.intake import Intake
from andon.feedback.telemetry.ways.browser.beacons import Allowed, Beacons
from andon.feedback.telemetry.ways.doors.application import WaysIn
from andon.feedback.telemetry.ways.doors.grpc import GrpcDoor
from andon.feedback.telemetry.ways.doors.http import HttpDoor
from andon.feedback.telemetry.ways.doors.lines import LineDoor
from andon.feedback.telemetry.ways.gathering import Window
from andon.feedback.telemetry.ways.graphite import Graphite
from andon.feedback.telemetry.ways.lines.http import lines_route
from andon.feedback.telemetry.ways.otlp.exporting import Otlp
from andon.feedback.telemetry.ways.otlp.http import otlp_routes
from andon.feedback.telemetry.ways.remote_write.http import RemoteWrite
from andon.feedback.telemetry.ways.syslog import Syslog

_DECODERS = 2
"""Requests that are decoded at once. More would take memory, and no less time: decoding is one core's work."""


class NetworkWays:
    """``http``, ``grpc``, ``graphite`` and ``syslog`` listen nowhere until they are told to, after :meth:`start`.

    Each listens at any number of places, and says at which address; one that is taken raises ``Unavailable`` and leaves
    the others alone. ``http`` serves OTLP, remote write, JSON lines and beacons.
    """

    def __init__(self, intake: Intake, window: Window, allowed: Allowed) -> None:
        self._executor = ThreadPoolExecutor(_DECODERS, thread_name_prefix="telemetry decoder")
        otlp = Otlp(intake, window, self._executor)
        self.http = HttpDoor(
            WaysIn(
                (
                    *otlp_routes(otlp),
                    RemoteWrite(intake, window, self._executor).route(),
                    lines_route(intake, window, self._executor),
                    *Beacons(intake, window, self._executor, allowed).routes(),
                ),
                self._executor,
                intake=intake,
            )
        )
        self.grpc = GrpcDoor(otlp)
        self.graphite = LineDoor(Graphite(intake, window), intake)
        self.syslog = LineDoor(Syslog(window), intake)

    def start(self) -> None:
        for door in (self.http, self.grpc, self.graphite, self.syslog):
            door.start()

    def stop(self) -> None:
        """Take nothing new in, and answer what is under way. The intake must still write."""
        for door in (self.grpc, self.http, self.graphite, self.syslog):
            door.stop()
        self._executor.shutdown()
