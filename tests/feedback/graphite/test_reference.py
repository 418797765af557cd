from __future__ import annotations

from andon.feedback.graphite.reference import graphite_reference
from andon.feedback.graphite.room import graphite_room
from tests.feedback.graphite.measured import Told


def test_every_route_is_in_the_reference() -> None:
    page = graphite_reference()
    paths = {path for one in graphite_room(Told().measurements()).handlers for path in one.paths}  # type: ignore[union-attr]  # all are routes
    assert len(paths) == 11
    for path in paths:
        assert f"| `{path.replace(':str', '')}` |" in page
