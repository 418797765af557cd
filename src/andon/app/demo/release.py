"""A release without a deployment: a flag brings the shop's new checkout to customers by a ramp that is judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from andon.app.demo.server import DemoServer
from andon.app.demo.shop import SERVICE
from andon.app.demo.telling import Row, Teller
from andon.app.demo.traffic import OFFER, Traffic

FLAG = "new-checkout"
PATIENCE = 120.0
"""Seconds; a step waits until enough requests have been compared, and a busy machine serves few."""
_PRODUCTION = "production"
_AT = f"/services/{SERVICE}/flags"


class _Flag(msgspec.Struct):
    name: str


class _Step(msgspec.Struct):
    percent: float
    after: float = 0.0
    """Seconds."""

    def __str__(self) -> str:
        """As the command takes it."""
        return f"{self.percent:g}@{self.after:g}s" if self.after else f"{self.percent:g}"


_STEPS = [_Step(25), _Step(100, after=2)]


class _Order(msgspec.Struct):
    steps: list[_Step]


class _Begun(msgspec.Struct):
    ramp: str
    sentence: str


class _Ramp(msgspec.Struct):
    id: str
    step: int
    state: str
    judged: bool
    said: str


class _Details(msgspec.Struct):
    ramps: list[_Ramp]


class _Metric(msgspec.Struct):
    metric: str
    reason: str


class _Verdict(msgspec.Struct):
    metrics: list[_Metric]


class Release:
    """Asks the demo's Andon, and tells what customers see."""

    def __init__(self, server: DemoServer, teller: Teller, check: Callable[[str, bool], None]) -> None:
        self._client, self._tell, self._check = server.client, teller, check

    def tell(self, traffic: Traffic) -> None:
        """The flag is made, and ramped until everybody has what it guards."""
        seeing, of = traffic.seeing()
        unseen = f"Its code came with the first version, behind a flag: {seeing:,} of {of:,} customers see it"
        self._check(unseen, seeing == 0 < of)
        self._tell.detail(f"andon flags create {SERVICE} {FLAG}")
        self._client.post(_AT, msgspec.Raw, _Flag(FLAG))
        traffic.look_at(OFFER)
        self._tell.detail(f"andon flags ramp {SERVICE} {FLAG} {_PRODUCTION} {' '.join(map(str, _STEPS))}")
        begun = self._client.post(f"{_AT}/{FLAG}/environments/{_PRODUCTION}/ramp", _Begun, _Order(_STEPS))
        few, of = self._follow(begun.ramp, traffic)
        traffic.look_at()
        ramp = self._ramp(begun.ramp)
        self._check(f"At {_STEPS[0].percent:g} %, {few:,} of {of:,} customers saw it", 0 < few < of)
        self._check("How their requests ended was compared with how the others' did", ramp.judged)
        found = self._client.get(f"/flags/ramps/{ramp.id}/verdict", _Verdict).metrics
        for reason in (one.reason for one in found if one.metric == "errors"):
            self._tell.detail(reason)
        seeing, of = traffic.seeing()
        self._check(f"Now {seeing:,} of {of:,} see it", ramp.state == "done" and seeing == of)
        if ramp.state != "done":
            self._tell.detail(f"The ramp is {ramp.state}. {ramp.said}")

    def _follow(self, identity: str, traffic: Traffic) -> tuple[int, int]:
        """Until customers see the end of it; how many saw it during the first step, of how many."""
        deadline = time.monotonic() + PATIENCE
        seen: dict[int, tuple[int, int]] = {}
        began: dict[int, float] = {}

        def look() -> tuple[Sequence[Row], bool]:
            now, told, ramp = time.monotonic(), traffic.seeing(), self._ramp(identity)
            seen[ramp.step] = told
            began.setdefault(ramp.step, now)
            over = ramp.state not in {"running", "done"} or (ramp.state == "done" and told[0] == told[1])
            rows = []
            for number, step in enumerate(_STEPS, 1):
                state, seconds, note = "pending", None, ""
                if number in began:
                    state = "passed" if number < ramp.step or (over and ramp.state == "done") else "running"
                    state = "failed" if over and state == "running" else state
                    seconds = began.get(number + 1, now) - began[number]
                    note = f"{seen[number][0]:,} of {seen[number][1]:,} customers see it"
                rows.append(Row(f"{step.percent:g} %", state, seconds, note))
            return rows, over or now > deadline

        self._tell.follow(look)
        return seen.get(1, traffic.seeing())

    def _ramp(self, identity: str) -> _Ramp:
        found = self._client.get(f"{_AT}/{FLAG}", _Details).ramps
        return next(one for one in found if one.id == identity)
