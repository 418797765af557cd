"""The five levels in the order in which they are shown, and what fills one on which a service is silent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from andon.feedback.telemetry.contract.metrics import Level

LEVELS = (Level.BUSINESS, Level.APPLICATION, Level.CLIENT, Level.INFRASTRUCTURE, Level.PIPELINE)
"""First whether it does anybody good."""
TITLES: Mapping[Level, str] = {
    Level.BUSINESS: "Business",
    Level.APPLICATION: "Application",
    Level.CLIENT: "Client",
    Level.INFRASTRUCTURE: "Infrastructure",
    Level.PIPELINE: "Pipeline",
}
_PUSH = "git push andon"


@dataclass(frozen=True, slots=True)
class Filler:
    """What a silent level hides, and the one line that fills it."""

    why: str
    line: str
    """With ``SERVICE`` where its name belongs."""
    command: bool = False
    """Whether it is typed in a terminal, and not written into the service."""

    def of(self, service: str) -> str:
        return re.sub(r"\bSERVICE\b", lambda _: service, self.line)


def filler(level: Level, *, deployed: bool = True) -> Filler:
    """``deployed``: by Andon, which measures by itself what it runs."""
    return _FILLERS[level] if deployed else _OUTSIDE.get(level, _FILLERS[level])


_FILLERS: Mapping[Level, Filler] = {
    Level.BUSINESS: Filler(
        "Nobody can see whether it does its users any good: orders, sign-ins, searches that found something.",
        'from andon_client import metric; metric.increment("orders.placed")',
    ),
    Level.APPLICATION: Filler(
        "Requests, errors and durations come from the router by themselves, once it is deployed and asked.",
        _PUSH,
        command=True,
    ),
    Level.CLIENT: Filler(
        "How long a page takes in its reader's browser, and what fails there, nobody else can tell.",
        # from the page's own host: beacons of pages elsewhere are refused
        '<script src="/beacon.js" data-service="SERVICE" data-environment="production" defer></script>',
    ),
    Level.INFRASTRUCTURE: Filler(
        "Processor time and memory of its instances are measured by themselves while one runs.",
        _PUSH,
        command=True,
    ),
    Level.PIPELINE: Filler(
        "Builds, queues, tests and lead times are measured by themselves, from the first run on.",
        _PUSH,
        command=True,
    ),
}
_OUTSIDE: Mapping[Level, Filler] = {
    Level.APPLICATION: Filler(
        "Requests of what Andon does not run are only known from what it sends itself: OpenTelemetry does it unasked.",
        "export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_SERVICE_NAME=SERVICE",
        command=True,
    ),
    Level.CLIENT: Filler(
        "What its readers' browsers say is taken in for pages of services that Andon runs, and for no others.",
        _PUSH,
        command=True,
    ),
    Level.INFRASTRUCTURE: Filler(
        "Processor time and memory are measured by themselves of the instances that Andon runs.",
        _PUSH,
        command=True,
    ),
}
