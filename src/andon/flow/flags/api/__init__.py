"""The API of flags."""

from __future__ import annotations

from andon.flow.flags.api.deeds import deed_routes
from andon.flow.flags.api.questions import question_routes
from andon.flow.flags.api.segments import segment_routes
from andon.flow.flags.desk import Desk
from andon.web.http.api import Handlers


def flag_routes(desk: Desk) -> Handlers:
    return [*question_routes(desk), *deed_routes(desk), *segment_routes(desk)]
