"""Where a webhook may go. Somebody who may add one must not come by it to what only this machine's cloud answers."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from andon.kernel.errors import Invalid

MOST_CHARACTERS = 2000

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(
    ipaddress.ip_address(one)
    # what clouds answer with credentials, outside the link-local range: Alibaba, Azure, AWS and GCP over IPv6
    for one in ("100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def checked_url(url: str, *, plain_http: bool, elsewhere: bool = False) -> str:
    """The address as it is used. Raises :class:`Invalid`; what its name stands for is looked at before each try.

    ``elsewhere`` keeps off this machine whoever does not administer all that runs on it.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        port, host, parts = None, None, urlsplit("")
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= MOST_CHARACTERS
    if not plain or not host or port == 0 or parts.scheme not in {"http", "https"} or parts.fragment:
        raise Invalid(
            "This is no address that a webhook can go to.",
            safe="Nothing was changed.",
            remedy="Write https://HOST/PATH, in at most 2000 ASCII characters.",
        )
    if parts.username is not None or parts.password is not None:
        raise Invalid(
            "An address with a name and a password in it is not taken: it would be shown.",
            safe="Nothing was changed.",
            remedy="Leave them out: the program knows by the signature who sends.",
        )
    if elsewhere and _may_be_loopback(host):
        raise Invalid(
            "Only a webhook of the whole installation goes to this machine itself.",
            safe="Nothing was changed.",
            remedy="Let an administrator of the whole installation add it without naming a service, or write the "
            "https:// address of another machine.",
        )
    if parts.scheme == "http" and not plain_http and not _may_be_loopback(host):
        raise Invalid(
            "Webhooks go over https, except to this machine itself.",
            safe="Nothing was changed.",
            remedy="Use https://, or set `webhooks.plain_http` where the network between is yours alone.",
        )
    return url


def refusal(
    addresses: Sequence[str], *, scheme: str, plain_http: bool, is_kept_off: Callable[[str], bool] | None = None
) -> str:
    """Why nothing is sent to what a name stands for at the moment; empty when nothing speaks against it.

    ``is_kept_off`` says of an address, IPv4 written as such, whether this webhook may not go there.
    """
    found = [_plain(ipaddress.ip_address(one.partition("%")[0])) for one in addresses]
    for one in found:
        if one.is_link_local or one in _METADATA:
            return f"{one} is an address of the cloud's own, to which nothing is sent"
        if one.is_multicast or one.is_unspecified or (one.is_reserved and not one.is_loopback):
            return f"{one} is no address of a program"
        if is_kept_off is not None and is_kept_off(str(one)):
            return f"{one} is this machine, to which only a webhook of the whole installation goes"
    if scheme == "http" and not plain_http and not all(one.is_loopback for one in found):
        return "it is not this machine, and webhooks go over https"
    return "" if found else "its name stands for no address"


def _plain(address: _Address) -> _Address:
    """The IPv4 address inside one of IPv6, which would otherwise pass as something else."""
    if isinstance(address, ipaddress.IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour
        if inside is None and address in _NAT64:
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inside or address
    return address


def _may_be_loopback(host: str) -> bool:
    try:
        return _plain(ipaddress.ip_address(host)).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
