"""How rollouts are told."""

from __future__ import annotations

from andon.feedback.rollouts.contract import (
    Hold,
    ReleaseRefuted,
    RolloutAborted,
    RolloutFailed,
    RolloutId,
    RolloutPassed,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
    RolloutWished,
    StageEntered,
    StageKind,
    Wish,
)
from andon.flow.definition.contract import share_text
from andon.kernel.events import Event
from andon.web.model import State
from andon.web.rendering import number, plural
from andon.web.telling import Names, Sentence, Telling

_OfRollout = (
    RolloutStarted
    | StageEntered
    | RolloutFailed
    | RolloutPassed
    | RolloutAborted
    | RolloutPaused
    | RolloutResumed
    | RolloutWished
)
_ICON = "route"
_ASKED = {
    Wish.PAUSE: "asked to pause",
    Wish.RESUME: "asked to go on with",
    Wish.PROMOTE: "asked for the next stage of",
    Wish.FINISH: "asked to finish",
    Wish.ABORT: "asked to take back",
}
_WISHES = {
    Wish.PAUSE: "asked to pause",
    Wish.RESUME: "asked to go on with",
    Wish.PROMOTE: "asked for the next stage of",
    Wish.FINISH: "asked to give everybody",
    Wish.ABORT: "asked to take back",
}


def tell(happened: Event, names: Names) -> Sentence | None:
    if isinstance(happened, _OfRollout) and happened.takeover:
        return _taken_over(happened)
    match happened:
        case RolloutStarted(rollout=rollout, commit=commit):
            return Sentence("began to release", commit[:7], address(rollout), _where(happened), _begun(happened), _ICON)
        case StageEntered(rollout=rollout, commit=commit):
            what = "did not wait and gave" if happened.promoted else "gave"
            then = f"{_given(happened)} {_where(happened)}"
            detail = f"stage {happened.number} of {happened.of}, “{happened.stage}”"
            return Sentence(what, commit[:7], address(rollout), then, detail, _ICON)
        case RolloutFailed(rollout=rollout, commit=commit):
            detail = f"{happened.reason}{_harmed(happened.harmed)}"
            then = f"back: {happened.former[:7]} has all traffic {_where(happened)} again"
            return Sentence("took", commit[:7], address(rollout), then, detail, "back", State.BAD)
        case RolloutPassed(rollout=rollout, commit=commit):
            then = f"to everybody {_where(happened)}"
            detail = f"{happened.reason} It served {plural(happened.requests, 'request')} on the way."
            return Sentence("released", commit[:7], address(rollout), then, detail, _ICON, State.OK)
        case RolloutAborted(rollout=rollout, commit=commit):
            then = f"back before everybody had it {_where(happened)}"
            return Sentence("took", commit[:7], address(rollout), then, happened.reason, "back", State.WARN)
        case ReleaseRefuted(deployment=deployment, commit=commit):
            detail = f"{happened.reason}{_harmed(happened.harmed)}"
            detail = f"{detail} It could not be taken back: {happened.stays}" if happened.stays else detail
            goes = "" if happened.stays else f"; {happened.former[:7]} is to serve again"
            then = f"not confirmed {_where(happened)}{goes}"
            return Sentence("found", commit[:7], f"/deployments/{deployment}", then, detail, "back", State.BAD)
    return _pauses(happened)


def _taken_over(happened: _OfRollout) -> Sentence:
    """Another service takes requests over."""
    what, there, here = happened.takeover, address(happened.rollout), f"from {happened.service} {happened.environment}"
    match happened:
        case RolloutStarted():
            return Sentence("began to move", what, there, here, _begun(happened), _ICON)
        case StageEntered():
            done = "did not wait and moved" if happened.promoted else "moved"
            detail = f"stage {happened.number} of {happened.of}"
            return Sentence(f"{done} {share_text(happened.parts)} of", what, there, here, detail, _ICON)
        case RolloutFailed():
            detail = f"{happened.reason}{_harmed(happened.harmed)}"
            return Sentence("took back the move of", what, there, here, detail, "back", State.BAD)
        case RolloutPassed():
            detail = f"{happened.reason} It served {plural(happened.requests, 'request')} on the way."
            return Sentence("moved all of", what, there, here, detail, _ICON, State.OK)
        case RolloutAborted():
            return Sentence("ended the move of", what, there, here, happened.reason, "back", State.WARN)
        case RolloutPaused():
            detail = "" if happened.hold is Hold.PERSON else happened.reason
            return Sentence("paused the move of", what, there, here, detail, "hold", State.HOLD)
        case RolloutResumed():
            return Sentence("went on with the move of", what, there, here, icon=_ICON)
        case RolloutWished():
            return Sentence(f"{_ASKED[happened.wish]} the move of", what, there, here, icon=_ICON)


def _begun(happened: RolloutStarted) -> str:
    seen = f"{happened.smallest_harm} {happened.proposal}".strip()
    return "; ".join(one for one in (plural(len(happened.stages), "stage"), seen) if one)


def _pauses(happened: Event) -> Sentence | None:
    match happened:
        case RolloutPaused(rollout=rollout, commit=commit, hold=hold):
            detail = "" if hold is Hold.PERSON else happened.reason
            what = "paused the release of"
            return Sentence(what, commit[:7], address(rollout), _where(happened), detail, "hold", State.HOLD)
        case RolloutResumed(rollout=rollout, commit=commit):
            what = "went on with the release of"
            return Sentence(what, commit[:7], address(rollout), _where(happened), icon=_ICON)
        case RolloutWished(rollout=rollout, commit=commit, wish=wish):
            return Sentence(_WISHES[wish], commit[:7], address(rollout), _where(happened), icon=_ICON)
    return None


def address(rollout: RolloutId) -> str:
    return f"/rollouts/{rollout}"


def _where(happened: _OfRollout | ReleaseRefuted) -> str:
    return f"in {happened.environment}"


def _given(one: StageEntered) -> str:
    match one.kind:
        case StageKind.MIRROR:
            return f"copies of {share_text(one.parts)} of all requests"
        case StageKind.AUDIENCE:
            return "to its audience"
        case StageKind.SHARE:
            return f"to {share_text(one.parts)} of all traffic"


def _harmed(requests: int | None) -> str:
    if requests is None:
        return ""
    return f" It failed {number(requests)} {'request' if requests == 1 else 'requests'}."


TELLING = Telling(tell=tell)
