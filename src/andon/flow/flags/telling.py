"""How flags are told."""

from __future__ import annotations

from andon.flow.flags.contract import (
    FLAGS_FILE,
    FlagArchived,
    FlagChangeApproved,
    FlagChanged,
    FlagChangeProposed,
    FlagChangeRejected,
    FlagCreated,
    FlagHandedOver,
    FlagKilled,
    FlagRampEnded,
    FlagRampHeld,
    FlagRampPaused,
    FlagRampResumed,
    FlagRampStepped,
    FlagRestored,
    FlagRevived,
    FlagScheduled,
    FlagsFileRefused,
    Origin,
    RampState,
    SegmentChangeApproved,
    SegmentChanged,
    SegmentChangeProposed,
    SegmentChangeRejected,
    SegmentRemoved,
)
from andon.flow.flags.model.pretending import PRETENDED
from andon.flow.flags.model.words import rest
from andon.flow.pipelines.contract import FlagsGivenBack, FlagsPretended
from andon.kernel.events import Event
from andon.web.model import State
from andon.web.telling import Names, Sentence, Telling

_ENDED = {
    RampState.RUNNING: "goes on with the ramp of",
    RampState.PAUSED: "paused the ramp of",
    RampState.DONE: "finished the ramp of",
    RampState.STOPPED: "stopped the ramp of",
    RampState.HALTED: "halted the ramp of",
}


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case FlagCreated(flag=flag, kind=kind):
            return Sentence("created the flag", flag, _flag(happened.service, flag), detail=kind, icon="flag")
        case FlagChanged(flag=flag, environment=environment, sentence=sentence, why=why):
            where = f"in {environment}: {sentence}" if environment else f"everywhere: {sentence}"
            return Sentence("changed", flag, _flag(happened.service, flag), where, why, "flag")
        case FlagKilled(flag=flag, environment=environment, why=why):
            href = _flag(happened.service, flag)
            return Sentence("killed the flag", flag, href, f"in {environment}", why, "flag", State.BAD)
        case FlagRevived(flag=flag, environment=environment, why=why):
            href = _flag(happened.service, flag)
            return Sentence("revived the flag", flag, href, f"in {environment}", why, "flag", State.OK)
        case FlagChangeProposed(flag=flag, environment=environment, sentence=sentence, why=why):
            where = f"in {environment}: {sentence}" if environment else f"everywhere: {sentence}"
            return Sentence("proposed to change", flag, _flag(happened.service, flag), where, why, "flag", State.HOLD)
        case FlagChangeApproved(flag=flag, environment=environment, sentence=sentence):
            where = f"in {environment}: {sentence}" if environment else f"everywhere: {sentence}"
            return Sentence("approved the change of", flag, _flag(happened.service, flag), where, "", "flag", State.OK)
        case FlagChangeRejected(flag=flag, environment=environment, sentence=sentence, why=why):
            where = f"in {environment}: {sentence}" if environment else f"everywhere: {sentence}"
            return Sentence("turned down the change of", flag, _flag(happened.service, flag), where, why, "cancel")
        case FlagArchived(flag=flag, why=why):
            return Sentence("archived the flag", flag, _flag(happened.service, flag), detail=why, icon="flag")
        case FlagRestored(flag=flag):
            return Sentence("restored the flag", flag, _flag(happened.service, flag), icon="flag")
        case FlagHandedOver(flag=flag, origin=origin):
            where = f"to {FLAGS_FILE}" if origin is Origin.CODE else "to the console"
            return Sentence("handed the flag", flag, _flag(happened.service, flag), f"over {where}", icon="flag")
        case FlagScheduled(flag=flag, environment=environment, sentence=sentence):
            where = f"in {environment}: {sentence}"
            return Sentence("began a ramp of", flag, _flag(happened.service, flag), where, icon="flag")
        case FlagRampStepped(flag=flag, environment=environment, step=step, percent=percent, promoted=promoted):
            where = f"in {environment} to {percent:g} %"
            href = _flag(happened.service, flag)
            if happened.late:
                said = f"step {step}, {rest(happened.late)} late because nothing ran at its time"
                if happened.next_at is not None:
                    said += f"; the next one at {happened.next_at:%Y-%m-%d %H:%M} UTC"
                return Sentence("ramped", flag, href, where, said, "flag", State.WARN)
            if promoted:
                return Sentence("did not wait and ramped", flag, href, where, f"step {step}", "flag")
            return Sentence("ramped", flag, href, where, f"step {step}", "flag", minor="step")
        case FlagRampHeld(flag=flag, environment=environment, percent=percent, why=why):
            where = f"in {environment} at {percent:g} %"
            return Sentence("holds the ramp of", flag, _flag(happened.service, flag), where, why, "flag", State.HOLD)
        case FlagRampPaused(flag=flag, environment=environment, percent=percent, why=why):
            where = f"in {environment} at {percent:g} %"
            return Sentence("paused the ramp of", flag, _flag(happened.service, flag), where, why, "hold", State.HOLD)
        case FlagRampResumed(flag=flag, environment=environment, percent=percent, why=why):
            where = f"in {environment} at {percent:g} %"
            return Sentence("went on with the ramp of", flag, _flag(happened.service, flag), where, why, "flag")
        case FlagRampEnded(flag=flag, environment=environment, state=ended, percent=percent, why=why):
            state = {RampState.DONE: State.OK, RampState.HALTED: State.BAD}.get(ended)
            where = f"in {environment} at {percent:g} %"
            return Sentence(_ENDED[ended], flag, _flag(happened.service, flag), where, why, "flag", state)
        case FlagsPretended(service=service, environment=environment, state=state, commit=commit):
            where = f"in {environment} {PRETENDED[state]}"
            return Sentence("set the flags of", service, f"/flags/{service}", where, f"to test {commit[:7]}", "flag")
        case FlagsGivenBack(service=service, environment=environment, why=why):
            where = f"in {environment} their own settings"
            return Sentence("gave the flags of", service, f"/flags/{service}", where, why, "flag")
        case SegmentChanged(segment=segment, sentence=sentence, why=why):
            return Sentence("changed the segment", segment, _segment(segment), f", {sentence}", why, "flag")
        case SegmentChangeProposed(segment=segment, sentence=sentence, why=why):
            what = "proposed to change the segment"
            return Sentence(what, segment, _segment(segment), f", {sentence}", why, "flag", State.HOLD)
        case SegmentChangeApproved(segment=segment, sentence=sentence):
            what = "approved the change of the segment"
            return Sentence(what, segment, _segment(segment), f", {sentence}", "", "flag", State.OK)
        case SegmentChangeRejected(segment=segment, sentence=sentence, why=why):
            what = "turned down the change of the segment"
            return Sentence(what, segment, _segment(segment), f", {sentence}", why, "cancel")
        case SegmentRemoved(segment=segment):
            return Sentence("removed the segment", segment, icon="flag")
        case FlagsFileRefused(service=service, faults=faults):
            what = f"could not apply {FLAGS_FILE} of"
            return Sentence(what, service, f"/flags/{service}", "", " ".join(faults[:2])[:300], "flag", State.BAD)
    return None


def _flag(service: str, flag: str) -> str:
    return f"/flags/{service}/{flag}"


def _segment(segment: str) -> str:
    return f"/segments/{segment}"


TELLING = Telling(tell=tell)
