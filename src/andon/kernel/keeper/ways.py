"""Ways into and out of a sandbox without the machine's network, as the command line of the forwarder inside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from andon.kernel.sandbox.model import Mount

_FILES = ("forwarder.py", "datagrams.py")
_INSIDE = "/run/forwarder/andon/kernel/keeper"


class Transport(StrEnum):
    TCP = "tcp"
    """Connections go on to a listening stream socket."""
    UDP = "udp"
    """Lines of StatsD: each datagram goes on to a datagram socket."""


@dataclass(frozen=True, slots=True)
class WayIn:
    """Who connects to ``socket``, a path inside the sandbox, reaches 127.0.0.1:``port`` there."""

    socket: str
    port: int


@dataclass(frozen=True, slots=True)
class WayOut:
    """Who reaches for 127.0.0.1:``port`` inside the sandbox reaches ``socket``, a path inside it that is mounted.

    Nothing has to listen there yet: a connection is then closed at once, a datagram dropped. ``variables`` tell a
    program of this way, and are set only where it is there.
    """

    transport: Transport
    port: int
    socket: str
    variables: Mapping[str, str] = field(default_factory=dict)


def forwarded(
    command: Sequence[str], *, way_in: WayIn | None = None, ways_out: Sequence[WayOut] = ()
) -> tuple[tuple[str, ...], tuple[Mount, ...]]:
    """The command with its ways, and what has to be mounted for that; the command itself when it has none."""
    if way_in is None and not ways_out:
        return tuple(command), ()
    words = [os.path.realpath(sys.executable), "-I", "-S", f"{_INSIDE}/{_FILES[0]}"]
    if way_in is not None:
        words += [way_in.socket, str(way_in.port)]
    for way in ways_out:
        words += ["--out", way.transport.value, str(way.port), way.socket]
    here = Path(__file__).parent
    return (*words, "--", *command), tuple(Mount(here / name, f"{_INSIDE}/{name}") for name in _FILES)
