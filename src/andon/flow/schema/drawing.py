"""Migrations and backfills as the console's components draw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from andon.flow.definition.contract import MigrationDefinition
from andon.flow.schema.contract import Phase
from andon.flow.schema.contract.backfills import BackfillState, BackfillView
from andon.flow.schema.ledger import Change, Entry, Story
from andon.flow.schema.model import LONG_SECONDS, TRANSITIONS, TRIES, WISHES, Pace, Progress, Wish
from andon.flow.sources.contract import CommitHash
from andon.kernel.access import Permission, Principal
from andon.web.model import Fact, State
from andon.web.rendering import duration, number, percent, plural
from andon.web.shell import Action

STATES: Mapping[BackfillState, tuple[State, str]] = {
    BackfillState.RUNNING: (State.RUN, "under way"),
    BackfillState.PAUSED: (State.HOLD, "paused"),
    BackfillState.DONE: (State.OK, "done"),
    BackfillState.FAILED: (State.BAD, "failed"),
    BackfillState.STOPPED: (State.WARN, "stopped"),
    BackfillState.SUPERSEDED: (State.NONE, "left to the next version"),
}
_PROGRESS: Mapping[Progress, State] = {
    Progress.DONE: State.OK,
    Progress.UNDER_WAY: State.RUN,
    Progress.PAUSED: State.HOLD,
    Progress.STOPPED: State.WARN,
    Progress.FAILED: State.BAD,
    Progress.WAITS: State.HOLD,
    Progress.COMING: State.NONE,
}
_DONE = {Phase.EXPAND: "expanded", Phase.BACKFILL: "filled", Phase.CONTRACT: "contracted"}
_ICONS = {Wish.PAUSE: "hold", Wish.RESUME: "arrow", Wish.STOP: "cancel"}
_LABELS = {Wish.PAUSE: "Pause", Wish.RESUME: "Let go on", Wish.STOP: "Stop"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One phase of a migration in the table."""

    label: str
    there: bool
    file: str = ""
    state: State = State.NONE
    word: str = ""
    at: datetime | None = None
    commit: CommitHash | None = None
    href: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """Somebody who needs the old shape."""

    icon: str
    sentence: str
    note: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """A backfill as its section shows it."""

    view: BackfillView
    state: State
    word: str
    figures: tuple[tuple[str, str, str], ...]
    """Name, value, and what stands small under it."""
    facts: tuple[Fact, ...]
    actions: tuple[Action, ...]


def place_address(service: str, environment: str) -> str:
    return f"/services/{quote(service, safe='')}/environments/{quote(environment, safe='')}"


def address(service: str, environment: str) -> str:
    return f"{place_address(service, environment)}/migrations"


def state_of(story: Story) -> tuple[State, str]:
    """How an environment's migrations stand, in a word or two."""
    fill = story.backfill
    if story.failed is not None:
        return State.BAD, "expand failed"
    if fill is not None and fill.state not in {BackfillState.DONE, BackfillState.SUPERSEDED}:
        state, word = STATES[fill.state]
        return state, f"backfill {word}"
    if story.contracts_wait:
        return State.HOLD, "contract waits"
    return (State.OK, "up to date") if story.migrations is not None else (State.NONE, "no migrations")


def sentence_of(story: Story) -> str:
    where = f"{story.environment} of {story.service}"
    if story.failed is not None:
        before = "nothing serves there" if story.live is None else f"{story.live.commit[:7]} serves as before"
        return f"The expand migration of {story.failed.commit[:7]} failed in {where}; {before}"
    fill = story.backfill
    if fill is not None and fill.state not in {BackfillState.DONE, BackfillState.SUPERSEDED}:
        return _filling_sentence(fill, story.pace, where)
    if story.live is None:
        return f"Nothing runs in {where} yet"
    if story.migrations is None:
        return f"{story.live.commit[:7]}, which serves {where}, brings no migrations"
    if story.contracts_wait:
        waiting = len(story.targets) + len(story.objections)
        what = plural(story.contracts_wait, "contract migration")
        if not waiting:
            return f"{what} of {where} may run: nobody needs the old shape any more"
        return f"{what} of {where} {'waits' if story.contracts_wait == 1 else 'wait'}: the old shape is still needed"
    return f"The database of {where} is as {story.live.commit[:7]} wants it"


def _filling_sentence(fill: BackfillView, pace: Pace | None, where: str) -> str:
    done = "" if fill.share is None else f" at {percent(fill.share)}"
    name = f"The backfill of {fill.commit[:7]} in {where}"
    match fill.state:
        case BackfillState.RUNNING:
            remains = remaining(pace)
            return f"{name} is under way{done}" + (f"; {remains} remain" if remains else "")
        case BackfillState.PAUSED:
            return f"{name} is paused{done}; what is filled stays filled"
        case BackfillState.STOPPED:
            return f"{name} was stopped{done}; the contract migration waits for the rest"
        case _:
            return f"{name} failed{done}; customers notice nothing, and the contract migration waits"


def remaining(pace: Pace | None) -> str:
    """ "2 to 5 m", or at least how long; empty while nobody can tell."""
    if pace is None or pace.soonest is None:
        return ""
    soonest = duration(pace.soonest)
    if pace.latest is None:
        return f"at least {soonest}"
    latest = duration(pace.latest)
    return f"about {soonest}" if soonest == latest else f"{soonest} to {latest}"


def rows_of(story: Story) -> tuple[Row, ...]:
    return tuple(_row(one, story) for one in story.changes)


def _row(change: Change, story: Story) -> Row:
    found = {one.phase: one for one in change.entries}
    return Row(name=change.name, cells=tuple(_cell(phase, found.get(phase), story) for phase in Phase))


def _cell(phase: Phase, entry: Entry | None, story: Story) -> Cell:
    label = phase.value.capitalize()
    if entry is None:
        return Cell(label=label, there=False)
    word = _DONE[phase] if entry.progress is Progress.DONE else entry.progress.value
    note = entry.note
    if entry.progress is Progress.WAITS and phase is Phase.BACKFILL:
        named = story.migrations is not None and story.migrations.backfill is not None
        note = "begins after the switch" if named else "andon.yaml names no command for it"
    return Cell(
        label=label,
        there=True,
        file=entry.file,
        state=_PROGRESS[entry.progress],
        word=word,
        at=entry.at,
        commit=entry.commit,
        href="" if entry.deployment is None else f"/deployments/{entry.deployment}",
        note=note,
    )


def needed_of(story: Story, warm: Mapping[str, int]) -> tuple[Needed, ...]:
    """Who needs the old shape. ``warm`` is how many instances run of each set that has no traffic."""
    found = []
    for one in story.targets:
        running = warm.get(one.set, 0) if one.set is not None else 0
        note = (
            f"{plural(running, 'instance')} of it still {'runs' if running == 1 else 'run'}"
            if running
            else "none of it runs"
        )
        found.append(
            Needed(
                icon="back",
                sentence=f"{one.commit[:7]} can be rolled back to",
                note=note,
                href=place_address(story.service, story.environment),
            )
        )
    found += [
        Needed(icon="flag" if one.href.startswith("/flags/") else "database", sentence=one.sentence, href=one.href)
        for one in story.objections
    ]
    return tuple(found)


def filling_of(
    fill: BackfillView, pace: Pace | None, migrations: MigrationDefinition | None, principal: Principal
) -> Filling:
    state, word = STATES[fill.state]
    return Filling(
        view=fill,
        state=state,
        word=word,
        figures=_figures(fill, pace),
        facts=_facts(fill, migrations),
        actions=actions_of(fill, principal),
    )


def actions_of(fill: BackfillView, principal: Principal) -> tuple[Action, ...]:
    """What somebody may ask of it as it is."""
    if not principal.may(Permission.DEPLOY, fill.service, fill.environment):
        return ()
    return tuple(
        Action(
            f"{_LABELS[wish]} the backfill" if wish is not Wish.RESUME else "Let the backfill go on",
            f"{address(fill.service, fill.environment)}/backfill",
            (("wish", wish.value),),
            kind="primary" if wish is Wish.RESUME else "plain",
            icon=_ICONS[wish],
        )
        for wish, wanted in WISHES.items()
        if wanted in TRANSITIONS[fill.state]
    )


def _figures(fill: BackfillView, pace: Pace | None) -> tuple[tuple[str, str, str], ...]:
    silent = "its command does not print how many are left"
    filled = None if fill.first_left is None or fill.left is None else max(0, fill.first_left - fill.left)
    over = fill.state.ended
    return (
        (
            "Filled",
            "no data" if fill.share is None else percent(fill.share),
            silent
            if filled is None
            else f"{number(filled)} of {plural(fill.first_left or 0, 'row')} since its first count",
        ),
        (
            "Left",
            "no data" if fill.left is None else number(fill.left),
            silent if fill.left is None else "rows, as its newest batch said",
        ),
        (
            "Pace",
            "no data" if pace is None else f"{pace.rows_per_second:,.0f} rows/s",
            f"{plural(fill.batches, 'batch', 'batches')} so far"
            if pace is None
            else f"over its last {pace.steps} batches, with their pauses",
        ),
        (
            "Ended" if over else "Remains",
            STATES[fill.state][1] if over else "paused" if fill.state is BackfillState.PAUSED else _remains(pace),
            f"after {duration(fill.seconds)} in batches" if over else _range_note(fill, pace),
        ),
    )


def _remains(pace: Pace | None) -> str:
    if pace is not None and pace.soonest is None:
        return "no end in sight"
    return remaining(pace) or "no data"


def _range_note(fill: BackfillView, pace: Pace | None) -> str:
    if fill.state is BackfillState.PAUSED:
        return "it goes on where it is"
    if pace is None:
        return "a few batches more, and it can be told"
    if pace.soonest is None:
        return "rows come as fast as they are filled"
    return "as at its fastest and its slowest lately"


def _facts(fill: BackfillView, migrations: MigrationDefinition | None) -> tuple[Fact, ...]:
    facts = [
        Fact("Version", fill.commit[:7], mono=True, copy=True),
        Fact("Began", fill.started_at),
        Fact("Newest batch", fill.changed_at) if not fill.state.ended else Fact("Ended", fill.changed_at),
        Fact("Batches", f"{number(fill.batches)}, {duration(fill.seconds)} in them"),
    ]
    if migrations is not None:
        facts.append(_throttle(fill, migrations))
        facts.append(
            Fact(
                "Between two",
                f"{duration(migrations.pause)} in which others get on" if migrations.pause else "no pause",
            )
        )
        if migrations.backfill is not None:
            facts.append(Fact("Command", migrations.backfill, mono=True))
    if fill.failures and not fill.state.ended:
        facts.append(Fact("Failed in a row", f"{fill.failures} of {TRIES} before it gives up", state=State.WARN))
    return tuple(facts)


def _throttle(fill: BackfillView, migrations: MigrationDefinition) -> Fact:
    if fill.rows >= migrations.batch:
        return Fact("Rows each", f"{number(fill.rows)}, as declared")
    text = f"{number(fill.rows)} of {number(migrations.batch)}: batches took longer than {duration(LONG_SECONDS)}"
    return Fact("Rows each", text, state=State.WARN)
