from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser import browser
from tests.databases import Databases
from tests.feedback.graphs.shop import Shop, now_ms, record, served
from tests.serving import Serving

__all__ = ["browser"]


@pytest.fixture(scope="module")
def shop() -> Shop:
    """Ten days, coarse enough to be made in a moment."""
    return Shop(now_ms(), days=10, step=300_000, dense=5_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, databases: Databases, shop: Shop) -> Iterator[Serving]:
    """Graphs of the shop, shared by the tests of a module."""
    url = databases.url("sqlite")
    record(url, shop)
    with served(tmp_path_factory.mktemp("graphs"), url, shop) as running:
        yield running
