"""The pages of logs."""

from __future__ import annotations

from andon.feedback.logs.declared import DeclaredCounts
from andon.feedback.logs.following import Tails
from andon.feedback.logs.pages.counting import counting_pages
from andon.feedback.logs.pages.patterns import pattern_pages
from andon.feedback.logs.pages.searching import searching_pages
from andon.feedback.logs.pages.tail import tail_pages
from andon.feedback.logs.service import LogsService
from andon.feedback.telemetry.contract.logs import LogStore
from andon.kernel.access.contract import People
from andon.web.http.pages import Handlers


def log_pages(
    logs: LogStore, service: LogsService, declared: DeclaredCounts | None, tails: Tails, people: People
) -> Handlers:
    return [
        *searching_pages(logs, service),
        *tail_pages(logs, tails),
        *pattern_pages(logs, service),
        *counting_pages(logs, service, declared, people),
    ]
