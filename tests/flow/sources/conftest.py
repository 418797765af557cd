from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.sources.installation import Checkout, Installation, new_checkout, open_installation, serving


@pytest.fixture
def andon(tmp_path: Path) -> Iterator[Installation]:
    """An installation that serves an empty repository ``shop``."""
    with serving(open_installation(tmp_path / "data")) as installation:
        installation.create("shop")
        yield installation


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return new_checkout(tmp_path / "checkout")
