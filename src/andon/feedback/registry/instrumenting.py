"""What the version that runs added without a measurement: read from the repository, once for each pair of versions."""

from __future__ import annotations

import threading

from andon.feedback.registry.model.instrumentation import Unmeasured, is_looked_at, unmeasured
from andon.feedback.registry.model.known import Added
from andon.flow.deployments.contract import Deployments, DeploymentState
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound

MOST_FILES = 40
_KEPT = 200
_RECENT = 20
_Pair = tuple[Service, CommitHash, CommitHash]


class Instrumenting:
    """Safe to share between threads."""

    def __init__(self, sources: Sources, deployments: Deployments) -> None:
        self._sources, self._deployments = sources, deployments
        self._lock = threading.Lock()
        self._known: dict[_Pair, tuple[tuple[Unmeasured, ...], int, int]] = {}

    def pair(self, reading: Reading, service: Service, environment: str) -> tuple[CommitHash, CommitHash] | None:
        """The version that has the traffic and the one that had it before; ``None`` where there was only one."""
        live = self._deployments.live(reading, service, environment)
        if live is None:
            return None
        for one in self._deployments.recent(reading, service, environment, limit=_RECENT):
            earlier = (
                one.switched_at is not None and live.switched_at is not None and one.switched_at < live.switched_at
            )
            if earlier and one.commit != live.commit and one.state is DeploymentState.SUCCEEDED:
                return one.commit, live.commit
        return None

    def added(self, service: Service, environment: str, before: CommitHash, after: CommitHash) -> Added | None:
        """``None`` where the repository no longer has both. Starts git for each changed file; holds no transaction."""
        key = (service, before, after)
        with self._lock:
            found = self._known.get(key)
        if found is None:
            try:
                found = self._look(*key)
            except NotFound:
                return None
            with self._lock:
                if len(self._known) >= _KEPT:
                    self._known.clear()
                self._known[key] = found
        paths, looked_at, left_out = found
        return Added(
            environment=environment,
            before=before,
            after=after,
            paths=paths,
            looked_at=looked_at,
            left_out=left_out,
        )

    def _look(self, service: Service, before: CommitHash, after: CommitHash) -> tuple[tuple[Unmeasured, ...], int, int]:
        changed = [
            one.path
            for one in self._sources.difference(service, before, after).files
            if one.added > 0 and is_looked_at(one.path)
        ]
        found: list[Unmeasured] = []
        for path in changed[:MOST_FILES]:
            new = self._sources.read(service, after, path)
            if new is not None:
                old = self._sources.read(service, before, path) or b""
                found += unmeasured(path, old.decode("utf-8", "replace"), new.decode("utf-8", "replace"))
        looked_at = min(len(changed), MOST_FILES)
        return tuple(found), looked_at, len(changed) - looked_at
