"""Keeping what should be: everything live or warm runs, answers, and is still what was deployed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from andon.flow.environments.contract import Environments, Health, InstanceId, ReplacementReason, SetId, Standing
from andon.flow.environments.instances import Instances, Probed
from andon.flow.environments.model import Instance, InstanceSet, Watched
from andon.flow.environments.package import drift
from andon.flow.environments.service import EnvironmentService
from andon.flow.environments.sets import Sets
from andon.kernel.db import Database
from andon.kernel.errors import AndonError

_KEPT = frozenset({Standing.LIVE, Standing.WARM})
_GONE = "its process was gone"

_log = logging.getLogger(__name__)


class Watch:
    """Looks at what runs; one lives at a time for an installation, in its worker.

    Each method is safe to call at any moment. What takes time is done for each instance on its own: one that is
    slow to end must not keep the others from being looked at.
    """

    def __init__(
        self, *, database: Database, service: EnvironmentService, environments: Environments, sets: Sets
    ) -> None:
        self._database = database
        self._service = service
        self._environments = environments
        self._sets = sets
        self._instances: Instances = sets.instances
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="watch")
        self._guard = threading.Lock()
        self._busy: set[InstanceId] = set()
        self._watched: dict[InstanceId, Watched] = {}
        self._due: dict[InstanceId, float] = {}
        self._swept = False

    def close(self) -> None:
        """Look no more; what is under way gives up waiting."""
        self._stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # At start and from time to time

    def reconcile(self) -> None:
        """What should run runs, what should not is ended. What lives already is left alone."""
        with self._database.reading() as reading:
            standing = self._service.standing_sets(reading)
            members = {one.id: self._service.instances(reading, one.id) for one in standing}
            leftover = self._service.all_retired_running(reading)
        if not self._swept:
            self._sweep({one.keeper for found in members.values() for one in found}, leftover)
            self._swept = True
        lost = [
            one
            for owner in sorted(standing, key=lambda one: one.standing is not Standing.LIVE)
            for one in members[owner.id]
            if self._should_run(owner, one) and not self._instances.kept(one)
        ]
        work = [self._submit(one, lambda one=one: self._revive(one)) for one in lost]  # type: ignore[misc] # bound per turn
        self._done(work)
        for set_id in leftover:
            if not self._stopping.is_set():
                self._environments.stop(set_id)

    def check_health(self) -> None:
        """Ask whatever is live or warm and due; mend what has been ill for long enough."""
        self._done(self.begin_health())

    def begin_health(self) -> list[Future[None]]:
        """As :meth:`check_health`, without waiting for it."""
        with self._database.reading() as reading:
            standing = [one for one in self._service.standing_sets(reading) if one.standing in _KEPT]
            found = [(owner, one) for owner in standing for one in self._service.instances(reading, owner.id)]
        self._forget_all_but({one.id for _owner, one in found})
        now = time.monotonic()
        work: list[Future[None] | None] = []
        for owner, one in found:
            if one.rebuild:
                work.append(self._submit(one, lambda owner=owner, one=one: self._rebuild(owner, one)))  # type: ignore[misc] # bound per turn
            elif self._due.get(one.id, 0.0) <= now:
                self._due[one.id] = now + self._instances.process_of(owner, one).health.interval
                work.append(self._submit(one, lambda owner=owner, one=one: self._look(owner, one)))  # type: ignore[misc] # bound per turn
        return [one for one in work if one is not None]

    def check_drift(self) -> None:
        """Compare every unpacked package with what was unpacked; where it differs, unpack it anew and replace."""
        with self._database.reading() as reading:
            standing = self._service.standing_sets(reading)
        for owner in standing:
            if self._stopping.is_set():
                return
            if owner.standing in _KEPT and owner.unpacked:
                try:
                    self._mend_drift(owner)
                except AndonError as error:
                    # One set that cannot be mended (its package is damaged) must not hide the next.
                    _log.warning("drift of %s could not be mended: %s", owner.id, error)

    # Inside

    @staticmethod
    def _should_run(owner: InstanceSet, instance: Instance) -> bool:
        # A candidate's instances are started by its deployment; only what it has started already is ours to keep.
        return owner.standing in _KEPT or instance.health is not Health.UNKNOWN

    def _sweep(self, known: set[str], leftover: Iterable[SetId]) -> None:
        """End keepers nobody knows: the new life of an exchange that a crash broke off."""
        with self._database.reading() as reading:
            ending = {one.keeper for set_id in leftover for one in self._service.instances(reading, set_id)}
        for keeper in self._instances.all_keepers():
            if keeper not in known and keeper not in ending:
                _log.warning("keeper %s belongs to no instance and is ended", keeper)
                self._instances.stop_keeper(keeper, 5.0)

    def _look(self, owner: InstanceSet, instance: Instance) -> None:
        found = self._instances.probe(owner, instance)
        if found.restarts + instance.earlier > instance.restarts:
            told = self._instances.how_it_ended(owner, instance)
            self._sets.write(lambda tx: self._service.note_restarts(tx, instance.id, found.restarts, told))
        if found.health is Health.STOPPED:
            self._revive(instance)
            return
        watched = self._watched_of(instance)
        now = time.monotonic()
        changed = watched.judge(
            instance.health,
            answered=found.health is Health.HEALTHY,
            health=self._instances.process_of(owner, instance).health,
            now=now,
        )
        if changed is not None:
            self._sets.note(instance.id, changed, found.reason)
        if (changed or instance.health) is Health.UNHEALTHY and self._worth_mending(found) and watched.may_mend(now):
            watched.mended(now)
            self._sets.start_again(owner.id, instance.id, ReplacementReason.UNHEALTHY, found.reason)

    @staticmethod
    def _worth_mending(found: Probed) -> bool:
        """Its keeper starts it again by itself, and waits longer each time: a new keeper would begin from the start."""
        return found.health is not Health.HEALTHY and not found.resting

    def _revive(self, instance: Instance) -> None:
        watched = self._watched_of(instance)
        now = time.monotonic()
        if not watched.may_mend(now):
            return
        watched.mended(now)
        try:
            self._sets.start_again(instance.set, instance.id, ReplacementReason.LOST, _GONE, unless_kept=True)
        except AndonError as error:
            self._sets.note(instance.id, Health.UNHEALTHY, str(error))
            raise

    def _rebuild(self, owner: InstanceSet, instance: Instance) -> None:
        done = self._sets.exchange(
            owner.id, instance.id, ReplacementReason.REBUILD, "on request", stopping=self._stopping.is_set
        )
        if not done and not self._stopping.is_set():
            reason = "its replacement did not become healthy, so it was left as it is"
            self._sets.write(lambda tx: self._service.give_up_rebuild(tx, instance.id, reason))

    def _mend_drift(self, owner: InstanceSet) -> None:
        app = self._sets.layout.app(owner, owner.unpacked)
        told = drift(app, self._sets.layout.manifest(app))
        if told is None:
            return
        with self._sets.guarded(owner.id):
            opened = self._sets.read(owner.id)
            if opened.owner.standing not in _KEPT or opened.owner.unpacked != owner.unpacked:
                return
            if opened.owner.drift != told:
                self._sets.write(lambda tx: self._service.note_drift(tx, owner.id, told))
            fresh = owner.unpacked + 1
            self._sets.unpack(owner, fresh)
            # One after the other. The set goes over to the new package only when all have: after a crash in
            # between the drift is found again, and all are replaced again.
            for instance in opened.members:
                if not self._sets.exchange(
                    owner.id,
                    instance.id,
                    ReplacementReason.DRIFT,
                    told,
                    unpacked=fresh,
                    stopping=self._stopping.is_set,
                ):
                    return
            self._sets.write(lambda tx: self._service.note_unpacked(tx, owner.id, fresh))
            self._sets.remove_app(owner, owner.unpacked)

    # Work for single instances

    def _submit(self, instance: Instance, work: Callable[[], None]) -> Future[None] | None:
        """Do it in a thread, unless something is being done to the instance already."""
        with self._guard:
            if instance.id in self._busy or self._stopping.is_set():
                return None
            self._busy.add(instance.id)

        def run() -> None:
            try:
                work()
            except AndonError as error:
                _log.warning("%s: %s", instance.id, error)
            except Exception:  # noqa: BLE001 - logged whole: one instance must not end the watch over the others
                _log.exception("looking after %s failed", instance.id)
            finally:
                with self._guard:
                    self._busy.discard(instance.id)

        try:
            return self._pool.submit(run)
        except RuntimeError:  # closed in this very moment
            with self._guard:
                self._busy.discard(instance.id)
            return None

    def _done(self, work: Iterable[Future[None] | None]) -> None:
        wait([one for one in work if one is not None])

    def _watched_of(self, instance: Instance) -> Watched:
        with self._guard:
            return self._watched.setdefault(instance.id, Watched(since=time.monotonic()))

    def _forget_all_but(self, known: set[InstanceId]) -> None:
        with self._guard:
            for gone in self._watched.keys() - known:
                del self._watched[gone]
        for gone in self._due.keys() - known:
            del self._due[gone]
