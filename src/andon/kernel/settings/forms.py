"""What a text or a size must look like. Each answers what is wrong, or ``None``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

_SIZE = re.compile(r"(\d{1,15})\s*(|B|KiB|MiB|GiB|TiB)")
_UNITS = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*")


def bytes_of(text: str) -> int | None:
    """``"512MiB"`` in bytes; ``None`` for what is no size."""
    found = _SIZE.fullmatch(text.strip())
    return None if found is None else int(found[1]) * _UNITS[found[2]]


def size_of(number: int) -> str:
    """The shortest exact way to write a number of bytes."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if number and number % _UNITS[unit] == 0:
            return f"{number // _UNITS[unit]}{unit}"
    return str(number)


def _database(text: str) -> str | None:
    if text == "" or re.match(r"sqlite:////?[^?#]+\Z|postgresql://\S+\Z", text):
        return None
    return "takes postgresql://USER@HOST/NAME, sqlite:////PATH or nothing"


def _host(text: str) -> str | None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return None if _HOST.fullmatch(text) else "takes an IP address or a host name"
    return None


_ADDRESS = "takes http://HOST or https://HOST, with a port if needed and nothing behind it"


def _address(text: str) -> str | None:
    if text == "":
        return None
    try:
        parts = urlsplit(text)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return _ADDRESS
    bare = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password)
    return None if whole and bare else _ADDRESS


def _folder(text: str) -> str | None:
    return None if text.startswith("/") else "takes absolute paths"


_CLICKHOUSE = "takes http://USER:PASSWORD@HOST:PORT/DATABASE, https://… or nothing"


def _clickhouse(text: str) -> str | None:
    if text == "":
        return None
    try:
        parts = urlsplit(text)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return _CLICKHOUSE
    return None if whole and not parts.query and parts.path.count("/") <= 1 else _CLICKHOUSE


def _scrape(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    return None if whole else "takes addresses such as http://127.0.0.1:9100/metrics"


_LEVEL_DAYS = re.compile(r"(business|application|infrastructure|client|pipeline)=[1-9]\d{0,4}")


def _level_days(text: str) -> str | None:
    return None if _LEVEL_DAYS.fullmatch(text) else "takes LEVEL=DAYS, such as business=90"


def _network(text: str) -> str | None:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return "takes ranges that begin at their first address, such as 10.20.0.0/16, or one address"
    return None


FORMS: Mapping[str, Callable[[str], str | None]] = {
    "database": _database,
    "host": _host,
    "address": _address,
    "folder": _folder,
    "clickhouse": _clickhouse,
    "scrape": _scrape,
    "level_days": _level_days,
    "network": _network,
}
