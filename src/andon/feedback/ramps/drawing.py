"""Judged ramps as the console draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from andon.feedback.judge.contract import Because, Kind, Verdict
from andon.feedback.ramps.model.verdicts import MetricVerdict
from andon.flow.flags.contract import Hand, RampState, RampView
from andon.web.model import Fact, State
from andon.web.rendering import duration, number

_STATES: Mapping[RampState, State] = {
    RampState.RUNNING: State.RUN,
    RampState.PAUSED: State.HOLD,
    RampState.DONE: State.OK,
    RampState.STOPPED: State.WARN,
    RampState.HALTED: State.BAD,
}
_VERDICTS: Mapping[Verdict, tuple[State, str]] = {
    Verdict.PASS: (State.OK, "no worse"),
    Verdict.FAIL: (State.BAD, "worse"),
    Verdict.INCONCLUSIVE: (State.NONE, "undecided"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    title: str
    state: State
    word: str
    variant: str
    others: str
    n: str
    """Requests of either side."""
    reason: str
    early: bool
    """The reason is the time alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A ramp as its page shows it."""

    ramp: RampView
    flag: str
    """The address of the flag."""
    state: State
    sentence: str
    lede: str
    rows: tuple[MetricRow, ...]
    facts: tuple[Fact, ...]
    hands: tuple[Hand, ...]


def shown(
    ramp: RampView,
    *,
    said: str,
    metrics: tuple[MetricVerdict, ...],
    requests: int,
    failed: int,
    at: datetime | None,
    paused_by: str = "",
    hands: tuple[Hand, ...] = (),
) -> Shown:
    where = f"“{ramp.variant}” of {ramp.flag} in {ramp.environment}"
    flag = f"/flags/{quote(ramp.service, safe='')}/{quote(ramp.flag, safe='')}"
    counted = f"{number(requests)} requests were served it, and {number(failed)} of them failed."
    if not ramp.judged:
        said, counted = "Nobody watches this ramp: it goes by time alone.", ""
    if ramp.state is RampState.PAUSED:
        said = f"{_paused(ramp, paused_by)} {said}"
    return Shown(
        ramp=ramp,
        flag=flag,
        state=_STATES[ramp.state],
        sentence=_sentence(ramp, where),
        lede=f"{said} {counted}".strip(),
        rows=tuple(_row(one) for one in metrics),
        facts=(
            Fact("Service", ramp.service, href=f"/services/{quote(ramp.service, safe='')}"),
            Fact("Flag", ramp.flag, href=flag),
            Fact("Environment", ramp.environment),
            *((Fact("Rule", ramp.rule),) if ramp.rule else ()),
            Fact("Step", f"{ramp.step} of {ramp.steps}"),
            *((Fact("Next step", ramp.next_at),) if ramp.next_at is not None else ()),
            *((Fact("Paused", ramp.paused_at),) if ramp.paused_at is not None else ()),
            Fact("Began", ramp.began_at),
            *((Fact("Last looked at", at),) if at is not None else ()),
        ),
        hands=hands,
    )


def _paused(ramp: RampView, by: str) -> str:
    why = f": {ramp.paused_why}" if ramp.paused_why else ""
    left = f"; left of its step: {duration(ramp.remaining)}" if ramp.remaining else ""
    return f"{by or 'Somebody'} paused it{why}. Nobody more gets it until it goes on{left}."


def _sentence(ramp: RampView, where: str) -> str:
    share = f"{ramp.percent:.3g} %"
    match ramp.state:
        case RampState.RUNNING:
            return f"{share} get {where}"
        case RampState.PAUSED:
            return f"The ramp of {where} is paused at {share}"
        case RampState.DONE:
            return f"The ramp of {where} arrived at {share}"
        case RampState.STOPPED:
            return f"The ramp of {where} was stopped at {share}"
        case RampState.HALTED:
            return (
                f"The ramp of {where} was taken back" if not ramp.percent else f"The ramp of {where} ended at {share}"
            )


def _row(one: MetricVerdict) -> MetricRow:
    state, word = _VERDICTS[one.verdict]
    return MetricRow(
        title=one.title,
        state=state,
        word=word,
        variant=_level(one.variant, one.variant_above, one),
        others=_level(one.others, one.others_above, one)
        + (" (scaled to its share)" if one.kind is Kind.TRAFFIC and one.others is not None else ""),
        n=f"{number(round(one.variant_n))} / {number(round(one.others_n))}",
        reason=one.reason,
        early=one.because is Because.TOO_EARLY,
    )


def _level(value: float | None, above: float | None, one: MetricVerdict) -> str:
    if value is None:
        return "no data" if above is None else f"more than {_level(above, None, one)}"
    if one.kind is Kind.SHARE:
        return f"{value * 100:.3g} %"
    said = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{said} {one.unit}".rstrip()
