"""Requests, answers and routes of the ways in, without a framework: millions of them come in a day, all alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from andon.feedback.telemetry.contract.intake import Way
from andon.feedback.telemetry.ways.compression import MOST_OPENED, MOST_RECEIVED
from andon.feedback.telemetry.ways.gathering import Origin
from andon.feedback.telemetry.ways.otlp.answers import retry_header
from andon.kernel.errors import AndonError


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes = b""
    """Opened, if it came compressed."""
    client: str = ""
    """The sender's address; empty on a Unix socket."""
    origin: Origin | None = None

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()


def refusal(_request: Request, error: AndonError) -> Answer:
    """As Andon's own interface says it."""
    body = {"code": error.code, "message": error.message, "safe": error.safe, "remedy": error.remedy}
    return Answer(error.status, msgspec.json.encode(body), "application/json", retry_header(error))


@dataclass(frozen=True, slots=True)
class Route:
    """What answers at a path. ``received`` and ``opened`` are the most bytes of a body before and after opening it.

    A route that is ``public`` asks for no token: browsers have none. ``way`` is what requests are counted by that are
    refused for good.
    """

    path: str
    methods: tuple[str, ...]
    answer: Callable[[Request], Awaitable[Answer]]
    refuse: Callable[[Request, AndonError], Answer] = refusal
    received: int = MOST_RECEIVED
    opened: int = MOST_OPENED
    public: bool = False
    way: Way | None = None
