"""The command line inside a job's sandbox: the job's own, or a launcher that first starts the services it needs.

The launcher tells what it has come to through its standard input, which is a socket to the runner: ``started``, or
``ended N`` or ``late N`` for a service that did not become ready. The job's command never sees that socket.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

from andon.flow.definition.contract import HelperService

SERVICE_LOGS = "/run/andon/services"
STARTED = "started"


def command_line(command: str, services: Sequence[HelperService]) -> tuple[str, ...]:
    if not services:
        return ("sh", "-eu", "-c", command)
    lines = ["say() { printf '%s\\n' \"$*\" >&0; }"]
    # A question that hangs must not be the last one.
    lines.append('bounded() { if command -v timeout >/dev/null; then timeout 10 "$@"; else "$@"; fi; }')
    for place, service in enumerate(services):
        log = f"{SERVICE_LOGS}/{place}.log"
        run = f"{_exports(service)}exec sh -eu -c {shlex.quote(service.command)}"
        lines.append(f"( {run} ) >{log} 2>&1 </dev/null & pid{place}=$!")
    for place, service in enumerate(services):
        log = f"{SERVICE_LOGS}/{place}.log"
        lines += [
            f"until_{place}=$(($(date +%s) + {max(1, math.ceil(service.ready_within))}))",
            f"until ( {_exports(service)}bounded sh -eu -c {shlex.quote(service.ready)} ) >>{log} 2>&1 </dev/null; do",
            f'  kill -0 "$pid{place}" 2>/dev/null || {{ say ended {place}; exit 1; }}',
            f'  [ "$(date +%s)" -lt "$until_{place}" ] || {{ say late {place}; exit 1; }}',
            "  sleep 0.05",
            "done",
        ]
    lines.append(f"say {STARTED}")
    lines.append(f"exec sh -eu -c {shlex.quote(command)} </dev/null")
    return ("sh", "-u", "-c", "\n".join(lines))


def _exports(service: HelperService) -> str:
    return "".join(f"export {name}={shlex.quote(value)}; " for name, value in service.environment.items())
