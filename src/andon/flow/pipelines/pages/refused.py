"""A push whose ``andon.yaml`` could not be used: nothing ran, and every fault is shown with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from andon.flow.pipelines.contract import RunRefused
from andon.flow.pipelines.pages.places import LIST, list_address
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access.contract import People
from andon.kernel.errors import NotFound
from andon.kernel.events import Envelope
from andon.kernel.events.record import find
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import Fact, State
from andon.web.rendering import plural
from andon.web.shell import Crumb, Page

if TYPE_CHECKING:
    from andon.flow.pipelines.pages.run import Commits

_PLACE = re.compile(r"(?P<place>[^\s:]+:\d+:\d+): (?P<says>.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultShown:
    place: str
    """``file:line:column``, or empty for what concerns the whole."""
    says: str
    excerpt: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    id: str
    position: int
    service: Service
    commit: CommitHash
    branch: str
    person: str | None
    at: datetime
    faults: tuple[FaultShown, ...]
    closing: str

    @property
    def href(self) -> str:
        return f"{LIST}/refused/{self.id}"

    @property
    def says(self) -> str:
        """The first fault in one line."""
        if not self.faults:
            return self.closing
        first = self.faults[0]
        more = f" and {len(self.faults) - 1} more" if len(self.faults) > 1 else ""
        return f"{first.place}: {first.says}{more}" if first.place else f"{first.says}{more}"


def refusal(envelope: Envelope) -> Refused | None:
    happened = envelope.decode()
    if not isinstance(happened, RunRefused):
        return None
    faults, closing = read_faults(happened.faults)
    return Refused(
        id=envelope.id,
        position=envelope.position,
        service=happened.service,
        commit=happened.commit,
        branch=happened.branch,
        person=envelope.actor.person,
        at=envelope.at,
        faults=faults,
        closing=closing,
    )


def read_faults(lines: tuple[str, ...]) -> tuple[tuple[FaultShown, ...], str]:
    """The printed faults taken apart again, and the words behind them."""
    found: list[tuple[str, str, list[str], list[str]]] = []
    closing: list[str] = []
    for line in lines:
        if (start := _PLACE.fullmatch(line)) is not None:
            found.append((start["place"], start["says"], [], []))
        elif line.startswith("    expected: ") and found:
            found[-1][3].append(line.removeprefix("    expected: "))
        elif line.startswith("    ") and found:
            found[-1][2].append(line[4:])
        else:
            closing.append(line)
    faults = tuple(
        FaultShown(place=place, says=says, excerpt="\n".join(excerpt), expected=" ".join(expected))
        for place, says, excerpt, expected in found
    )
    return faults, " ".join(closing)


def refused_pages(people: People, commits: Commits) -> Handlers:
    @page(f"{LIST}/refused/{{event:str}}")
    def refused(context: PageContext, event: str) -> Html:
        context.principal.require_reading()
        with context.database.reading() as reading:
            envelope = find(reading, event)
            found = refusal(envelope) if envelope else None
            seen = context.principal.visible_services()
            if found is None or (seen is not None and found.service not in seen):
                raise NotFound("There is no such push that you may see.", remedy="Look among the runs.")
            who = "Andon"
            if found.person:
                who = next(iter(people.names(reading, [found.person]).values()), found.person)
        commit = commits.find(found.service, found.commit)
        count = plural(len(found.faults), "fault")
        said = f"its andon.yaml has {count}" if found.faults else "its andon.yaml cannot be used"
        return context.page(
            "pipelines/refused.html",
            Page(
                title=f"{found.commit[:7]} refused",
                sentence=f"Nothing ran for {found.commit[:7]}: {said}",
                lede=commit.subject if commit else "",
                crumbs=(Crumb(found.service, list_address(service=found.service)), Crumb("Runs", LIST)),
                state=State.BAD,
                word="refused",
            ),
            refused=found,
            facts=(
                Fact("Service", found.service, href=list_address(service=found.service)),
                Fact("Commit", found.commit, mono=True, copy=True),
                Fact("Branch", found.branch, href=list_address(service=found.service, branch=found.branch)),
                Fact("Pushed by", who),
                Fact("When", found.at),
                Fact("Event", found.id, href=f"/record/{found.id}", mono=True),
            ),
        )

    return [refused]
