"""What is served is counted in the process and told as metrics; of a sample, one by one."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import andon_flags
from andon_flags import Flags
from tests.flags_client.documents import document, switch

LINE = re.compile(r"flags\.[a-z.]+:[0-9]+\|c\|#[a-z]+:[^,:|#\n]+(,[a-z]+:[^,:|#\n]+)*")
HALF = switch(default=[[0, 50_000, "on"], [50_000, 100_000, "off"]])


@pytest.fixture
def telemetry(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.settimeout(60)
        made.bind(str(tmp_path / "t.sock"))
        yield made


def variables(telemetry: socket.socket, **more: str) -> dict[str, str]:
    return {"ANDON_TELEMETRY": telemetry.getsockname(), **more}


def made(flags: dict[str, Any], telemetry: socket.socket, **more: Any) -> closing[Flags]:
    return closing(Flags(document=document(flags), variables=variables(telemetry), **more))


def lines(telemetry: socket.socket) -> list[str]:
    found = telemetry.recv(65536).decode().split("\n")
    assert all(LINE.fullmatch(line) for line in found), found
    return sorted(found)


def test_every_way_of_asking_is_counted_by_flag_and_variant(telemetry: socket.socket) -> None:
    flags = Flags(document=document({"a": switch(default="on"), "b": HALF}), variables=NOWHERE)
    for at in range(1000):
        flags.boolean("a")
        flags.boolean("b", {"targetingKey": f"u{at}"})
    flags.details("a")
    flags.boolean("a", None)
    flags.explain("a")
    flags.boolean("b", {})  # nothing was served
    counted = flags.counted()
    assert counted.pop(("a", "on")) == 1002
    assert sum(counted.values()) == 1000
    assert 400 < counted["b", "on"] < 600
    assert flags.counted() == {}


NOWHERE: dict[str, str] = {}


def test_counts_are_sent_as_metrics(tmp_path: Path, telemetry: socket.socket) -> None:
    kept = tmp_path / "flags.json"
    kept.write_text(json.dumps(document({"a": switch(default="on")})))
    told = variables(telemetry, ANDON_VERSION="v1|x", ANDON_INSTANCE="i-1", ANDON_SERVICE="store")
    with closing(Flags(file=kept, variables=told)) as flags:
        for _ in range(3):
            flags.boolean("a")
    assert lines(telemetry) == ["flags.evaluated:3|c|#flag:a,variant:on,version:v1_x,instance:i-1"]


def test_counting_is_switched_off_and_on(telemetry: socket.socket) -> None:
    flags = Flags(document=document({"a": switch()}), variables={"ANDON_FLAGS_COUNTING": "off"})
    flags.boolean("a")
    flags.details("a")
    assert flags.counted() == {}
    flags.count(True)
    flags.boolean("a")
    assert flags.counted() == {("a", "off"): 1}
    flags.count(False)
    flags.boolean("a")
    assert flags.counted() == {}


def test_no_thread_takes_a_count_from_another() -> None:
    flags = Flags(document=document({"a": switch()}), variables=NOWHERE)

    def ask() -> None:
        for _ in range(50_000):
            flags.boolean("a")

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    total: Counter[tuple[str, str]] = Counter()
    while any(thread.is_alive() for thread in threads):
        total.update(flags.counted())
    total.update(flags.counted())
    assert total == {("a", "off"): 300_000}


def test_a_child_tells_what_it_served_and_not_what_its_parent_did() -> None:
    flags = Flags(document=document({"a": switch()}), variables=NOWHERE)
    for _ in range(10):
        flags.boolean("a")
    read, write = os.pipe()
    child = os.fork()
    if not child:
        flags.boolean("a")
        os.write(write, repr(flags.counted()).encode())
        os._exit(0)
    os.close(write)
    assert os.read(read, 1000) == b"{('a', 'off'): 1}"
    os.close(read)
    os.waitpid(child, 0)
    assert flags.counted() == {("a", "off"): 10}


def test_a_child_of_multiprocessing_tells_its_counts_when_it_ends(telemetry: socket.socket, tmp_path: Path) -> None:
    kept = tmp_path / "flags.json"
    kept.write_text(json.dumps(document({"a": switch()})))
    program = """
import multiprocessing
from andon_flags import flags
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    flags.boolean("a")
    child = context.Process(target=lambda: [flags.boolean("a") for _ in range(5)])
    child.start()
    child.join()
    """
    source = str(Path(andon_flags.__file__).parents[1])
    told = {"ANDON_FLAGS_FILE": str(kept), "PYTHONPATH": source, **variables(telemetry)}
    subprocess.run([sys.executable, "-c", program], env=told, check=True, timeout=60)
    found = [*lines(telemetry), *lines(telemetry)]
    assert found == ["flags.evaluated:5|c|#flag:a,variant:off", "flags.evaluated:1|c|#flag:a,variant:off"]


def test_a_sample_of_units_is_recorded_the_same_for_all_flags() -> None:
    told: list[str] = []
    flags = Flags(document=document({"a": HALF, "b": HALF}), variables=NOWHERE, record=0.1, record_to=told.append)
    for _ in range(3):
        for at in range(2000):
            for name in ("a", "b"):
                flags.boolean(name, {"targetingKey": f"ü{at}"})
    flags.boolean("a", {})
    flags._exposures.send()
    records = [json.loads(line) for line in told]
    units = {name: {one["unit"] for one in records if one["flag"] == name} for name in ("a", "b")}
    assert units["a"] == units["b"]
    assert 120 < len(units["a"]) < 290
    assert len(records) == 2 * len(units["a"])  # each once between two tellings
    for one in records:
        assert flags.details(one["flag"], {"targetingKey": one["unit"]}).variant == one["variant"]


def test_nobody_is_recorded_who_did_not_ask_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    flags = Flags(document=document({"a": HALF}), variables=NOWHERE)
    flags.boolean("a", {"targetingKey": "u1"})
    flags._exposures.send()
    assert capsys.readouterr().out == ""
    recording = Flags(document=document({"a": HALF}), variables=NOWHERE, record=1)
    recording.boolean("a", {"targetingKey": "u1"})
    recording._exposures.send()
    assert json.loads(capsys.readouterr().out)["unit"] == "u1"


def test_a_place_for_records_that_fails_disturbs_nobody() -> None:
    def full(_: str) -> None:
        raise OSError("full")

    flags = Flags(document=document({"a": HALF}), variables=NOWHERE, record=1, record_to=full)
    flags.boolean("a", {"targetingKey": "u1"})
    flags._exposures.send()
    assert flags._exposures.dropped >= 1
