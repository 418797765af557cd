"""PromQL beside a real Prometheus: how many queries run, and how many give its very numbers."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from andon.feedback.promql.contract import Answer, Dialect
from andon.feedback.promql.service import Engine
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.kernel.errors import AndonError, Invalid
from benchmarks.harness.figures import Figure, Goal
from benchmarks.harness.telling import Options, Outcome, chosen, main
from benchmarks.promql import corpus
from benchmarks.promql.comparing import difference, of_andon, of_prometheus
from benchmarks.promql.dashboards import DASHBOARDS
from benchmarks.promql.prometheus import Prometheus, Said
from benchmarks.promql.samples import LENGTH, START, Sampled, made, odd
from benchmarks.promql.stored import NOW, Stored

MOMENT = START + LENGTH * 3 // 4
FROM, UNTIL = START + LENGTH // 2, START + LENGTH - 600_000


@dataclass(frozen=True, slots=True)
class Shape:
    """How a query is asked: at one moment (``step`` 0) or over a range; milliseconds."""

    start: int
    end: int
    step: int = 0


INSTANT = (Shape(MOMENT, MOMENT), Shape(MOMENT + 7_001, MOMENT + 7_001))
RANGES = (Shape(FROM, UNTIL, 60_000), Shape(FROM + 1_234, UNTIL, 47_000), Shape(START - 60_000, UNTIL, 300_000))


@dataclass(frozen=True, slots=True)
class Verdict:
    """``ran`` is false where Prometheus answers and we do not; ``fault`` says what differs."""

    query: str
    ran: bool = True
    refused: bool = False
    """By both."""
    fault: str = ""


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    outcome = Outcome()
    samples = made([family for one in DASHBOARDS for family in one.families], options.seed) + odd()
    engine = Engine(
        MemoryMeasurements(
            [one.series for one in samples], {one.series.id: (one.times, one.values) for one in samples}
        ),
        dialect=Dialect.PROMETHEUS_2,
        now=lambda: NOW,
    )
    shapes = chosen(options, quick=1, full=max(len(INSTANT), len(RANGES)))
    asked = (*INSTANT[:shapes], *RANGES[:shapes])
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder, Prometheus(Path(folder)) as prometheus:
        tell(f"{_count(samples):,} samples of {len(samples):,} series into Prometheus {prometheus.version}")
        prometheus.write(samples)
        own = [_verdict(prometheus, engine, query, asked) for query in corpus.queries()]
        outcome.figures += _figures("corpus", own)
        outcome.faults += _faults("corpus", own)
        seen: list[Verdict] = []
        for dashboard in DASHBOARDS:
            found = [_verdict(prometheus, engine, query, asked) for query in dashboard.queries]
            tell(f"{dashboard.name}: {len(found)} queries, {sum(1 for one in found if one.fault)} differ")
            outcome.faults += _faults(dashboard.name, found)
            seen += found
        outcome.figures += _figures(f"{len(DASHBOARDS)} dashboards", seen)
        disputed = [
            one for one in (_verdict(prometheus, engine, query, asked) for query in corpus.DISPUTED) if one.fault
        ]
        silent = [query for query in _all_queries() if _is_silent(engine, query)]
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder, Stored(Path(folder)) as stored:
        tell("the same samples in the store")
        stored.write(samples)
        over_store = Engine(stored.measurements, dialect=Dialect.PROMETHEUS_2, now=lambda: NOW)
        wanted = _all_queries() if options.quick else [*_all_queries(), *corpus.queries()]
        same = [query for query in wanted if _is_same(engine, over_store, query)]
    outcome.figures.append(
        Figure(
            name="over the store as in memory",
            value=100 * len(same) / len(wanted),
            unit="%",
            goal=Goal(at_least=100),
            note=f"{len(same)} of {len(wanted)}",
        )
    )
    outcome.faults += [f"not the same over the store: {query}" for query in wanted if query not in set(same)]
    beyond = [query for query in corpus.BEYOND if _runs(engine, query)]
    outcome.figures.append(
        Figure(name="beyond Prometheus 2.42, run", value=len(beyond), unit="", note=f"of {len(corpus.BEYOND)}")
    )
    outcome.figures.append(Figure(name="differ on purpose", value=len(disputed), unit="", note="named below"))
    outcome.notes += [f"differs on purpose: {one.query}: {corpus.DISPUTED[one.query]}" for one in disputed]
    outcome.notes.append(
        f"each query as {len(asked)} questions; equal is within 1e-9 of the larger number, NaN and infinities alike; "
        f"{len(silent)} of the dashboards' queries answer nothing at all"
    )
    return outcome


def _count(samples: Sequence[Sampled]) -> int:
    return sum(len(one.times) for one in samples)


def _all_queries() -> list[str]:
    return [query for one in DASHBOARDS for query in one.queries]


def _figures(name: str, verdicts: Sequence[Verdict]) -> list[Figure]:
    answered = [one for one in verdicts if not one.refused]
    ran = [one for one in answered if one.ran]
    equal = [one for one in ran if not one.fault]
    return [
        Figure(name=f"{name}: queries", value=len(verdicts), unit=""),
        Figure(name=f"{name}: refused by both", value=len(verdicts) - len(answered), unit=""),
        Figure(
            name=f"{name}: run, of those that Prometheus answers",
            value=100 * len(ran) / max(1, len(answered)),
            unit="%",
            goal=Goal(at_least=95),
            note=f"{len(ran)} of {len(answered)}",
        ),
        Figure(
            name=f"{name}: of those equal to Prometheus",
            value=100 * len(equal) / max(1, len(ran)),
            unit="%",
            goal=Goal(at_least=100),
            note=f"{len(equal)} of {len(ran)}",
        ),
    ]


def _faults(name: str, verdicts: Sequence[Verdict]) -> list[str]:
    return [f"{name}: {one.query}: {one.fault}" for one in verdicts if one.fault]


def _verdict(prometheus: Prometheus, engine: Engine, query: str, asked: Sequence[Shape]) -> Verdict:
    refused = 0
    for shape in asked:
        said = _theirs(prometheus, query, shape)
        ours = _ours(engine, query, shape)
        if said.status != "success":
            if not isinstance(ours, Invalid):
                return Verdict(query, fault=f"{shape}: Prometheus refuses ({said.error}), we do not")
            refused += 1
        elif isinstance(ours, AndonError):
            return Verdict(query, ran=False, fault=f"{shape}: we refuse ({ours.message})")
        else:
            ordered = shape.step == 0 and query.startswith(("sort", "topk(1"))
            if fault := difference(of_prometheus(said), of_andon(ours), ordered=ordered):
                return Verdict(query, fault=f"{shape}: {fault}")
    return Verdict(query, refused=refused == len(asked))


def _theirs(prometheus: Prometheus, query: str, shape: Shape) -> Said:
    if not shape.step:
        return prometheus.ask("query", query=query, time=shape.start / 1000)
    return prometheus.ask(
        "query_range", query=query, start=shape.start / 1000, end=shape.end / 1000, step=shape.step / 1000
    )


def _ours(engine: Engine, query: str, shape: Shape) -> Answer | AndonError:
    try:
        if not shape.step:
            return engine.instant(query, shape.start, sight=None)
        return engine.range(query, shape.start, shape.end, shape.step, sight=None)
    except AndonError as error:
        return error


def _is_same(left: Engine, right: Engine, query: str) -> bool:
    """Whether both answer alike, at one moment and over a range."""
    for shape in (INSTANT[0], RANGES[0]):
        first, second = _ours(left, query, shape), _ours(right, query, shape)
        if isinstance(first, AndonError) or isinstance(second, AndonError):
            if type(first) is not type(second):
                return False
        elif difference(of_andon(first), of_andon(second), ordered=False):
            return False
    return True


def _is_silent(engine: Engine, query: str) -> bool:
    return not any(of_andon(one).series for one in [_ours(engine, query, RANGES[0])] if not isinstance(one, AndonError))


def _runs(engine: Engine, query: str) -> bool:
    return not isinstance(_ours(engine, query, INSTANT[0]), AndonError)


if __name__ == "__main__":
    sys.exit(main("promql_conformance", __doc__, measure))
