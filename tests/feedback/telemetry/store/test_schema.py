"""Upgrades of the store: each once and in order, no row lost, whenever the process is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from andon.feedback.telemetry.store.engine import Engine, StoreError
from andon.feedback.telemetry.store.schema import UPGRADES, Upgrade, upgrade
from andon.kernel.errors import Conflict

COLUMN = Upgrade(
    2,
    "lines know their host",
    (
        "ALTER TABLE logs ADD COLUMN IF NOT EXISTS host String",
        "ALTER TABLE logs UPDATE host = fields['host.name'] WHERE host = '' SETTINGS mutations_sync = 1",
    ),
)
TABLE = Upgrade(
    3,
    "spans are found by their trace",
    (
        "DROP TABLE IF EXISTS spans_by_trace SYNC",
        "CREATE TABLE spans_by_trace (trace String, id String) ENGINE = MergeTree ORDER BY trace",
        "INSERT INTO spans_by_trace SELECT trace, id FROM spans",
    ),
)


def fill(engine: Engine) -> None:
    engine.command(
        "INSERT INTO series (day, name, id, path, service, labels)"
        " SELECT 20000, 'hits', number, 'hits', 'shop', map('n', toString(number)) FROM numbers(1000)"
    )
    engine.command("INSERT INTO samples (series, time, m) SELECT number % 1000, number, number FROM numbers(100000)")
    engine.command(
        "INSERT INTO logs (time, body, fields)"
        " SELECT number, toString(number), map('host.name', concat('host-', toString(number % 7))) FROM numbers(10000)"
    )
    engine.command("INSERT INTO spans (start, trace, id) SELECT number, toString(number % 10), 'x' FROM numbers(1000)")


def found(engine: Engine) -> dict[str, object]:
    """What is there, before the upgrades and after them."""

    def one(sql: str) -> str:
        ((value,),) = engine.rows(sql)
        return str(value)

    return {
        "series": one("SELECT count() FROM series"),
        "samples": one("SELECT (count(), sum(value)) FROM samples"),
        "logs": one("SELECT (count(), sum(cityHash64(time, body, fields))) FROM logs"),
        "spans": one("SELECT count() FROM spans"),
    }


def numbers(engine: Engine) -> list[int]:
    return [int(str(number)) for (number,) in engine.rows("SELECT number FROM upgrades ORDER BY at, number")]


def after_both(engine: Engine) -> None:
    assert engine.rows("SELECT count(), countIf(host = fields['host.name']) FROM logs") == [(10_000, 10_000)]
    assert engine.rows("SELECT count(), uniqExact(trace) FROM spans_by_trace") == [(1_000, 10)]


def test_a_filled_store_goes_through_two_upgrades_in_order_and_each_once(engine: Engine) -> None:
    fill(engine)
    before = found(engine)
    assert upgrade(engine, (*UPGRADES, COLUMN)) == 2
    assert upgrade(engine, (*UPGRADES, COLUMN, TABLE)) == 3
    assert numbers(engine) == [1, 2, 3]
    after_both(engine)
    # of one that was done nothing is done again
    broken = (*UPGRADES, Upgrade(2, "no statement", ("SELECT throwIf(1)",)), TABLE)
    assert upgrade(engine, broken) == 3
    assert numbers(engine) == [1, 2, 3]
    assert found(engine) == before


def test_an_upgrade_that_fails_is_not_noted_and_the_ones_after_it_wait(engine: Engine) -> None:
    fill(engine)
    before = found(engine)
    failing = Upgrade(2, "fails", (*COLUMN.statements, "SELECT throwIf(1)"))
    with pytest.raises(StoreError, match="throwIf"):
        upgrade(engine, (*UPGRADES, failing, TABLE))
    assert numbers(engine) == [1]
    assert found(engine) == before
    upgrade(engine, (*UPGRADES, COLUMN, TABLE))
    assert numbers(engine) == [1, 2, 3]
    after_both(engine)


def test_a_store_that_a_newer_release_has_written_is_refused_and_left_alone(engine: Engine) -> None:
    upgrade(engine, (*UPGRADES, COLUMN, TABLE))
    fill(engine)
    before = found(engine)
    with pytest.raises(Conflict) as refused:
        upgrade(engine)
    assert "newer Andon" in refused.value.message
    assert f"upgrade 3, this one knows {UPGRADES[-1].number}" in refused.value.message
    assert "Start the newer Andon" in refused.value.remedy
    assert numbers(engine) == [1, 2, 3]
    assert found(engine) == before


LIFE = """
import json, os, signal, sys
from pathlib import Path
from andon.feedback.telemetry.store import engine as engines
from andon.feedback.telemetry.store.schema import UPGRADES, upgrade
from tests.feedback.telemetry.store import test_schema as told

class Killed(engines.EmbeddedEngine):
    last = ""

    def command(self, sql, values=None, **settings):
        super().command(sql, values, **settings)
        if self.last and self.last in sql:
            os.kill(os.getpid(), signal.SIGKILL)

store, last = Path(sys.argv[1]), sys.argv[2]
new = not store.exists()
engine = Killed(store)
if new:
    upgrade(engine)
    told.fill(engine)
    print(json.dumps(told.found(engine)), flush=True)
engine.last = last
upgrade(engine, (*UPGRADES, told.COLUMN, told.TABLE))
told.after_both(engine)
print(json.dumps(told.found(engine)))
print(told.numbers(engine))
"""


def test_a_process_that_is_killed_in_the_midst_of_upgrades_and_between_them_loses_no_row(tmp_path: Path) -> None:
    def life(last: str = "") -> Sequence[str]:
        ended = subprocess.run(
            [sys.executable, "-c", LIFE, str(tmp_path / "store"), last],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == (-9 if last else 0), ended.stderr
        return ended.stdout.splitlines()

    (before,) = life("ADD COLUMN")  # in the midst of the first
    life("INSERT INTO upgrades")  # between the two
    life("CREATE TABLE spans_by_trace")  # in the midst of the second
    life("INSERT INTO spans_by_trace")  # done, but not noted
    after, done = life()
    assert json.loads(after) == json.loads(before)
    assert done == "[1, 2, 3]"
