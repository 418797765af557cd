"""Which of the machine's ports the router serves an environment on."""

from __future__ import annotations

from collections.abc import Callable

from andon.flow.definition.contract import DEFINITION_FILE, EnvironmentDefinition
from andon.flow.environments import storage
from andon.flow.environments.model import NoPortFree, PortTaken
from andon.flow.sources.contract import Service
from andon.kernel.db import Transaction


class RouterPorts:
    """Ports from ``first`` to ``last`` of ``host``, and those that definitions name themselves."""

    def __init__(self, first: int, last: int, host: str, is_free: Callable[[str, int], bool]) -> None:
        self._ports = range(first, last + 1)
        self._host = host
        self._is_free = is_free

    def choose(self, tx: Transaction, service: Service, definition: EnvironmentDefinition) -> int:
        taken = storage.ports(tx.connection)
        if definition.port is not None:
            if definition.port in taken:
                raise PortTaken(
                    f"Port {definition.port} belongs to another environment.",
                    safe="Nothing was changed.",
                    remedy=f"Choose another port for {definition.name} in {DEFINITION_FILE}, or leave it out.",
                )
            if not self._is_free(self._host, definition.port):
                raise PortTaken(
                    f"Port {definition.port} is in use by another program on this machine.",
                    safe="Nothing was changed.",
                    remedy=f"Stop that program, or choose another port for {service}/{definition.name}.",
                )
            return definition.port
        for port in self._ports:
            if port not in taken and self._is_free(self._host, port):
                return port
        raise NoPortFree(
            f"All ports from {self._ports.start} to {self._ports.stop - 1} are in use.",
            safe="Nothing was changed.",
            remedy="Destroy an environment nobody needs, or widen environments.first_port/last_port.",
        )
