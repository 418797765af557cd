"""What the registry asks, asked of a real store and of one in memory."""

from __future__ import annotations

from andon.feedback.registry.telemetry import Telemetry
from andon.feedback.telemetry.contract.metrics import Kind, Level
from andon.feedback.telemetry.memory_traces import MemoryTraces
from andon.flow.sources.contract import Service
from tests.feedback.registry.town import Days
from tests.feedback.telemetry.asking.conftest import engine, filling, in_store
from tests.feedback.telemetry.asking.filling import NOW, Filling, InMemory, series

__all__ = ["engine", "filling", "in_store"]
_LATELY = [NOW - 60_000, NOW - 30_000]


def test_levels_machines_and_instances_are_told_the_same(filling: Filling) -> None:
    filling.put(series("host_load1", Kind.GAUGE, Level.INFRASTRUCTURE, host="forge"), _LATELY, [1.0, 2.5])
    filling.put(series("orders", Kind.DELTA, Level.BUSINESS, service="store"), _LATELY, [1, 2])
    filling.put(series("shared", Kind.GAUGE, Level.CLIENT), _LATELY, [1, 2])
    legacy = {"service": "legacy", "instance": "l-1", "version": "1.4"}
    filling.put(series("target_info", Kind.GAUGE, Level.APPLICATION, **legacy, host_name="annex"), _LATELY, [1, 1])
    filling.put(series("queue", Kind.GAUGE, Level.BUSINESS, **legacy), _LATELY, [1, 2])
    counted = series("andon_telemetry_series", Kind.GAUGE, Level.INFRASTRUCTURE, service="legacy")
    filling.put(counted, _LATELY, [4, 4])
    held = filling.measurements()
    telemetry = Telemetry(held, MemoryTraces(), Days(InMemory().measurements()))  # type: ignore[arg-type]  # memory's own
    assert telemetry.services(NOW, None) == ("legacy", "store")
    measured = telemetry.levels("store", NOW, telemetry.common(NOW))
    assert [one.level for one in measured if not one.silent] == [Level.BUSINESS]
    measured = telemetry.levels("legacy", NOW, telemetry.common(NOW))
    assert [one.level for one in measured if not one.silent] == [Level.BUSINESS], "who sends is no measurement"
    assert telemetry.hosts(NOW, None) == ("annex", "forge")
    assert telemetry.host("forge", NOW, None) == (NOW - 30_000, {"host_load1": 2.5})
    assert telemetry.host("annex", NOW, None) == (None, {})
    ((instance,),) = telemetry.instances(NOW, None).values()
    assert (instance.id, instance.host, instance.version) == ("l-1", "annex", "1.4")
    assert len(telemetry.instances(NOW, None)["legacy"]) == 1, "its machine is told on one series only"
    assert telemetry.instances(NOW, frozenset({Service("store")})) == {}
    assert set(telemetry.instances(NOW, None, host="annex")) == {"legacy"}
