"""What telemetry says of itself is what was sent: exactly, and from the first of it on."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.feedback.promql.service import Engine as PromqlEngine
from andon.feedback.telemetry.asking.measurements import StoredMeasurements
from andon.feedback.telemetry.contract.intake import Batch, Dropped, Way
from andon.feedback.telemetry.contract.logs import LogLine
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.overview import Overview, Seen, WayIn, grown
from andon.feedback.telemetry.own.itself import TelemetryItself
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import EmbeddedEngine
from andon.feedback.telemetry.store.retention import Keep
from andon.feedback.telemetry.store.writer import Writer
from andon.feedback.telemetry.where import Where
from andon.kernel.settings import TelemetrySettings


class Process:
    """A telemetry process whose clock is moved by hand: it tells of itself every ten seconds."""

    def __init__(self, engine: EmbeddedEngine, writer: Writer, folder: Path) -> None:
        self.now = now_ms() - 300_000
        self._writer = writer
        questions = PromqlEngine(StoredMeasurements(engine, Keep()))
        self._overview = Overview(TelemetrySettings(), Where(folder, folder), engine, questions)
        self.begin()

    def begin(self) -> None:
        self.now += 10_000
        self.drops = Drops()
        self._itself = TelemetryItself(
            self._writer,
            counts=self.drops.counts,
            series=dict,
            waiting=lambda: 0,
            processes=dict,
            now=lambda: self.now,
        )

    def tell(self) -> None:
        self.now += 10_000
        self._itself.round()

    def look(self) -> Seen:
        # what came before it has been written once this has
        self._writer.take(Batch(way=Way.ANDON, logs=(LogLine(time=self.now * 1000, body="the last"),))).result(30)
        return self._overview.look(self.now + 1000, sight=None)


@pytest.fixture
def process(engine: EmbeddedEngine, writer: Writer, tmp_path: Path) -> Process:
    return Process(engine, writer, tmp_path)


def test_the_first_that_comes_in_and_the_first_that_is_lost_are_counted(process: Process) -> None:
    process.tell()
    process.drops.took(Way.OTLP, spans=2)
    process.drops.add(Way.STATSD, Dropped.MALFORMED, 1)
    process.tell()
    seen = process.look()
    assert seen.ways == (
        WayIn(way=Way.STATSD, dropped={Dropped.MALFORMED: 1}),
        WayIn(way=Way.OTLP, spans=2, dropped={}),
    )
    assert seen.sentence == "Nothing has come in this hour; 1 that came in the last hour was not taken in"


def test_counts_are_exact_and_go_on_when_the_process_begins_anew(process: Process) -> None:
    for _ in range(4):
        process.drops.took(Way.GRAPHITE, samples=300)
        process.tell()
    process.begin()
    process.drops.took(Way.GRAPHITE, samples=100)
    process.tell()
    seen = process.look()
    assert seen.ways == (WayIn(way=Way.GRAPHITE, samples=1300, dropped={}),)
    assert seen.rate == 1300 / 60
    assert seen.sentence == "Telemetry takes in 22 samples a second; nothing of the last hour was lost"


@pytest.mark.parametrize(
    ("readings", "count"), [([], 0), ([7], 0), ([0, 2, 2, 5], 5), ([3, 5, 1, 4], 6), ([0, 9, 0], 9)]
)
def test_a_counter_that_is_smaller_than_it_was_has_begun_anew(readings: list[float], count: float) -> None:
    assert grown(readings) == count
