"""Annotations, dashboards, and the causes of what graphs show."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime, timedelta

import msgspec

from andon.feedback.graphs import storage
from andon.feedback.graphs.contract import (
    Annotated,
    AnnotationId,
    AnnotationRemoved,
    CauseKind,
    DashboardName,
    DashboardRemoved,
    DashboardSaved,
)
from andon.feedback.graphs.model.causes import CAUSES, MOST, Cause, cause_of, chosen, with_names
from andon.feedback.graphs.model.panels import Change, Dashboard, Version
from andon.flow.deployments.contract import DeploymentFinished, DeploymentState
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.access.contract import People
from andon.kernel.access.model import is_place
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from andon.kernel.events import Facets, append, page
from andon.kernel.ids import new_id
from andon.web.charts import version_series

LONGEST_ANNOTATION = 300
MOST_DASHBOARDS = 500
MOST_VERSIONS = 60
_SINCE = datetime(1990, 1, 1, tzinfo=UTC)


class GraphsService:
    """Safe to share between threads."""

    def __init__(self, people: People) -> None:
        self._people = people

    # Causes

    def causes(
        self,
        reading: Reading,
        principal: Principal,
        start: int,
        end: int,
        *,
        service: str | None = None,
        environment: str | None = None,
        most: int = MOST,
    ) -> tuple[tuple[Cause, ...], int]:
        """What happened from ``start`` to ``end`` (ms) that a graph shows, oldest first, and how many more there are
        at least. Of a service those of the service, of none all that the asker may see."""
        since, until = moment(start), moment(end + 1)
        found: list[Cause] = []
        more = 0
        for kind in CAUSES:
            facets = Facets(
                type=kind,
                service=service,
                environment=environment,
                since=since,
                until=until,
                sight=principal.sight(),
            )
            envelopes = page(reading, facets, limit=most + 1)
            more += len(envelopes) > most
            found += [cause for one in envelopes[:most] if (cause := cause_of(one)) is not None]
        drawn = storage.annotations_between(
            reading.connection,
            since,
            until,
            services=principal.visible_services(),
            service=service,
            environment=environment,
            limit=most + 1,
        )
        more += len(drawn) > most
        found += [_annotation(one) for one in drawn[:most]]
        kept, left_out = chosen(found, most)
        names = self._people.names(reading, {one.who for one in kept if one.who != "Andon"})
        known = {str(person): name for person, name in names.items()}
        return with_names(kept, lambda who: known.get(who, who)), left_out + more

    def version_colours(
        self, reading: Reading, service: str, environment: str | None, start: int, end: int
    ) -> dict[str, int]:
        """A colour for each version that was deployed from ``start`` to ``end`` (ms) and for the one before, by 7
        characters of its commit: the same on all graphs of a page, whichever of them a graph has."""
        facets = Facets(
            type=DeploymentFinished.type, service=service, environment=environment, until=moment(end + 60_000)
        )
        commits: list[str] = []
        for envelope in page(reading, facets, limit=MOST_VERSIONS):
            happened = envelope.decode()
            if isinstance(happened, DeploymentFinished) and happened.state is DeploymentState.SUCCEEDED:
                commits.append(happened.commit)
                if envelope.at < moment(start):
                    break
        return {commit[:7]: colour for commit, colour in version_series(commits[::-1]).items()}

    # Annotations

    def annotate(
        self,
        tx: Transaction,
        principal: Principal,
        text: str,
        *,
        service: str | None = None,
        environment: str | None = None,
        at: datetime | None = None,
        until: datetime | None = None,
    ) -> AnnotationId:
        """Mark a moment. Raises ``Forbidden``, ``NotFound`` for a service out of sight, ``Invalid``."""
        self._require_writing(principal, service)
        said = " ".join(text.split())
        if not said or len(said) > LONGEST_ANNOTATION or not said.isprintable():
            raise Invalid(
                f"An annotation has between 1 and {LONGEST_ANNOTATION} characters, all of which can be seen.",
                safe="Nothing was annotated.",
                remedy="Say in one sentence what happened.",
            )
        for place in (service, environment):
            if place is not None and not is_place(place):
                raise Invalid(f"{place[:80]!r} cannot be the name of a place.", safe="Nothing was annotated.")
        if environment is not None and service is None:
            raise Invalid("An environment needs its service.", safe="Nothing was annotated.", remedy="Name both.")
        begins = at or tx.now
        if not _SINCE <= begins <= tx.now + timedelta(days=400) or (until is not None and until <= begins):
            raise Invalid(
                "The moment lies too far away, or the end before it.",
                safe="Nothing was annotated.",
                remedy="Write a moment such as 2026-11-23T14:00, and an end that lies behind it.",
            )
        identity = AnnotationId(new_id("note"))
        happened = Annotated(
            annotation=identity,
            service=None if service is None else Service(service),
            environment=environment,
            text=said,
            at=begins,
            until=until,
        )
        event = append(tx, happened, by=principal.actor)
        storage.add_annotation(
            tx.connection,
            storage.StoredAnnotation(
                id=identity,
                service=happened.service,
                environment=environment,
                text=said,
                at=begins,
                until=until,
                person=principal.person or principal.actor.id,
                event=event,
            ),
        )
        return identity

    def remove_annotation(self, tx: Transaction, principal: Principal, identity: str) -> None:
        """Raises ``NotFound``, ``Forbidden``."""
        found = storage.annotation(tx.connection, identity)
        visible = principal.visible_services()
        if found is None or not (found.service is None or visible is None or found.service in visible):
            raise NotFound(f"There is no annotation {identity[:60]!r}.")
        self._require_writing(principal, found.service)
        storage.delete_annotation(tx.connection, identity)
        gone = AnnotationRemoved(annotation=found.id, service=found.service, text=found.text)
        append(tx, gone, by=principal.actor)

    # Dashboards

    def dashboards(self, reading: Reading, principal: Principal) -> tuple[Version, ...]:
        """Those that are there and may be seen, by name."""
        principal.require_reading()
        visible = principal.visible_services()
        return tuple(
            _version(one)
            for one in storage.newest_dashboards(reading.connection)
            if not one.removed
            and (one.dashboard.service is None or visible is None or one.dashboard.service in visible)
        )

    def dashboard(self, reading: Reading, principal: Principal, name: str) -> Version:
        """Raises ``NotFound``."""
        found = storage.versions(reading.connection, name, 1)
        if not found or found[0].removed or not self._sees(principal, found[0].dashboard):
            raise NotFound(f"There is no dashboard {name[:60]!r}.", remedy="See which there are: /graphs/dashboards")
        return _version(found[0])

    def history(self, reading: Reading, principal: Principal, name: str, limit: int = 30) -> tuple[Version, ...]:
        """Its versions, newest first, each with what it changed. Raises ``NotFound``."""
        found = storage.versions(reading.connection, name, limit + 1)
        if not found or not self._sees(principal, found[0].dashboard):
            raise NotFound(f"There is no dashboard {name[:60]!r}.")
        before = [*found[1:], None]
        told = []
        for one, former in list(zip(found, before, strict=True))[:limit]:
            old = former.dashboard if former is not None and self._sees(principal, former.dashboard) else None
            changes = () if one.removed else difference(old, one.dashboard)
            told.append(_with(one, changes))
        return tuple(told)

    def save(self, tx: Transaction, principal: Principal, dashboard: Dashboard) -> Version:
        """Make a dashboard or change it; the same definition again changes nothing.

        Raises ``Forbidden``, ``Invalid``, and ``Conflict`` where somebody else saved it in the same moment.
        """
        dashboard.check()
        self._require_writing(principal, dashboard.service)
        former = self._former(tx, principal, dashboard.name)
        if former is not None and not former.removed and former.dashboard == dashboard:
            return _version(former)
        if former is None and len(storage.newest_dashboards(tx.connection)) >= MOST_DASHBOARDS:
            raise Invalid(f"There are {MOST_DASHBOARDS} dashboards.", safe="Nothing was saved.", remedy="Remove some.")
        made = self._write(tx, principal, dashboard, former, removed=False)
        append(
            tx,
            DashboardSaved(
                dashboard=dashboard.name,
                service=dashboard.service,
                version=made.version,
                panels=len(dashboard.panels),
            ),
            by=principal.actor,
        )
        return _version(made)

    def remove(self, tx: Transaction, principal: Principal, name: str) -> None:
        """Raises ``NotFound``, ``Forbidden``."""
        former = self._former(tx, principal, DashboardName(name))
        if former is None or former.removed:
            raise NotFound(f"There is no dashboard {name[:60]!r}.")
        made = self._write(tx, principal, former.dashboard, former, removed=True)
        gone = DashboardRemoved(dashboard=former.dashboard.name, service=former.dashboard.service, version=made.version)
        append(tx, gone, by=principal.actor)

    def may_write(self, principal: Principal, service: str | None) -> bool:
        """Whether somebody may annotate, and make dashboards: whoever may push to the service, or to any."""
        if service is not None:
            return principal.may(Permission.PUSH, service)
        return any(principal.may(Permission.PUSH, one.service, one.environment) for one in principal.grants)

    # Inside

    def _former(self, tx: Transaction, principal: Principal, name: str) -> storage.StoredDashboard | None:
        found = storage.versions(tx.connection, name, 1)
        if not found:
            return None
        if not self._sees(principal, found[0].dashboard):
            raise Conflict(f"The name {name!r} is taken.", safe="Nothing was saved.", remedy="Choose another one.")
        self._require_writing(principal, found[0].dashboard.service)
        return found[0]

    def _write(
        self,
        tx: Transaction,
        principal: Principal,
        dashboard: Dashboard,
        former: storage.StoredDashboard | None,
        *,
        removed: bool,
    ) -> storage.StoredDashboard:
        number = 1 if former is None else former.version + 1
        made = storage.StoredDashboard(dashboard, number, removed, tx.now, principal.person or principal.actor.id)
        if not storage.add_version(tx.connection, dashboard.name, made):
            raise Conflict(
                f"Somebody else saved {dashboard.name!r} in this moment.",
                safe="Theirs is kept.",
                remedy="Look at it and save yours again.",
            )
        return made

    def _require_writing(self, principal: Principal, service: str | None) -> None:
        if service is not None:
            principal.require_sight(service)
            principal.require(Permission.PUSH, service)
        elif not self.may_write(principal, None):
            raise Forbidden(
                "You may not annotate graphs or make dashboards.",
                safe="Nothing was changed.",
                remedy="Ask an administrator for the role 'contributor' on a service.",
            )

    @staticmethod
    def _sees(principal: Principal, dashboard: Dashboard) -> bool:
        visible = principal.visible_services()
        return dashboard.service is None or visible is None or dashboard.service in visible


def moment(milliseconds: int) -> datetime:
    """A moment of milliseconds since 1970. Raises :class:`Invalid` for one that no calendar has."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        raise Invalid("That is no moment.", remedy="Write milliseconds since 1970.") from None


def difference(old: Dashboard | None, new: Dashboard) -> tuple[Change, ...]:
    """Line by line, with two lines round each change."""
    before = [] if old is None else definition_text(old).splitlines()
    told = difflib.unified_diff(before, definition_text(new).splitlines(), lineterm="", n=2)
    return tuple(Change(sign=line[:1], text=line[1:]) for line in list(told)[2:402] if not line.startswith("@@"))


def definition_text(dashboard: Dashboard) -> str:
    """As JSON with one line a field: what is kept as code and compared. YAML readers read it too."""
    return msgspec.json.format(msgspec.json.encode(dashboard), indent=2).decode() + "\n"


def _annotation(one: storage.StoredAnnotation) -> Cause:
    return Cause(
        id=one.id,
        kind=CauseKind.ANNOTATION,
        time=int(one.at.timestamp() * 1000),
        until=None if one.until is None else int(one.until.timestamp() * 1000),
        title=one.text,
        who=one.person,
        service=one.service or "",
        environment=one.environment or "",
        href=f"/record/{one.event}",
    )


def _version(one: storage.StoredDashboard) -> Version:
    return _with(one, ())


def _with(one: storage.StoredDashboard, changes: tuple[Change, ...]) -> Version:
    return Version(
        dashboard=one.dashboard,
        version=one.version,
        removed=one.removed,
        at=int(one.at.timestamp() * 1000),
        person=one.person,
        changes=changes,
    )
