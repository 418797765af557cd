"""Serving OTLP over gRPC, at any number of places that come and go."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc  # type: ignore[import-untyped]  # grpcio carries no types

from andon.feedback.telemetry.ways.doors.listening import Place, Tcp, Unix, bound, clear, give_rights, taken
from andon.feedback.telemetry.ways.doors.loop import LoopThread
from andon.feedback.telemetry.ways.otlp.grpc import LARGEST, OtlpHandlers

if TYPE_CHECKING:
    from andon.feedback.telemetry.ways.otlp.exporting import Otlp

_GRACE = 5.0
_MOST_AT_ONCE = 64
"""Calls under way at one place; whoever comes on top is told RESOURCE_EXHAUSTED by gRPC itself."""


@dataclass(slots=True)
class _Listening:
    server: grpc.aio.Server
    place: Place


class GrpcDoor:
    """A gRPC server for each place, all in one thread: a call does not say through which port it came."""

    def __init__(self, otlp: Otlp) -> None:
        self._otlp = otlp
        self._thread = LoopThread("telemetry grpc")
        self._open: dict[str, _Listening] = {}

    def start(self) -> None:
        self._thread.start()

    def listen(self, place: Place) -> str:
        """Take in what comes there from now on; says at which address that is.

        Raises ``Unavailable`` if the place is taken; the others go on.
        """
        # gRPC logs a taken port with lines of its own; a look before spares the reader these, and knows the reason
        probe = bound(place)
        probe.close()
        where, listening = self._thread.call(self._serve(place))
        self._open[where] = listening
        return where

    def close(self, where: str) -> None:
        """No longer take in what comes at this address; what is under way is finished."""
        listening = self._open.pop(where, None)
        if listening is None:
            return
        self._thread.call(listening.server.stop(_GRACE))
        if isinstance(listening.place, Unix):
            with contextlib.suppress(FileNotFoundError):
                listening.place.path.unlink()

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(self._open)

    def stop(self) -> None:
        if self._thread.alive:
            for where in self.addresses:
                self.close(where)
        self._thread.stop()

    async def _serve(self, place: Place) -> tuple[str, _Listening]:
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),  # else a second server on the port would take every other call in silence
                ("grpc.max_receive_message_length", LARGEST),
                ("grpc.max_metadata_size", 16 * 1024),
                ("grpc.max_connection_idle_ms", 600_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ],
            maximum_concurrent_rpcs=_MOST_AT_ONCE,
        )
        server.add_generic_rpc_handlers((OtlpHandlers(self._otlp, place.origin, place.admits),))
        try:
            if isinstance(place, Tcp):
                host = f"[{place.host}]" if ":" in place.host else place.host
                port = server.add_insecure_port(f"{host}:{place.port}")
                where = f"{host}:{port}"
            else:
                clear(place.path)
                server.add_insecure_port(f"unix:{place.path}")
                give_rights(place)
                where = f"unix:{place.path}"
        except (RuntimeError, OSError) as error:
            await server.stop(None)
            raise taken(place, error) from error
        await server.start()
        return where, _Listening(server, place)
