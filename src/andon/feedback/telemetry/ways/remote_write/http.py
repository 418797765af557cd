"""Prometheus' remote write, 1.0 and 2.0."""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor

from andon.feedback.telemetry.contract.intake import Intake, Way
from andon.feedback.telemetry.ways.doors.requests import Answer, Request, Route
from andon.feedback.telemetry.ways.gathering import Origin, Window, handed_over
from andon.feedback.telemetry.ways.known import Known
from andon.feedback.telemetry.ways.otlp.http import UnknownContent
from andon.feedback.telemetry.ways.remote_write.decoding import Family, Ids, Reading

PATH = "/api/v1/write"
_MOST_FAMILIES = 100_000
_MOST_ORIGINS = 1000
_SECOND = "io.prometheus.write.v2.Request"


class RemoteWrite:
    """Takes in what a Prometheus, an Agent or an Alloy writes. ``executor`` is where requests are decoded."""

    def __init__(self, intake: Intake, window: Window, executor: Executor) -> None:
        self._intake, self._window, self._executor = intake, window, executor
        self._known: dict[Origin | None, Known[Ids]] = {}
        self._families: dict[str, Family] = {}

    def route(self) -> Route:
        return Route(PATH, ("POST",), self.answer, way=Way.REMOTE_WRITE)

    async def answer(self, request: Request) -> Answer:
        """204 once everything is stored; 400 with what is wrong if part of it was dropped, and the rest is stored:
        the specification's way to say that sending the same again is of no use."""
        if request.content_type != "application/x-protobuf":
            raise UnknownContent("Remote write is protobuf.", remedy="Send application/x-protobuf.")
        if request.headers.get("content-encoding", "").lower() not in {"snappy", "gzip", "zstd"}:
            raise UnknownContent("Remote write is compressed with snappy.", remedy="Send Content-Encoding: snappy.")
        second = _SECOND in request.headers.get("content-type", "")
        loop = asyncio.get_running_loop()
        reading = await loop.run_in_executor(self._executor, self._read, request.body, request.origin, second)
        receipt = await handed_over(self._intake, reading.gathering)
        self._stored(reading, request.origin, receipt.disputed)
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if second:
            headers = (
                (b"x-prometheus-remote-write-samples-written", str(receipt.samples).encode()),
                (b"x-prometheus-remote-write-histograms-written", b"0"),
                (
                    b"x-prometheus-remote-write-exemplars-written",
                    str(len(reading.gathering.exemplars)).encode(),
                ),
            )
        said = reading.gathering.told(receipt)
        if said:
            return Answer(400, f"{said}. Everything else is stored.\n".encode(), "text/plain; charset=utf-8", headers)
        return Answer(204, headers=headers)

    def known(self, origin: Origin | None) -> Known[Ids]:
        found = self._known.get(origin)
        if found is None:
            if len(self._known) >= _MOST_ORIGINS:
                self._known = {}
            found = self._known[origin] = Known(self._intake.knows)
        return found

    def _read(self, body: bytes, origin: Origin | None, second: bool) -> Reading:
        known = self.known(origin)
        while True:
            reading = Reading(known, self._window, self._families, origin)
            if second:
                reading.second(body)
            else:
                reading.first(body)
            if known.still(reading.unnamed()):
                return reading

    def _stored(self, reading: Reading, origin: Origin | None, disputed: AbstractSet[int]) -> None:
        if not reading.gathering.empty:  # else no batch went, and named nothing
            self.known(origin).learn(reading.named, disputed)
        if len(self._families) + len(reading.told) > _MOST_FAMILIES:
            self._families = {}
        self._families.update(reading.told)
