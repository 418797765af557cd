"""The worker process: reactions, durable workflows, the sealer and the reconcilers of all rooms."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from datetime import timedelta

from andon.app.composition import Installation, sealing_key
from andon.kernel.errors import AndonError
from andon.kernel.events.reactions import Reactor
from andon.kernel.events.record import align_positions
from andon.kernel.events.seal import Sealer, SealingKey
from andon.kernel.workflows.durable import DurableWorkflows
from andon.web.room import Reconciler

STOP_SECONDS = 15.0
"""How long work under way may take to come to rest before the process leaves it to the next start."""

KEPT_DAYS = 30
"""How long the workflow engine remembers what has ended: the record tells of it for ever."""

_log = logging.getLogger(__name__)


class Worker:
    """Everything that works without being asked. One lives at a time for a data directory."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        rooms = installation.rooms
        data = installation.settings.data
        url = installation.settings.database.url
        self._workflows = DurableWorkflows(
            url or data / "workflows.db",
            [workflow for room in rooms for workflow in room.workflows],
            leases=data,
        )
        installation.starter.bind(self._workflows)
        self._reactor = Reactor(
            installation.database, installation.bell, [one for room in rooms for one in room.reactions]
        )
        key = SealingKey.at(sealing_key(installation.settings))
        self._sealer = Sealer(installation.database, installation.bell, key)
        self._forgetting = Reconciler("ended-workflows", timedelta(hours=1).total_seconds(), self._forget)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Take up what an earlier life left, then work. Raises what a room cannot begin without."""
        installation = self._installation
        with installation.database.transaction() as tx:
            align_positions(tx)
        installation.bell.start()
        for room in installation.rooms:
            room.begin()
        # Once before anything is resumed: what should be must be known before work goes on upon it.
        for room in installation.rooms:
            for reconciler in room.reconcilers:
                self._round(reconciler)
        self._workflows.launch()
        self._round(self._forgetting)
        self._reactor.start()
        self._sealer.start()
        for reconciler in (self._forgetting, *(one for room in installation.rooms for one in room.reconcilers)):
            thread = threading.Thread(
                target=self._repeat, args=(reconciler,), name=f"reconcile {reconciler.name}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> bool:
        """Stop; whether all work came to rest. What did not is resumed at the next start."""
        self._stopping.set()
        self._workflows.stopping.set()
        self._reactor.stop()
        for room in reversed(self._installation.rooms):
            room.end()
        rested = self._workflows.stop(STOP_SECONDS)
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        self._sealer.stop()
        self._sealer.seal_all()
        self._installation.bell.stop()
        return rested and not any(thread.is_alive() for thread in self._threads)

    def _forget(self) -> None:
        """An event that is delivered late, a dead letter for example, must find what it has started already."""
        database = self._installation.database
        with database.reading() as reading:
            waits_since = self._reactor.waits_since(reading)
        ended = database.clock.now() - timedelta(days=KEPT_DAYS)
        forgotten = self._workflows.forget(ended if waits_since is None else min(ended, waits_since))
        if forgotten:
            _log.info("forgot %d workflows that ended more than %d days ago", forgotten, KEPT_DAYS)

    def _repeat(self, reconciler: Reconciler) -> None:
        while not self._stopping.wait(reconciler.every):
            self._round(reconciler)

    @staticmethod
    def _round(reconciler: Reconciler) -> None:
        try:
            reconciler.run()
        except AndonError as error:
            _log.warning("reconciler %s: %s", reconciler.name, error)
        except Exception:  # noqa: BLE001 - logged whole: one room's fault must not keep the others from their watch
            _log.exception("reconciler %s failed", reconciler.name)


def work(installation: Installation, wait: Callable[[], None], ready: Callable[[], None]) -> None:
    """Work until ``wait`` returns. Leaves the process at once when something could not be brought to rest."""
    worker = Worker(installation)
    worker.start()
    ready()
    wait()
    rested = worker.stop()
    if not rested:
        _log.warning("some work did not come to rest; it is resumed at the next start")
        logging.shutdown()
        os._exit(0)
