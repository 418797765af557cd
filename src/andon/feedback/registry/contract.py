"""What others may know of the registry: where services and machines are looked at."""

from __future__ import annotations

from urllib.parse import quote

SERVICES = "/registry"
HOSTS = "/hosts"


def service_address(service: str) -> str:
    return f"{SERVICES}/{quote(service, safe='')}"


def host_address(host: str) -> str:
    return f"{HOSTS}/{quote(host, safe='')}"
