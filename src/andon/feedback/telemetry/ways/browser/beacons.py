"""What pages in browsers report: how long they took, how they shifted, what broke in them.

Anybody on the internet may send this. So: only names we know, few and short texts, a limit for each address, and
nothing of the visitor: no cookie, no address, no user agent, no query of the page.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import urlsplit

import msgspec

from andon.feedback.telemetry.contract.intake import Dropped, Intake, Way
from andon.feedback.telemetry.contract.logs import LogLine, LogSource, Severity
from andon.feedback.telemetry.contract.metrics import Kind, Level, Series, canonical, metric_name, series_id
from andon.feedback.telemetry.ways.browser.pages import MOST_PAGES, MOST_VERSIONS, Few, page_of
from andon.feedback.telemetry.ways.browser.patience import Patience
from andon.feedback.telemetry.ways.doors.requests import Answer, Request, Route
from andon.feedback.telemetry.ways.gathering import Gathering, Window, fits, handed_over
from andon.feedback.telemetry.ways.otlp.attributes import short
from andon.feedback.telemetry.ways.refusing import Refused
from andon.feedback.telemetry.ways.texts import body_text, field_text, sound
from andon.kernel.errors import Forbidden, Invalid, TooMany

LARGEST = 64 * 1024
_LONGEST = 3600.0
"""Seconds: more is a clock that was set or a laptop that slept."""

_VITALS = {
    "LCP": ("browser_largest_contentful_paint_seconds", 1000.0),
    "INP": ("browser_interaction_to_next_paint_seconds", 1000.0),
    "FCP": ("browser_first_contentful_paint_seconds", 1000.0),
    "TTFB": ("browser_time_to_first_byte_seconds", 1000.0),
    "CLS": ("browser_cumulative_layout_shift", 1.0),
}
_TIMING = {
    "dns": ("browser_navigation_dns_seconds", 1000.0),
    "connect": ("browser_navigation_connect_seconds", 1000.0),
    "request": ("browser_navigation_request_seconds", 1000.0),
    "interactive": ("browser_navigation_interactive_seconds", 1000.0),
    "load": ("browser_navigation_load_seconds", 1000.0),
}
VIEWS, ERRORS = "browser_page_views", "browser_errors"


class _Error(msgspec.Struct):
    message: str = ""
    stack: str = ""
    at: str = ""


class _Beacon(msgspec.Struct):
    service: str
    page: str = "/"
    environment: str = ""
    version: str = ""
    view: int = 0
    vitals: dict[str, float] = msgspec.field(default_factory=dict)
    timing: dict[str, float] = msgspec.field(default_factory=dict)
    errors: list[_Error] = msgspec.field(default_factory=list)
    metrics: list[tuple[str, float]] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What browsers may say, and from where.

    ``knows`` says whether there is a service of this name with an environment of that; ``origins`` are those other than
    the page's own host (``https://shop.example``) whose pages may send; ``metrics`` are the names that
    ``andon.metric()`` may use.
    """

    knows: Callable[[str, str], bool]
    origins: Collection[str] = frozenset()
    metrics: Collection[str] = frozenset()


class UnknownPlace(Refused):
    """A service or an environment that there is not."""

    code = "telemetry.unknown_place"
    why = Dropped.NAME


class Beacons:
    """``POST /beacon``, and ``/beacon.js`` that sends it."""

    def __init__(
        self,
        intake: Intake,
        window: Window,
        executor: Executor,
        allowed: Allowed,
        patience: Patience | None = None,
    ) -> None:
        self._intake, self._window, self._executor, self._allowed = intake, window, executor, allowed
        self._patience = patience or Patience()
        self._pages, self._versions = Few(MOST_PAGES), Few(MOST_VERSIONS)
        self._script = files(__package__).joinpath("beacon.js").read_bytes()

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "/beacon",
                ("POST", "OPTIONS"),
                self.take,
                received=LARGEST,
                opened=LARGEST,
                public=True,
                way=Way.BROWSER,
            ),
            Route("/beacon.js", ("GET", "HEAD"), self.script, public=True),
        )

    async def script(self, request: Request) -> Answer:
        return Answer(
            200,
            b"" if request.method == "HEAD" else self._script,
            "text/javascript; charset=utf-8",
            ((b"cache-control", b"public, max-age=3600"), (b"x-content-type-options", b"nosniff")),
        )

    async def take(self, request: Request) -> Answer:
        cors = self._cors(request)
        if request.method == "OPTIONS":
            return Answer(204, headers=cors)
        if not self._patience.allows(_address(request)):
            self._intake.drop(Way.BROWSER, Dropped.FULL)
            raise TooMany("This address sends too often.", retry_after=60)
        loop = asyncio.get_running_loop()
        gathering = await loop.run_in_executor(self._executor, self._read, request)
        await handed_over(self._intake, gathering)
        return Answer(204, headers=cors)

    def _cors(self, request: Request) -> tuple[tuple[bytes, bytes], ...]:
        """Raises ``Forbidden`` for pages of others."""
        origin = request.headers.get("origin", "")
        if not origin:
            return ()
        try:
            host = urlsplit(origin).netloc.lower()
        except ValueError:
            host = ""
        if not (host and host == request.headers.get("host", "").lower()) and origin not in self._allowed.origins:
            self._intake.drop(Way.BROWSER, Dropped.MALFORMED)
            raise Forbidden("Pages of this origin may not send here.", remedy="Name it in `telemetry.beacon_origins`.")
        return (
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-methods", b"POST"),
            (b"access-control-allow-headers", b"content-type"),
            (b"access-control-max-age", b"86400"),
            (b"vary", b"origin"),
        )

    def _read(self, request: Request) -> Gathering:
        try:
            beacon = msgspec.json.decode(request.body, type=_Beacon)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise Invalid("This is not a beacon.", remedy="Send what beacon.js sends.") from error
        gathering = Gathering(Way.BROWSER, self._window)
        told = {"service": beacon.service, "environment": beacon.environment}
        if request.origin is not None:
            told = request.origin.over(told)
        if not self._allowed.knows(told["service"], told["environment"]):
            raise UnknownPlace(
                "There is no such service or environment.", remedy="Set data-service and data-environment on the tag."
            )
        version = self._versions.label(told["service"], short(sound(beacon.version))[:40])
        page = self._pages.label(told["service"], page_of(sound(beacon.page)))
        labels = {**told, "version": version, "page": page}
        for names, found in ((_VITALS, beacon.vitals), (_TIMING, beacon.timing)):
            for name, value in found.items():
                if name not in names:
                    gathering.drop(Dropped.NAME, service=told["service"])
                    continue
                kept, unit = names[name]
                self._observe(gathering, kept, labels, value / unit, "s" if unit > 1 else "")
        for name, value in beacon.metrics[:50]:
            if name in self._allowed.metrics:
                self._observe(gathering, f"browser_{metric_name(name)}", labels, value, "", path=name)
            else:
                gathering.drop(Dropped.NAME, service=told["service"])
        if beacon.view:
            self._add(gathering, VIEWS, labels, 1)
        if beacon.errors:
            self._add(gathering, ERRORS, labels, len(beacon.errors[:10]))
        for broke in beacon.errors[:10]:
            gathering.logs.append(
                LogLine(
                    time=gathering.now * 1000,
                    body=body_text(broke.message[:2000]),
                    severity=Severity.ERROR,
                    service=told["service"],
                    environment=labels["environment"],
                    version=version,
                    fields={
                        name: field_text(value)
                        for name, value in (("page", page), ("stack", broke.stack), ("at", broke.at))
                        if value
                    },
                    source=LogSource.BROWSER,
                )
            )
        return gathering

    def _observe(
        self, gathering: Gathering, name: str, labels: dict[str, str], value: float, unit: str, *, path: str = ""
    ) -> None:
        if not math.isfinite(value) or (not path and not 0 <= value <= _LONGEST):
            gathering.drop(Dropped.NOT_A_NUMBER, service=labels["service"])
            return
        _sample(gathering, _series(name, labels, Kind.OBSERVATION, unit, path), value)

    def _add(self, gathering: Gathering, name: str, labels: dict[str, str], value: float) -> None:
        _sample(gathering, _series(name, labels, Kind.DELTA, "", ""), value)


def _series(name: str, labels: dict[str, str], kind: Kind, unit: str, path: str) -> Series | None:
    kept = canonical(labels)
    if not fits(name, kept):
        return None
    return Series(
        id=series_id(name, kept), name=name, labels=kept, kind=kind, level=Level.CLIENT, unit=unit, path=path or name
    )


def _sample(gathering: Gathering, series: Series | None, value: float) -> None:
    if series is None:
        gathering.drop(Dropped.NAME)
    else:
        gathering.sample(series, gathering.now, value)


def _address(request: Request) -> str:
    """Of the browser: the router in front of us says it last, and whoever speaks to us directly cannot."""
    try:
        near = not request.client or ipaddress.ip_address(request.client).is_loopback
    except ValueError:
        near = False
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return forwarded[:64] if near and forwarded else request.client
