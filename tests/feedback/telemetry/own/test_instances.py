"""What an instance takes is what its processes take."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.own.instances import InstanceMetrics
from andon.feedback.telemetry.own.processes import Process, Snapshot, take_snapshot, taken_by
from andon.flow.environments.contract import InstanceView
from andon.kernel.keeper import control
from andon.kernel.keeper.model import KeeperSpec, KeptState, Restart, Status
from andon.kernel.sandbox.command import build
from andon.kernel.sandbox.identity import ProcessId
from andon.kernel.sandbox.model import SandboxSpec
from tests.flow.installation import Installation

BUSY = "x=0; while [ $x -lt 300000 ]; do x=$((x + 1)); done; sleep 1000 & sleep 1000"


@pytest.fixture
def keepers(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "keepers"
    yield folder
    for one in control.kept(folder):
        control.stop(folder, one.id, timeout=0)


def keep(folder: Path, id: str, script: str = BUSY, *, sandboxed: bool = False) -> KeptState:
    argv = ("/bin/sh", "-c", script)
    log = folder.parent / "logs" / id
    if not sandboxed:
        spec = KeeperSpec(id, "instance", argv, "/", log, sandboxed=False, restart=Restart.NEVER)
        return control.spawn(spec, {"PATH": "/usr/bin:/bin"}, folder)
    command = build(SandboxSpec(argv, "/tmp"), dies_with_parent=True)
    return control.spawn_private(KeeperSpec(id, "instance", command.argv, "/", log), command.private, folder)


def live_instance(local: Installation) -> InstanceView:
    local.deploy(local.built(), environment="acceptance")
    live = local.place("acceptance").live
    assert live is not None
    return live.instances[0]


def until(intake: MemoryIntake, metrics: InstanceMetrics, name: str, least: float) -> float:
    end = time.monotonic() + 60
    while True:
        metrics.round()
        found = intake.samples(name)
        if found and found[-1][1] >= least:
            return found[-1][1]
        assert time.monotonic() < end, found
        time.sleep(0.05)


@pytest.mark.parametrize("sandboxed", [False, True])
def test_time_memory_and_processes_of_a_kept_program_are_those_of_its_instance(
    local: Installation, keepers: Path, sandboxed: bool
) -> None:
    instance = live_instance(local)
    keep(keepers, f"{instance.id}.1", sandboxed=sandboxed)
    keep(keepers, "inst_other.1", "sleep 1000")
    intake = MemoryIntake()
    metrics = InstanceMetrics(
        intake,
        environments=local.environments,
        reading=local.database.reading,
        kept=lambda: control.kept(keepers),
    )
    assert until(intake, metrics, "andon_instance_processes", 3) == 3  # a shell and two sleeps
    assert until(intake, metrics, "andon_instance_cpu_seconds_total", 0.05) < 60
    assert until(intake, metrics, "andon_instance_memory_bytes", 500_000) < 100_000_000
    live = local.place("acceptance").live
    assert live is not None
    (series,) = (one for one in intake.series if one.name == "andon_instance_memory_bytes")
    assert dict(series.labels) == {
        "service": "store",
        "environment": "acceptance",
        "version": live.commit[:7],
        "instance": instance.id,
        "process": "web",
    }
    assert intake.samples("andon_instance_up", instance=instance.id)[-1][1] == 1
    assert intake.samples("andon_instance_restarts_total")[-1][1] == 0


def test_an_instance_without_a_process_has_none_and_no_numbers_are_made_up(local: Installation) -> None:
    live_instance(local)
    intake = MemoryIntake()
    InstanceMetrics(intake, environments=local.environments, reading=local.database.reading, kept=lambda: ()).round()
    assert [value for _, value in intake.samples("andon_instance_processes")] == [0]
    assert not intake.samples("andon_instance_memory_bytes")
    assert not intake.samples("andon_instance_cpu_seconds_total")


def kept_as(id: str, child: ProcessId, cgroups: tuple[str, ...] = (), init: ProcessId | None = None) -> KeptState:
    me = ProcessId(1, 1)
    return KeptState(id, "instance", Status.RUNNING, 0, 0, me, child, init, None, Path("/nowhere"), cgroups, 1)


def test_a_total_does_not_fall_while_the_same_program_runs(local: Installation) -> None:
    instance = live_instance(local)
    seconds = iter([5.0, 3.0, 6.0, 1.0])
    child = ProcessId(7, 100)
    metrics = InstanceMetrics(
        intake := MemoryIntake(),
        environments=local.environments,
        reading=local.database.reading,
        kept=lambda: (kept_as(f"{instance.id}.1", child),),
        snapshot=lambda: Snapshot({7: Process(1, child.started, next(seconds), 1000)}),
    )
    for _ in range(3):
        metrics.round()
    child = ProcessId(7, 200)  # another program, that by chance has the same number
    metrics.round()
    assert [value for _, value in intake.samples("andon_instance_cpu_seconds_total")] == [5, 5, 6, 1]


def test_a_process_that_only_has_the_same_number_is_not_measured() -> None:
    snapshot = Snapshot({7: Process(1, 200, 5.0, 1000)})
    assert taken_by(kept_as("inst_a.1", ProcessId(7, 100)), snapshot) is None
    assert taken_by(kept_as("inst_a.1", ProcessId(8, 100)), snapshot) is None


def test_what_a_control_group_says_goes_before_what_processes_say(tmp_path: Path) -> None:
    second, first = tmp_path / "second", tmp_path / "first"
    second.mkdir()
    (second / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    (second / "memory.current").write_text("5000000\n")
    (second / "memory.stat").write_text("anon 1\ninactive_file 1000000\n")
    (second / "memory.max").write_text("8000000\n")
    snapshot = Snapshot({7: Process(1, 100, 99.0, 99)})
    taken = taken_by(kept_as("inst_a.1", ProcessId(7, 100), (str(second),)), snapshot)
    assert taken is not None
    assert (taken.cpu, taken.memory, taken.memory_limit, taken.processes) == (2.5, 4_000_000, 8_000_000, 1)
    first.mkdir()
    (first / "memory.usage_in_bytes").write_text("5000000\n")
    (first / "memory.stat").write_text("inactive_file 5\ntotal_inactive_file 2000000\n")
    (first / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    taken = taken_by(kept_as("inst_a.1", ProcessId(7, 100), (str(first),)), snapshot)
    assert taken is not None
    assert (taken.cpu, taken.memory) == (99.0, 3_000_000)
    assert taken.memory_limit is None


def test_a_snapshot_holds_this_process_with_its_parent() -> None:

    found = take_snapshot()
    assert found.processes[os.getpid()].parent == os.getppid()
    assert os.getpid() in found.below(os.getppid())
    assert found.processes[os.getpid()].resident > 1_000_000
