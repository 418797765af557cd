"""Rollouts as the console draws them: sentences, the line of stages, the stepped line, a row a metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from andon.feedback.judge.contract import Because, Kind, Verdict
from andon.feedback.rollouts.contract import Hold, Left, RolloutState, StageKind, Wish
from andon.feedback.rollouts.model.records import BinRecord, MetricVerdict, Rollout, StageRecord
from andon.feedback.rollouts.model.stages import Stage, audience_words
from andon.feedback.rollouts.model.takeovers import Takeover
from andon.feedback.rollouts.model.words import HOLD_WORDS, SCALED_WORDS, VERDICT_WORDS, metric_level
from andon.feedback.rollouts.reports import Report
from andon.flow.definition.contract import PARTS, share_text
from andon.web.model import Fact, State, Step
from andon.web.rendering import number
from andon.web.shell import Action

STATES: Mapping[RolloutState, State] = {
    RolloutState.RUNNING: State.RUN,
    RolloutState.PAUSED: State.HOLD,
    RolloutState.PASSED: State.OK,
    RolloutState.FAILED: State.BAD,
    RolloutState.ABORTED: State.WARN,
}
VERDICTS: Mapping[Verdict, State] = {
    Verdict.PASS: State.OK,
    Verdict.FAIL: State.BAD,
    Verdict.INCONCLUSIVE: State.NONE,
}
_LEFT: Mapping[Left, tuple[State, str]] = {
    Left.PASSED: (State.OK, "passed"),
    Left.PROMOTED: (State.OK, "promoted by hand"),
    Left.FAILED: (State.BAD, "failed"),
    Left.ABORTED: (State.WARN, "ended by hand"),
}
WIDTH, HEIGHT = 1000.0, 100.0
"""Of the stepped line, in its own units: the page stretches it."""
SMALL_WIDTH, SMALL_HEIGHT = 150.0, 40.0


def sentence_of(one: Report) -> str:
    """The answer, before anything else."""
    rollout = one.rollout
    if rollout.takeover is not None:
        return _taken_over(rollout, rollout.takeover)
    commit, where = rollout.commit[:7], f"{rollout.service} {rollout.environment}"
    match rollout.state:
        case RolloutState.RUNNING:
            return f"{given(rollout.now)} of {where} {'goes' if not rollout.now.dark else 'go'} to {commit}"
        case RolloutState.PAUSED:
            why = HOLD_WORDS[rollout.hold or Hold.NO_DATA]
            return f"{commit} waits on its way to {where}: {why}"
        case RolloutState.PASSED:
            return f"{commit} did well in every stage and was given to everybody in {where}"
        case RolloutState.FAILED:
            return f"{commit} was taken back from {where}: {rollout.reason}"
        case RolloutState.ABORTED:
            return f"{commit} was taken back from {where} by hand"


def _taken_over(rollout: Rollout, takeover: Takeover) -> str:
    there, asked = takeover.place, f"{takeover.asked} of {rollout.service} {rollout.environment}"
    match rollout.state:
        case RolloutState.RUNNING:
            return f"{share_text(rollout.now.plan.parts)} of {asked} go to {there}"
        case RolloutState.PAUSED:
            why = HOLD_WORDS[rollout.hold or Hold.NO_DATA]
            return f"{there} waits on its way to {asked}: {why}"
        case RolloutState.PASSED:
            return f"{there} did well in every stage and serves {asked}"
        case RolloutState.FAILED:
            return f"{asked} were taken back from {there}: {rollout.reason}"
        case RolloutState.ABORTED:
            return f"The takeover of {asked} by {there} was ended by hand"


def lede_of(one: Report) -> str:
    rollout, counted = one.rollout, one.tally
    new = rollout.commit[:7] if rollout.takeover is None else rollout.takeover.place
    harmed = (
        f"{new} served {number(counted.requests)} requests of customers and failed {number(counted.failed)} of them."
    )
    match rollout.state:
        case RolloutState.RUNNING:
            asked = _WISHED.get(rollout.wish) if rollout.wish is not None else None
            waits = f"The stage waits for {one.waits_for}." if one.waits_for else "The stage is nearly over."
            return f"{asked or waits} {harmed}"
        case RolloutState.PAUSED:
            kept = "the version they have" if rollout.takeover is None else "the service that answers them"
            return f"{rollout.reason} Customers keep {kept}; nothing is promoted. {harmed}"
        case RolloutState.PASSED:
            return f"{rollout.reason} {harmed}"
        case _ if rollout.takeover is None:
            return f"All traffic is on {rollout.former_commit[:7]} again. {harmed}"
        case RolloutState.FAILED:
            return f"{rollout.service} serves all of it again. {harmed}"
        case _:
            return f"{rollout.reason} {harmed}"


_WISHED = {
    Wish.PROMOTE: "Somebody asked for the next stage; it begins in a moment.",
    Wish.FINISH: "Somebody asked to give it to everybody; it happens in a moment.",
    Wish.ABORT: "Somebody asked to take it back; it happens in a moment.",
}


def given(stage: Stage) -> str:
    """What the new version gets in a stage."""
    match stage.plan.kind:
        case StageKind.MIRROR:
            return f"Copies of {share_text(stage.plan.parts)} of the requests"
        case StageKind.AUDIENCE:
            return "The audience alone"
        case StageKind.SHARE:
            return f"{share_text(stage.plan.parts)} of the traffic"


def line_of(one: Report) -> tuple[Step, ...]:
    """The stages, and everybody behind them."""
    records = {record.number: record for record in one.stages}
    steps = [_station(one, place, stage, records.get(place)) for place, stage in enumerate(one.rollout.stages)]
    everybody = one.rollout.state is RolloutState.PASSED
    steps.append(
        Step(
            "Everybody" if one.rollout.takeover is None else "Everything",
            State.OK if everybody else State.NONE,
            ("the deployment gives it the rest" if one.rollout.takeover is None else "the new service has it all")
            if everybody
            else "not yet",
            at=one.rollout.ended_at if everybody else None,
        )
    )
    return tuple(steps)


def _station(one: Report, place: int, stage: Stage, record: StageRecord | None) -> Step:
    label = stage.plan.name
    note = ", ".join(
        part
        for part in (
            "" if one.rollout.takeover is not None else _given_shortly(stage),
            *(audience_words(who) for who in stage.audiences),
        )
        if part
    )
    if record is None:
        return Step(label, State.NONE, "not yet", note=note)
    took = timedelta(seconds=record.elapsed(one.now))
    if record.left is not None:
        state, word = _LEFT[record.left]
        return Step(label, state, word, took=took, note=note)
    state = STATES[one.rollout.state]
    return Step(label, state, "paused" if state is State.HOLD else "now", took=took, note=note)


def _given_shortly(stage: Stage) -> str:
    match stage.plan.kind:
        case StageKind.MIRROR:
            return f"copies of {share_text(stage.plan.parts)}"
        case StageKind.AUDIENCE:
            return ""
        case StageKind.SHARE:
            return share_text(stage.plan.parts)


# The stepped line


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Traffic share over time. Paths are in a box of :data:`WIDTH` by :data:`HEIGHT`."""

    area: str
    path: str
    planned: str
    """What is still to come, if all goes well."""
    dark: str
    """Copies that nobody saw the answers of."""
    pauses: tuple[tuple[float, float], ...]
    """Left edge and width."""
    ticks: tuple[tuple[float, str], ...]
    """Distance from the top in percent, and the share there."""
    begins: datetime
    ends: datetime
    planned_end: bool
    sentence: str


def ladder_of(one: Report) -> Ladder:
    """Shares are drawn by their square root: one percent can be seen beside all."""
    rollout = one.rollout
    begins = rollout.started_at
    until = rollout.ended_at or one.now
    points: list[tuple[float, float]] = []
    dark: list[tuple[float, float, float]] = []
    pauses = []
    told = []
    for record in one.stages:
        stage = rollout.stages[record.number]
        left, right = (record.entered_at - begins).total_seconds(), ((record.left_at or until) - begins).total_seconds()
        share = stage.plan.parts / PARTS
        if stage.dark:
            dark.append((left, right, share))
        points += [(left, 0.0 if stage.dark else share), (right, 0.0 if stage.dark else share)]
        if record.held_since is not None:
            pauses.append(((record.held_since - begins).total_seconds(), right))
        told.append(f"{stage.plan.name} {given(stage).lower()}")
    now = (until - begins).total_seconds()
    coming = _coming(one, now)
    total = max([1.0, now, *(at for at, _ in coming)]) * (1.03 if rollout.state.ended else 1.0)
    if rollout.state.ended:
        last = 1.0 if rollout.state is RolloutState.PASSED else 0.0
        points += [(now, last), (total, last)]

    def place(at: float, share: float) -> str:
        return f"{at / total * WIDTH:.1f},{HEIGHT - math.sqrt(share) * (HEIGHT - 4):.1f}"

    path = "M" + "L".join(place(*point) for point in points) if points else ""
    foot = f"{points[-1][0] / total * WIDTH:.1f},{HEIGHT:.1f}L{points[0][0] / total * WIDTH:.1f},{HEIGHT:.1f}Z"
    return Ladder(
        area=f"{path}L{foot}" if points else "",
        path=path,
        planned="M" + "L".join(place(*point) for point in coming) if coming else "",
        dark="".join(f"M{place(left, share)}L{place(right, share)}" for left, right, share in dark),
        pauses=tuple((left / total * WIDTH, max(2.0, (right - left) / total * WIDTH)) for left, right in pauses),
        ticks=tuple((100 - math.sqrt(share) * 96, f"{share * 100:g} %") for share in (1.0, 0.5, 0.1, 0.01)),
        begins=begins,
        ends=begins + timedelta(seconds=total),
        planned_end=not rollout.state.ended,
        sentence=f"Share of the traffic over time: {', then '.join(told) or 'nothing yet'}",
    )


def _coming(one: Report, now: float) -> list[tuple[float, float]]:
    rollout, record = one.rollout, one.current
    if rollout.state.ended or record is None:
        return []
    at = now + max(0.0, rollout.now.plan.seconds - record.elapsed(one.now))
    share = 0.0 if rollout.now.dark else rollout.now.plan.parts / PARTS
    points = [(now, share), (at, share)]
    for stage in rollout.stages[rollout.stage + 1 :]:
        share = stage.plan.parts / PARTS
        points += [(at, share), (at + stage.plan.seconds, share)]
        at += stage.plan.seconds
    return [*points, (at, 1.0), (at * 1.03, 1.0)]


# Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    title: str
    state: State
    word: str
    reason: str
    old: str
    new: str
    scaled: str
    """Which of both is no raw level; empty for none."""
    difference: str
    n: str
    history: bool
    old_shape: str
    """Of the distribution: a filled path in a box of :data:`SMALL_WIDTH` by :data:`SMALL_HEIGHT`; empty for none."""
    new_shape: str
    low: str
    high: str
    spoken: str


def rows_of(metrics: Sequence[MetricVerdict]) -> tuple[MetricRow, ...]:
    """What fails comes first, then what is not decided."""
    order = [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS]
    return tuple(_row(one) for one in sorted(metrics, key=lambda one: order.index(one.verdict)))


def _row(one: MetricVerdict) -> MetricRow:
    old = metric_level(one.baseline, one.unit, one.kind, one.baseline_above)
    new = metric_level(one.canary, one.unit, one.kind, one.canary_above)
    known_levels = (one.baseline, one.canary, one.baseline_above, one.canary_above)
    early = one.because is Because.TOO_EARLY and all(level is None for level in known_levels)
    if early:
        old = new = "not yet"
    known = [bin for bin in one.bins if bin.canary or bin.baseline]
    # of traffic the judge compares what came with what was to come, in no unit of its own
    unit = "" if one.kind is Kind.TRAFFIC else one.unit
    bins = one.bins[one.bins.index(known[0]) : one.bins.index(known[-1]) + 1] if known else ()
    return MetricRow(
        title=one.title,
        state=VERDICTS[one.verdict],
        word=VERDICT_WORDS[one.verdict],
        reason=one.reason,
        old=old,
        new=new,
        scaled="" if one.baseline is None or one.canary is None else SCALED_WORDS.get(one.metric, ""),
        difference="not yet" if early else _difference(one),
        n=f"{number(round(one.canary_n))} / {number(round(one.baseline_n))}",
        history=one.against_history,
        old_shape=_shape(bins, new=False),
        new_shape=_shape(bins, new=True),
        low=metric_level(bins[0].low, unit, one.kind) if bins else "",
        high=(metric_level(bins[-1].high, unit, one.kind) if bins[-1].high is not None else "more") if bins else "",
        spoken=f"Distributions of {one.title}: {old} in the old version, {new} in the new one",
    )


def _difference(one: MetricVerdict) -> str:
    if one.ratio is None:
        if one.low:
            return f"at least × {_times(one.low)} ({one.confidence * 100:g} %)"
        return "from nothing" if one.canary and one.baseline == 0 else ""
    low = "0" if one.low is None else _times(one.low)
    high = "∞" if one.high is None else _times(one.high)
    return f"× {_times(one.ratio)} ({low} to {high}, {one.confidence * 100:g} %)"


def _times(ratio: float) -> str:
    """Without an exponent: what is that far off is not known any better than "over a thousand"."""
    if ratio > 1000:
        return "over 1,000"
    return "under 0.001" if 0 < ratio < 0.001 else f"{ratio:.3g}"


def _shape(bins: Sequence[BinRecord], *, new: bool) -> str:
    """Bins side by side, whatever their widths: most latencies lie in the first of many."""
    if not bins:
        return ""
    most = max(max(bin.canary, bin.baseline) for bin in bins) or 1.0
    wide = SMALL_WIDTH / len(bins)
    parts = [f"M0,{SMALL_HEIGHT:g}"]
    for place, bin in enumerate(bins):
        share = bin.canary if new else bin.baseline
        top = SMALL_HEIGHT - share / most * (SMALL_HEIGHT - 3)
        parts.append(f"L{place * wide:.1f},{top:.1f}L{(place + 1) * wide:.1f},{top:.1f}")
    return "".join([*parts, f"L{SMALL_WIDTH:g},{SMALL_HEIGHT:g}Z"])


# What can be done, and what is known


def actions_of(rollout: Rollout, *, may_release: bool, may_end: bool) -> tuple[Action, ...]:
    """Nothing for one that is over. What somebody may not do is shown with the reason."""
    if rollout.state.ended:
        return ()
    address = f"/rollouts/{rollout.id}/wish"
    refused = "You may not deploy here." if rollout.takeover is None else "You may not release at both ends."
    blocked = "" if may_release else refused
    paused = rollout.state is RolloutState.PAUSED

    def action(wish: Wish, label: str, icon: str, kind: str = "plain", why: str = blocked) -> Action:
        return Action(label, address, hidden=(("wish", wish.value),), kind=kind, icon=icon, blocked=why)

    following = "everybody" if rollout.is_last else rollout.stages[rollout.stage + 1].plan.name
    first = (
        action(Wish.RESUME, "Go on", "run", "primary") if paused else action(Wish.PAUSE, "Pause at this stage", "hold")
    )
    onward = f"Go to {following} now"
    if rollout.takeover is not None and rollout.is_last:
        onward = "Give it everything now"
    promote = action(Wish.PROMOTE, onward, "arrow")
    all_of_it = "Give it to everybody now" if rollout.takeover is None else "Give it everything now"
    finish = () if rollout.is_last else (action(Wish.FINISH, all_of_it, "deploy"),)
    ended = "" if may_release or may_end else "You may not roll back here."
    to = rollout.former_commit[:7] if rollout.takeover is None else rollout.service
    abort = action(Wish.ABORT, f"Take it back to {to}", "back", "danger", ended)
    return (first, promote, *finish, abort)


def facts_of(one: Report, number_of: str) -> tuple[Fact, ...]:
    rollout = one.rollout
    if rollout.takeover is not None:
        return (
            Fact("Requests", rollout.takeover.asked),
            Fact(
                "New service",
                rollout.takeover.place,
                href=_place(rollout.takeover.service, rollout.takeover.environment),
            ),
            Fact(
                "Old service",
                f"{rollout.service}/{rollout.environment}",
                href=_place(rollout.service, rollout.environment),
            ),
            Fact("Began", rollout.started_at),
            *((Fact("Ended", rollout.ended_at),) if rollout.ended_at is not None else ()),
            Fact("Looks", None if one.verdict is None else one.verdict.looks),
        )
    return (
        Fact("New version", rollout.commit[:7], mono=True),
        Fact("Compared with", rollout.former_commit[:7], mono=True),
        Fact("Baseline", "fresh instances" if rollout.baseline is not None else "the instances that serve"),
        Fact("Deployment", number_of, href=f"/deployments/{rollout.deployment}"),
        Fact("Began", rollout.started_at),
        *((Fact("Ended", rollout.ended_at),) if rollout.ended_at is not None else ()),
        Fact("Looks", None if one.verdict is None else one.verdict.looks),
    )


def _place(service: str, environment: str) -> str:
    return f"/services/{quote(service, safe='')}/environments/{quote(environment, safe='')}/traffic"
