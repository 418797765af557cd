"""A service's own metrics, as they arrive at a real socket."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import math
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import andon_client
from andon_client import Metric, sending
from andon_client.sending import MOST_WAITING, PACKET, address

SOURCE = Path(andon_client.__file__).parent
LINE = re.compile(rb"[A-Za-z0-9_.\-/]+:[^|:\n]+\|(c|g|ms|h|s)(\|#[^|:,\n]+:[^|:,\n#]+(,[^|:,\n]+:[^|:,\n#]+)*)?")


class Receiver:
    """What Andon's telemetry is to a service."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(60)
        self.socket.bind(str(path))
        self.packets: list[bytes] = []

    def lines(self, count: int) -> list[str]:
        found: list[str] = []
        while len(found) < count:
            packet = self.socket.recv(65536)
            self.packets.append(packet)
            found += packet.decode().split("\n")
        assert len(found) == count
        return found

    def metric(self, **environment: str) -> Metric:
        return Metric({"ANDON_TELEMETRY": str(self.path), **environment})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with tempfile.TemporaryDirectory(prefix="andon-client-") as folder:
        made = Receiver(Path(folder) / "statsd.sock")
        with closing(made.socket):
            yield made


def test_one_line_is_one_metric(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    # long enough for all of it to be said, also where others have the processor meanwhile
    monkeypatch.setattr(sending, "WITHIN", 3.0)
    metric = receiver.metric()
    metric.increment("login.success")
    metric.increment("orders", 3, plan="pro", country="it")
    metric.gauge("queue.length", 17)
    metric.gauge("ratio", 0.25)
    metric.timing("search", 0.031)
    metric.observe("basket.value", 49.9)
    metric.unique("visitors", "anna@example.org")
    metric.increment("cancelled", -1)
    assert receiver.lines(8) == [
        "login.success:1|c",
        "orders:3|c|#plan:pro,country:it",
        "queue.length:17|g",
        "ratio:0.25|g",
        "search:31.0|ms",
        "basket.value:49.9|h",
        "visitors:anna@example.org|s",
        "cancelled:-1|c",
    ]
    assert len(receiver.packets) == 1
    assert metric.dropped == 0


def test_a_negative_gauge_is_a_value_and_not_a_difference(receiver: Receiver) -> None:
    receiver.metric().gauge("temperature", -5)
    assert receiver.lines(2) == ["temperature:0|g", "temperature:-5|g"]


def test_an_event_counts_bytes_and_stays_on_its_line(receiver: Receiver) -> None:
    receiver.metric().event("Import finished ✓", "12,000 rows\nin 3 s|x", by="cron")
    (line,) = receiver.lines(1)
    title, text = "Import finished ✓", "12,000 rows\\nin 3 s|x"
    assert line == f"_e{{{len(title.encode())},{len(text)}}}:{title}|{text}|#by:cron"


def test_what_andon_knows_of_the_process_is_told_with_every_line(receiver: Receiver) -> None:
    known = {
        "ANDON_SERVICE": "shop",
        "ANDON_ENVIRONMENT": "production",
        "ANDON_VERSION": "abc1234",
        "ANDON_INSTANCE": "inst_7",
    }
    receiver.metric(**known).increment("a", version="mine")
    assert receiver.lines(1) == ["a:1|c|#version:abc1234,instance:inst_7"]
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(60)
        Metric({**known, "STATSD_PORT": str(udp.getsockname()[1])}).increment("a")
        told = "a:1|c|#version:abc1234,instance:inst_7,service:shop,environment:production"
        assert udp.recv(1000).decode() == told


def test_it_finds_where_to_send_to() -> None:
    assert address({}) == ("127.0.0.1", 8125)
    assert (
        address({"ANDON_TELEMETRY": "/run/telemetry/statsd.sock", "STATSD_HOST": "x"}) == "/run/telemetry/statsd.sock"
    )
    assert address({"STATSD_HOST": "10.0.0.1", "STATSD_PORT": "9125"}) == ("10.0.0.1", 9125)
    assert address({"STATSD_PORT": "http"}) == ("127.0.0.1", 8125)


def test_a_block_and_a_function_are_timed_also_when_they_fail(receiver: Receiver) -> None:
    metric = receiver.metric()

    @metric.timer("plain", kind="a")
    def plain(number: int) -> int:
        """Doubles."""
        return plain(number - 1) if number else 0

    @metric.timer("later")
    async def later() -> str:
        await asyncio.sleep(0)
        return "done"

    with metric.timer("outer") as again, again:
        pass
    assert (plain(1), plain.__doc__) == (0, "Doubles.")
    assert asyncio.run(later()) == "done"
    with pytest.raises(ZeroDivisionError), metric.timer("failed"):
        raise ZeroDivisionError
    names = [line.partition(":")[0] for line in receiver.lines(6)]
    assert names == ["outer", "outer", "plain", "plain", "later", "failed"]


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __float__ = __hash__ = __str__  # type: ignore[assignment]  # that is the point


NONSENSE: tuple[Any, ...] = (
    None,
    "",
    "a|b:c\nd",
    "ü\x00\ud800",
    b"\xff",
    math.nan,
    math.inf,
    -math.inf,
    10**400,
    True,
    Hostile(),
    ["list"],
    "x" * 10_000,
    3 + 4j,
)


@pytest.mark.parametrize("odd", NONSENSE, ids=range(len(NONSENSE)))
def test_whatever_it_is_given_it_raises_nothing_and_every_line_is_a_line(receiver: Receiver, odd: Any) -> None:
    metric = receiver.metric()
    for call in (metric.increment, metric.gauge, metric.timing, metric.observe):
        call(odd, 1)
        call("value", odd)
        call("tag", 1, tag=odd, **{"odd|name:\n": odd})
        call(odd, odd, tag=odd)
    metric.unique(odd, odd, tag=odd)
    metric.unique("unique", odd)
    metric.event(odd, odd, tag=odd)
    with metric.timer(odd, tag=odd):
        pass
    metric.increment("end")
    received = b""
    while not received.endswith(b"end:1|c"):
        received += receiver.socket.recv(65536) + b"\n"
        received = received.rstrip(b"\n") if received.endswith(b"end:1|c\n") else received
    for line in received.split(b"\n"):
        assert line.startswith(b"_e{") or LINE.fullmatch(line), line
        assert len(line) < 6000
        value, kind = line.partition(b":")[2].split(b"|")[:2]
        assert line.startswith(b"_e{") or kind == b"s" or math.isfinite(float(value))


def test_without_anybody_who_listens_it_goes_on_and_counts(receiver: Receiver) -> None:
    metric = receiver.metric()
    receiver.socket.close()
    metric.increment("early")
    metric.flush()
    assert metric.dropped == 1
    receiver.path.unlink()
    metric.increment("early", 2)
    metric.flush()
    assert metric.dropped == 2
    again = Receiver(receiver.path)  # somebody listens, under the same name
    with closing(again.socket):
        metric.increment("late")
        assert again.lines(1) == ["late:1|c"]
    metric.gauge("nonsense", math.nan)
    assert metric.dropped == 3
    nowhere = Metric({"ANDON_TELEMETRY": "/" + "x" * 500})
    nowhere.increment("a")
    nowhere.flush()
    assert nowhere.dropped == 1


def test_a_burst_loses_nothing_and_no_packet_is_too_large(receiver: Receiver) -> None:
    metric = receiver.metric()
    for number in range(5000):
        metric.increment("burst", number, shard=f"s{number % 7}")
    values = [int(line.partition(":")[2].partition("|")[0]) for line in receiver.lines(5000)]
    assert values == list(range(5000))
    assert max(map(len, receiver.packets)) <= PACKET
    assert len(receiver.packets) < 5000 / 20
    assert metric.dropped == 0


def test_what_nobody_takes_is_bounded_and_every_line_is_either_sent_or_counted(receiver: Receiver) -> None:
    metric = receiver.metric()
    said = 5 * MOST_WAITING
    for _ in range(said):
        metric.increment("x" * 100)
    got = 0
    receiver.socket.settimeout(0.5)
    deadline = time.monotonic() + 60
    while got + metric.dropped < said:
        assert time.monotonic() < deadline, "some lines are neither sent nor counted"
        with contextlib.suppress(TimeoutError):  # the rest may be dropped while this waits for it
            got += receiver.socket.recv(65536).count(b"\n") + 1
    assert got + metric.dropped == said
    assert metric.dropped > 0


def test_many_threads_say_everything_once(receiver: Receiver) -> None:
    metric = receiver.metric()

    def say(which: int) -> None:
        for number in range(500):
            metric.increment(f"t{which}", number)

    threads = [threading.Thread(target=say, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    lines = receiver.lines(4000)
    for thread in threads:
        thread.join()
    assert sorted(lines) == sorted(f"t{which}:{number}|c" for which in range(8) for number in range(500))


def run(receiver: Receiver, program: str) -> None:
    environment = {**os.environ, "ANDON_TELEMETRY": str(receiver.path), "PYTHONPATH": str(SOURCE.parent)}
    argv = [sys.executable, "-X", "dev", "-c", textwrap.dedent(program)]
    done = subprocess.run(argv, env=environment, check=True, timeout=60, capture_output=True)
    assert done.stderr == b""


def test_the_last_words_of_a_program_are_sent(receiver: Receiver) -> None:
    run(receiver, "from andon_client import metric; metric.increment('goodbye')")
    assert receiver.lines(1) == ["goodbye:1|c"]


def test_a_child_of_a_fork_says_its_own_and_nothing_twice(receiver: Receiver) -> None:
    program = """
        import os, sys
        from andon_client import metric
        metric.increment("before")
        child = os.fork()
        metric.increment("parent" if child else "child")
        if child:
            os.waitpid(child, 0)
        else:
            metric.flush()
            os._exit(0)
    """
    run(receiver, program)
    assert sorted(receiver.lines(3)) == ["before:1|c", "child:1|c", "parent:1|c"]


def test_a_signal_in_the_middle_of_it_may_use_it_too(receiver: Receiver) -> None:
    metric = receiver.metric()
    heard = 0

    def again(_number: int, _frame: object) -> None:
        nonlocal heard
        heard += 1
        metric.increment("signal")

    before = signal.signal(signal.SIGALRM, again)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        said = 0
        while heard < 100:
            metric.increment("loop")
            said += 1
            if said % 500 == 0:
                metric.flush()
                receiver.socket.setblocking(False)
                try:
                    while True:
                        receiver.socket.recv(65536)
                except BlockingIOError:
                    pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert heard >= 100


def test_it_needs_the_standard_library_alone_and_an_old_python(receiver: Receiver) -> None:
    for path in SOURCE.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 9))
    program = f"""
        import sys
        sys.path.insert(0, {str(SOURCE.parent)!r})
        from andon_client import log, metric
        named = {{name.partition(".")[0] for name in sys.modules}}
        others = named - set(sys.stdlib_module_names) - {{"andon_client", "__main__"}}
        assert not others, others
    """
    subprocess.run([sys.executable, "-I", "-S", "-c", textwrap.dedent(program)], check=True, timeout=60)
    assert (SOURCE / "py.typed").exists()
