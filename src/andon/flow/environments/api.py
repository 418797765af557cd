"""The API of environments: what is where, how it is, what it says."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Protocol

import anyio
from anyio import to_thread
from litestar.params import Parameter
from litestar.response import Stream

from andon.flow.environments.contract import EnvironmentView, InstanceId, InstanceView
from andon.flow.environments.service import EnvironmentService
from andon.flow.environments.views import (
    EnvironmentList,
    EnvironmentShape,
    ExtensionRequest,
    InstanceLog,
    InstanceShape,
    LogLineShape,
)
from andon.flow.sources.contract import Service
from andon.kernel.access import Principal
from andon.kernel.db import Database, Reading
from andon.kernel.errors import NotFound
from andon.kernel.logs.reader import LogReader
from andon.kernel.logs.text import plain, spans
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_MOST_LINES = 5000
_LOOK = 0.2
_PLACE = "/services/{service:str}/environments/{environment:str}"
_INSTANCE = _PLACE + "/instances/{instance:str}"

_Lines = Annotated[int, Parameter(ge=1, le=_MOST_LINES)]
_Line = Annotated[int, Parameter(ge=0, le=2**53, description="The first line, from 1; 0 takes the last `limit` lines.")]
_Wait = Annotated[float, Parameter(ge=0, le=30, description="Seconds to wait for lines when there are none yet.")]


def _missing(
    environments: EnvironmentService, reading: Reading, principal: Principal, service: str, environment: str
) -> NotFound:
    """Which of the two names is wrong, and what was probably meant among what ``principal`` may see."""
    seen = principal.visible_services()
    services = [one for one in environments.services(reading) if seen is None or one in seen]
    if service not in services:
        return NotFound(
            f"There is no service {service[:80]!r}{_meant(service, services)}",
            remedy="See which there are: andon repository list",
        )
    there = [one.name for one in environments.all(reading, Service(service))]
    return NotFound(
        f"There is no environment {environment[:80]!r} of {service}{_meant(environment, there)}",
        remedy="A deployment makes it; see which there are: andon env list",
    )


def _meant(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word[:80].lower(), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else "."


def environment_routes(environments: EnvironmentService) -> Handlers:
    def place(reading: Reading, principal: Principal, service: str, environment: str) -> EnvironmentView:
        principal.require_sight(service)
        found = environments.find(reading, Service(service), environment)
        if found is None:
            raise _missing(environments, reading, principal, service, environment)
        return found

    def member(reading: Reading, principal: Principal, service: str, environment: str, instance: str) -> InstanceView:
        found = place(reading, principal, service, environment)
        for one in (one for version in found.sets for one in version.instances):
            # By its id, or as people call it: web-1 is the live version's.
            if one.id == instance:
                return one
        for one in found.live.instances if found.live is not None else ():
            if f"{one.process}-{one.number}" == instance:
                return one
        raise NotFound(
            f"There is no instance {instance[:80]!r} in {service}/{environment}.",
            remedy=f"See which there are: andon env show {service} {environment}",
        )

    @api.get("/environments")
    def list_all_environments(call: Call) -> EnvironmentList:
        """Every environment that you may see, with what runs in it."""
        seen = call.principal.visible_services()
        with call.database.reading() as reading:
            found = environments.all(reading)
        return EnvironmentList(
            environments=[EnvironmentShape.of(one) for one in found if seen is None or one.service in seen]
        )

    @api.get("/services/{service:str}/environments")
    def list_environments(call: Call, service: str) -> EnvironmentList:
        """A service's environments, with what runs in them."""
        call.principal.require_sight(service)
        with call.database.reading() as reading:
            found = environments.all(reading, Service(service))
        return EnvironmentList(environments=[EnvironmentShape.of(one) for one in found])

    @api.get(_PLACE)
    def show_environment(call: Call, service: str, environment: str) -> EnvironmentShape:
        """One environment: its address, the versions in it, their instances and how they are."""
        with call.database.reading() as reading:
            return EnvironmentShape.of(place(reading, call.principal, service, environment))

    @api.post(_PLACE + "/extend")
    def extend_environment(call: Call, service: str, environment: str, data: ExtensionRequest) -> EnvironmentShape:
        """Let an environment with a time to live end later, by at most 90 days from now."""
        with call.database.transaction() as tx:
            environments.extend(tx, call.principal, Service(service), environment, data.by)
            return EnvironmentShape.of(place(tx, call.principal, service, environment))

    @api.post(_INSTANCE + "/replace", status=202)
    def replace_instance(call: Call, service: str, environment: str, instance: str) -> InstanceShape:
        """Have an instance replaced. One that is routed loses no request: its successor is healthy before it ends."""
        with call.database.transaction() as tx:
            found = member(tx, call.principal, service, environment, instance)
            return InstanceShape.of(environments.request_replacement(tx, call.principal, InstanceId(found.id)))

    return [
        list_all_environments,
        list_environments,
        show_environment,
        extend_environment,
        replace_instance,
        *_logs(member),
    ]


class Finder(Protocol):
    def __call__(
        self, reading: Reading, principal: Principal, service: str, environment: str, instance: str
    ) -> InstanceView: ...


def _logs(member: Finder) -> Handlers:
    def read(
        database: Database, principal: Principal, where: tuple[str, str, str], start: int, limit: int
    ) -> InstanceLog:
        with database.reading() as reading:
            found = member(reading, principal, *where)
        if not found.log.is_dir():
            return InstanceLog(instance=found.id, lines=[], next=1, total=0, dropped=0, complete=False)
        reader = LogReader(found.log)
        page = reader.tail(limit) if start == 0 else reader.lines(start - 1, limit)
        return InstanceLog(
            instance=found.id,
            lines=[
                LogLineShape(
                    n=line.number + 1, at=line.at_ms, section=line.section, kind=line.kind, spans=spans(line.text)
                )
                for line in page.lines
            ],
            next=page.next + 1,
            total=page.total,
            dropped=page.dropped,
            complete=page.complete,
        )

    @api.get(_INSTANCE + "/log")
    async def read_instance_log(
        call: Call,
        service: str,
        environment: str,
        instance: str,
        start: _Line = 1,
        limit: _Lines = 1000,
        wait: _Wait = 0,
    ) -> InstanceLog:
        """A page of an instance's output; with `wait` it answers once there are lines from `start` on."""
        ask = partial(read, call.database, call.principal, (service, environment, instance), start, limit)
        answer = await to_thread.run_sync(ask)
        end = time.monotonic() + wait
        while not answer.lines and not answer.complete and time.monotonic() < end:
            await anyio.sleep(_LOOK)
            answer = await to_thread.run_sync(ask)
        return answer

    @api.get(_INSTANCE + "/log/text", media_type="text/plain")
    def download_instance_log(call: Call, service: str, environment: str, instance: str) -> Stream:
        """An instance's output as plain text, without colours."""
        with call.database.reading() as reading:
            found = member(reading, call.principal, service, environment, instance)
        name = f"{service}-{environment}-{found.process}-{found.number}.log"
        return Stream(
            _plain(LogReader(found.log)) if found.log.is_dir() else iter(()),
            media_type="text/plain; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    return [read_instance_log, download_instance_log]


def _plain(reader: LogReader) -> Iterator[bytes]:
    start = 0
    while True:
        page = reader.lines(start, 2000)
        yield "".join(f"{plain(line.text)}\n" for line in page.lines).encode()
        if page.next <= start or page.next >= page.total:
            return
        start = page.next
