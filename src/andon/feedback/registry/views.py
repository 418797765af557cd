"""Shapes of the API of the registry; server and command line share them."""

from __future__ import annotations

from datetime import datetime

import msgspec


class RunningShape(msgspec.Struct, kw_only=True):
    """A service in an environment; ``health`` is ``unknown`` where only telemetry tells of it."""

    environment: str
    version: str
    health: str
    instances: int


class LevelShape(msgspec.Struct, kw_only=True):
    """``line`` fills a level on which the service is silent."""

    level: str
    metrics: int
    silent: bool
    examples: list[str]
    line: str


class ServiceShape(msgspec.Struct, kw_only=True):
    """``seen`` is ``deployed``, or ``telemetry`` for what Andon did not deploy. ``availability`` is from 0 to 1 over 30
    days in production (or the first environment there is), ``null`` without traffic; ``requests`` is its n."""

    name: str
    seen: str
    owner: str
    running: list[RunningShape]
    needs: list[str]
    needed_by: list[str]
    silent: list[str]
    availability: float | None
    requests: int


class Services(msgspec.Struct, kw_only=True):
    """``measured`` is false where the telemetry store did not answer."""

    services: list[ServiceShape]
    measured: bool


class InstanceShape(msgspec.Struct, kw_only=True):
    id: str
    environment: str
    version: str
    host: str
    health: str
    since: datetime | None


class LinkShape(msgspec.Struct, kw_only=True):
    """``source`` is ``traces`` or ``router``; ``p95`` is in seconds."""

    caller: str
    callee: str
    calls: int
    errors: int
    p95: float | None
    source: str


class UnmeasuredShape(msgspec.Struct, kw_only=True):
    file: str
    line: int
    kind: str
    name: str


class AddedShape(msgspec.Struct, kw_only=True):
    """What the version that runs added without a measurement, as far as one can tell; ``left_out`` counts changed
    files that were not looked at."""

    environment: str
    before: str
    after: str
    paths: list[UnmeasuredShape]
    looked_at: int
    left_out: int


class AboutShape(msgspec.Struct, kw_only=True):
    service: ServiceShape
    levels: list[LevelShape]
    instances: list[InstanceShape]
    links: list[LinkShape]
    added: AddedShape | None
    measured: bool


class PlacedShape(msgspec.Struct, kw_only=True):
    service: str
    environment: str
    instances: list[InstanceShape]
    elsewhere: int
    """Instances of it in the same environment on other machines."""


class ReachedShape(msgspec.Struct, kw_only=True):
    """``path`` leads from the service to one on the machine."""

    service: str
    path: list[str]


class HostShape(msgspec.Struct, kw_only=True):
    name: str
    placed: list[PlacedShape]
    reported: datetime | None


class Hosts(msgspec.Struct, kw_only=True):
    """``measured`` is false where the telemetry store did not answer: then only this machine is known."""

    hosts: list[HostShape]
    measured: bool


class AffectedShape(msgspec.Struct, kw_only=True):
    """Who is affected when a machine is sick. Where ``measured`` is false the telemetry store did not answer, and who
    needs what runs there is not known."""

    sentence: str
    host: HostShape
    reached: list[ReachedShape]
    measured: bool


class DayShape(msgspec.Struct, kw_only=True):
    """``share`` is ``null`` on a day on which nobody asked: no data, which is not 100 %."""

    day: str
    requests: int
    failed: int
    share: float | None


class AvailabilityShape(msgspec.Struct, kw_only=True):
    """A day in UTC is one entry, oldest first, without gaps. ``share`` is of all requests together."""

    service: str
    environment: str
    requests: int
    failed: int
    share: float | None
    days_without_data: int
    days: list[DayShape]


class StatusData(msgspec.Struct, kw_only=True):
    """The data of a status page: which share of real requests was not answered with 500 and above."""

    services: list[AvailabilityShape]
    more: bool
    """Whether there are more than are told."""
