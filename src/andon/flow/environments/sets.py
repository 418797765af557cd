"""What is done to one set: opening it, starting its instances, replacing one beside itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from andon.flow.artifacts.contract import Artifacts
from andon.flow.configuration.contract import Configuration, Values
from andon.flow.environments.contract import Health, InstanceId, ReplacementReason, SetId, Standing
from andon.flow.environments.instances import Instances, remove_app
from andon.flow.environments.layout import Layout
from andon.flow.environments.model import Instance, InstanceSet
from andon.flow.environments.package import unpack
from andon.flow.environments.probing import free_port, port_is_free
from andon.flow.environments.service import EnvironmentService
from andon.kernel.db import Database, Transaction
from andon.kernel.errors import AndonError

STARTS = 3
"""Restarts of an instance that may go by before it is given up."""
_SETTLE = 0.2
"""Seconds for what the router has handed to the old life of an instance to arrive there."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A set as it is recorded now, with the values its instances get."""

    owner: InstanceSet
    members: tuple[Instance, ...]
    values: Values

    def member(self, instance: InstanceId) -> Instance | None:
        return next((one for one in self.members if one.id == instance), None)


class Sets:
    """Effects on sets, each under the set's guard: the watch must not start what a deployment ends.

    ``follow`` makes the router take up changed endpoints; it returns when that has happened.
    """

    def __init__(
        self,
        *,
        database: Database,
        service: EnvironmentService,
        artifacts: Artifacts,
        configuration: Configuration,
        layout: Layout,
        instances: Instances,
    ) -> None:
        self._database = database
        self._service = service
        self._artifacts = artifacts
        self._configuration = configuration
        self.layout = layout
        self.instances = instances
        self.follow: Callable[[], None] = _nobody_follows
        self._guards: dict[SetId, threading.RLock] = {}
        self._guard = threading.Lock()

    def guarded(self, set_id: SetId) -> threading.RLock:
        with self._guard:
            return self._guards.setdefault(set_id, threading.RLock())

    def forget(self, set_id: SetId) -> None:
        """Nothing will be done to the set any more."""
        with self._guard:
            self._guards.pop(set_id, None)

    def read(self, set_id: SetId) -> Opened:
        with self._database.reading() as reading:
            owner = self._service.require_set(reading, set_id)
            definition = self._service.definition_here(owner)
            values = self._configuration.values(reading, owner.service, definition, owner.config_version)
            return Opened(owner, self._service.instances(reading, set_id), values)

    def ready(self, set_id: SetId) -> Opened:
        """As :meth:`read`, with the package unpacked."""
        with self.guarded(set_id):
            opened = self.read(set_id)
            count = max(1, opened.owner.unpacked)
            self.unpack(opened.owner, count)
            if opened.owner.unpacked == count:
                return opened
            with self._database.transaction() as tx:
                self._service.note_unpacked(tx, set_id, count)
            return self.read(set_id)

    def unpack(self, owner: InstanceSet, count: int) -> None:
        app = self.layout.app(owner, count)
        unpack(self._artifacts, owner.digest, app, self.layout.manifest(app))

    def start(self, opened: Opened, instance: Instance, *, unpacked: int | None = None) -> None:
        """Start one instance, unless it is kept already."""
        found = instance
        if self.instances.kept(found):
            return
        if self.instances.shares_ports(opened.owner, found) and not _usable(found.port):
            found = replace(found, port=free_port())
            with self._database.transaction() as tx:
                self._service.begin_life(tx, found.id, found.life, found.port)
        self.instances.start(opened.owner, found, opened.values, unpacked=unpacked)
        if found.health in {Health.UNKNOWN, Health.STOPPED}:
            self.note(found.id, Health.STARTING, "")

    def start_again(
        self, set_id: SetId, instance: InstanceId, reason: ReplacementReason, told: str, *, unless_kept: bool = False
    ) -> bool:
        """End an instance that is of no use as it is, and start it. Whether that was done.

        Not for a set that was retired meanwhile. Raises what starting raises.
        """
        with self.guarded(set_id):
            opened = self.ready(set_id)
            found = opened.member(instance)
            if found is None or opened.owner.standing is Standing.RETIRED:
                return False
            if unless_kept and self.instances.kept(found):
                return False
            with self._database.transaction() as tx:
                self._service.note_replaced(tx, found.id, reason, told)
            self.instances.stop(opened.owner, found)
            had = self.instances.endpoint(opened.owner, found)
            self.start(opened, found)
            fresh = self.read(set_id).member(instance)
            if fresh is not None and self.instances.endpoint(opened.owner, fresh) != had:
                self.follow()
            return True

    def exchange(
        self,
        set_id: SetId,
        instance: InstanceId,
        reason: ReplacementReason,
        told: str,
        *,
        unpacked: int | None = None,
        stopping: Callable[[], bool],
    ) -> bool:
        """Replace an instance that may be answering requests, without losing one. Whether it is replaced.

        Its next life is started beside it and gets the traffic once it is healthy; only then the old one is asked
        to end. One that is not routed is stopped first instead: a worker might not bear being there twice. When
        the next life does not become healthy, everything stays as it was.
        """
        with self.guarded(set_id):
            opened = self.ready(set_id)
            old = opened.member(instance)
            if old is None or opened.owner.standing is Standing.RETIRED:
                return False
            if not self.instances.endpoint(opened.owner, old):
                with self._database.transaction() as tx:
                    self._service.note_replaced(tx, old.id, reason, told)
                self.instances.stop(opened.owner, old)
                self.start(opened, old, unpacked=unpacked)
                return True
            port = free_port() if self.instances.shares_ports(opened.owner, old) else None
            new = replace(old, life=old.life + 1, port=port)
            # An exchange that a crash broke off may have left one, started from who knows what.
            self.instances.stop(opened.owner, new)
            try:
                self.instances.start(opened.owner, new, opened.values, unpacked=unpacked)
                if not self.becomes_healthy(opened.owner, new, stopping):
                    _log.warning("the next life of %s did not become healthy; the old one stays", old.id)
                    self.instances.stop(opened.owner, new)
                    return False
                self._hand_over(old, new, reason, told)
            except BaseException:
                self.instances.stop(opened.owner, new)
                raise
            self.instances.stop(opened.owner, old)
            return True

    def becomes_healthy(self, owner: InstanceSet, instance: Instance, stopping: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + self.instances.process_of(owner, instance).health.within
        while time.monotonic() < deadline and not stopping():
            found = self.instances.probe(owner, instance)
            if found.health is Health.HEALTHY:
                return True
            if found.health is Health.STOPPED or found.restarts >= STARTS:
                return False
            time.sleep(0.05)
        return False

    def remove_app(self, owner: InstanceSet, unpacked: int) -> None:
        remove_app(self.layout, owner, unpacked)

    def note(self, instance: InstanceId, health: Health, reason: str) -> None:
        with self._database.transaction() as tx:
            self._service.note_health(tx, instance, health, reason)

    def write(self, what: Callable[[Transaction], object]) -> None:
        with self._database.transaction() as tx:
            what(tx)

    # Inside

    def _hand_over(self, old: Instance, new: Instance, reason: ReplacementReason, told: str) -> None:
        with self._database.transaction() as tx:
            self._service.begin_life(tx, new.id, new.life, new.port)
            self._service.note_replaced(tx, new.id, reason, told, starting=False)
        try:
            self.follow()
        except AndonError:
            with self._database.transaction() as tx:
                self._service.begin_life(tx, old.id, old.life, old.port)
            raise
        time.sleep(_SETTLE)


def _usable(port: int | None) -> bool:
    return port is not None and port_is_free("127.0.0.1", port)


def _nobody_follows() -> None:
    return
