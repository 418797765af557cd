"""Counting lines, and what the record knows of the services whose lines are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from andon.feedback.logs import storage
from andon.feedback.logs.contract import CountedLine, CountId, CountingEnded, LineCounted
from andon.feedback.telemetry.contract.searching import parse
from andon.flow.deployments.contract import DeploymentFinished, DeploymentState
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Conflict, Invalid, NotFound
from andon.kernel.events import Facets, append, page
from andon.kernel.ids import new_id

MOST_COUNTED = 100
"""Of one service: each line of it is held against every one."""
LONGEST_QUERY = 500
LONGEST_METRIC = 200
MOST_DEPLOYMENTS = 40
_METRIC = re.compile(r"[a-zA-Z_][a-zA-Z0-9_:.]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SAFE = "Nothing is counted that was not counted before."


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A version that was put somewhere, or was to be."""

    deployment: str
    service: str
    environment: str
    version: str
    """Seven characters, as lines bear it."""
    at: int
    """Microseconds since 1970."""
    succeeded: bool
    after: int = 0
    """When the deployment before it, of another version, had ended: until then nothing was said by this one, unless it
    has come back."""


class LogsService:
    """Implements :class:`~andon.feedback.logs.contract.CountedLines`. Safe to share between threads."""

    def counted(self, reading: Reading) -> Sequence[CountedLine]:
        return storage.counted(reading.connection)

    def counted_for(
        self, reading: Reading, principal: Principal, service: str | None = None
    ) -> tuple[CountedLine, ...]:
        """Those that somebody may see. Raises ``NotFound`` for a service out of sight."""
        principal.require_reading()
        if service is not None:
            principal.require_sight(service)
        visible = principal.visible_services()
        return tuple(
            one for one in storage.counted(reading.connection, service) if visible is None or one.service in visible
        )

    def may_count(self, principal: Principal, service: str) -> bool:
        return bool(service) and principal.may(Permission.PUSH, service)

    def count(
        self, tx: Transaction, principal: Principal, service: str, metric: str, query: str, *, known: bool = False
    ) -> CountedLine:
        """Count lines from now on. ``known``: ``andon.yaml`` counts this metric already.

        Raises ``NotFound`` for a service out of sight, ``Forbidden``, ``Invalid``, ``Conflict`` for a metric of the
        service that counts something already.
        """
        principal.require_sight(service)
        principal.require(Permission.PUSH, service)
        metric, query = metric.strip(), query.strip()
        if len(metric) > LONGEST_METRIC or _METRIC.fullmatch(metric) is None:
            raise Invalid(
                f"{metric[:60]!r} cannot be the name of a metric.",
                safe=_SAFE,
                remedy="Use letters, digits, _, : and dots, a letter first: payment.refused",
            )
        if len(query) > LONGEST_QUERY or _CONTROL.search(query):
            raise Invalid(
                f"What lines are found with has at most {LONGEST_QUERY} characters, all of which can be seen.",
                safe=_SAFE,
                remedy="Leave some words out.",
            )
        if not parse(query):
            raise Invalid("A search for nothing counts every line.", safe=_SAFE, remedy="Say which lines are meant.")
        if len(storage.counted(tx.connection, service)) >= MOST_COUNTED:
            raise Invalid(f"{service} has {MOST_COUNTED} metrics of lines.", safe=_SAFE, remedy="End some.")
        made = CountedLine(
            id=CountId(new_id("count")),
            service=Service(service),
            metric=metric,
            query=query,
            at=tx.now,
            person=principal.person or principal.actor.id,
        )
        if known or not storage.add(tx.connection, made):
            raise Conflict(
                f"{service} counts lines as {metric!r} already.",
                safe=_SAFE,
                remedy="Give the metric another name, or end the counting there is: /logs/counted",
            )
        append(tx, LineCounted(count=made.id, service=made.service, metric=metric, query=query), by=principal.actor)
        return made

    def end(self, tx: Transaction, principal: Principal, identity: str) -> CountedLine:
        """Count it no longer. Raises ``NotFound``, ``Forbidden``."""
        found = storage.find(tx.connection, identity)
        visible = principal.visible_services()
        if found is None or not (visible is None or found.service in visible):
            raise NotFound(f"Nothing is counted as {identity[:60]!r}.", remedy="See what is: /logs/counted")
        principal.require(Permission.PUSH, found.service)
        storage.remove(tx.connection, found.id)
        gone = CountingEnded(count=found.id, service=found.service, metric=found.metric)
        append(tx, gone, by=principal.actor)
        return found

    def deployments(
        self, reading: Reading, principal: Principal, start: int, end: int, service: str | None = None
    ) -> tuple[Deployed, ...]:
        """Those that ended between two moments (microseconds), oldest first; of what may be seen."""
        facets = Facets(
            type=DeploymentFinished.type,
            service=service,
            since=_moment(start),
            until=_moment(end),
            sight=principal.sight(),
        )
        told = (_deployed(one.decode(), one.at) for one in page(reading, facets, limit=MOST_DEPLOYMENTS))
        return tuple(one for one in told if one is not None)[::-1]

    def last_deployment(self, reading: Reading, principal: Principal, service: str) -> Deployed | None:
        """The last one that brought another version than the one before; ``None`` where there was no version before,
        and so nothing that could be new."""
        facets = Facets(type=DeploymentFinished.type, service=service, sight=principal.sight())
        newest: Deployed | None = None
        for envelope in page(reading, facets, limit=MOST_DEPLOYMENTS):
            one = _deployed(envelope.decode(), envelope.at)
            if one is None or not one.succeeded:
                continue
            if newest is not None and one.version != newest.version:
                return replace(newest, after=one.at)
            newest = one if newest is None or one.version == newest.version else newest
        return None


def _deployed(happened: object, at: datetime) -> Deployed | None:
    if not isinstance(happened, DeploymentFinished):
        return None
    return Deployed(
        deployment=happened.deployment,
        service=happened.service,
        environment=happened.environment,
        version=happened.commit[:7],
        at=int(at.timestamp() * 1_000_000),
        succeeded=happened.state is DeploymentState.SUCCEEDED,
    )


def _moment(microseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    except (OverflowError, ValueError, OSError):
        raise Invalid("That is no moment.", remedy="Write one such as 2026-11-23T14:00.") from None
