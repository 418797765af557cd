"""The pages of logs, as a browser without script reads them."""

from __future__ import annotations

import pytest

from tests.serving import Browser, Serving


@pytest.fixture(scope="module")
def page(server: Serving) -> Browser:
    return server.administrator()


@pytest.mark.parametrize(
    "address", ["/logs", "/logs/tail", "/logs/templates", "/logs/counted", "/logs/count?service=store&query=bank"]
)
def test_every_page_is_there(page: Browser, address: str) -> None:
    answer = page.get(address)
    assert answer.status_code == 200, answer.text[:3000]
