"""Telemetry tells of telemetry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from andon.feedback.telemetry.contract.intake import Batch, Dropped, Way
from andon.feedback.telemetry.contract.logs import LogLine
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.own.itself import TelemetryItself, role_processes, table_sizes
from andon.feedback.telemetry.own.names import METRICS
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import EmbeddedEngine
from andon.feedback.telemetry.store.writer import Writer
from andon.kernel.errors import Unavailable
from andon.kernel.titles import title_of_role
from tests.feedback.telemetry.own.conftest import undeclared


def test_what_came_in_what_did_not_and_what_waits_is_told_by_way_reason_and_service() -> None:
    intake, drops, book = MemoryIntake(), Drops(), Book(limit=10, total=100)
    drops.took(Way.STATSD, samples=5)
    drops.took(Way.OTLP, logs=2, spans=3)
    drops.add(Way.STATSD, Dropped.CARDINALITY, 7, service="shop")
    book.open(1, np.arange(6, dtype=np.uint64), np.zeros(6, np.uint8), ["shop", "shop", "", "shop", "", "shop"])
    TelemetryItself(
        intake,
        counts=drops.counts,
        series=book.counts,
        waiting=lambda: 11,
        processes=lambda: {"web": os.getpid(), "gone": 2**22 + 1},
    ).round()

    def value(name: str, **labels: str) -> list[float]:
        return [one for _, one in intake.samples(name, **labels)]

    assert value("andon_telemetry_received_total", way="statsd", kind="samples") == [5]
    assert value("andon_telemetry_received_total", way="otlp", kind="logs") == [2]
    assert value("andon_telemetry_received_total", way="otlp", kind="spans") == [3]
    assert value("andon_telemetry_dropped_total", way="statsd", reason="cardinality", service="shop") == [7]
    assert value("andon_telemetry_series", service="shop") == [4]
    assert value("andon_telemetry_series", service="") == [2]
    assert value("andon_telemetry_waiting_cells") == [11]
    ((memory),) = value("andon_process_memory_bytes", role="web")
    assert 1_000_000 < memory < psutil.virtual_memory().total
    assert value("andon_process_cpu_seconds_total", role="web")[0] > 0
    assert value("andon_process_memory_bytes", role="gone") == []
    assert undeclared(intake) == set()


def test_the_store_says_how_large_its_tables_are(engine: EmbeddedEngine, writer: Writer) -> None:
    lines = [LogLine(time=1_790_000_000_000_000 + number, body=f"line {number}") for number in range(1000)]
    writer.take(Batch(way=Way.ANDON, logs=lines)).result(30)
    sizes = table_sizes(engine)
    assert sizes["logs"].rows == 1000
    assert 1000 < sizes["logs"].bytes < 1_000_000
    intake = MemoryIntake()
    itself = TelemetryItself(
        intake,
        counts=Drops().counts,
        series=dict,
        waiting=lambda: 0,
        processes=dict,
        tables=lambda: table_sizes(engine),
    )
    itself.round()
    itself.round()
    assert [value for _, value in intake.samples("andon_telemetry_table_rows", table="logs")] == [1000]


def test_a_store_that_cannot_say_its_size_silences_nothing_else() -> None:
    def silent() -> dict[str, object]:
        raise Unavailable("The telemetry store does not answer.")

    intake = MemoryIntake()
    itself = TelemetryItself(
        intake,
        counts=Drops().counts,
        series=dict,
        waiting=lambda: 3,
        processes=dict,
        tables=silent,  # type: ignore[arg-type]  # it raises
    )
    for _ in range(2):
        with pytest.raises(Unavailable):
            itself.round()
    assert [value for _, value in intake.samples("andon_telemetry_waiting_cells")] == [3, 3]


def test_andons_processes_are_known_by_their_roles() -> None:
    code = (
        "import sys, time; from setproctitle import setproctitle; setproctitle(sys.argv[1]);"
        "print('up', flush=True); time.sleep(1000)"
    )
    titles = (title_of_role("web", Path("/my data")), title_of_role("worker", Path("/data")), "something")
    children = [subprocess.Popen([sys.executable, "-c", code, one], stdout=subprocess.PIPE) for one in titles]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == b"up\n"
        web, worker, _ = children
        expected = {"web": web.pid, "worker": worker.pid, "nursery": os.getpid(), "supervisor": os.getppid()}
        assert role_processes(os.getpid()) == expected
    finally:
        for child in children:
            child.kill()
            child.communicate()
    assert role_processes(os.getpid()) == {"telemetry": os.getpid()}


def test_every_metric_says_what_it_means_and_no_two_have_one_name() -> None:
    assert len({one.name for one in METRICS}) == len(METRICS) > 40
    for one in METRICS:
        assert one.help.endswith(".")
        assert one.unit in {"s", "By", "1"}
