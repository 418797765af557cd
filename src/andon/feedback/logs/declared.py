"""What ``andon.yaml`` has counted, as it is where services run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from andon.flow.definition.contract import DEFINITION_FILE, DefinitionReader
from andon.flow.environments.contract import Environments, SetState
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid, NotFound


class DeclaredCounts:
    """Safe to share between threads: what a commit says does not change."""

    def __init__(self, environments: Environments, sources: Sources, definitions: DefinitionReader) -> None:
        self._environments = environments

        @lru_cache(maxsize=256)
        def said(service: Service, commit: CommitHash) -> Mapping[str, str]:
            try:
                text = sources.read(service, commit, DEFINITION_FILE)
                return {} if text is None else definitions.read(text).telemetry.count
            except (NotFound, Invalid):
                return {}  # its run has told whoever wrote it

        self._said = said

    def all(self, reading: Reading) -> dict[Service, dict[str, str]]:
        """For each service that runs: metrics, and what their lines are found with."""
        found: dict[Service, dict[str, str]] = {}
        for view in self._environments.all(reading):
            for one in view.sets:
                if one.state is not SetState.STOPPED:
                    found.setdefault(one.service, {}).update(self._said(one.service, one.commit))
        return {service: counts for service, counts in sorted(found.items()) if counts}

    def has(self, reading: Reading, service: str, metric: str) -> bool:
        """Whether a service that runs has this metric counted."""
        return any(metric in counts for name, counts in self.all(reading).items() if name == service)
