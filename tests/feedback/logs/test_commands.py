"""`andon lines`, as a process."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import pytest

from andon.feedback.telemetry.contract.logs import Severity
from andon.feedback.telemetry.memory_logs import MemoryLogs
from tests.app.conftest import Terminal
from tests.feedback.logs.chatter import Chatter, now_us
from tests.serving import Serving


@pytest.fixture
def andon(tmp_path: Path, server: Serving) -> Terminal:
    return Terminal(tmp_path, server.settings.data, server.address)


def test_lines_are_shown_with_the_newest_last(andon: Terminal, logs: MemoryLogs, chatter: Chatter) -> None:
    at = now_us() - 5_000_000
    logs.add(
        chatter.said(at, "told twice: \x1b[31mfirst\x1b[0m"),
        chatter.said(at + 1000, "told twice: \x1b]0;title\x07second\nand more", Severity.ERROR),
    )
    answer = andon("lines", '"told twice"', "--service", "store")
    assert answer.code == 0, answer.err
    first, second = answer.out.splitlines()
    assert first.endswith(" info  store/production told twice: first")
    assert second.endswith(" error store/production told twice: second and more")
    assert andon("lines", '"told twice"', "--service", "catalogue").out.startswith("No line fits.")


def test_with_json_each_line_is_an_object(andon: Terminal) -> None:
    answer = andon("lines", "basket", "--limit", "3", "--since", "12h", "--json")
    found = [json.loads(line) for line in answer.out.splitlines()]
    assert len(found) == 3
    assert [one["time"] for one in found] == sorted(one["time"] for one in found)
    assert found[0]["service"] == "store"


def test_a_search_that_cannot_be_read_leaves_with_code_2(andon: Terminal) -> None:
    answer = andon("lines", '"open')
    assert answer.code == 2
    assert "cannot be read" in answer.err


def test_following_shows_new_lines_until_ctrl_c_and_ends_quietly(
    andon: Terminal, logs: MemoryLogs, chatter: Chatter
) -> None:
    logs.add(chatter.said(now_us() - 1_000_000, "followed by hand 1"))
    # whoever runs the tests in the background may have them ignore it, and what they start as well
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = andon.start("lines", '"followed by hand"', "--follow")
    signal.signal(signal.SIGINT, interrupted)
    try:
        assert process.stdout
        assert process.stdout.readline().endswith("followed by hand 1\n")
        logs.add(chatter.said(now_us(), "followed by hand 2"))
        assert process.stdout.readline().endswith("followed by hand 2\n")
        giving_up = threading.Timer(60, process.kill)
        giving_up.start()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        giving_up.cancel()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert (out, err) == ("", "")
