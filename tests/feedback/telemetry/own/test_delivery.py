from __future__ import annotations

from pathlib import Path

import pytest

from andon.feedback.telemetry.contract.intake import Batch, Dropped, Way
from andon.feedback.telemetry.contract.logs import LogLine
from andon.feedback.telemetry.contract.moments import now_us
from andon.feedback.telemetry.own.delivery import Delivery
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.writer import DiskWatch, Writer


def test_a_batch_that_can_never_be_written_is_counted_and_the_next_one_goes_on(engine: Engine, tmp_path: Path) -> None:
    drops = Drops()
    disk = DiskWatch(tmp_path, 0, lambda: 10**12)
    writer = Writer(Tables(engine), Book(limit=10, total=10), drops, disk, gather=0.01)
    writer.start()
    delivery = Delivery(writer)
    stored: list[str] = []
    half = Batch(way=Way.ANDON, logs=[LogLine(time=now_us(), body="half a pair: \ud800")] * 3)
    delivery.send(half, lambda: stored.append("half"))
    delivery.wait(30)
    with pytest.raises(UnicodeEncodeError):
        delivery.ready()
    assert drops.counts().dropped == {(Way.ANDON, Dropped.MALFORMED, ""): 3}
    assert delivery.ready()
    delivery.send(Batch(way=Way.ANDON, logs=[LogLine(time=now_us(), body="sound")]), lambda: stored.append("sound"))
    delivery.wait(30)
    assert delivery.ready()
    writer.stop()
    assert stored == ["sound"]
    assert engine.rows("SELECT body FROM logs") == [("sound",)]
