"""What the business wants counted, told to Andon in one line of StatsD. A count never delays or fails an order.

The line goes to the socket that $ANDON_TELEMETRY names; Andon knows whose socket it is, so that service, environment
and version need not be told. Where a package may be installed, `from andon_client import metric` does the same.
"""

from __future__ import annotations

import socket
from contextlib import suppress


def count(to: str | None, name: str, amount: int = 1) -> None:
    """Add to a count. Without a socket, or with one that nobody reads, nothing happens."""
    if to is None:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(f"{name}:{amount}|c".encode(), to)
