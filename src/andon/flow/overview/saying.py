"""The conclusions: what the overview and the Andon light say in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from andon.flow.deployments.contract import DeploymentView
from andon.flow.overview.drawing import (
    break_address,
    deployment_address,
    place_address,
    run_address,
    service_address,
)
from andon.flow.overview.model import Line, Station
from andon.flow.overview.service import overdue
from andon.flow.pipelines.contract import RunSummary
from andon.web.model import Light, State
from andon.web.rendering import plural


def light_of(
    lines: Sequence[Line], waiting: Sequence[RunSummary], under_way: Sequence[DeploymentView], now: datetime
) -> Light | None:
    """Red when a line is stopped or production is down, amber when somebody is waited for; ``None`` without any run."""
    bad = [_down(one) for one in lines if one.down] + [_stopped(one) for one in lines if one.stopped]
    bad += [_harmed(one, place) for one in lines if one.refuted is None for place in one.stations if place.refuted]
    if bad:
        return _of(State.BAD, bad)
    late = [
        (
            f"{one.commit[:7]} has been on its way to {one.environment} of {one.service} for long",
            deployment_address(one),
        )
        for one in under_way
        if overdue(one, now)
    ]
    owned = [_ailing(one, one.production) for one in lines if _ails(one.production)]
    held = [(f"{one.commit[:7]} of {one.service} waits for a person", run_address(one)) for one in waiting]
    if amber := [*late, *owned, *held]:
        return _of(State.WARN, amber)
    if any(line.newest is not None for line in lines):
        return Light(State.OK, "The line is green", "/")
    return None


def sentence_of(lines: Sequence[Line], waiting: Sequence[RunSummary]) -> str:
    """ "Production is healthy in 3 of 3 services; 1 change waits for a person and 1 line is stopped"."""
    if not lines:
        return "There is no repository yet"
    served = [one for one in lines if one.production is not None and one.production.live is not None]
    stopped = [one for one in lines if one.stopped]
    parts = []
    if waiting:
        parts.append(f"{plural(len(waiting), 'change')} {'waits' if len(waiting) == 1 else 'wait'} for a person")
    if stopped:
        one = stopped[0].service if len(stopped) == 1 else ""
        parts.append(f"the line of {one} is stopped" if one else f"{len(stopped)} lines are stopped")
    tail = f"; {' and '.join(parts)}" if parts else ""
    if not served:
        return f"Nothing serves customers yet in {plural(len(lines), 'service')}{tail}"
    healthy = [one for one in served if not one.down and not _ails(one.production)]
    if len(served) == 1:
        station = served[0].production
        assert station is not None  # noqa: S101 - chosen by it
        assert station.commit is not None  # noqa: S101 - chosen by it
        how = "healthy" if healthy else f"{_counted(station)} healthy"
        return f"{station.environment.capitalize()} of {served[0].service} runs {station.commit[:7]}, {how}{tail}"
    return f"Production is healthy in {len(healthy)} of {len(served)} services{tail}"


def service_sentence(line: Line, waiting: int | None) -> str:
    """The service page's: "Production runs 3f2c91a, healthy; 2 changes wait"."""
    if line.refused is not None and line.newest is None:
        return f"{line.service} cannot begin: its andon.yaml is faulty"
    last = line.production
    if last is None or last.commit is None:
        if line.newest is None:
            return f"Nothing was pushed to {line.service} yet"
        return f"{line.service} has not reached {last.environment if last else 'an environment'} yet"
    state = "healthy" if not _ails(last) and not line.down else f"{_counted(last)} healthy"
    tail = ""
    if line.stopped:
        tail = "; the line is stopped"
    elif waiting:
        tail = f"; {plural(waiting, 'change')} {'waits' if waiting == 1 else 'wait'}"
    return f"{last.environment.capitalize()} runs {last.commit[:7]}, {state}{tail}"


def _of(state: State, said: Sequence[tuple[str, str]]) -> Light:
    sentence, href = said[0]
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    return Light(state, sentence + more, href if len(said) == 1 else "/")


def _down(line: Line) -> tuple[str, str]:
    last = line.production
    assert last is not None  # noqa: S101 - a line is only down in its last environment
    return f"{last.environment.capitalize()} of {line.service} has no healthy instance", place_address(
        line.service, last.environment
    )


def _stopped(line: Line) -> tuple[str, str]:
    if line.refused is not None:
        return f"The line of {line.service} is stopped: andon.yaml is faulty", service_address(line.service)
    assert line.newest is not None  # noqa: S101 - a line is stopped by a refusal or a run
    where = f" in {line.broken_stage.name}" if line.broken_stage is not None else ""
    said = f"The line of {line.service} is stopped: {line.newest.commit[:7]} {line.broke}{where}"
    return said, break_address(line)


def _harmed(line: Line, station: Station) -> tuple[str, str]:
    assert station.serving is not None  # noqa: S101 - it is what was refuted
    where = f"{station.environment.capitalize()} of {line.service}"
    return f"{where} runs {station.serving.commit[:7]}, which does harm", deployment_address(station.serving)


def _ails(station: Station | None) -> bool:
    return station is not None and station.live is not None and 0 < station.healthy < len(station.live.instances)


def _ailing(line: Line, station: Station | None) -> tuple[str, str]:
    assert station is not None  # noqa: S101 - it ails
    where = f"{station.environment.capitalize()} of {line.service}"
    return f"{where}: {_counted(station)} healthy", place_address(line.service, station.environment)


def _counted(station: Station) -> str:
    return f"{station.healthy} of {0 if station.live is None else len(station.live.instances)}"
