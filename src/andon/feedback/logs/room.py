"""Logs: what programs say, found, followed, sorted into patterns, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from andon.feedback.logs.addresses import term_text
from andon.feedback.logs.api import log_routes
from andon.feedback.logs.declared import DeclaredCounts
from andon.feedback.logs.following import Tails
from andon.feedback.logs.pages import log_pages
from andon.feedback.logs.service import LogsService
from andon.feedback.logs.telling import TELLING
from andon.feedback.telemetry.contract.logs import LogStore
from andon.flow.definition.contract import DefinitionReader
from andon.flow.environments.contract import Environments
from andon.flow.sources.contract import Sources
from andon.kernel.access import Principal
from andon.kernel.access.contract import People
from andon.kernel.db import Reading
from andon.web.room import Entry, Room
from andon.web.shell import NavItem


def logs_room(
    *,
    logs: LogStore,
    sources: Sources,
    people: People,
    environments: Environments | None = None,
    definitions: DefinitionReader | None = None,
) -> Room:
    """Without ``environments`` and ``definitions`` what ``andon.yaml`` has counted is not shown."""
    service = LogsService()
    tails = Tails(logs)
    declared = None
    if environments is not None and definitions is not None:
        declared = DeclaredCounts(environments, sources, definitions)

    def entries(reading: Reading, principal: Principal) -> Iterator[Entry]:
        visible = principal.visible_services()
        for one in sources.services(reading):
            if visible is None or one in visible:
                asked = urlencode({"q": term_text("service", one)})
                yield Entry(f"Logs of {one}", f"/logs?{asked}", "logs")
        if visible is None or visible:
            yield Entry("Live tail", "/logs/tail", "logs", "lines as they come")
            yield Entry("Patterns of lines", "/logs/templates", "logs", "what is new since a deployment")
            yield Entry("Counted lines", "/logs/counted", "logs", "lines that are metrics")

    return Room(
        name="logs",
        templates="andon.feedback.logs",
        handlers=(
            *log_pages(logs, service, declared, tails, people),
            *log_routes(logs, service, declared, tails),
        ),
        navigation=(NavItem("Feedback", "Logs", "/logs", "terminal", "l"),),
        entries=entries,
        telling=TELLING,
        leave=tails.end,
    )
