"""The demo's whole story, as `make demo ONCE=1` tells it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.harness.installation import left_behind

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short name: a socket's path is at most 107 bytes."""
    with TemporaryDirectory(prefix="andon-test-") as made:
        yield Path(made)


def test_the_story_ends_well_and_leaves_nothing(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "andon", "demo", "--once"],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert done.stderr == ""
    assert "✘" not in told
    assert "\x1b" not in told
    for sentence in (
        "Run 1 passed",
        "Run 2 passed",
        "Production shows reviews now",
        "Run 3 failed, as it should",
        "Production still runs the second version",
        "Production runs the first version",
        "Run 4 failed, as it should",
        "Production took it back by itself",
        "Production still runs the first version",
        "How their requests ended was compared with how the others' did",
        "All versions told of their requests and orders",
        "Each deployment is a line on them",
    ):
        assert f"✔ {sentence}" in told, told
    counts = [
        (int(served.replace(",", "")), int(failed))
        for served, failed in re.findall(r"([\d,]+) requests served, (\d+) failed", told)
    ]
    assert len(counts) == 5, told
    *quiet, (total, failed) = counts
    assert all(served > 0 and none == 0 for served, none in quiet), counts
    assert total >= sum(served for served, _ in quiet), "the total comes last"
    harmed = re.search(r"took it back by itself: ([\d,]+) of ([\d,]+) requests failed", told)
    assert harmed, told
    assert int(harmed[1].replace(",", "")) == failed > 0, told
    few, of = re.findall(r"✔ At 25 %, (\d+) of (\d+) customers saw it", told)[0]
    assert 0 < int(few) < int(of), told
    assert f"✔ Now {of} of {of} see it" in told, told
    assert re.search(r"Errors: 0 % of [\d,]+ requests with “on”, 0 % of [\d,]+ with the others", told), told
    lead_times = re.findall(r"deploy\s+succeeded\s+([\d.]+) s", told)
    assert len(lead_times) == 2, told
    figures = re.findall(r"(?:first|second) +[0-9a-f]{7} +([\d,]+) +(\d+) +([\d.]+) ms +(\d+)\n", told)
    assert len(figures) == 2, told
    assert all(int(requests.replace(",", "")) > int(orders) > 0 for requests, _, _, orders in figures), figures
    assert {errors for _, errors, _, _ in figures} == {"0"}
    assert re.search(r"Rolled back to [0-9a-f]{7} ", told), told
    assert re.search(r"The graphs: http://\S+/graphs/services/store\?environment=production", told), told
    assert left_behind(folder) == []
    assert list(folder.glob("andon-demo-*")) == []
