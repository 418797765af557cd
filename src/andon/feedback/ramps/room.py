"""Judged ramps: what looks at them, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass

from andon.feedback.judge.contract import Judge
from andon.feedback.ramps.api import ramp_routes
from andon.feedback.ramps.pages import ramp_pages
from andon.feedback.ramps.ports import Outcomes
from andon.feedback.ramps.service import RampWatch
from andon.flow.flags.contract import Flags
from andon.kernel.access.contract import People
from andon.kernel.db import Database
from andon.web.room import Reconciler, Room

LOOK_SECONDS = 1.0
LISTEN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class BuiltRamps:
    room: Room
    watch: RampWatch
    """What flags ask before each step of a ramp."""


def build_ramps(*, database: Database, flags: Flags, judge: Judge, outcomes: Outcomes, people: People) -> BuiltRamps:
    watch = RampWatch(database=database, flags=flags, judge=judge, outcomes=outcomes)
    return BuiltRamps(
        room=Room(
            name="ramps",
            templates="andon.feedback.ramps",
            handlers=(*ramp_pages(watch, flags, people), *ramp_routes(watch, flags)),
            reconcilers=(
                Reconciler("ramp looks", LOOK_SECONDS, watch.turn),
                Reconciler("ramp listeners", LISTEN_SECONDS, watch.listen),
            ),
        ),
        watch=watch,
    )
