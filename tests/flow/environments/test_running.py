"""Sets of real instances behind a real Envoy."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from andon.flow.environments.contract import (
    Health,
    InstanceHealthChanged,
    InstanceReplaced,
    InstanceRestarted,
    ReplacementReason,
    SetId,
    SetState,
    Standing,
)
from andon.kernel.access import SYSTEM
from andon.kernel.keeper import control
from andon.kernel.logs.reader import LogReader
from tests.flow.environments.load import asking
from tests.flow.environments.place import DEFINITION, SERVER, Place, opened_place, switch, wait_until


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened_place(tmp_path_factory.mktemp("data")) as opened:
        yield opened


def test_a_switch_under_load_loses_no_request_and_the_old_set_stays_warm(place: Place) -> None:
    shop = place.service()
    first = shop.commit("v1").go_live()
    second = shop.commit("v2").start()
    with asking(shop.port()) as load:
        for to in (second, first, second):
            before = load.total
            wait_until(lambda: load.total > before + 50)  # noqa: B023 - called before the next turn
            switch(shop, to)
    assert load.lost() == {}
    assert {"v1", "v2"} <= set(load.answers)
    assert shop.get().text == "v2"
    view = place.view(first)
    assert (view.standing, view.state) == (Standing.WARM, SetState.HEALTHY)
    counts = place.router.served(second)
    assert counts is not None
    assert counts.requests > 0
    assert counts.failed == 0


def test_an_instance_replaced_on_request_loses_no_request(place: Place) -> None:
    shop = place.service()
    made = shop.commit("v1", instances=1).go_live()
    (before,) = place.view(made).instances
    pid = place.kept(before).keeper
    with asking(shop.port()) as load:
        wait_until(lambda: load.total > 50)
        with place.database.transaction() as tx:
            place.built.service.request_replacement(tx, SYSTEM, before.id)
        place.built.watch.check_health()
        seen = load.total
        wait_until(lambda: load.total > seen + 50)
    assert load.lost() == {}
    (after,) = place.view(made).instances
    assert after.id == before.id
    assert after.endpoint != before.endpoint
    assert place.kept(after).keeper != pid
    assert not Path(before.endpoint.removeprefix("unix:")).parent.exists()
    assert [one.reason for one in place.events(InstanceReplaced) if one.set == made] == [ReplacementReason.REBUILD]


def test_drift_is_found_and_mended_without_losing_a_request(place: Place) -> None:
    shop = place.service()
    made = shop.commit("v1").go_live()
    place.built.watch.check_drift()
    assert not [one for one in place.events(InstanceReplaced) if one.set == made]
    (app,) = place.data.glob(f"environments/{shop.service}/*/sets/{made}/app-1")
    server = app / "app" / "server.py"
    with asking(shop.port()) as load:
        wait_until(lambda: load.total > 50)
        server.chmod(0o644)
        server.write_text("VERSION = 'tampered'\n" + SERVER)
        (app / "added").write_text("x")
        place.built.watch.check_drift()
        seen = load.total
        wait_until(lambda: load.total > seen + 50)
    assert load.lost() == {}
    replaced = [one for one in place.events(InstanceReplaced) if one.set == made]
    assert [one.reason for one in replaced] == [ReplacementReason.DRIFT] * 2
    assert "app/server.py was changed" in replaced[0].details
    assert "added was added" in replaced[0].details
    assert not app.exists()
    assert place.view(made).drift == ""
    place.built.watch.check_drift()
    assert len([one for one in place.events(InstanceReplaced) if one.set == made]) == 2


def test_a_killed_instance_comes_back(place: Place) -> None:
    shop = place.service()
    made = shop.commit("v1", instances=1).go_live()
    (instance,) = place.view(made).instances
    child = place.kept(instance).init
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: place.kept(instance).restarts == 1 and shop.get().status_code == 200)
    wait_until(lambda: place.looked(lambda: place.view(made).instances[0].restarts == 1))
    (restarted,) = [one for one in place.events(InstanceRestarted) if one.set == made]
    assert restarted.times == 1
    assert "signal 9" in restarted.reason
    wait_until(lambda: place.looked(lambda: place.view(made).state is SetState.HEALTHY))


def test_an_instance_whose_keeper_was_killed_is_replaced(place: Place) -> None:
    shop = place.service()
    made = shop.commit("v1").go_live()
    first, second = place.view(made).instances
    kept = place.kept(first)
    other = place.kept(second)
    os.kill(kept.keeper.pid, signal.SIGKILL)
    wait_until(lambda: not control.is_kept(place.built.layout.keepers, kept.id))
    place.built.watch.check_health()
    wait_until(lambda: place.looked(lambda: place.view(made).state is SetState.HEALTHY))
    assert place.kept(first).keeper != kept.keeper
    assert place.kept(second).keeper == other.keeper
    lost = [one for one in place.events(InstanceReplaced) if one.set == made]
    assert [(one.instance, one.reason) for one in lost] == [(first.id, ReplacementReason.LOST)]
    assert place.view(made).instances[0].restarts == 1


def test_one_that_turns_unhealthy_is_told_once_and_replaced(place: Place) -> None:
    shop = place.service()
    made = shop.commit("v-ill", instances=1).go_live()
    (instance,) = place.view(made).instances
    ill = place.built.layout.data(shop.service, "production") / "ill-v-ill"
    ill.write_text("")
    report = place.built.environments.probe(made)
    assert not report.healthy
    assert "answered 500" in report.reason
    keeper = place.kept(instance).keeper

    wait_until(lambda: place.looked(lambda: [one for one in place.events(InstanceReplaced) if one.set == made]))
    assert place.kept(instance).keeper != keeper
    ill.unlink()
    wait_until(lambda: place.looked(lambda: place.view(made).state is SetState.HEALTHY))
    told = [one.health for one in place.events(InstanceHealthChanged) if one.set == made]
    assert told == [Health.STARTING, Health.HEALTHY, Health.UNHEALTHY, Health.HEALTHY]


def web(command: str, within: str = "2s") -> str:
    text = DEFINITION.format(instances=1, within=within)
    return text.replace("command: exec python3 app/server.py", f"command: {command!r}")


def test_one_that_exits_at_once_is_given_up_with_its_last_words(place: Place) -> None:
    shop = place.service()
    made = shop.commit("v1", definition=web("echo no such table: parts >&2; exit 3", within="60s")).prepare()
    place.built.environments.start(made)
    report = place.built.environments.await_healthy(made, lambda: False)
    assert not report.healthy
    assert "does not stay up" in report.reason
    assert "no such table: parts" in report.reason
    assert "it ended with 3" in report.reason
    place.built.environments.stop(made)


def test_one_that_never_listens_is_given_up_when_its_time_is_over(place: Place) -> None:
    shop = place.service()
    made = shop.commit("v1", definition=web("echo thinking; exec sleep 60")).prepare()
    place.built.environments.start(made)
    wait_until(lambda: "thinking" in said(place, made))  # its time begins when it is waited for
    report = place.built.environments.await_healthy(made, lambda: False)
    assert not report.healthy
    assert "web 1 not healthy within 2 s" in report.reason
    assert "nothing answers GET /health" in report.reason
    assert "thinking" in report.reason
    assert place.view(made).state is SetState.FAILED
    place.built.environments.stop(made)


def test_one_that_listens_late_is_waited_for(place: Place) -> None:
    shop = place.service()
    slow = web("sleep 1; exec python3 app/server.py", within="30s")
    made = shop.commit("v1", definition=slow).start()
    assert place.view(made).state is SetState.HEALTHY
    place.built.environments.stop(made)


def test_waiting_ends_when_told(place: Place) -> None:
    shop = place.service()
    made = shop.commit("v1", definition=web("exec sleep 60", within="60s")).prepare()
    place.built.environments.start(made)
    report = place.built.environments.await_healthy(made, lambda: True)
    assert not report.healthy
    place.built.environments.stop(made)


def test_stop_lets_what_is_under_way_finish_and_leaves_nothing(place: Place) -> None:
    shop = place.service()
    made = shop.commit("v1").go_live()
    view = place.view(made)
    pids = [found.pid for one in view.instances for found in (place.kept(one).keeper, place.kept(one).init) if found]
    answers: list[httpx.Response] = []
    slow = threading.Thread(target=lambda: answers.append(shop.get("/slow")))
    slow.start()
    # it has arrived: what is still on its way to an instance that is told to end may find nobody there
    wait_until(lambda: any("slowly" in said(place, made, number) for number in range(2)))
    with place.database.transaction() as tx:
        place.router.withdraw(tx, shop.service, "production")
        place.built.environments.mark(tx, made, Standing.RETIRED, reason="test")
    place.router.apply()
    place.built.environments.stop(made)
    slow.join(60)
    assert [one.text for one in answers] == ["v1"]
    assert not any(alive(pid) for pid in pids)
    assert not [one for one in view.instances if Path(one.endpoint.removeprefix("unix:")).parent.exists()]
    assert not list(place.data.glob(f"environments/{shop.service}/*/sets/*/app-*"))
    assert LogReader(view.instances[0].log).tail().lines
    stopped = place.view(made)
    assert stopped.state is SetState.STOPPED
    place.built.environments.stop(made)
    assert place.view(made) == stopped
    with place.database.transaction() as tx:
        place.built.environments.remove(tx, shop.service, "production", reason="test", by=SYSTEM.actor)
    place.built.environments.remove_data(shop.service, "production")
    assert not (place.data / "environments" / shop.service / "production").exists()


def said(place: Place, made: SetId, number: int = 0) -> list[str]:
    """What one of a set's instances has printed so far."""
    log = place.view(made).instances[number].log
    return [line.text for line in LogReader(log).tail().lines] if log.is_dir() else []


def alive(pid: int) -> bool:
    try:
        return "Z (zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
