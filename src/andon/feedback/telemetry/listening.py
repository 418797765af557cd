"""Where telemetry listens: on the machine's ports, and in each environment's folder as environments come and go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from andon.feedback.telemetry.ingress import GRPC, OTLP, STATSD, Ingress, Place
from andon.feedback.telemetry.ways.doors.lines import LineDoor
from andon.feedback.telemetry.ways.doors.listening import Tcp, Unix
from andon.feedback.telemetry.ways.gathering import Origin
from andon.feedback.telemetry.ways.network import NetworkWays
from andon.feedback.telemetry.ways.statsd.origins import Origin as StatsdOrigin
from andon.feedback.telemetry.ways.statsd.way import StatsdWay
from andon.kernel.errors import AndonError
from andon.kernel.files import write_private
from andon.kernel.settings import TelemetrySettings

LOOPBACK = "127.0.0.1"

_log = logging.getLogger(__name__)


class Heard(msgspec.Struct, frozen=True):
    """One place that is listened at, or that should be."""

    what: str
    """Such as "OpenTelemetry over HTTP"."""
    address: str
    fault: str = ""
    """Why it is not listened at."""


class State(msgspec.Struct, frozen=True):
    """What the process tells of itself, for the console and ``andon doctor``."""

    places: tuple[Heard, ...] = ()
    environments: int = 0
    """How many have sockets of their own."""


def read_state(path: Path) -> State | None:
    """``None`` when no telemetry process has written one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


@dataclass(frozen=True, slots=True)
class _Way:
    what: str
    port: int
    setting: str
    listen: Callable[[Tcp], str]
    tokens: bool = False
    """Whether senders can show one."""


class Listening:
    """``places`` answers the environments there are, and the services with jobs; asked about once a second.

    ``statsd`` makes the StatsD way, listening at these hosts and ports. ``admits`` is asked of each request's token
    where others than this machine's programs can send; what speaks no HTTP knows no tokens and stays on loopback. What
    cannot be listened at is told in the state file and tried again each minute; everything else goes on.
    """

    def __init__(
        self,
        settings: TelemetrySettings,
        ingress: Ingress,
        network: NetworkWays,
        statsd: Callable[[Sequence[tuple[str, int]]], StatsdWay],
        places: Callable[[], Iterable[Place]],
        state: Path,
        admits: Callable[[str], bool] | None = None,
    ) -> None:
        self._settings, self._ingress, self._network = settings, ingress, network
        self._make_statsd, self._places, self._state = statsd, places, state
        self._admits = None if settings.on_loopback else admits
        self._statsd: StatsdWay | None = None
        self._heard: dict[str, Heard] = {}
        self._open: dict[Place, tuple[str, ...]] = {}
        self._rounds = 0

    def start(self) -> None:
        self._network.start()
        self._listen_statsd()
        for way in self._ways():
            self._listen(way)
        self._tell()

    def stop(self) -> None:
        if self._statsd is not None:
            self._statsd.stop()
        self._network.stop()
        self._state.unlink(missing_ok=True)

    def round(self) -> None:
        """Open what is missing, close what is no more."""
        wanted = set(self._places())
        changed = False
        for place in wanted - self._open.keys():
            self._open[place] = self._open_place(place)
            changed = True
        for place in self._open.keys() - wanted:
            self._close_place(place)
            changed = True
        self._rounds += 1
        if self._rounds % 60 == 0:
            faulty = {name for name, heard in self._heard.items() if heard.fault}
            for way in self._ways():
                if way.what in faulty:
                    self._listen(way)
                    changed = True
        if changed:
            self._tell()

    def _ways(self) -> tuple[_Way, ...]:
        settings, network = self._settings, self._network
        return (
            _Way("OpenTelemetry over HTTP", settings.otlp_port, "telemetry.otlp_port", network.http.listen, True),
            _Way(
                "OpenTelemetry over gRPC",
                settings.otlp_grpc_port,
                "telemetry.otlp_grpc_port",
                network.grpc.listen,
                True,
            ),
            _Way("Graphite", settings.graphite_port, "telemetry.graphite_port", network.graphite.listen_tcp),
            _Way("Syslog", settings.syslog_port, "telemetry.syslog_port", _both(network.syslog)),
        )

    def _listen(self, way: _Way) -> None:
        if not way.port:
            return
        host = self._settings.host if way.tokens or self._settings.on_loopback else LOOPBACK
        door = Tcp(host=host, port=way.port, setting=way.setting, admits=self._admits)
        try:
            self._heard[way.what] = Heard(way.what, way.listen(door))
        except AndonError as error:
            self._miss(way.what, str(door), error)

    def _listen_statsd(self) -> None:
        """Without its port there are still the environments' sockets."""
        settings = self._settings
        host = settings.host if settings.on_loopback else LOOPBACK
        wanted = ((host, settings.statsd_port),) if settings.statsd_port else ()
        self._statsd = self._make_statsd(wanted)
        try:
            self._statsd.start()
        except AndonError as error:
            self._miss("StatsD", f"{host}:{settings.statsd_port}", error)
            self._statsd = self._make_statsd(())
            self._statsd.start()
            return
        for host, port in self._statsd.addresses:
            self._heard["StatsD"] = Heard("StatsD", f"{host}:{port}")

    def _miss(self, what: str, address: str, error: AndonError) -> None:
        if what not in self._heard or self._heard[what].fault != str(error):
            _log.warning("%s: %s", what, error)
        self._heard[what] = Heard(what, address, str(error))

    def _open_place(self, place: Place) -> tuple[str, ...]:
        folder = self._ingress.folder(place)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        origin = Origin(service=place.service, environment=place.environment)
        opened: list[str] = []
        try:
            opened.append(self._network.http.listen(Unix(path=folder / OTLP, origin=origin)))
            opened.append(self._network.grpc.listen(Unix(path=folder / GRPC, origin=origin)))
            if self._statsd is not None:
                self._statsd.open_origin(folder / STATSD, StatsdOrigin(place.service, place.environment))
        except AndonError as error:
            _log.warning("%s/%s cannot send telemetry: %s", place.service, place.environment, error)
        return tuple(opened)

    def _close_place(self, place: Place) -> None:
        http, *grpc = self._open.pop(place) or ("",)
        self._network.http.close(http)
        for one in grpc:
            self._network.grpc.close(one)
        if self._statsd is not None:
            self._statsd.close_origin(self._ingress.folder(place) / STATSD)

    def _tell(self) -> None:
        state = State(tuple(self._heard.values()), len(self._open))
        write_private(self._state, msgspec.json.encode(state))


def _both(door: LineDoor) -> Callable[[Tcp], str]:
    """Over TCP and UDP, on the same port."""

    def listen(place: Tcp) -> str:
        stream = door.listen_tcp(place)
        try:
            datagrams = door.listen_udp(place)
        except AndonError:
            door.close(stream)
            raise
        return f"{stream}, {datagrams}"

    return listen
