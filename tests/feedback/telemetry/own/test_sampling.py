"""Numbers that Andon reads off itself arrive as series that can be kept."""

from __future__ import annotations

import os

from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.contract.metrics import LONGEST_VALUE
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.own import names
from andon.feedback.telemetry.own.sampling import Recorder
from andon.feedback.telemetry.store.engine import EmbeddedEngine
from andon.feedback.telemetry.store.writer import Writer
from andon.kernel.errors import Unavailable


def test_a_label_that_is_no_text_or_too_long_is_kept_as_what_can_be(engine: EmbeddedEngine, writer: Writer) -> None:
    recorder = Recorder(writer, Way.HOST)
    sheet = recorder.sheet()
    mount = os.fsdecode(b"/mnt/\xff\xfe")
    sheet.add(names.HOST_DISK, 1, {"mount": mount, "state": ""})
    sheet.add(names.HOST_DISK, 2, {"mount": "m" * 5000})
    recorder.record(sheet)
    writer.take(Batch(way=Way.HOST)).result(30)
    found = engine.rows("SELECT labels, count() FROM series WHERE name = 'host_disk_bytes' GROUP BY labels")
    labels = sorted(dict(one)["mount"] for one, _ in found)  # type: ignore[call-overload]  # a map comes as one
    assert labels == ["/mnt/??", "m" * LONGEST_VALUE]
    assert [set(dict(one)) for one, _ in found] == [{"mount"}] * 2  # type: ignore[call-overload]  # as above


def test_series_are_named_each_time_for_the_store_forgets_them_at_midnight() -> None:
    intake = MemoryIntake()
    recorder = Recorder(intake, Way.HOST, lambda: 7)
    for value in (1.0, 2.0):
        sheet = recorder.sheet()
        sheet.add(names.HOST_LOAD, value, {"host": "here"})
        sheet.add(names.HOST_LOAD, value, {"host": "here"}, at=9)
        recorder.record(sheet)
    recorder.record(recorder.sheet())
    assert [len(batch.series) for batch in intake.batches] == [1, 1]
    assert intake.samples("host_load1", host="here") == [(7, 1), (9, 1), (7, 2), (9, 2)]


def test_what_fails_after_it_was_taken_is_counted_as_well() -> None:
    intake = MemoryIntake()
    intake.holding = True
    recorder = Recorder(intake, Way.HOST)
    sheet = recorder.sheet()
    sheet.add(names.HOST_LOAD, 1, {})
    recorder.record(sheet)
    ((told, _),) = intake._waiting
    told.set_exception(Unavailable("The store is gone."))
    assert sum(intake.dropped.values()) == 1
