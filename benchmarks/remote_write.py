"""A real Prometheus that scrapes itself and writes everything on to Andon: are its numbers the same in both?"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from andon.kernel.errors import Missing, Unavailable
from benchmarks.harness.figures import Figure, Goal
from benchmarks.harness.installation import Andon, left_behind, until
from benchmarks.harness.ports import free_stretch
from benchmarks.harness.telling import Options, Outcome, chosen, main

QUERIES = (
    "up",
    'count({job="itself"})',
    "rate(prometheus_http_requests_total[15s])",
    "histogram_quantile(0.9, sum by (le) (rate(prometheus_http_request_duration_seconds_bucket[15s])))",
    "topk(5, sort_desc(go_memstats_alloc_bytes))",
    "sum by (handler) (increase(prometheus_http_response_size_bytes_count[15s]))",
)
"""Windows that are shorter than the shortest run: where a series began within one, Prometheus 3 and Andon extrapolate
less than Prometheus 2 does."""
_BEHIND = 5
"""Seconds that are left for what is on its way."""
_COUNTERS = ("failed", "dropped", "retried")


class _Vector(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Data(msgspec.Struct):
    result: list[_Vector]


class _Answer(msgspec.Struct):
    data: _Data


class _Names(msgspec.Struct):
    data: list[str]


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    seconds = chosen(options, quick=30, full=120)
    outcome = Outcome()
    port = free_stretch(1)
    with Andon(settings={"ANDON_TELEMETRY_OTLP_PORT": str(port)}) as andon:
        until((andon.data / "telemetry" / "state.json").exists, "telemetry listens")
        with tempfile.TemporaryDirectory() as folder, _prometheus(Path(folder), port) as theirs:
            tell(f"a Prometheus writes on what it scrapes for {seconds} s")
            time.sleep(seconds + _BEHIND)
            ours = httpx.Client(
                base_url=f"{andon.address}/prometheus",
                headers={"Authorization": f"Bearer {andon.token}"},
                timeout=60,
                trust_env=False,
            )
            with ours:
                _compare(outcome, theirs, ours)
            lost = _counted(theirs)
        folder_of_andon = andon.folder
    outcome.figures.append(
        Figure(name="failed, dropped or sent again, as Prometheus counts it", value=lost, unit="", goal=Goal(at_most=0))
    )
    outcome.faults += [f"left running: {one}" for one in left_behind(folder_of_andon)]
    outcome.notes.append("scraped each second; series are compared with every label and every digit")
    return outcome


def _compare(outcome: Outcome, theirs: httpx.Client, ours: httpx.Client) -> None:
    at = time.time() - _BEHIND
    names = msgspec.json.decode(theirs.get("/api/v1/label/__name__/values").content, type=_Names).data
    equal = series = 0
    for name in names:
        wanted, found = _asked(theirs, name, at), _asked(ours, name, at)
        series += len(wanted)
        if wanted == found:
            equal += 1
        else:
            outcome.notes.append(f"{name}: {len(wanted)} series there, {len(found)} here, or other numbers")
    answered = 0
    for query in QUERIES:
        wanted, found = _asked(theirs, query, at), _asked(ours, query, at)
        if _close(wanted, found):
            answered += 1
        else:
            outcome.notes.append(f"{query}: {list(wanted.items())[:2]} there, {list(found.items())[:2]} here")
    outcome.figures += [
        Figure(name="names of metrics", value=len(names), unit="", note=f"{series} series of them at that moment"),
        Figure(
            name="names whose series and numbers are the very same",
            value=100 * equal / max(len(names), 1),
            unit="%",
            goal=Goal(at_least=100),
        ),
        Figure(
            name="queries with the same answer",
            value=100 * answered / len(QUERIES),
            unit="%",
            goal=Goal(at_least=100),
            note=f"{len(QUERIES)} of them, to 12 digits: sums are added up in another order",
        ),
    ]


def _asked(client: httpx.Client, query: str, at: float) -> dict[tuple[tuple[str, str], ...], str]:
    answer = client.get("/api/v1/query", params={"query": query, "time": at})
    if answer.status_code != 200:
        raise Unavailable(f"{query} is answered with {answer.status_code}: {answer.text[:200]}")
    found = msgspec.json.decode(answer.content, type=_Answer)
    return {tuple(sorted(one.metric.items())): one.value[1] for one in found.data.result}


def _close(wanted: dict[tuple[tuple[str, str], ...], str], found: dict[tuple[tuple[str, str], ...], str]) -> bool:
    return wanted.keys() == found.keys() and all(
        f"{float(one):.12g}" == f"{float(found[labels]):.12g}" for labels, one in wanted.items()
    )


def _counted(client: httpx.Client) -> float:
    """What Prometheus says of its own writing on."""
    told = 0.0
    for line in client.get("/metrics").text.splitlines():
        name, _, value = line.partition(" ")
        if name.startswith("prometheus_remote_storage_") and any(f"_{one}_total" in name for one in _COUNTERS):
            told += float(value)
    return told


@contextmanager
def _prometheus(folder: Path, port: int) -> Iterator[httpx.Client]:
    program = shutil.which("prometheus")
    if program is None:
        raise Missing("There is no prometheus on this machine.", remedy="Install it: `apt-get install prometheus`.")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        own = probe.getsockname()[1]
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: itself, static_configs: [{{targets: ['127.0.0.1:{own}']}}]}}]\n"
        f"remote_write: [{{url: 'http://127.0.0.1:{port}/api/v1/write', send_exemplars: true}}]\n"
    )
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{own}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{own}", timeout=60, trust_env=False) as client:
                until(lambda: _ready(client), "Prometheus is ready")
                yield client
        finally:
            process.terminate()
            process.wait()


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    sys.exit(main("remote_write", __doc__, measure))
