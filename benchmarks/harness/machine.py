"""The machine a figure was measured on, and what processes take of it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable

import msgspec
import psutil


class Machine(msgspec.Struct, kw_only=True, frozen=True):
    """``load`` is the mean number of runnable processes of the last minute, before the benchmark began."""

    cores: int
    processor: str
    memory_gib: float
    kernel: str
    python: str
    load: float

    @classmethod
    def here(cls) -> Machine:
        return cls(
            cores=len(os.sched_getaffinity(0)),
            processor=_processor(),
            memory_gib=round(psutil.virtual_memory().total / 1024**3, 1),
            kernel=platform.release(),
            python=platform.python_version(),
            load=round(os.getloadavg()[0], 2),
        )

    def words(self) -> str:
        busy = " (others are at work here: times are upper bounds)" if self.load > self.cores * 0.5 else ""
        return (
            f"{self.cores} cores of {self.processor}, {self.memory_gib:g} GiB, Linux {self.kernel}, "
            f"Python {self.python}, load {self.load:g}{busy}"
        )


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """What these processes and their children that have ended have taken so far."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - no file on a disk
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
