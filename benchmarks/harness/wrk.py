"""Load from a process of its own: wrk, found on PATH."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import msgspec

from andon.kernel.errors import Missing, Unavailable

_SCRIPT = """\
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\n{"requests":%d,"seconds":%f,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,' ..
    '"p50":%f,"p95":%f,"p99":%f,"longest":%f}\\n',
    summary.requests, summary.duration / 1e6, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
"""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What wrk saw. Latencies in milliseconds; ``status`` counts answers of 400 and above."""

    requests: int
    seconds: float
    connect: int
    read: int
    write: int
    status: int
    timeout: int
    p50: float
    p95: float
    p99: float
    longest: float

    @property
    def failed(self) -> int:
        return self.connect + self.read + self.write + self.status + self.timeout

    def words(self) -> str:
        kinds = ("connect", "read", "write", "status", "timeout")
        return ", ".join(f"{kind} {getattr(self, kind)}" for kind in kinds)


class Wrk:
    """Started at once; :meth:`end` interrupts it and reads what it says."""

    def __init__(self, folder: Path, url: str, *, connections: int, most_seconds: int) -> None:
        """Raises :class:`Missing` when there is no wrk."""
        found = shutil.which("wrk")
        if found is None:
            raise Missing("wrk is not on PATH.", remedy="Install it: apt-get install wrk")
        script = folder / "summary.lua"
        script.write_text(_SCRIPT)
        self._process = subprocess.Popen(
            [
                found,
                "--threads=1",
                f"--connections={connections}",
                f"--duration={most_seconds}s",
                "--timeout=10s",
                f"--script={script}",
                url,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self) -> Load:
        """Raises :class:`Unavailable` when it ended before it was told to."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        told, _ = self._process.communicate(timeout=60)
        lines = [line for line in told.splitlines() if line.startswith("{")]
        if not lines:
            raise Unavailable(f"wrk gave no summary: {told.strip()[-500:]}")
        return msgspec.json.decode(lines[-1], type=Load)

    def stop(self) -> None:
        """For a benchmark that gives up."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
