"""What production says of itself: figures by version, asked for as Grafana would, and the causes on its graphs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

import httpx
import msgspec

from andon.app.demo.server import DemoServer
from andon.app.demo.shop import SERVICE
from andon.app.demo.telling import Teller

PATIENCE = 30.0
"""Seconds; the router is read every 5, and what is read is written within one."""
_PLACE = f'service="{SERVICE}",environment="production"'
_BUCKETS = f"andon_request_duration_seconds_bucket{{{_PLACE}}}"
_BY_VERSION = (
    ("requests", f"sum by (version) (max_over_time(andon_requests_total{{{_PLACE}}}[15m]))"),
    ("errors", f'sum by (version) (max_over_time(andon_requests_total{{{_PLACE},code_class="5xx"}}[15m]))'),
    ("p95", f"histogram_quantile(0.95, sum by (version, le) (max_over_time({_BUCKETS}[15m])))"),
    ("orders", f"sum by (version) (sum_over_time(orders_placed{{{_PLACE}}}[15m]))"),
)


class _Sample(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Data(msgspec.Struct):
    result: list[_Sample]


class _Answer(msgspec.Struct):
    data: _Data


class Cause(msgspec.Struct):
    kind: str
    time: int
    title: str
    who: str
    failed: bool


class _Causes(msgspec.Struct):
    causes: list[Cause]


class Production:
    """Asks the demo's Andon, and tells what it answers."""

    def __init__(self, server: DemoServer, teller: Teller, check: Callable[[str, bool], None]) -> None:
        self._server, self._tell, self._check = server, teller, check

    def tell(self, versions: Mapping[str, str], began: datetime, *, tried: str) -> None:
        """``versions`` are names by commit; what happened since ``began`` is told.

        ``tried`` is the commit of one that few customers saw: maybe none of them bought anything.

        Telemetry comes seconds after what it tells of, and may be late on a busy machine: it is waited for.
        """
        wanted = {commit[:7] for commit in versions}
        deadline = time.monotonic() + PATIENCE
        while True:
            figures = self._figures()
            told = all(wanted <= figures[name].keys() for name in ("requests", "p95"))
            told = told and wanted - {tried[:7]} <= figures["orders"].keys()
            if told or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        self._tell.table(
            ("version", "commit", ">requests", ">errors", ">p95", ">orders placed"),
            [
                (
                    name,
                    commit[:7],
                    _number(figures["requests"].get(commit[:7])),
                    _number(figures["errors"].get(commit[:7], 0.0)),
                    _duration(figures["p95"].get(commit[:7])),
                    _number(figures["orders"].get(commit[:7])),
                )
                for commit, name in versions.items()
            ],
        )
        self._check("All versions told of their requests and orders", told)
        self._tell.detail("Requests, errors and durations: the router, without a line in the shop. Orders: one line.")
        self._causes(began)
        self._tell.fact(f"The graphs: {graphs(self._server.address)}")

    def _causes(self, began: datetime) -> None:
        found = self._server.client.get(
            "/causes",
            _Causes,
            since=began.isoformat(),
            until=datetime.now(UTC).isoformat(),
            service=SERVICE,
            environment="production",
        )
        self._tell.detail("Lines on its graphs:")
        self._tell.table(
            ("at", "what", "who"),
            [
                (datetime.fromtimestamp(one.time / 1000, UTC).strftime("%H:%M:%S"), one.title, one.who)
                for one in sorted(found.causes, key=lambda one: one.time)
            ],
        )
        self._check("Each deployment is a line on them", len(found.causes) >= len(("first", "second", "back")))

    def _figures(self) -> Mapping[str, Mapping[str, float]]:
        """By name and version; empty where telemetry does not answer yet."""
        headers = {"authorization": f"Bearer {self._server.token}"}
        found: dict[str, dict[str, float]] = {}
        with httpx.Client(base_url=self._server.address, headers=headers, timeout=20, trust_env=False) as client:
            for name, query in _BY_VERSION:
                answer = client.get("/prometheus/api/v1/query", params={"query": query})
                told = msgspec.json.decode(answer.content, type=_Answer).data.result if answer.is_success else []
                found[name] = {one.metric.get("version", ""): float(one.value[1]) for one in told}
        return found


def graphs(address: str) -> str:
    """Where production's graphs are."""
    return f"{address}/graphs/services/{SERVICE}?{urlencode({'environment': 'production', 'from': '15m'})}"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:,.0f}"


def _duration(seconds: float | None) -> str:
    return "—" if seconds is None else f"{seconds * 1000:,.1f} ms"
