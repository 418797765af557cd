"""The machine tells of itself, as the kernel shows it."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.metrics import Kind, Level
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.own.host import HostMetrics
from tests.feedback.telemetry.own.conftest import undeclared


def test_processor_memory_disk_and_boot_are_those_of_this_machine(tmp_path: Path) -> None:
    intake = MemoryIntake()
    before = psutil.cpu_times()
    HostMetrics(intake, host="here", folders=[tmp_path], now=lambda: 5000).round()
    after = psutil.cpu_times()
    ((at, idle),) = intake.samples("host_cpu_seconds_total", host="here", mode="idle")
    assert at == 5000
    assert before.idle <= idle <= after.idle
    assert intake.samples("host_memory_total_bytes", host="here") == [(5000, float(psutil.virtual_memory().total))]
    assert 0 < intake.samples("host_memory_available_bytes")[0][1] <= psutil.virtual_memory().total
    assert intake.samples("host_boot_seconds") == [(5000, psutil.boot_time())]
    assert intake.samples("host_cpus") == [(5000, float(psutil.cpu_count() or 1))]
    assert len(intake.samples("host_swap_total_bytes")) == len(intake.samples("host_swap_used_bytes")) == 1
    assert {one.level for one in intake.series} == {Level.INFRASTRUCTURE}
    assert {one.label("host") for one in intake.series} == {"here"}
    kinds = {one.name: one.kind for one in intake.series}
    assert kinds["host_cpu_seconds_total"] is Kind.COUNTER
    assert kinds["host_load1"] is Kind.GAUGE
    assert undeclared(intake) == set()


def test_the_states_of_a_disk_together_are_the_disk_and_each_is_told_once(tmp_path: Path) -> None:
    intake = MemoryIntake()
    HostMetrics(intake, folders=[tmp_path, tmp_path / "below", Path("/")]).round()
    found = os.statvfs(tmp_path)
    disks: dict[str, float] = {}
    for one in intake.series:
        if one.name == "host_disk_bytes":
            mount = one.label("mount")
            ((_, value),) = intake.samples("host_disk_bytes", mount=mount, state=one.label("state"))
            disks[mount] = disks.get(mount, 0) + value
    assert float(found.f_blocks * found.f_frsize) in disks.values()
    assert len({os.stat(mount).st_dev for mount in disks}) == len(disks)  # noqa: PTH116 - a mount is a text here


def test_what_processes_wait_for_is_told_where_the_kernel_knows_it(tmp_path: Path) -> None:
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "io").write_text(
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"
    )
    (tmp_path / "pressure" / "cpu").write_text("what is this\n")
    intake = MemoryIntake()
    HostMetrics(intake, proc=tmp_path, now=lambda: 1).round()
    assert intake.samples("host_pressure_seconds_total") == [(1, 2.5)]
    assert intake.samples("host_pressure_seconds_total", resource="io") == [(1, 2.5)]


def test_only_whole_and_real_disks_count(tmp_path: Path) -> None:
    intake = MemoryIntake()
    devices = psutil.disk_io_counters(perdisk=True) or {}
    (tmp_path / "block").mkdir()
    for name in [*devices, "loop0", "zram0"][:3] or ["loop0"]:
        (tmp_path / "block" / name).mkdir()
    HostMetrics(intake, sys=tmp_path).round()
    told = {one.label("device") for one in intake.series if one.name == "host_disk_io_bytes_total"}
    real = {one for one in devices if not one.startswith(("loop", "ram", "zram", "fd", "sr"))}
    assert told <= real
    HostMetrics(intake, sys=tmp_path / "nothing").round()


def test_what_the_store_refuses_is_counted_and_the_next_round_tries_again() -> None:
    intake = MemoryIntake()
    metrics = HostMetrics(intake)
    intake.full = True
    metrics.round()
    lost = intake.count(Dropped.FULL)
    assert lost > 10
    intake.full, intake.down = False, True
    metrics.round()
    assert intake.count(Dropped.DISK) == lost
    intake.down = False
    metrics.round()
    assert len(intake.batches) == 1
