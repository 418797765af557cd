"""How traffic is told."""

from __future__ import annotations

from andon.flow.routing.contract import TrafficSwitched
from andon.kernel.events import Event
from andon.web.model import State
from andon.web.telling import Names, Sentence, Telling


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case TrafficSwitched(environment=environment, deployment=deployment, set=to, before=before):
            told = f"from {names.of('set', before, 'a former version')}" if before is not None else "the first here"
            return Sentence(
                "switched the traffic of",
                environment,
                f"/deployments/{deployment}",
                f"to {names.of('set', to, 'another version')}",
                told,
                "route",
                State.OK,
            )
    return None


TELLING = Telling(tell=tell)
