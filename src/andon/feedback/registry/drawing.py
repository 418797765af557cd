"""What the registry's pages draw: sentences, states, and days as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from andon.feedback.registry.model.affected import Reached
from andon.feedback.registry.model.known import About, Availability, Day, Entry, Host, Seen, listed, share_said
from andon.feedback.registry.model.levels import LevelState
from andon.feedback.registry.service import Affected
from andon.flow.environments.contract import SetState
from andon.web.model import State, state_of
from andon.web.rendering import plural

GOOD, FAIR = 0.999, 0.99
_WORDS = {State.OK: "good", State.WARN: "some failures", State.BAD: "bad", State.NONE: "no data"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBar:
    x: float
    width: float
    state: State
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    environment: str
    bars: tuple[DayBar, ...]
    share: str
    n: int
    without: int
    """Days on which nobody asked."""
    said: str


def state_of_share(share: float | None) -> State:
    if share is None:
        return State.NONE
    return State.OK if share >= GOOD else State.WARN if share >= FAIR else State.BAD


def state_of_running(state: SetState | None) -> State:
    return State.NONE if state is None else state_of(state)


def strip(available: Availability) -> Strip:
    width = 100 / max(1, len(available.days))
    whole = available.over(len(available.days))
    without = sum(one.share is None for one in available.days)
    return Strip(
        environment=available.environment,
        bars=tuple(
            DayBar(
                x=round(place * width, 3),
                width=round(width * 0.78, 3),
                state=state_of_share(one.share),
                told=_day(one),
            )
            for place, one in enumerate(available.days)
        ),
        share=share_said(whole.share),
        n=whole.requests,
        without=without,
        said=f"No data: nobody asked in {plural(len(available.days), 'day')}"
        if whole.share is None
        else f"{share_said(whole.share)} of {whole.requests:,} requests in {plural(len(available.days), 'day')} "
        "did not fail" + (f"; on {without} of these days nobody asked" if without else ""),
    )


def _day(one: Day) -> str:
    when = f"{datetime.fromtimestamp(one.start / 1000, UTC):%d %b}"
    if one.share is None:
        return f"{when}: no data"
    return f"{when}: {share_said(one.share)} of {one.requests:,} requests, {one.failed:,} failed"


def list_sentence(entries: Sequence[Entry]) -> str:
    if not entries:
        return "No service is known yet"
    sick = [one.service for one in entries if one.sick]
    told = plural(len(entries), "service")
    if sick:
        return f"{told}; {listed(sick)} {'is' if len(sick) == 1 else 'are'} not healthy"
    runs = sum(any(place.state for place in one.running) for one in entries)
    if not runs:
        outside = all(one.seen is Seen.TELEMETRY for one in entries)
        return f"{told}, none of which {'Andon ' if outside else ''}runs"
    return f"{told}; {'everything that runs is' if runs > 1 else 'the one that runs is'} healthy"


def list_lede(entries: Sequence[Entry]) -> str:
    told = []
    for level in ("business", "client"):
        silent = [one.service for one in entries if any(gap.level.value == level for gap in one.silent)]
        if silent and len(silent) == len(entries) > 1:
            told.append(f"None of them is measured on the {level} level")
        elif silent:
            told.append(f"{listed(silent)} {'says' if len(silent) == 1 else 'say'} nothing of the {level} level")
    outside = sum(one.seen is Seen.TELEMETRY for one in entries)
    if outside:
        told.append(f"{plural(outside, 'service')} {'is' if outside == 1 else 'are'} known from telemetry only")
    return ". ".join(told) + "." if told else ""


def about_sentence(one: About) -> str:
    entry = one.entry
    runs = [place for place in entry.running if place.state is not None]
    if runs:
        main = next((place for place in runs if place.environment == "production"), runs[0])
        told = f"{entry.service} runs {main.version} in {main.environment}, {main.says}"
    elif entry.seen is Seen.TELEMETRY:
        told = f"{entry.service} is seen in telemetry only: Andon did not deploy it"
    else:
        told = f"{entry.service} runs nowhere"
    silent = [gap.level.value for gap in entry.silent]
    if entry.levels and len(silent) == len(entry.levels):
        return f"{told}, and measures nothing"
    return f"{told}; silent on {listed(silent, 5)}" if silent else told


def about_lede(entry: Entry) -> str:
    told = [f"{entry.owner} answers for it"] if entry.owner else []
    if entry.needs:
        told.append(f"it needs {listed(entry.needs)}")
    if entry.needed_by:
        told.append(f"{listed(entry.needed_by)} {'needs' if len(entry.needed_by) == 1 else 'need'} it")
    said = "; ".join(told)
    return f"{said if entry.owner else said[0].upper() + said[1:]}." if said else ""


def host_sentence(found: Affected) -> str:
    host, services = found.host, found.host.services
    if not services:
        return f"Nothing is known to run on {host.name}: nobody is affected"
    told = f"{listed(services)} {'runs' if len(services) == 1 else 'run'} on {host.name}"
    if found.environments:
        told += f" ({listed(found.environments)})"
    if found.reached:
        names = [one.service for one in found.reached]
        told += f"; {listed(names)} {'needs' if len(names) == 1 else 'need'} {'it' if len(services) == 1 else 'them'}"
    return told


def hosts_sentence(hosts: Sequence[Host]) -> str:
    silent = [one.name for one in hosts if one.reported is None]
    told = f"{plural(len(hosts), 'machine')} with {plural(sum(one.instances for one in hosts), 'instance')}"
    if not silent:
        return told
    says = "tells nothing of itself" if len(silent) == 1 else "tell nothing of themselves"
    return f"{told}; {listed(silent)} {says}"


def path_said(one: Reached) -> str:
    """``store → catalogue → search``."""
    return " → ".join(one.path)


def level_word(one: LevelState) -> str:
    return "silent" if one.silent else plural(one.names, "metric")


def silence_said(levels: Sequence[LevelState]) -> str:
    """``silent on client``; of all five that nothing is measured."""
    silent = [one.level.value for one in levels if one.silent]
    if len(silent) == len(levels):
        return "nothing"
    return f"silent on {listed(silent, 5)}" if silent else "all five levels"
