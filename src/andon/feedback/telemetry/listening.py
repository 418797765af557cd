"""Where telemetry listens: on the machine's ports, and in each environment's folder as environments come and go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from andon.feedback.telemetry.heard import Heard, State
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

_PAUSES = (1, 2, 5, 10, 30, 60)
"""Rounds, of a second each, until the next try."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Way:
    what: str
    port: int
    setting: str
    listen: Callable[[Tcp], str]
    tokens: bool = False
    """Whether senders can show one."""


@dataclass(slots=True)
class _Opened:
    """An environment's sockets, by what closes them."""

    http: str = ""
    grpc: str = ""
    statsd: Path | None = None


@dataclass(slots=True)
class _Missed:
    """Something that is not listened at. Tried again after pauses that grow: whoever has the port may keep it."""

    rounds: int = 0
    """Until the next try."""
    tries: int = 0

    def due(self) -> bool:
        self.rounds -= 1
        return self.rounds < 0

    def again(self) -> None:
        self.rounds = _PAUSES[min(self.tries, len(_PAUSES) - 1)]
        self.tries += 1


class Listening:
    """``places`` answers the environments there are, and the services with jobs; asked about once a second.

    ``statsd`` makes the StatsD way, which listens nowhere yet. ``admits`` is asked of each request's token where others
    than this machine's programs can send; what speaks no HTTP knows no tokens and stays on loopback. What cannot be
    listened at is logged, told in the state file, and tried again until it can; everything else goes on. So is what
    ``trouble`` says of the whole.
    """

    def __init__(
        self,
        settings: TelemetrySettings,
        ingress: Ingress,
        network: NetworkWays,
        statsd: Callable[[], StatsdWay],
        places: Callable[[], Iterable[Place]],
        state: Path,
        admits: Callable[[str], bool] | None = None,
        trouble: Callable[[], str] = lambda: "",
    ) -> None:
        self._settings, self._ingress, self._network = settings, ingress, network
        self._statsd, self._places, self._state = statsd(), places, state
        self._admits = None if settings.on_loopback else admits
        self._trouble, self._troubled = trouble, ""
        self._heard: dict[str, Heard] = {}
        self._missed: dict[str, _Missed] = {}
        self._open: dict[Place, _Opened] = {}
        self._deaf: dict[Place, _Missed] = {}

    def start(self) -> None:
        """Raises ``Unavailable`` when the store does not answer; a port that is taken is no reason."""
        self._network.start()
        self._statsd.start()
        for way in self._ways():
            self._listen(way)
        self._tell()

    def stop(self) -> None:
        self._statsd.stop()
        self._network.stop()
        self._state.unlink(missing_ok=True)

    def round(self) -> None:
        """Open what is missing, close what is no more."""
        wanted = set(self._places())
        changed = False
        for place in wanted - self._open.keys():
            missed = self._deaf.get(place)
            if missed is None or missed.due():
                changed = self._open_place(place) or changed
        for place in self._open.keys() - wanted:
            self._close_place(place)
            changed = True
        self._deaf = {place: missed for place, missed in self._deaf.items() if place in wanted}
        for way in self._ways():
            if way.what in self._missed and self._missed[way.what].due():
                self._listen(way)
                changed = True
        if changed or self._trouble() != self._troubled:
            self._tell()

    def _ways(self) -> tuple[_Way, ...]:
        settings, network = self._settings, self._network
        return (
            _Way("StatsD", settings.statsd_port, "telemetry.statsd_port", self._statsd.listen),
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
            missed = self._missed.setdefault(way.what, _Missed())
            missed.again()
            # once and not each time: what has changed is worth a line, and the page tells it as long as it lasts
            if way.what not in self._heard or self._heard[way.what].fault != str(error):
                _log.warning("%s is not taken in: %s It is tried again until it can be.", way.what, error)
            self._heard[way.what] = Heard(way.what, str(door), str(error))
            return
        if self._missed.pop(way.what, None) is not None:
            _log.warning("%s is taken in now, at %s.", way.what, self._heard[way.what].address)

    def _open_place(self, place: Place) -> bool:
        """Whether the environment is listened to. All its sockets, or none."""
        opened = _Opened()
        try:
            self._open_sockets(place, opened)
        except (AndonError, OSError) as error:
            self._close_sockets(opened)
            if place not in self._deaf:
                _log.warning("%s/%s cannot send telemetry: %s", place.service, place.environment, error)
            self._deaf.setdefault(place, _Missed()).again()
            return False
        self._open[place] = opened
        if self._deaf.pop(place, None) is not None:
            _log.warning("%s/%s can send telemetry now.", place.service, place.environment)
        return True

    def _open_sockets(self, place: Place, opened: _Opened) -> None:
        """Raises ``Unavailable`` or ``OSError``."""
        folder = self._ingress.folder(place)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        origin = Origin(service=place.service, environment=place.environment)
        opened.http = self._network.http.listen(Unix(path=folder / OTLP, origin=origin))
        opened.grpc = self._network.grpc.listen(Unix(path=folder / GRPC, origin=origin))
        self._statsd.open_origin(folder / STATSD, StatsdOrigin(place.service, place.environment))
        opened.statsd = folder / STATSD

    def _close_place(self, place: Place) -> None:
        self._close_sockets(self._open.pop(place))

    def _close_sockets(self, opened: _Opened) -> None:
        if opened.http:
            self._network.http.close(opened.http)
        if opened.grpc:
            self._network.grpc.close(opened.grpc)
        if opened.statsd is not None:
            self._statsd.close_origin(opened.statsd)

    def _tell(self) -> None:
        # in the order in which they are written down, whichever could be listened at first
        places = tuple(self._heard[way.what] for way in self._ways() if way.what in self._heard)
        trouble = self._trouble()
        if trouble != self._troubled:
            _log.warning("%s", trouble or "Telemetry takes in again.")
            self._troubled = trouble
        write_private(self._state, msgspec.json.encode(State(places, len(self._open), trouble)))


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
