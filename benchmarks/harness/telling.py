"""What every benchmark takes and tells: ``--quick``, ``--check``, ``--json``, ``--seed``."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

import msgspec

from andon.kernel.errors import AndonError
from benchmarks.harness.figures import Figure
from benchmarks.harness.machine import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    quick: bool
    check: bool
    json: bool
    seed: int


@dataclass(slots=True)
class Outcome:
    """``faults`` are things that must not happen at all, each told; one of them misses the goal."""

    figures: list[Figure] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Report(msgspec.Struct, kw_only=True):
    benchmark: str
    quick: bool
    seed: int
    machine: Machine
    seconds: float
    figures: list[Figure]
    faults: list[str]
    notes: list[str]
    passed: bool


def main(name: str, says: str, measure: Callable[[Options, Callable[[str], None]], Outcome]) -> int:
    """Run a benchmark as a program; the exit code. ``measure`` is given the options and where to tell progress."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=says)
    parser.add_argument("--quick", action="store_true", help="under a minute, with goals to its scale")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument("--seed", type=int, default=0, help="of everything random; 0 takes the clock")
    given = parser.parse_args()
    options = Options(
        quick=given.quick, check=given.check, json=given.json, seed=given.seed or time.time_ns() // 1000 % 10**9
    )
    # A benchmark that is told to end still takes down what it has started.
    signal.signal(signal.SIGTERM, _interrupt)
    machine = Machine.here()
    started = time.monotonic()
    try:
        outcome = measure(options, _progress)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; nothing is left running\n")
        return 130
    except AndonError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    missed = [one for one in outcome.figures if one.missed]
    report = Report(
        benchmark=name,
        quick=options.quick,
        seed=options.seed,
        machine=machine,
        seconds=round(time.monotonic() - started, 1),
        figures=outcome.figures,
        faults=outcome.faults,
        notes=outcome.notes,
        passed=not missed and not outcome.faults,
    )
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n" if options.json else _table(report))
    return 1 if options.check and not report.passed else 0


def _progress(line: str) -> None:
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


def _table(report: Report) -> str:
    kind = "quick: few measurements, a smoke test rather than a figure" if report.quick else "full"
    lines = [f"\n{report.benchmark} ({kind})", report.machine.words(), f"seed {report.seed}, {report.seconds:g} s", ""]
    rows = [_cells(one) for one in report.figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else [0] * 4
    for row in rows:
        name, value, goal, verdict, note = row
        line = f"{name:<{widths[0]}}  {value:>{widths[1]}}  {goal:<{widths[2]}}  {verdict:<{widths[3]}}  {note}"
        lines.append(line.rstrip())
    lines += ["", *report.notes] if report.notes else []
    lines += ["", *(f"FAULT  {fault}" for fault in report.faults)] if report.faults else []
    lines += ["", "every goal was met" if report.passed else "goals were missed", ""]
    return "\n".join(lines)


def _cells(figure: Figure) -> tuple[str, str, str, str, str]:
    digits = 0 if figure.unit == "" or abs(figure.value) >= 1000 else 1 if abs(figure.value) >= 10 else 3
    value = f"{figure.value:,.{digits}f} {figure.unit}".strip()
    goal = figure.goal.words() if figure.goal else ""
    verdict = "" if figure.goal is None else "MISSED" if figure.missed else "met"
    return figure.name, value, goal, verdict, figure.note


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def chosen(options: Options, *, quick: int, full: int) -> int:
    return quick if options.quick else full


__all__: Sequence[str] = ("Options", "Outcome", "Report", "chosen", "main")
