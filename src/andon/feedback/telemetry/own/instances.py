"""Every instance that runs: what it takes, whether it is healthy, how often it was started again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from andon.feedback.telemetry.contract.intake import Intake, Way
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.own import names
from andon.feedback.telemetry.own.processes import Snapshot, take_snapshot, taken_by
from andon.feedback.telemetry.own.sampling import Recorder, Sheet
from andon.flow.environments.contract import Environments, Health, InstanceView, SetState, SetView
from andon.flow.environments.contract.equipment import version_of
from andon.kernel.db import Reading
from andon.kernel.keeper.model import KeptState

EVERY = 10.0


class InstanceMetrics:
    """Of all sets that run, those without traffic too: a warm one takes its memory all the same.

    ``kept`` answers all keepers on file (:func:`andon.kernel.keeper.control.kept` of their folder); an instance's is
    named by its id and its life, with a dot between them.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        environments: Environments,
        reading: Callable[[], AbstractContextManager[Reading]],
        kept: Callable[[], Sequence[KeptState]],
        now: Callable[[], int] = now_ms,
        snapshot: Callable[[], Snapshot] = take_snapshot,
    ) -> None:
        self._recorder = Recorder(intake, Way.HOST, now)
        self._environments, self._reading, self._kept, self._snapshot = environments, reading, kept, snapshot
        self._cpu: dict[tuple[int, int], float] = {}

    def round(self) -> None:
        with self._reading() as reading:
            found = self._environments.all(reading)
        running = [one for view in found for one in view.sets if one.state is not SetState.STOPPED and one.instances]
        if not running:
            return
        kept = _by_instance(self._kept())
        snapshot = self._snapshot()
        sheet = self._recorder.sheet()
        used: dict[tuple[int, int], float] = {}
        for owner in running:
            for instance in owner.instances:
                self._measure(sheet, owner, instance, kept.get(instance.id), snapshot, used)
        self._cpu = used
        self._recorder.record(sheet)

    def _measure(
        self,
        sheet: Sheet,
        owner: SetView,
        instance: InstanceView,
        kept: KeptState | None,
        snapshot: Snapshot,
        used: dict[tuple[int, int], float],
    ) -> None:
        labels = {
            "service": owner.service,
            "environment": owner.environment,
            "version": version_of(owner.commit),
            "instance": instance.id,
            "process": instance.process,
        }
        sheet.add(names.INSTANCE_UP, instance.health is Health.HEALTHY, labels)
        sheet.add(names.INSTANCE_RESTARTS, instance.restarts, labels)
        taken = None if kept is None else taken_by(kept, snapshot)
        if kept is None or kept.child is None or taken is None:
            sheet.add(names.INSTANCE_PROCESSES, 0, labels)
            return
        # a total must not fall while the same program runs: it would be taken for a new beginning, and counted again
        life = (kept.child.pid, kept.child.started)
        used[life] = max(taken.cpu, self._cpu.get(life, 0.0))
        sheet.add(names.INSTANCE_CPU, used[life], labels)
        sheet.add(names.INSTANCE_MEMORY, taken.memory, labels)
        sheet.add(names.INSTANCE_PROCESSES, taken.processes, labels)
        if taken.memory_limit is not None:
            sheet.add(names.INSTANCE_MEMORY_LIMIT, taken.memory_limit, labels)


def _by_instance(kept: Sequence[KeptState]) -> dict[str, KeptState]:
    """The newest life of each that runs."""
    found: dict[str, tuple[int, KeptState]] = {}
    for one in kept:
        instance, _, life = one.id.rpartition(".")
        if instance and life.isdecimal() and one.child is not None:
            known = found.get(instance)
            if known is None or known[0] < int(life):
                found[instance] = (int(life), one)
    return {instance: one for instance, (_, one) in found.items()}
