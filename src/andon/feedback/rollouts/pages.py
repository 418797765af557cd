"""Rollouts and their verdicts in the console."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from andon.feedback.rollouts.beginning import FORM
from andon.feedback.rollouts.contract import RolloutState, Wish
from andon.feedback.rollouts.drawing import (
    STATES,
    Ladder,
    MetricRow,
    actions_of,
    facts_of,
    ladder_of,
    lede_of,
    line_of,
    rows_of,
    sentence_of,
)
from andon.feedback.rollouts.model.records import Rollout
from andon.feedback.rollouts.model.words import STATE_WORDS, named
from andon.feedback.rollouts.reports import Report, report
from andon.feedback.rollouts.service import RolloutService
from andon.feedback.rollouts.service.saying import may_begin, may_end, may_say
from andon.flow.deployments.contract import Deployments
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid
from andon.kernel.events import Facets, Sight
from andon.kernel.events import page as page_of
from andon.web.charts import version_series
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.model import EventLine, Fact, State, Step
from andon.web.shell import Action, Crumb, Page

SHOWN = 30
EVENTS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One rollout as its page shows it."""

    rollout: Rollout
    state: State
    word: str
    sentence: str
    lede: str
    line: tuple[Step, ...]
    ladder: Ladder
    rows: tuple[MetricRow, ...]
    verdict: str
    facts: tuple[Fact, ...]
    actions: tuple[Action, ...]
    events: tuple[EventLine, ...]
    old_series: int
    new_series: int
    topic: str
    """By which its page hears of changes."""
    record: str
    """Where the record tells of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A row of the list."""

    rollout: Rollout
    state: State
    word: str
    sentence: str
    line: tuple[Step, ...]
    requests: int
    failed: int


def rollout_pages(service: RolloutService, deployments: Deployments) -> Handlers:
    def shown(context: PageContext, rollout: str) -> Shown:
        with context.database.reading() as reading:
            found = service.seen(reading, context.principal, rollout)
            told = page_of(reading, _facets(found, context.principal.sight()), limit=EVENTS)
            ours = [one for one in told if one.type.startswith(("dev.andon.rollout.", "dev.andon.traffic."))]
            return _shown(context, report(service, reading, found), reading, deployments, context.told(reading, ours))

    @page("/rollouts")
    def list_rollouts(context: PageContext) -> Html:
        with context.database.reading() as reading:
            running, ended = (
                [
                    _listed(report(service, reading, one))
                    for one in service.visible(reading, context.principal, running=under_way, limit=SHOWN)
                ]
                for under_way in (True, False)
            )
        return context.page(
            "rollouts/rollouts.html",
            Page(title="Rollouts", sentence=_counted(running, ended), lede=_LEDE if running or ended else ""),
            running=running,
            ended=ended,
            begin=FORM if may_begin(context.principal) else "",
        )

    @page("/rollouts/{rollout:str}")
    def show(context: PageContext, rollout: str) -> Html:
        one = shown(context, rollout)
        crumbs = (
            Crumb(one.rollout.service, f"/services/{quote(one.rollout.service, safe='')}"),
            Crumb("Rollouts", "/rollouts"),
        )
        return context.page(
            "rollouts/rollout.html", Page(title=named(one.rollout), sentence=one.sentence, crumbs=crumbs), one=one
        )

    @page("/rollouts/{rollout:str}/now")
    def region(context: PageContext, rollout: str) -> Html:
        return context.part("rollouts/now.html", one=shown(context, rollout))

    @page("/rollouts/{rollout:str}/sentence")
    def sentence(context: PageContext, rollout: str) -> Html:
        return context.part("rollouts/sentence.html", one=shown(context, rollout))

    @deed("/rollouts/{rollout:str}/wish")
    def ask(context: PageContext, rollout: str) -> Html:
        try:
            wish = Wish(context.required("wish"))
        except ValueError:
            raise Invalid("That cannot be asked of a rollout.", safe="Nothing was changed.") from None
        with context.database.transaction() as tx:
            found = service.seen(tx, context.principal, rollout)
            service.wish(tx, context.principal, found.id, wish)
        return context.go(f"/rollouts/{found.id}")

    return [list_rollouts, show, region, sentence, ask]


_LEDE = (
    "A version comes to a few customers first, is compared with the one beside it, and is taken back if it does worse."
)


def _facets(rollout: Rollout, sight: Sight) -> Facets:
    if rollout.deployment is None:
        return Facets(subject=f"rollout:{rollout.id}", sight=sight)
    return Facets(deployment=rollout.deployment, sight=sight)


def _counted(running: list[Listed], ended: list[Listed]) -> str:
    if running:
        only = running[0]
        if len(running) == 1:
            if only.rollout.takeover is not None:
                return f"{only.rollout.takeover.place} is taking over from {only.rollout.service}"
            return f"{only.rollout.service} {only.rollout.commit[:7]} is on its way to its customers"
        return f"{len(running)} releases are on their way to their customers"
    return "No version is on its way to its customers" if ended else "Nothing was released in stages yet"


def _listed(one: Report) -> Listed:
    rollout, counted = one.rollout, one.tally
    return Listed(
        rollout=rollout,
        state=STATES[rollout.state],
        word=STATE_WORDS[rollout.state],
        sentence=rollout.reason or (f"Waits for {one.waits_for}." if one.waits_for else ""),
        line=line_of(one),
        requests=counted.requests,
        failed=counted.failed,
    )


def _shown(
    context: PageContext,
    one: Report,
    reading: Reading,
    deployments: Deployments,
    events: tuple[EventLine, ...],
) -> Shown:
    rollout = one.rollout
    number_of = ""
    if rollout.deployment is not None:
        number_of = f"{rollout.service}#{deployments.get(reading, rollout.deployment).number}"
    colours = version_series([rollout.former_commit, rollout.commit])
    return Shown(
        rollout=rollout,
        state=STATES[rollout.state],
        word=STATE_WORDS[rollout.state],
        sentence=sentence_of(one),
        lede=lede_of(one),
        line=line_of(one),
        ladder=ladder_of(one),
        rows=() if one.verdict is None else rows_of(one.verdict.metrics),
        # one that was taken back has said it in its first line
        verdict="" if one.verdict is None or rollout.state is RolloutState.FAILED else one.verdict.sentence,
        facts=facts_of(one, number_of),
        actions=actions_of(
            rollout,
            may_release=may_say(context.principal, rollout),
            may_end=may_end(context.principal, rollout),
        ),
        events=events,
        # commits of two services may be the same to the letter
        old_series=colours[rollout.former_commit] if rollout.takeover is None else 2,
        new_series=colours[rollout.commit] if rollout.takeover is None else 1,
        topic=f"rollout:{rollout.id}" if rollout.deployment is None else f"deployment:{rollout.deployment}",
        record=f"/record?subject=rollout:{rollout.id}"
        if rollout.deployment is None
        else f"/record?deployment={rollout.deployment}",
    )
