"""The machine itself: processor, memory, disks, network, and what processes wait for."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from andon.feedback.telemetry.contract.intake import Intake, Way
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.own import names
from andon.feedback.telemetry.own.sampling import Recorder, Sheet

EVERY = 10.0
MOST_DEVICES = 64
"""Of each sort: a machine with a thousand containers has a thousand network interfaces."""

_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
# of the machine itself: neither files that are mounted nor memory that plays a disk
_UNREAL_DISK = re.compile(r"(?:loop|ram|zram|fd|sr)\d")
_UNREAL_NETWORK = re.compile(r"lo$|veth|docker|br-|virbr|cni|flannel|cali")
_PRESSURE = re.compile(r"^some .*\btotal=(\d+)", re.MULTILINE)
_RESOURCES = ("cpu", "memory", "io")


class HostMetrics:
    """``folders`` are places whose file systems are shown whatever they are, such as the data directory's: inside a
    container the root is no disk. ``proc`` and ``sys`` are where the kernel shows itself."""

    def __init__(
        self,
        intake: Intake,
        *,
        host: str = "",
        folders: Sequence[Path] = (),
        now: Callable[[], int] = now_ms,
        proc: Path = Path("/proc"),
        sys: Path = Path("/sys"),
    ) -> None:
        self._recorder = Recorder(intake, Way.HOST, now)
        self._host = host or socket.gethostname()
        self._folders = tuple(folders)
        self._proc, self._sys = proc, sys

    def round(self) -> None:
        sheet = self._recorder.sheet()
        self._processor(sheet)
        self._memory(sheet)
        self._disks(sheet)
        self._network(sheet)
        self._pressure(sheet)
        self._recorder.record(sheet)

    def _of(self, **more: str) -> dict[str, str]:
        return {"host": self._host, **more}

    def _processor(self, sheet: Sheet) -> None:
        times = psutil.cpu_times()
        for mode in _MODES:
            if (seconds := getattr(times, mode, None)) is not None:
                sheet.add(names.HOST_CPU, seconds, self._of(mode=mode))
        sheet.add(names.HOST_CPUS, psutil.cpu_count() or 1, self._of())
        sheet.add(names.HOST_LOAD, os.getloadavg()[0], self._of())
        sheet.add(names.HOST_BOOT, psutil.boot_time(), self._of())

    def _memory(self, sheet: Sheet) -> None:
        memory = psutil.virtual_memory()
        sheet.add(names.HOST_MEMORY_TOTAL, memory.total, self._of())
        sheet.add(names.HOST_MEMORY_AVAILABLE, memory.available, self._of())
        swap = psutil.swap_memory()
        sheet.add(names.HOST_SWAP_TOTAL, swap.total, self._of())
        sheet.add(names.HOST_SWAP_USED, swap.used, self._of())

    def _disks(self, sheet: Sheet) -> None:
        for mount in list(self._mounts())[:MOST_DEVICES]:
            try:
                found = os.statvfs(mount)
            except OSError:
                continue  # it has just been unmounted, or its server is gone
            size, block = found.f_blocks, found.f_frsize
            if not size:
                continue
            states = {
                "used": size - found.f_bfree,
                "free": found.f_bavail,
                "reserved": found.f_bfree - found.f_bavail,
            }
            for state, blocks in states.items():
                sheet.add(names.HOST_DISK, blocks * block, self._of(mount=mount, state=state))
        real = self._real_disks()
        for device, io in sorted((psutil.disk_io_counters(perdisk=True) or {}).items())[: 4 * MOST_DEVICES]:
            if device in real:
                for direction, count in (("read", io.read_bytes), ("write", io.write_bytes)):
                    sheet.add(names.HOST_DISK_IO, count, self._of(device=device, direction=direction))

    def _mounts(self) -> Iterator[str]:
        """Each file system once, by the shortest path that leads to it."""
        by_device: dict[str, str] = {}
        for one in psutil.disk_partitions(all=False):
            if _UNREAL_DISK.match(one.device.rpartition("/")[2]) or one.fstype in {"squashfs", "tmpfs", "iso9660"}:
                continue
            known = by_device.get(one.device)
            if known is None or len(one.mountpoint) < len(known):
                by_device[one.device] = one.mountpoint
        seen = set()
        for mount in (*by_device.values(), *(_mount_of(folder) for folder in self._folders)):
            with suppress(OSError):
                number = os.stat(mount).st_dev  # noqa: PTH116 - a text from the kernel goes back to the kernel
                if number not in seen:
                    seen.add(number)
                    yield mount

    def _real_disks(self) -> frozenset[str]:
        """Whole devices: partitions of one would be counted with it."""
        with suppress(OSError):
            found = (one.name for one in (self._sys / "block").iterdir())
            return frozenset(sorted(one for one in found if not _UNREAL_DISK.match(one))[:MOST_DEVICES])
        return frozenset()

    def _network(self, sheet: Sheet) -> None:
        found = sorted(psutil.net_io_counters(pernic=True).items())
        for device, io in [one for one in found if not _UNREAL_NETWORK.match(one[0])][:MOST_DEVICES]:
            for direction, count in (("receive", io.bytes_recv), ("transmit", io.bytes_sent)):
                sheet.add(names.HOST_NETWORK, count, self._of(device=device, direction=direction))

    def _pressure(self, sheet: Sheet) -> None:
        for resource in _RESOURCES:
            try:
                text = (self._proc / "pressure" / resource).read_text(encoding="ascii")
            except OSError:
                continue  # the kernel was built or started without it
            if (found := _PRESSURE.search(text)) is not None:
                sheet.add(names.HOST_PRESSURE, int(found[1]) / 1e6, self._of(resource=resource))


def _mount_of(folder: Path) -> str:
    found = folder.resolve()
    while not found.is_mount() and found != found.parent:
        found = found.parent
    return str(found)
