from __future__ import annotations

from collections.abc import Iterator

import pytest

from andon.feedback.telemetry.contract.logs import Severity
from tests.browser import browser
from tests.databases import Databases
from tests.feedback.logs.chatter import HOSTILE, MINUTE, TRACEBACK, Chatter, Followed, now_us, record, served
from tests.serving import Serving

__all__ = ["browser"]


@pytest.fixture(scope="module")
def chatter() -> Chatter:
    return Chatter(now_us(), hours=12)


@pytest.fixture(scope="module")
def logs(chatter: Chatter) -> Followed:
    found = Followed(*chatter.lines())
    for turn, text in enumerate(HOSTILE):
        found.add(chatter.said(chatter.now - MINUTE - turn, text, fields={"hostile": str(turn), "user": text}))
    found.add(chatter.said(chatter.now - MINUTE // 2, TRACEBACK, Severity.FATAL, trace=True))
    return found


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, databases: Databases, chatter: Chatter, logs: Followed
) -> Iterator[Serving]:
    """Logs of the shop, shared by the tests of a module."""
    url = databases.url("sqlite")
    record(url, chatter)
    with served(tmp_path_factory.mktemp("logs"), url, logs) as running:
        yield running
