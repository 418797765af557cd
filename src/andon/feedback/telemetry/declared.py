"""What services say of their telemetry in ``andon.yaml``, as it is where they run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    INSTANCE,
    SERVICE,
    VERSION,
    Level,
    Series,
)
from andon.feedback.telemetry.contract.patterns import named_like
from andon.feedback.telemetry.store.counting import Counted
from andon.feedback.telemetry.ways.scrape.target import Target
from andon.flow.definition.contract import DEFINITION_FILE, DefinitionReader, TelemetryDefinition
from andon.flow.environments.contract import Environments, EnvironmentView, SetState, SetView
from andon.flow.environments.contract.equipment import version_of
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid, NotFound

_NOTHING = TelemetryDefinition()
EVERY = 5.0


class Declared:
    """``round`` looks; what it found is at hand for every line and every series. ``scraped`` are addresses from the
    settings, ``clicked`` answers the lines that somebody had counted in the console."""

    def __init__(
        self,
        *,
        environments: Environments,
        sources: Sources,
        definitions: DefinitionReader,
        reading: Callable[[], AbstractContextManager[Reading]],
        scraped: Sequence[Target] = (),
        clicked: Callable[[Reading], Sequence[Counted]] = lambda _reading: (),
    ) -> None:
        self._environments, self._reading = environments, reading
        self._scraped, self._clicked = tuple(scraped), clicked
        self._of = _declared_in(sources, definitions)
        self._counted: tuple[Counted, ...] = ()
        self._targets: tuple[Target, ...] = self._scraped
        self._business: Mapping[str, re.Pattern[str]] = {}

    def round(self) -> None:
        with self._reading() as reading:
            views = self._environments.all(reading)
            clicked = self._clicked(reading)
        running = list(_running(views))
        said = {(one.service, one.commit): self._of(one.service, one.commit) for one in running}
        business: dict[str, set[str]] = {}
        counted = {(one.service, one.metric): one for one in clicked}
        targets: list[Target] = list(self._scraped)
        for one in running:
            telemetry = said[one.service, one.commit]
            business.setdefault(one.service, set()).update(telemetry.business)
            for metric, query in telemetry.count.items():
                counted[one.service, metric] = Counted(service=one.service, metric=metric, query=query)
            if telemetry.scrape is not None:
                targets += _targets(one, telemetry.scrape)
        self._business = {service: named_like(patterns) for service, patterns in business.items() if patterns}
        self._targets = tuple(targets)
        found = tuple(replace(one, level=self._level_of(one.service, one.metric)) for one in counted.values())
        if found != self._counted:  # the same object as long as nothing changes: what is made of it is kept
            self._counted = found

    def counted(self) -> Sequence[Counted]:
        return self._counted

    def targets(self) -> Iterable[Target]:
        return self._targets

    def level(self, series: Series) -> Level:
        """The level a series is of: what its service calls business is business."""
        pattern = self._business.get(series.label(SERVICE))
        if pattern is not None and (pattern.fullmatch(series.path) or pattern.fullmatch(series.name)):
            return Level.BUSINESS
        return series.level

    def _level_of(self, service: str, metric: str) -> Level:
        pattern = self._business.get(service)
        return Level.BUSINESS if pattern is not None and pattern.fullmatch(metric) else Level.APPLICATION


def _running(views: Iterable[EnvironmentView]) -> Iterable[SetView]:
    return (one for view in views for one in view.sets if one.state is not SetState.STOPPED)


def _targets(owner: SetView, path: str) -> list[Target]:
    found = []
    for one in owner.instances:
        labels = {
            SERVICE: owner.service,
            ENVIRONMENT: owner.environment,
            VERSION: version_of(owner.commit),
            INSTANCE: one.id,
            "job": owner.service,
        }
        target = _reached(one.endpoint, labels, path)
        if target is not None:
            found.append(target)
    return found


def _reached(endpoint: str, labels: Mapping[str, str], path: str) -> Target | None:
    if endpoint.startswith("unix:"):
        return Target(labels=labels, socket=Path(endpoint.removeprefix("unix:")), path=path)
    host, _, port = endpoint.rpartition(":")
    return Target(labels=labels, host=host, port=int(port), path=path) if port.isdigit() else None


def _declared_in(
    sources: Sources, definitions: DefinitionReader
) -> Callable[[Service, CommitHash], TelemetryDefinition]:
    @lru_cache(maxsize=512)
    def declared(service: Service, commit: CommitHash) -> TelemetryDefinition:
        try:
            text = sources.read(service, commit, DEFINITION_FILE)
            return _NOTHING if text is None else definitions.read(text).telemetry
        except (NotFound, Invalid):
            return _NOTHING

    return declared
