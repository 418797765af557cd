"""The guard of conftest.py itself: a guard that lets everything pass looks just like a quiet test suite."""

from __future__ import annotations

import socket

import pytest

# 192.0.2.0/24 and 2001:db8::/32 are reserved for documentation: no such machine exists
ELSEWHERE = [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")]


@pytest.mark.parametrize(("family", "host"), ELSEWHERE)
def test_other_machines_are_out_of_reach(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family) as one, pytest.raises(RuntimeError, match="this machine only"):
        one.connect((host, 80))
    with socket.socket(family) as one, pytest.raises(RuntimeError, match="this machine only"):
        one.connect_ex((host, 80))


def test_names_are_not_looked_up() -> None:
    with pytest.raises(RuntimeError, match="this machine only"):
        socket.create_connection(("example.invalid", 80), timeout=1)


def test_this_machine_is_within_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost", "::ffff:127.0.0.1"):
            socket.create_connection((host, port), timeout=5).close()
    one, other = socket.socketpair(socket.AF_UNIX)
    one.close()
    other.close()
