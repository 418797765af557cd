"""What protects every answer and every request, whichever handler it belongs to."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, ReceiveMessage, Scope, Send

from andon.kernel.errors import AndonError, Forbidden, Invalid
from andon.kernel.settings import Settings
from andon.web.http.visit import header, headers

BODY_PAUSE = 30.0
"""Seconds that a client may let pass between two pieces of a request's body."""

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


class WrongHost(Invalid):
    """The request names a host that this Andon is not: a page elsewhere may be trying to reach it."""

    code = "andon.wrong_host"
    status = 421


class TooSlow(AndonError):
    """The client began a request and did not go on with it."""

    code = "andon.too_slow"
    status = 408


class Hosts:
    """The names under which this Andon may be asked.

    A hostile page can make its own name resolve to 127.0.0.1 and then read what a server there answers; only
    the Host header tells. So only loopback's own names, the configured address and the address listened on.
    """

    def __init__(self, settings: Settings) -> None:
        configured = urlsplit(settings.address)
        self._names = {"localhost", configured.hostname or "localhost"}
        self._authority = configured.netloc.casefold()
        self._by_name = settings.web.on_loopback and not settings.web.address
        if not _is_everything(settings.web.host):
            self._names.add(settings.web.host.casefold())

    def check(self, scope: Scope) -> None:
        """Raises :class:`WrongHost`."""
        hosts = headers(scope, "host")
        if len(hosts) == 1 and self.knows(hosts[0]):
            return
        raise WrongHost(
            "This Andon is not known under that name.",
            safe="The request was not looked at.",
            remedy="Open it under its own address, or set web.address in settings.toml to the one you use.",
        )

    def knows(self, authority: str) -> bool:
        try:
            name = (urlsplit(f"//{authority}").hostname or "").casefold()
        except ValueError:
            return False
        if name in self._names or name.endswith(".localhost"):
            return True
        return _is_address(name) and ip_address(name).is_loopback

    def better(self, scope: HTTPScope) -> str | None:
        """Where a person who opened a page by a loopback address is to be sent instead, if anywhere.

        Browsers keep a host's cookies for all of its ports and take its ports for one site: under 127.0.0.1 every
        environment would be handed the console's session. Programs are left where they are.
        """
        if not self._by_name or scope["method"] not in {"GET", "HEAD"}:
            return None
        host = urlsplit(f"//{header(scope, 'host')}")
        path = scope.get("raw_path") or scope["path"].encode()
        if not _is_address(host.hostname or "") or path.startswith((b"/api/", b"/git/", b"/static/")):
            return None
        if header(scope, "sec-fetch-mode") != "navigate" and "text/html" not in header(scope, "accept"):
            return None
        query = scope.get("query_string", b"")
        where = path.partition(b"?")[0] + (b"?" + query if query else b"")
        # The port they used: it is another one at the near end of a tunnel.
        port = "" if host.port is None else f":{host.port}"
        return f"http://localhost{port}/{where.decode('latin-1').lstrip('/')}"

    def check_origin(self, scope: Scope) -> None:
        """Refuse a change that another site's page sends. Raises :class:`Forbidden`."""
        origin = header(scope, "origin")
        own = {header(scope, "host").casefold(), self._authority}
        foreign = bool(origin) and urlsplit(origin).netloc.casefold() not in own
        if foreign or header(scope, "sec-fetch-site") == "cross-site":
            raise Forbidden(
                "This request comes from another site.",
                safe="Nothing was changed.",
                remedy="Do it on Andon's own page.",
            )


def protecting(app: ASGIApp, *, secure: bool) -> ASGIApp:
    """Put the protecting headers on every answer and end requests whose body does not arrive."""
    extra = _HEADERS + (((b"strict-transport-security", b"max-age=31536000"),) if secure else ())

    async def protected(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        complete = False

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = list(message["headers"])
                present = {name.lower() for name, _ in found}
                found += [(name, value) for name, value in extra if name not in present]
                if b"cache-control" not in present:
                    found.append((b"cache-control", b"private, no-cache"))
                message["headers"] = found
            await send(message)

        async def receive_in_time() -> ReceiveMessage:
            nonlocal complete
            if complete:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), BODY_PAUSE)
            except TimeoutError as error:
                raise TooSlow(
                    "The rest of the request did not arrive.",
                    safe="Nothing was changed.",
                    remedy="Try again on a better connection.",
                ) from error
            complete = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        await app(scope, receive_in_time, send_protected)

    return protected


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_everything(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
