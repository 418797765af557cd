"""How the package runs, and what a new version is asked first."""

from __future__ import annotations

from dataclasses import replace

from andon.flow.definition.contract import (
    HealthDefinition,
    HttpMethod,
    ProcessDefinition,
    SmokeTest,
)
from andon.flow.definition.kinds import (
    Choice,
    Field,
    Record,
    Truth,
    Values,
    Whole,
    duration,
)
from andon.flow.definition.shape.stages import CPUS, JOB_MEMORY, NETWORK, PROCESSES
from andon.flow.definition.shape.texts import (
    ANY_TEXT,
    SOCKET,
    URL_PATH,
    command,
)

_HEALTH = HealthDefinition()

HEALTH_PATH = Field("path", URL_PATH, "Asked for; healthy is an answer from 200 to 399.", _HEALTH.path)
HEALTH_EVERY = Field("every", duration(0.1, 3600, "1s"), "Time between two probes.", _HEALTH.interval)
HEALTH_TIMEOUT = Field("timeout", duration(0.05, 300, "2s"), "Time an answer may take.", _HEALTH.timeout)
HEALTH_WITHIN = Field(
    "within", duration(0.1, 3600, "30s"), "Time an instance has to become healthy after its start.", _HEALTH.within
)
HEALTH_FAILURES = Field(
    "failures",
    Whole(1, 100, 3),
    "Probes in a row that must fail before a healthy instance counts as unhealthy.",
    _HEALTH.failures,
)


def _health(_name: str, values: Values) -> HealthDefinition:
    return HealthDefinition(
        path=values[HEALTH_PATH],
        interval=values[HEALTH_EVERY],
        timeout=values[HEALTH_TIMEOUT],
        within=values[HEALTH_WITHIN],
        failures=values[HEALTH_FAILURES],
    )


HEALTH = Record(
    "a health check",
    "How Andon finds out whether an instance can answer.",
    (HEALTH_PATH, HEALTH_EVERY, HEALTH_TIMEOUT, HEALTH_WITHIN, HEALTH_FAILURES),
    _health,
)

_PROCESS = ProcessDefinition(name="", command="")

PROCESS_COMMAND = Field(
    "command",
    command("python3 -m store"),
    "Run by `sh -eu` in the unpacked package. `$PORT` or `$ANDON_SOCKET` says where to listen.",
    "",
    required=True,
)
PROCESS_PORT: Field[int | None] = Field(
    "port",
    Whole(1, 65535, 8000),
    "The port the program listens on. Inside its sandbox: two instances never collide.",
    None,
    shown_default="8000; nowhere for a process without `socket` that is not `routed`",
)
PROCESS_SOCKET: Field[str | None] = Field(
    "socket", SOCKET, "The Unix socket the program listens on, instead of a port.", None
)
PROCESS_HEALTH = Field(
    "health",
    HEALTH,
    "When an instance counts as healthy.",
    _PROCESS.health,
    shown_default="an answer at `/` within 30s",
)
PROCESS_MEMORY = replace(JOB_MEMORY, about="Memory of one instance.", default=_PROCESS.memory)
PROCESS_PROCESSES = replace(PROCESSES, default=_PROCESS.processes)
PROCESS_STOP = Field("stop", duration(0, 3600, "10s"), "Time between SIGTERM and SIGKILL.", _PROCESS.stop_timeout)
PROCESS_ROUTED = Field(
    "routed",
    Truth(),
    "Whether requests are sent here. A worker in the background is not routed.",
    _PROCESS.routed,
)


def _process(name: str, values: Values) -> ProcessDefinition:
    port = values[PROCESS_PORT]
    if not values.has(PROCESS_PORT) and values[PROCESS_SOCKET] is None and values[PROCESS_ROUTED]:
        port = _PROCESS.port
    return ProcessDefinition(
        name=name,
        command=values[PROCESS_COMMAND],
        port=port,
        socket=values[PROCESS_SOCKET],
        health=values[PROCESS_HEALTH],
        network=values[NETWORK],
        memory=values[PROCESS_MEMORY],
        cpus=values[CPUS],
        processes=values[PROCESS_PROCESSES],
        stop_timeout=values[PROCESS_STOP],
        routed=values[PROCESS_ROUTED],
    )


PROCESS = Record(
    "a process",
    "One kind of process of the service. At most one kind is routed; others work in the background.",
    (
        PROCESS_COMMAND,
        PROCESS_PORT,
        PROCESS_SOCKET,
        PROCESS_HEALTH,
        PROCESS_ROUTED,
        NETWORK,
        PROCESS_MEMORY,
        CPUS,
        PROCESS_PROCESSES,
        PROCESS_STOP,
    ),
    _process,
    together=(("port", "socket"),),
)

_SMOKE = SmokeTest(name="")

SMOKE_PATH: Field[str | None] = Field("path", URL_PATH, "Asked for.", None)
SMOKE_METHOD = Field("method", Choice(HttpMethod), "The method of the request.", _SMOKE.method)
SMOKE_BODY: Field[str | None] = Field("body", ANY_TEXT, "Sent with the request.", None)
SMOKE_STATUS = Field("status", Whole(100, 599, 200), "The status the answer must have.", _SMOKE.status)
SMOKE_CONTAINS: Field[str | None] = Field("contains", ANY_TEXT, "Text the answer must contain.", None)
SMOKE_COMMAND: Field[str | None] = Field(
    "command",
    command("python3 -m store.smoke"),
    "Run in the package, in a sandbox, with `$ANDON_URL` and `$ANDON_SMOKE_IDENTITY`; 0 passes.",
    None,
)
SMOKE_CLEANUP: Field[str | None] = Field(
    "cleanup",
    command("python3 -m store.smoke --cleanup"),
    "Run afterwards, whatever the outcome, with the same variables.",
    None,
)
SMOKE_TIMEOUT = Field("timeout", duration(0.1, 3600, "30s"), "Time the test may take.", _SMOKE.timeout)


def _smoke_test(name: str, values: Values) -> SmokeTest:
    return SmokeTest(
        name=name,
        path=values[SMOKE_PATH],
        method=values[SMOKE_METHOD],
        body=values[SMOKE_BODY],
        status=values[SMOKE_STATUS],
        contains=values[SMOKE_CONTAINS],
        command=values[SMOKE_COMMAND],
        cleanup=values[SMOKE_CLEANUP],
        timeout=values[SMOKE_TIMEOUT],
    )


SMOKE_TEST = Record(
    "a smoke test",
    "Asked of the new version before any traffic reaches it. Either a request or a command.",
    (
        SMOKE_PATH,
        SMOKE_METHOD,
        SMOKE_BODY,
        SMOKE_STATUS,
        SMOKE_CONTAINS,
        SMOKE_COMMAND,
        SMOKE_CLEANUP,
        SMOKE_TIMEOUT,
    ),
    _smoke_test,
    together=(("path", "command"),),
    one_of=("path", "command"),
    excludes=(("command", ("method", "body", "status", "contains")),),
)
