"""What Envoy counts, read from its admin socket in one question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from http.client import HTTPException

import msgspec

from andon.flow.environments.contract import SetId
from andon.flow.routing.admin import Admin
from andon.flow.routing.contract import Bucket, ListenerStatistics, RouterStatistics, SetStatistics
from andon.flow.routing.model import COPIES
from andon.flow.sources.contract import Service

_FAILED_WRITES = "filesystem.write_failed"
_CLASS = re.compile(r"rq_([1-5])xx")
_CLUSTER = (
    r"upstream_(rq_(total|[1-5]xx|active|pending_active|pending_overflow|retry|timeout|time)"
    r"|cx_(active|connect_fail|connect_timeout))"
)
_LISTENER = r"downstream_(rq_(total|[1-5]xx|active|time)|cx_active)"
_WANTED = rf"^(cluster\.[^.]+(\.dark)?\.{_CLUSTER}|http\.[^.]+\.[^.]+\.{_LISTENER}|filesystem\.write_failed)$"


class _Bucket(msgspec.Struct):
    upper_bound: float
    cumulative: int


class _Histogram(msgspec.Struct):
    name: str
    buckets: list[_Bucket] = []


class _Stat(msgspec.Struct):
    name: str = ""
    value: int = 0
    histograms: list[_Histogram] = []
    """One entry of the list is no number but holds all the histograms."""


class _Stats(msgspec.Struct):
    stats: list[_Stat] = []


def read_statistics(admin: Admin) -> RouterStatistics:
    """Raises ``OSError`` or ``HTTPException`` when Envoy does not answer."""
    status, body = admin.ask("/stats", format="json", filter=_WANTED, usedonly="", histogram_buckets="cumulative")
    if status != HTTPStatus.OK:
        raise HTTPException(f"the router answered {status}")
    return parsed(body)


def parsed(document: bytes) -> RouterStatistics:
    """Envoy's answer, with ``format=json`` and cumulative buckets."""
    counts: dict[str, dict[str, int]] = {}
    times: dict[str, tuple[Bucket, ...]] = {}
    failed = 0
    for stat in msgspec.json.decode(document, type=_Stats).stats:
        if stat.name == _FAILED_WRITES:
            failed = stat.value
        elif stat.name:
            whose, _, what = stat.name.rpartition(".")
            counts.setdefault(whose, {})[what] = stat.value
        for histogram in stat.histograms:
            whose = histogram.name.rpartition(".")[0]
            times[whose] = tuple((bucket.upper_bound, bucket.cumulative) for bucket in histogram.buckets)
    sets = []
    dark = []
    listeners = []
    for whose in sorted(counts):
        found = counts[whose]
        kind, _, name = whose.partition(".")
        if kind == "cluster" and name.endswith(COPIES):
            dark.append(_set(SetId(name.removesuffix(COPIES)), found, times.get(whose, ())))
        elif kind == "cluster":
            sets.append(_set(SetId(name), found, times.get(whose, ())))
        else:
            service, _, environment = name.partition(".")
            listeners.append(_listener(Service(service), environment, found, times.get(whose, ())))
    return RouterStatistics(
        sets=tuple(one for one in sets if _is_used(one)),
        dark=tuple(one for one in dark if _is_used(one)),
        listeners=tuple(one for one in listeners if one.requests),
        failed_writes=failed,
    )


def _is_used(one: SetStatistics) -> bool:
    return bool(one.requests or one.connection_failures or one.overflowed)


def _set(name: SetId, found: Mapping[str, int], times: tuple[Bucket, ...]) -> SetStatistics:
    failures = found.get("upstream_cx_connect_fail", 0) + found.get("upstream_cx_connect_timeout", 0)
    return SetStatistics(
        set=name,
        requests=found.get("upstream_rq_total", 0),
        answers=_answers(found.items()),
        active=found.get("upstream_rq_active", 0),
        pending=found.get("upstream_rq_pending_active", 0),
        overflowed=found.get("upstream_rq_pending_overflow", 0),
        retried=found.get("upstream_rq_retry", 0),
        timed_out=found.get("upstream_rq_timeout", 0),
        connections=found.get("upstream_cx_active", 0),
        connection_failures=failures,
        times=times,
    )


def _listener(
    service: Service, environment: str, found: Mapping[str, int], times: tuple[Bucket, ...]
) -> ListenerStatistics:
    return ListenerStatistics(
        service=service,
        environment=environment,
        requests=found.get("downstream_rq_total", 0),
        answers=_answers(found.items()),
        active=found.get("downstream_rq_active", 0),
        connections=found.get("downstream_cx_active", 0),
        times=times,
    )


def _answers(found: Iterable[tuple[str, int]]) -> Mapping[int, int]:
    classes = ((_CLASS.search(name), value) for name, value in found)
    return {int(one[1]): value for one, value in classes if one is not None and value}
