"""Who is about to listen somewhere is given ports that nobody else is given meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.harness.ports import free_port, free_stretch

CHOOSE = """
from andon.app.demo.server import free_ports
from benchmarks.harness.ports import free_stretch
print(*free_ports(), free_stretch(90), flush=True)
input()
"""


@pytest.fixture
def chosen(tmp_path: Path) -> Iterator[list[tuple[int, int, int]]]:
    """What three processes choose that are there at once, and have nothing in common but the machine."""
    with ExitStack() as running:
        several = [
            running.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", CHOOSE],
                    env={**os.environ, "TMPDIR": str(tmp_path / str(number))},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(3)
        ]
        yield [_told(one) for one in several]


def _told(process: subprocess.Popen[str]) -> tuple[int, int, int]:
    assert process.stdout is not None
    console, first, stretch = map(int, process.stdout.readline().split())
    return console, first, stretch


def test_those_that_start_at_once_are_given_different_ports(chosen: list[tuple[int, int, int]]) -> None:
    assert len({console for console, _, _ in chosen}) == 3
    stretches = sorted(first for _, *both in chosen for first in both)
    assert all(after - before >= 90 for before, after in pairwise(stretches)), stretches


def test_a_process_is_not_given_a_port_twice_in_a_row() -> None:
    given: list[int] = []
    for count in (1, 20, 60, 60, 1, 1, 90):
        first = free_stretch(count)
        given += range(first, first + count)
    given.append(free_port())
    assert len(set(given)) == len(given)
    assert max(given) < 32_768
