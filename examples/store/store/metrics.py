"""What the business wants counted, told to Andon in one line of StatsD. A count never delays or fails an order.

The line goes to the socket that $ANDON_TELEMETRY names. Andon knows whose socket it is, so that service and environment
need not be told. Where a package may be installed, `from andon_client import metric` does the same.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from store.config import Config


def count(config: Config, name: str, amount: int = 1) -> None:
    """Add to a count. Without a socket, or with one that nobody reads, nothing happens."""
    if config.telemetry is None:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(f"{name}:{amount}|c|#version:{config.version}".encode(), config.telemetry)
