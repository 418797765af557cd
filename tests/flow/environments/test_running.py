"""Sets of real instances behind a real Envoy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flow.environments.place import Place, opened_place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened_place(tmp_path_factory.mktemp("data")) as opened:
        yield opened


def test_two_instances_answer_through_the_router(place: Place) -> None:
    shop = place.service()
    made = shop.commit("v1").go_live()
    assert shop.get().text == "v1"
    assert len(place.view(made).instances) == 2
