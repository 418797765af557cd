"""The example shop as it is: two instances, a database, a migration, behind the router."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.kernel.logs.reader import LogReader
from tests.flow.environments.place import Place, opened_place, switch

EXAMPLE = Path(__file__).parents[3] / "examples" / "store"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened_place(tmp_path / "data") as opened:
        yield opened


def test_the_example_shop_is_migrated_started_and_asked(place: Place) -> None:
    shop = place.service("store")
    shutil.copytree(EXAMPLE, shop.checkout.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*_cache"))
    made = shop.publish("first", ["store/**"]).prepare()
    environments = place.built.environments
    for key, command in (("expand", "python3 -m store.migrate expand"), ("smoke", "python3 -m store.smoke")):
        went = environments.run_command(
            made,
            key=key,
            command=command,
            timeout=60,
            variables={"ANDON_SMOKE_IDENTITY": "smoke-test@andon.invalid"},
            stopping=lambda: False,
        )
        assert went.passed, [line.text for line in LogReader(went.log).tail().lines]
        if key == "expand":
            environments.start(made)
            report = environments.await_healthy(made, lambda: False)
            assert report.healthy, report.reason
    switch(shop, made)
    assert "Parts Unlimited" in shop.get().text
    assert len(place.view(made).instances) == 2
