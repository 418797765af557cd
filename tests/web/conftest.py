from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser import browser
from tests.web.site import Site, running_site

__all__ = ["browser"]


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("gallery")) as running:
        yield running
