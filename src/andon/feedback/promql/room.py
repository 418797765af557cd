"""What the room offers: Prometheus' HTTP interface."""

from __future__ import annotations

from andon.feedback.promql.api import prometheus_routes
from andon.feedback.promql.contract import Questions
from andon.feedback.telemetry.contract.metrics import Measurements
from andon.web.room import Room


def promql_room(questions: Questions, measurements: Measurements) -> Room:
    """``questions`` is an :class:`~andon.feedback.promql.service.Engine` over ``measurements``."""
    return Room(name="promql", handlers=tuple(prometheus_routes(questions, measurements)))
