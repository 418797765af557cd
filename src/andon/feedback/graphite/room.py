"""Graphite's interface over everything that is measured."""

from __future__ import annotations

from andon.feedback.graphite.api import graphite_routes
from andon.feedback.graphite.service import Graphite
from andon.feedback.telemetry.contract.metrics import Measurements
from andon.web.room import Room


def graphite_room(measurements: Measurements) -> Room:
    return Room(name="graphite", handlers=tuple(graphite_routes(Graphite(measurements))))
