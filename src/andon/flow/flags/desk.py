"""What API and pages of flags ask: flags with whatever is told about them beside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from andon.flow.flags.contract import EvaluationsSeen, RampView, Served
from andon.flow.flags.model.flag import Proposal, StoredFlag, StoredSegment, StoredSetting, Version
from andon.flow.flags.model.naming import reason_of
from andon.flow.flags.model.outcomes import Outcome
from andon.flow.flags.model.pretending import pretends_words
from andon.flow.flags.model.segment import SegmentProposal, SegmentVersion
from andon.flow.flags.model.stale import Finding, finding
from andon.flow.flags.references import Aged, Remembered, Search
from andon.flow.flags.service.flags import FlagService
from andon.flow.flags.service.segment_changes import is_segment_proposal
from andon.flow.flags.service.segments import SegmentService
from andon.flow.flags.views.answers import EnvironmentSetting, FlagShape, ProposalShape, RampShape
from andon.flow.flags.views.segments import SegmentProposalShape
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access import SYSTEM, Principal
from andon.kernel.access.contract import People
from andon.kernel.db import Database, Reading, Transaction
from andon.kernel.errors import NotFound, Unavailable
from andon_flags.explaining import Explanation, explain


class NobodyCounts(EvaluationsSeen):
    """Where there is no telemetry."""

    def last_asked(self, service: Service, environment: str, flag: str) -> datetime | None:
        return None

    def served(
        self, service: Service, environment: str, flag: str, *, start: datetime, end: datetime, parts: int
    ) -> Served | None:
        return None


@dataclass(frozen=True, slots=True)
class Staleness:
    branch: str
    """The default one."""
    commit: CommitHash | None
    findings: tuple[Finding, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Named:
    """Lines that name a flag."""

    commit: CommitHash | None
    """``None``: nothing was pushed yet."""
    lines: tuple[Aged, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Desk:
    """Safe to share between threads."""

    flags: FlagService
    segments: SegmentService
    sources: Sources
    people: People
    code: Remembered
    seen: Callable[[], EvaluationsSeen]
    """Who counts evaluations; an upper room may come to do so later."""

    def known(self, reading: Reading, principal: Principal, service: str) -> Service:
        """Raises ``NotFound``, the same for what is not there and for what may not be seen."""
        principal.require_sight(service)
        found = Service(service)
        if found not in self.sources.services(reading):
            raise NotFound(
                f"There is no service {service[:80]!r}.", remedy="See which there are: andon repository list"
            )
        return found

    def shapes(self, reading: Reading, service: Service, flags: Iterable[StoredFlag]) -> list[FlagShape]:
        """Each with what it serves in every environment."""
        names = self.flags.environments(reading, service)
        pretends = self.flags.pretences(reading, service)
        guarded = {name for name in names if self.flags.needs_second_person(reading, service, name)}
        return [
            FlagShape.of(
                one,
                [
                    EnvironmentSetting.of(
                        there,
                        second_person=there.environment in guarded,
                        pretends=pretends_words(pretends.get(there.environment)),
                    )
                    for there in settings
                ],
            )
            for one, settings in self.flags.settings_of_all(reading, flags, service, names)
        ]

    def unknown(self, reading: Reading, service: Service) -> list[str]:
        """Names that programs ask for and that no flag of the service has, or an archived one."""
        there = {one.name for one in self.flags.all_of(reading, service)}
        return sorted(name for name in self.flags.asked_for(reading, service) if name not in there)

    def why(
        self,
        reading: Reading,
        flag: StoredFlag,
        environment: str,
        context: Mapping[str, object],
        at: datetime | None,
    ) -> Explanation:
        """Step by step what somebody gets, by the very evaluator that services use."""
        self.flags.setting(reading, flag, environment)  # raises for an environment that there is not
        document = self.flags.built(reading, flag.service, environment).document
        return explain(document, flag.name, context, (at or reading.now).timestamp())

    def stale(self, database: Database, principal: Principal, service: str) -> Staleness:
        """Flags that have done their work. Reads the repository: no transaction is open meanwhile."""
        with database.reading() as reading:
            owner = self.known(reading, principal, service)
            flags = self.flags.all_of(reading, owner)
            names = self.flags.environments(reading, owner)
            settings: dict[str, tuple[StoredSetting, ...]] = {
                one.name: found for one, found in self.flags.settings_of_all(reading, flags, owner, names)
            }
            asked = self.flags.asked_for(reading, owner)
            branch, commit = self.sources.default_branch(reading, owner), self._head(reading, owner)
            now = reading.now
        looked = Search({}, False) if commit is None else self.code.search(owner, commit, [one.name for one in flags])
        found = []
        for one in flags:
            last = {name: at for name, (_, at) in asked.get(one.name, {}).items()}
            for name in names:
                seen = self.last_asked(owner, name, one.name)
                if seen is not None:
                    last[name] = max(seen, last.get(name, seen))
            references = looked.found.get(one.name, ())
            stale = finding(one, settings[one.name], last, references, now, looked=looked.complete)
            if stale is not None:
                found.append(stale)
        return Staleness(branch, commit, tuple(found), looked.complete)

    def last_asked(self, service: Service, environment: str, flag: str) -> datetime | None:
        """As far as telemetry answers."""
        try:
            return self.seen().last_asked(service, environment, flag)
        except Unavailable:
            return None

    def references(
        self, database: Database, principal: Principal, service: str, flag: str, *, look: bool = True
    ) -> Named | None:
        """Where the code at the head of the default branch names a flag; ``None`` without ``look``, when nobody has
        looked since it was pushed. Reads the repository: no transaction is open meanwhile."""
        with database.reading() as reading:
            owner = self.known(reading, principal, service)
            self.flags.get(reading, principal, owner, flag)
            names = [one.name for one in self.flags.all_of(reading, owner)]
            commit = self._head(reading, owner)
        if commit is None:
            return Named(None, (), True)
        wanted = {flag, *names}
        found = self.code.search(owner, commit, wanted) if look else self.code.known(owner, commit, wanted)
        if found is None:
            return None
        return Named(commit, self.code.aged(owner, commit, flag, found.found.get(flag, ())), found.complete)

    def proposals(self, reading: Reading, found: Iterable[Proposal]) -> list[ProposalShape]:
        listed = list(found)
        names = self._names(reading, [one.person for one in listed])
        return [
            ProposalShape.of(one, names.get(one.person or ""), self.flags.difference(reading, one)) for one in listed
        ]

    def ramp_shapes(self, reading: Reading, found: Iterable[RampView]) -> list[RampShape]:
        listed = list(found)
        names = self._names(reading, [one.paused_by for one in listed])
        return [RampShape.of(one, names.get(one.paused_by or "")) for one in listed]

    def segment_proposals(
        self,
        reading: Reading,
        principal: Principal,
        *,
        service: Service | None = None,
        segment: StoredSegment | None = None,
    ) -> list[tuple[SegmentProposal, SegmentProposalShape]]:
        """Changes of segments that wait, newest first; of a service: those of its segments and of those its flags
        name."""
        found = [
            one
            for one in self.segments.changes.waiting(reading, principal, segment)
            if service is None or service == one.service or service in {place for place, _ in one.places}
        ]
        names = self._names(reading, [one.person for one in found])
        stored = {one.name: one for one in self.segments.stored(reading, {one.segment for one in found})}
        visible = principal.visible_services()
        return [
            (
                one,
                SegmentProposalShape.of(
                    one,
                    names.get(one.person or ""),
                    diff=self.segments.difference(stored[one.segment], one),
                    visible=visible,
                ),
            )
            for one in found
            if one.segment in stored
        ]

    def approve(self, tx: Transaction, principal: Principal, proposal: str) -> Outcome:
        """Of a flag or of a segment. Raises ``NotFound``, ``Forbidden``, ``Conflict``."""
        if is_segment_proposal(proposal):
            return self.segments.changes.approve(tx, principal, proposal)
        return self.flags.approve(tx, principal, proposal)

    def reject(self, tx: Transaction, principal: Principal, proposal: str, *, why: str = "") -> Outcome:
        """Of a flag or of a segment. Raises ``NotFound``, ``Forbidden``, ``Conflict``."""
        if is_segment_proposal(proposal):
            return self.segments.changes.reject(tx, principal, proposal, reason_of(why))
        return self.flags.reject(tx, principal, proposal, why=why)

    def authors(self, reading: Reading, found: Iterable[Version]) -> list[tuple[Version, str]]:
        """Each version with who made it; what Andon did in a ramp is not laid to whoever began it."""
        listed = list(found)
        names = self._names(reading, [one.person for one in listed])
        own = str(SYSTEM.actor)
        return [
            (one, "Andon" if one.actor == own else names.get(one.person or "", one.person or "Andon")) for one in listed
        ]

    def segment_history(
        self, reading: Reading, segment: StoredSegment, *, limit: int
    ) -> list[tuple[SegmentVersion, str, tuple[str, ...]]]:
        """Every version, newest first, with who made it and what it changed."""
        found = self.segments.history(reading, segment, limit=limit)
        names = self._names(reading, [one.person for one, _ in found])
        return [(one, names.get(one.person or "", one.person or "Andon"), diff) for one, diff in found]

    def _names(self, reading: Reading, people: Iterable[str | None]) -> dict[str, str]:
        wanted = {one for one in people if one}
        return {str(person): name for person, name in self.people.names(reading, wanted).items()} if wanted else {}

    def _head(self, reading: Reading, service: Service) -> CommitHash | None:
        try:
            return self.sources.resolve(service, self.sources.default_branch(reading, service))
        except NotFound:  # nothing was pushed yet
            return None
