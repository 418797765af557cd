"""Telemetry itself in the console: what comes in, what is kept, copies of it."""

from __future__ import annotations

from andon.feedback.promql.contract import Questions
from andon.feedback.telemetry.api import telemetry_routes
from andon.feedback.telemetry.control import Control
from andon.feedback.telemetry.overview import Overview
from andon.feedback.telemetry.pages import telemetry_pages
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.where import Where
from andon.kernel.settings import TelemetrySettings
from andon.web.room import Room
from andon.web.shell import NavItem


def telemetry_room(settings: TelemetrySettings, where: Where, engine: Engine, questions: Questions) -> Room:
    """``engine`` is the store as the web process sees it."""
    overview = Overview(settings, where, engine, questions)
    control = Control(where, server=bool(settings.url))
    return Room(
        name="telemetry",
        templates="andon.feedback.telemetry",
        handlers=(*telemetry_pages(overview, control, settings), *telemetry_routes(overview, control)),
        navigation=(NavItem("Feedback", "Telemetry", "/telemetry", "database"),),
    )
