"""A rollout on the terminal: the line of its stages, and a row for each metric."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from andon.feedback.judge.contract import Verdict
from andon.feedback.rollouts.contract import Hold, Left, RolloutState, StageKind
from andon.feedback.rollouts.model.words import SCALED_WORDS, STATE_WORDS, VERDICT_WORDS, metric_level
from andon.feedback.rollouts.views import MetricShape, RolloutShape, StageShape, TakeoverShape
from andon.flow.definition.contract import PARTS, share_text
from andon.web.terminal.output import is_colourful, printable

if TYPE_CHECKING:
    from rich.text import Text

_MARKS = {Verdict.PASS: ("✓", "green"), Verdict.FAIL: ("✗", "red"), Verdict.INCONCLUSIVE: ("◐", "blue")}
_ENDS = {
    RolloutState.RUNNING: ("○", "dim"),
    RolloutState.PAUSED: ("○", "dim"),
    RolloutState.PASSED: ("●", "green"),
    RolloutState.FAILED: ("✗", "red"),
    RolloutState.ABORTED: ("✗", "yellow"),
}


def headline(one: RolloutShape) -> str:
    """Such as "3f2c91a is on its way to production of store: few, 5 %, waits for its time"."""
    if one.takeover is not None:
        return _taken_over(one, one.takeover)
    where = f"{one.environment} of {one.service}"
    match one.state:
        case RolloutState.PASSED:
            return f"{one.commit[:7]} was released in {where}. {one.reason}".rstrip()
        case RolloutState.FAILED:
            return f"{one.commit[:7]} was taken back from {where}: {one.reason}"
        case RolloutState.ABORTED:
            return f"{one.commit[:7]} was taken back from {where}. {one.reason}".rstrip()
        case RolloutState.PAUSED:
            why = "somebody paused it" if one.hold is Hold.PERSON else one.reason
            return f"{one.commit[:7]} is paused on its way to {where}: {why}"
        case RolloutState.RUNNING:
            stage = one.stages[one.stage]
            waits = f", waits for {one.waits_for}" if one.waits_for else ""
            return f"{one.commit[:7]} is {STATE_WORDS[one.state]} to {where}: {stage.name}, {_share(stage)}{waits}"


def _taken_over(one: RolloutShape, takeover: TakeoverShape) -> str:
    there = f"{takeover.service}/{takeover.environment}"
    asked = f"{takeover.requests} of {one.service}/{one.environment}"
    match one.state:
        case RolloutState.PASSED:
            return f"{there} serves {asked}. {one.reason}".rstrip()
        case RolloutState.FAILED:
            return f"{asked} were taken back from {there}: {one.reason}"
        case RolloutState.ABORTED:
            return f"{there} takes over {asked} no longer. {one.reason}".rstrip()
        case RolloutState.PAUSED:
            why = "somebody paused it" if one.hold is Hold.PERSON else one.reason
            return f"{there} is paused on its way to {asked}: {why}"
        case RolloutState.RUNNING:
            stage = one.stages[one.stage]
            waits = f", waits for {one.waits_for}" if one.waits_for else ""
            return f"{there} is taking over {asked}: {_share(stage)}{waits}"


def drawn(one: RolloutShape) -> Text:
    """The headline, the line, the metrics; styles are left out where nobody sees them."""
    from rich.text import Text  # noqa: PLC0415 - 40 ms that programs and pipes need not pay

    text = Text()
    text.append(printable(headline(one)) + "\n\n", style="bold")
    text.append("  ")
    for number, stage in enumerate(one.stages):
        mark, style = _stage_mark(one, number, stage)
        text.append(f"{mark} ", style=style)
        label = _share(stage) if one.takeover is not None else f"{printable(stage.name)} {_share(stage)}"
        text.append(label, style="" if stage.entered_at else "dim")
        text.append(" ── ", style="dim")
    mark, style = _ENDS[one.state]
    text.append(f"{mark} ", style=style)
    text.append(
        "everything\n\n" if one.takeover is not None else "everybody\n\n",
        style="" if one.state is RolloutState.PASSED else "dim",
    )
    width = max((len(metric.title) for metric in one.metrics), default=0)
    for metric in one.metrics:
        mark, style = _MARKS[metric.verdict]
        text.append(f"  {mark} ", style=style)
        text.append(f"{printable(metric.title).ljust(width)}  ")
        text.append(f"{VERDICT_WORDS[metric.verdict]:<10}", style=style)
        text.append(f"{levels(metric)}\n", style="dim")
        if metric.verdict is Verdict.FAIL:
            text.append(f"    {printable(metric.sentence)}\n", style="red")
    for line in one.unwatched:
        text.append(f"  · not watched: {printable(line)}\n", style="dim")
    if one.smallest_harm:
        text.append(f"\n  {printable(one.smallest_harm)}\n", style="dim")
    if one.proposal:
        text.append(f"  {printable(one.proposal)}\n", style="dim")
    text.append(f"\n  {one.requests:,} requests served, {one.failed:,} failed\n  {one.address}", style="dim")
    return text


def show_drawn(one: RolloutShape) -> None:
    from rich.console import Console  # noqa: PLC0415 - as above

    if is_colourful():
        Console().print(drawn(one))
    else:
        sys.stdout.write(drawn(one).plain + "\n")


def _stage_mark(one: RolloutShape, number: int, stage: StageShape) -> tuple[str, str]:
    match stage.left:
        case Left.PASSED | Left.PROMOTED:
            return "●", "green"
        case Left.FAILED:
            return "✗", "red"
        case Left.ABORTED:
            return "✗", "yellow"
        case None:
            if number != one.stage or stage.entered_at is None:
                return "○", "dim"
            return ("◇", "magenta") if one.state is RolloutState.PAUSED else ("◐", "blue")


def _share(stage: StageShape) -> str:
    share = share_text(round(stage.share * PARTS))
    if stage.kind is StageKind.MIRROR:
        return f"copies of {share}"
    if stage.kind is StageKind.AUDIENCE:
        return "its audience"
    return f"{share} and its audience" if stage.audience else share


def levels(metric: MetricShape) -> str:
    """Such as "394 ms → more than 500 ms", or "9.5 /s → 9.2 /s (old scaled to the new one's share)"."""
    old = metric_level(metric.old, metric.unit, metric.kind, metric.old_above)
    said = f"{old} → {metric_level(metric.new, metric.unit, metric.kind, metric.new_above)}"
    scaled = SCALED_WORDS.get(metric.metric)
    return f"{said} ({scaled})" if scaled and metric.old is not None and metric.new is not None else said
