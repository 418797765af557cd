"""Requests at a steady rate: each has its moment, and what is late counts as late from that moment on.

A client that waits for an answer before it asks again asks a slow server less, and calls that fast.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import uvloop


class Asked(msgspec.Struct, kw_only=True):
    """Latencies in milliseconds, from the moment at which each request was due."""

    latencies: list[float]
    failed: int
    seconds: float


def steady(request: bytes, port: int, *, rate: float, seconds: float, connections: int, core: int) -> Asked:
    """Ask in a process of its own, on a core of its own."""
    command = [sys.executable, "-m", "benchmarks.harness.steady", str(port), str(rate), str(seconds), str(connections)]
    # a file, since a loop makes its standard streams such that a large answer may be cut off
    with tempfile.NamedTemporaryFile() as answer:
        subprocess.run(
            ["taskset", "-c", str(core), *command, answer.name],
            input=request,
            check=True,
            timeout=seconds + 60,
            cwd=Path(__file__).parents[2],
        )
        return msgspec.json.decode(Path(answer.name).read_bytes(), type=Asked)


def first(thread: int) -> None:
    """Let a thread of this machine run before others, if that is allowed; 0 is the one that asks."""
    with suppress(PermissionError):
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))


async def _ask(request: bytes, port: int, rate: float, seconds: float, connections: int) -> Asked:
    total = int(rate * seconds)
    turns = itertools.count()
    latencies: list[float] = []
    failed = 0
    clock = time.perf_counter  # the loop's own counts milliseconds
    began = clock() + 0.5

    async def work() -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (turn := next(turns)) < total:
            due = began + turn / rate
            if (wait := due - clock()) > 0:
                await asyncio.sleep(wait)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
            latencies.append(round((clock() - due) * 1e3, 4))
            failed += not head.startswith(b"HTTP/1.1 200")
        writer.close()

    started = time.monotonic()
    await asyncio.gather(*(work() for _ in range(connections)))
    return Asked(latencies=latencies, failed=failed, seconds=time.monotonic() - started)


def _main() -> None:
    port, rate, seconds, connections, answer = sys.argv[1:]
    request = sys.stdin.buffer.read()
    first(0)
    found = uvloop.run(_ask(request, int(port), float(rate), float(seconds), int(connections)))
    Path(answer).write_bytes(msgspec.json.encode(found))


if __name__ == "__main__":
    _main()
