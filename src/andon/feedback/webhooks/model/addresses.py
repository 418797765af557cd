"""Where a webhook may go. Somebody who may add one must not come by it to what only this machine's cloud answers."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from andon.kernel.errors import Invalid

MOST_CHARACTERS = 2000

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(
    ipaddress.ip_address(one)
    # what clouds answer with credentials, outside the link-local range: Alibaba, Azure, AWS and GCP over IPv6
    for one in ("100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254")
)
_SETTING = (
    "An administrator of the whole installation names its range in `webhooks.private_networks` of settings.toml, such "
    'as ["10.20.0.0/16"]'
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def networks(ranges: Sequence[str]) -> tuple[Network, ...]:
    """Ranges of addresses as the settings name them, which have been looked at there."""
    return tuple(ipaddress.ip_network(one) for one in ranges)


def checked_url(url: str, *, plain_http: bool, elsewhere: bool = False, inside: Sequence[Network] = ()) -> str:
    """The address as it is used. Raises :class:`Invalid`; what its name stands for is looked at before each try.

    ``elsewhere`` keeps off this machine whoever does not administer all that runs on it, and off private networks but
    those ``inside``.
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
    private = _literal(host) if elsewhere else None
    if private is not None and _is_private(private, inside):
        raise Invalid(
            f"{private} is in a private network, to which webhooks of a service do not go.",
            safe="Nothing was changed.",
            remedy=f"{_SETTING}, or adds the webhook without naming a service.",
        )
    if parts.scheme == "http" and not plain_http and not _may_be_loopback(host):
        raise Invalid(
            "Webhooks go over https, except to this machine itself.",
            safe="Nothing was changed.",
            remedy="Use https://, or set `webhooks.plain_http` where the network between is yours alone.",
        )
    return url


def refusal(
    addresses: Sequence[str],
    *,
    scheme: str,
    plain_http: bool,
    is_kept_off: Callable[[str], bool] | None = None,
    inside: Sequence[Network] | None = None,
) -> str:
    """Why nothing is sent to what a name stands for at the moment; empty when nothing speaks against it.

    ``is_kept_off`` says of an address, IPv4 written as such, whether this webhook may not go there. Where ``inside`` is
    given, it goes to no private networks but those.
    """
    found = [_plain(ipaddress.ip_address(one.partition("%")[0])) for one in addresses]
    for one in found:
        if one.is_link_local or one in _METADATA:
            return f"{one} is an address of the cloud's own, to which nothing is sent"
        if one.is_multicast or one.is_unspecified or (one.is_reserved and not one.is_loopback):
            return f"{one} is no address of a program"
        if is_kept_off is not None and is_kept_off(str(one)):
            return f"{one} is this machine, to which only a webhook of the whole installation goes"
        if inside is not None and _is_private(one, inside):
            return f"{one} is in a private network, to which webhooks of a service do not go. {_SETTING}"
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


def _is_private(address: _Address, inside: Sequence[Network]) -> bool:
    """Whether it is reached from inside only, and not named in the settings."""
    return not address.is_global and not any(address in one for one in inside)


def _literal(host: str) -> _Address | None:
    try:
        return _plain(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def _may_be_loopback(host: str) -> bool:
    try:
        return _plain(ipaddress.ip_address(host)).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
