"""Sending over HTTP, to a program that may be slow, large, elsewhere than it says, or hostile."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

import httpx
import psutil

from andon.feedback.webhooks.model.addresses import Network, refusal
from andon.feedback.webhooks.model.records import Answer

SECONDS = 10.0
"""For everything together: finding the address, connecting, sending, the answer's status."""


class HttpPost:
    """Implements :class:`andon.feedback.webhooks.ports.Post`.

    The name is resolved once, and the connection goes to the address that was looked at: a name that stands for another
    one a moment later is of no use. Redirects are not followed, no proxy is asked, and of the answer nothing is read
    but status and headers.
    """

    def __init__(
        self,
        *,
        plain_http: bool = False,
        seconds: float = SECONDS,
        inside: Sequence[Network] = (),
        is_this_machine: Callable[[str], bool] | None = None,
    ) -> None:
        self._plain_http = plain_http
        self._inside = tuple(inside)
        self._is_this_machine = is_this_machine or _is_this_machine
        self._seconds = seconds
        self._tls: ssl.SSLContext | None = None

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, elsewhere: bool) -> Answer:
        """See :class:`andon.feedback.webhooks.ports.Post`."""
        began = time.monotonic()
        status: int | None = None
        retry_after: float | None = None
        try:
            status, retry_after = asyncio.run(self._within(url, headers, body, elsewhere))
            problem = "" if 200 <= status < 300 else _said(status)
        except _Refused as refused:
            problem = str(refused)
        except TimeoutError:
            problem = f"no answer within {self._seconds:g} s"
        except httpx.ConnectError as error:
            problem = "its certificate is not trusted" if "CERTIFICATE" in str(error) else "nothing answers there"
        except httpx.HTTPError as error:
            problem = f"the connection broke ({type(error).__name__})"
        except (OSError, UnicodeError, httpx.InvalidURL):
            problem = "its name stands for no address"
        return Answer(
            status=status,
            milliseconds=int((time.monotonic() - began) * 1000),
            problem=problem,
            retry_after=retry_after,
        )

    async def _within(
        self, url: str, headers: Mapping[str, str], body: bytes, elsewhere: bool
    ) -> tuple[int, float | None]:
        async with asyncio.timeout(self._seconds):
            return await self._post(url, headers, body, elsewhere)

    async def _post(
        self, url: str, headers: Mapping[str, str], body: bytes, elsewhere: bool
    ) -> tuple[int, float | None]:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = await _addresses(host, port)
        refused = refusal(
            addresses,
            scheme=parts.scheme,
            plain_http=self._plain_http,
            is_kept_off=self._is_this_machine if elsewhere else None,
            inside=self._inside if elsewhere else None,
        )
        if refused:
            raise _Refused(refused)
        last: httpx.ConnectError | None = None
        async with httpx.AsyncClient(
            verify=self._trusting(), trust_env=False, follow_redirects=False, timeout=self._seconds
        ) as client:
            for address in dict.fromkeys(addresses):
                request = client.build_request(
                    "POST",
                    httpx.URL(url).copy_with(host=address, port=port),
                    headers={**headers, "host": parts.netloc},
                    content=body,
                    extensions={"sni_hostname": host},
                )
                try:
                    answer = await client.send(request, stream=True)
                except httpx.ConnectError as error:
                    last = error
                    continue
                try:
                    return answer.status_code, _seconds(answer.headers.get("retry-after", ""))
                finally:
                    await answer.aclose()
        raise last or httpx.ConnectError("no address")

    def _trusting(self) -> ssl.SSLContext:
        # the machine's own authorities: a house that has one of its own has put it there
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


async def _addresses(host: str, port: int) -> list[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(one[4][0]) for one in found]


def _is_this_machine(address: str) -> bool:
    """Whether what is sent there stays here: loopback, or an address of one of the interfaces."""
    found = ipaddress.ip_address(address)
    own = [
        ipaddress.ip_address(one.address.partition("%")[0])
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if one.family in {socket.AF_INET, socket.AF_INET6}
    ]
    return found.is_loopback or found in own


class _Refused(Exception):
    """Nothing was sent."""


def _said(status: int) -> str:
    return f"it answered {status}" if status >= 400 else f"it answered {status}, and redirects are not followed"


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
