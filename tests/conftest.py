"""What holds for every test: no network beyond this machine, and the longest first."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.databases"]

# A change is not refused for an example that was drawn by chance, nor because the machine was busy: the examples are
# the same each time. ANDON_TEST_RANDOM=1 draws others, which is for whoever looks for what nobody has thought of.
settings.register_profile(
    "andon",
    deadline=None,
    derandomize=os.environ.get("ANDON_TEST_RANDOM") != "1",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("andon")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first: a worker that begins one last keeps all the others waiting."""
    items.sort(key=lambda one: (one.get_closest_marker("journey") is None, one.get_closest_marker("slow") is None))


class NetworkRefused(RuntimeError):
    """Not an OSError on purpose: code that retries or swallows those must not hide the attempt."""


def is_local(host: str) -> bool:
    if host in {"", "localhost"} or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified


def refuse(host: object) -> None:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if not is_local(name):
        raise NetworkRefused(
            f"a test tried to reach {name}: tests speak to this machine only, so that they pass without network "
            "and never depend on somebody else's server. Start a stand-in on 127.0.0.1."
        )


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Processes that a test starts are out of its reach: they are given loopback addresses to begin with."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address[0])
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address[0])
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        if host is not None:
            refuse(host)
        return getaddrinfo(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


@pytest.fixture(scope="session", autouse=True)
def sockets_of_long_paths() -> Iterator[None]:
    """The names of pytest's folders are longer than a socket's may be: Andon makes such sockets elsewhere, and nobody
    else would remove them there."""
    with (
        TemporaryDirectory(prefix="andon-run-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("XDG_RUNTIME_DIR", folder)
        yield
