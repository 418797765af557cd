"""What Andon measures by itself: every name, with what its numbers mean. Dashboards are made from these."""

from __future__ import annotations

from dataclasses import dataclass

from andon.feedback.telemetry.contract.metrics import Kind, Level


@dataclass(frozen=True, slots=True)
class Metric:
    """A name and what is true of all its series. ``unit`` is UCUM's, as in
    :attr:`~andon.feedback.telemetry.contract.metrics.Series.unit`."""

    name: str
    kind: Kind
    level: Level
    unit: str
    help: str
    labels: tuple[str, ...]


def _machine(name: str, kind: Kind, unit: str, help: str, labels: str = "") -> Metric:
    return Metric(name, kind, Level.INFRASTRUCTURE, unit, help, tuple(labels.split()))


def _host(name: str, kind: Kind, unit: str, help: str, labels: str = "") -> Metric:
    return _machine(name, kind, unit, help, f"host {labels}")


def _instance(name: str, kind: Kind, unit: str, help: str) -> Metric:
    return _machine(name, kind, unit, help, "service environment version instance process")


def _traffic(name: str, kind: Kind, unit: str, help: str, labels: str = "") -> Metric:
    told = f"service environment version set {labels}"
    return Metric(name, kind, Level.APPLICATION, unit, help, tuple(told.split()))


def _pipeline(name: str, kind: Kind, unit: str, help: str, labels: str = "") -> Metric:
    return Metric(name, kind, Level.PIPELINE, unit, help, tuple(f"service {labels}".split()))


_GAUGE, _COUNTER, _DELTA, _OBSERVED = Kind.GAUGE, Kind.COUNTER, Kind.DELTA, Kind.OBSERVATION

# The machine

HOST_CPU = _host("host_cpu_seconds_total", _COUNTER, "s", "Processor time by mode, all cores together.", "mode")
HOST_CPUS = _host("host_cpus", _GAUGE, "1", "Processors that the machine has.")
HOST_LOAD = _host("host_load1", _GAUGE, "1", "Processes that run or wait to, over one minute.")
HOST_MEMORY_TOTAL = _host("host_memory_total_bytes", _GAUGE, "By", "Memory of the machine.")
HOST_MEMORY_AVAILABLE = _host(
    "host_memory_available_bytes", _GAUGE, "By", "Memory that programs can still have without swapping."
)
HOST_SWAP_TOTAL = _host("host_swap_total_bytes", _GAUGE, "By", "Swap space of the machine.")
HOST_SWAP_USED = _host("host_swap_used_bytes", _GAUGE, "By", "Swap space in use.")
HOST_DISK = _host(
    "host_disk_bytes",
    _GAUGE,
    "By",
    "Space of a file system by state: used, free, or reserved for the superuser.",
    "mount state",
)
HOST_DISK_IO = _host("host_disk_io_bytes_total", _COUNTER, "By", "Read from and written to a disk.", "device direction")
HOST_NETWORK = _host(
    "host_network_bytes_total", _COUNTER, "By", "Received and sent by a network interface.", "device direction"
)
HOST_BOOT = _host("host_boot_seconds", _GAUGE, "s", "When the machine was started, in seconds since 1970.")
HOST_PRESSURE = _host(
    "host_pressure_seconds_total",
    _COUNTER,
    "s",
    "Time in which at least one process waited for the resource.",
    "resource",
)

# Instances

INSTANCE_CPU = _instance(
    "andon_instance_cpu_seconds_total", _COUNTER, "s", "Processor time of everything an instance runs."
)
INSTANCE_MEMORY = _instance(
    "andon_instance_memory_bytes",
    _GAUGE,
    "By",
    "Memory of everything an instance runs: its control group's without reclaimable cache, else the sum of what its "
    "processes have resident (pages they share count for each).",
)
INSTANCE_MEMORY_LIMIT = _instance(
    "andon_instance_memory_limit_bytes", _GAUGE, "By", "Memory an instance may have; missing where nothing limits it."
)
INSTANCE_PROCESSES = _instance("andon_instance_processes", _GAUGE, "1", "Processes inside an instance.")
INSTANCE_RESTARTS = _instance(
    "andon_instance_restarts_total", _COUNTER, "1", "How often an instance was started again, or replaced."
)
INSTANCE_UP = _instance("andon_instance_up", _GAUGE, "1", "Whether an instance is healthy.")

# Requests, as the router sees them

REQUESTS = _traffic(
    "andon_requests_total", _COUNTER, "1", "Requests that were answered, by class of the answer.", "code_class"
)
DURATION_BUCKET = _traffic(
    "andon_request_duration_seconds_bucket", _COUNTER, "1", "Requests that took no longer than this many seconds.", "le"
)
DURATION_SUM = _traffic(
    "andon_request_duration_seconds_sum",
    _COUNTER,
    "s",
    "Time that all requests took together, estimated from the buckets: each counts with the middle of its own.",
)
DURATION_COUNT = _traffic("andon_request_duration_seconds_count", _COUNTER, "1", "Requests whose time was measured.")
REQUESTS_ACTIVE = _traffic("andon_requests_active", _GAUGE, "1", "Requests under way.")
REQUESTS_PENDING = _traffic("andon_requests_pending", _GAUGE, "1", "Requests that wait for a connection.")
CONNECTIONS = _traffic("andon_connections", _GAUGE, "1", "Open connections to instances.")
CONNECT_FAILURES = _traffic(
    "andon_connect_failures_total", _COUNTER, "1", "Connections to instances that could not be made."
)
RETRIES = _traffic("andon_request_retries_total", _COUNTER, "1", "Requests that the router sent once more.")
TIMEOUTS = _traffic("andon_request_timeouts_total", _COUNTER, "1", "Requests that the router gave up waiting for.")
REFUSED = _traffic(
    "andon_requests_refused_total", _COUNTER, "1", "Requests refused because too many were waiting or under way."
)

# The deployment pipeline

RUN_SECONDS = _pipeline(
    "andon_run_seconds", _OBSERVED, "s", "How long a run took, from its start to its end.", "outcome"
)
RUN_QUEUE = _pipeline("andon_run_queue_seconds", _OBSERVED, "s", "How long a run waited before it began.")
STAGE_SECONDS = _pipeline(
    "andon_stage_seconds", _OBSERVED, "s", "How long a stage took, with its deployment.", "stage outcome"
)
JOB_SECONDS = _pipeline("andon_job_seconds", _OBSERVED, "s", "How long a job took.", "stage job outcome")
JOB_QUEUE = _pipeline(
    "andon_job_queue_seconds",
    _OBSERVED,
    "s",
    "How long a job could have run and did not: since its stage began, the stage's deployment ended and the jobs it "
    "needs had ended.",
    "stage job",
)
TESTS = _pipeline("andon_tests", _OBSERVED, "1", "How many tests a job ran.", "stage job")
TESTS_FAILED = _pipeline("andon_tests_failed", _OBSERVED, "1", "How many tests of a job failed.", "stage job")
TESTS_SECONDS = _pipeline("andon_tests_seconds", _OBSERVED, "s", "How long a job took that ran tests.", "stage job")
DEPLOYMENT_SECONDS = _pipeline(
    "andon_deployment_seconds", _OBSERVED, "s", "How long a deployment took.", "environment outcome kind"
)
DEPLOYMENT_STEP = _pipeline(
    "andon_deployment_step_seconds", _OBSERVED, "s", "How long a step of a deployment took.", "environment step outcome"
)
LEAD_TIME = _pipeline(
    "andon_lead_time_seconds", _OBSERVED, "s", "From the push of a commit to traffic on it.", "environment"
)
RED_SECONDS = _pipeline(
    "andon_red_seconds",
    _OBSERVED,
    "s",
    "How long the default branch was red: from the end of the first run that failed to that of the next that passed.",
)
DEPLOYMENTS = _pipeline("andon_deployments", _DELTA, "1", "Deployments that ended.", "environment outcome")
PUSHES = _pipeline("andon_pushes", _DELTA, "1", "Pushes to branches.")
RECORD_POSITION = Metric(
    "andon_record_position",
    _GAUGE,
    Level.PIPELINE,
    "1",
    "Up to where the record has been turned into these numbers.",
    (),
)

# Telemetry and Andon themselves

RECEIVED = _machine(
    "andon_telemetry_received_total", _COUNTER, "1", "Samples, lines and spans stored, by way in.", "way kind"
)
DROPPED = _machine(
    "andon_telemetry_dropped_total", _COUNTER, "1", "What was not taken in, by way in and reason.", "way reason service"
)
SERIES_TODAY = _machine("andon_telemetry_series", _GAUGE, "1", "Different series today, by service.", "service")
WAITING = _machine(
    "andon_telemetry_waiting_cells", _GAUGE, "1", "Samples, and twenty for each line, yet to be written."
)
TABLE_BYTES = _machine(
    "andon_telemetry_table_bytes", _GAUGE, "By", "What a table of the store takes on the disk.", "table"
)
TABLE_ROWS = _machine("andon_telemetry_table_rows", _GAUGE, "1", "Rows of a table of the store.", "table")
PROCESS_CPU = _machine(
    "andon_process_cpu_seconds_total", _COUNTER, "s", "Processor time of one of Andon's processes.", "role"
)
PROCESS_MEMORY = _machine(
    "andon_process_memory_bytes", _GAUGE, "By", "Resident memory of one of Andon's processes.", "role"
)

METRICS: tuple[Metric, ...] = tuple(one for one in globals().values() if isinstance(one, Metric))
"""All of them, for the reference."""
