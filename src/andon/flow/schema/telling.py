"""How backfills are told."""

from __future__ import annotations

from collections.abc import Mapping

from andon.flow.schema.contract.backfills import (
    BackfillEnded,
    BackfillPaused,
    BackfillResumed,
    BackfillStarted,
    BackfillState,
)
from andon.kernel.events import Event
from andon.web.model import State
from andon.web.rendering import duration, plural
from andon.web.telling import Names, Sentence, Telling

_ENDED: Mapping[BackfillState, tuple[str, State]] = {
    BackfillState.DONE: ("filled the database of", State.OK),
    BackfillState.FAILED: ("could not fill the database of", State.BAD),
    BackfillState.STOPPED: ("stopped the backfill of", State.WARN),
    BackfillState.SUPERSEDED: ("left the rest of the backfill to the next version:", State.NONE),
}


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case BackfillStarted(environment=environment, commit=commit):
            return Sentence("began to fill the database for", commit[:7], detail=f"in {environment}", icon="deploy")
        case BackfillPaused(environment=environment):
            return Sentence("paused the backfill in", environment, icon="deploy", state=State.WARN)
        case BackfillResumed(environment=environment):
            return Sentence("let the backfill go on in", environment, icon="deploy")
        case BackfillEnded(commit=commit, environment=environment, state=state):
            words, mark = _ENDED.get(state, ("ended the backfill of", State.NONE))
            took = f"{plural(happened.batches, 'batch', 'batches')}, {duration(happened.seconds)} in them"
            reason = "" if state is BackfillState.DONE else f"; {happened.reason}"
            return Sentence(words, commit[:7], detail=f"in {environment}: {took}{reason}", icon="deploy", state=mark)
    return None


TELLING = Telling(tell=tell)
