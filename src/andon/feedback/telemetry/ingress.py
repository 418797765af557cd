"""How what runs in Andon's sandboxes reaches telemetry: over sockets in a folder of the environment's own.

Whatever comes in there is of that service and that environment, whatever it says: no service can speak for another.
Inside, the folder is ``/run/telemetry``, and the usual ports of the usual clients lead to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

from andon.flow.environments.contract.equipment import Equipment, Equipper, Folder, Occupant
from andon.flow.sources.contract import Service
from andon.kernel.keeper.ways import Transport, WayOut

INSIDE = "/run/telemetry"
STATSD, OTLP, GRPC = "statsd.sock", "otlp.sock", "grpc.sock"
STATSD_PORT, OTLP_PORT, GRPC_PORT = 8125, 4318, 4317


@dataclass(frozen=True, slots=True)
class Place:
    """Where one environment's telemetry comes in; without an environment, that of the service's jobs."""

    service: Service
    environment: str = ""


class Ingress:
    """The folders, below one that is near enough to the root for a socket's path."""

    def __init__(self, sockets: Path) -> None:
        self._root = sockets / "t"

    def folder(self, place: Place) -> Path:
        told = f"{place.service}/{place.environment}".encode()
        return self._root / blake2b(told, digest_size=6).hexdigest()


class TelemetryEquipper(Equipper):
    """Gives each sandbox its folder, and tells its program in the words of common clients where to send."""

    def __init__(self, ingress: Ingress) -> None:
        self._ingress = ingress

    def equip(self, occupant: Occupant) -> Equipment:
        place = Place(occupant.service, occupant.environment or "")
        attributes = {
            "service.name": occupant.service,
            "service.version": occupant.version,
            "service.instance.id": occupant.id,
            "deployment.environment.name": place.environment,
        }
        return Equipment(
            folders=(Folder(self._ingress.folder(place), INSIDE),),
            variables={
                "ANDON_TELEMETRY": f"{INSIDE}/{STATSD}",
                "OTEL_SERVICE_NAME": occupant.service,
                "OTEL_RESOURCE_ATTRIBUTES": ",".join(
                    f"{name}={quote(value, safe='')}" for name, value in attributes.items() if value
                ),
            },
            ways_out=(
                WayOut(
                    Transport.UDP,
                    STATSD_PORT,
                    f"{INSIDE}/{STATSD}",
                    {
                        "STATSD_HOST": "127.0.0.1",
                        "STATSD_PORT": str(STATSD_PORT),
                        "DD_AGENT_HOST": "127.0.0.1",
                        "DD_DOGSTATSD_PORT": str(STATSD_PORT),
                    },
                ),
                WayOut(
                    Transport.TCP,
                    OTLP_PORT,
                    f"{INSIDE}/{OTLP}",
                    {
                        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{OTLP_PORT}",
                        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                    },
                ),
                WayOut(Transport.TCP, GRPC_PORT, f"{INSIDE}/{GRPC}"),
            ),
        )

    def withdraw(self, service: Service, environment: str) -> None:
        folder = self._ingress.folder(Place(service, environment))
        for name in (STATSD, OTLP, GRPC):
            (folder / name).unlink(missing_ok=True)
        try:
            folder.rmdir()
        except OSError:
            return  # never made, or something else is in it
