"""The record's pages: every event with facets, one event, the chain, and what could not be delivered."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from andon.app.record.reading import (
    ADDRESS,
    address,
    asked,
    chosen,
    facets,
    known_in,
    names_in,
    sentence,
    understood,
)
from andon.kernel.access import Permission
from andon.kernel.access.contract import People
from andon.kernel.access.people import all_people
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid, NotFound
from andon.kernel.events import Envelope, event_types
from andon.kernel.events import page as page_of
from andon.kernel.events.reactions import discard_delivery, failed_deliveries, retry_delivery
from andon.kernel.events.record import find
from andon.kernel.events.seal import newest_seal, trusted_keys, verify
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.model import EventLine, Fact, Fold, State
from andon.web.shell import Action, Crumb, Page
from andon.web.telling import folded, text_of

SHOWN = 50
_RECORD = Crumb("Record", ADDRESS)


def record_pages(people: People, key: Path) -> Handlers:
    return [*_reading(people, key), *_dead_letters()]


def _reading(people: People, key: Path) -> Handlers:
    def found_in(context: PageContext, reading: Reading) -> tuple[Envelope, ...]:
        context.principal.require_reading()
        wanted = asked(context.query, context.principal, reading.now)
        return page_of(reading, wanted, before=_position(context.query.get("before")), limit=SHOWN + 1)

    def older(context: PageContext, found: tuple[Envelope, ...]) -> str:
        if len(found) <= SHOWN:
            return ""
        return _with(address(context.query), f"before={found[SHOWN - 1].position}")

    @page(ADDRESS)
    def record(context: PageContext) -> Html:
        if words := context.query.get("q", "").strip():
            with context.database.reading() as reading:
                by_name = {one.name.casefold(): str(one.id) for one in all_people(reading)}
            return context.go(address({}, understood(words, by_name)))
        with context.database.reading() as reading:
            found = found_in(context, reading)
            shown = found[:SHOWN]
            drawn = context.told(reading, shown)
            wanted = asked(context.query, context.principal, reading.now)
            known = known_in(reading, wanted)
            names = names_in(reading, shown, known, people, context.query)
            groups = facets(context.query, known, names)
            seal = newest_seal(reading)
            dead = sum(one.next_at is None for one in failed_deliveries(reading))
        earlier = context.query.get("before")
        return context.page(
            "record/record.html",
            Page(title="Record", sentence=sentence(context.query, names), wide=True),
            older=older(context, found),
            newer=address(context.query) if earlier else "",
            region="" if earlier else address(context.query, path=f"{ADDRESS}/lines"),
            export=_export(context, wanted.since),
            filtered=any(context.query.get(name) for name in context.query if name != "before"),
            administers=context.principal.may(Permission.ADMINISTER),
            events=_drawn(context, drawn),
            facets=groups,
            chosen=chosen(context.query, names),
            shown=len(shown),
            seal=seal,
            dead=dead,
        )

    @page(f"{ADDRESS}/lines")
    def record_lines(context: PageContext) -> Html:
        with context.database.reading() as reading:
            found = found_in(context, reading)
            drawn = context.told(reading, found[:SHOWN])
        return context.part(
            "record/lines.html",
            events=_drawn(context, drawn),
            shown=len(drawn),
            region=address(context.query, path=f"{ADDRESS}/lines"),
            older=older(context, found),
            newer="",
            filtered=True,
        )

    @page(f"{ADDRESS}/verify")
    def record_verify(context: PageContext) -> Html:
        context.principal.require_reading()
        with context.database.reading() as reading:
            state = verify(reading, trusted=trusted_keys(key))
        sound = state.fault is None
        return context.page(
            "record/verify.html",
            Page(
                title="Chain",
                sentence=f"{state.events} events are whole" if sound else "The record was changed",
                lede=state.fault or "Every event, every seal and every signature was checked just now.",
                crumbs=(_RECORD,),
                state=State.OK if sound else State.BAD,
                word="sound" if sound else "broken",
            ),
            facts=(
                Fact("Sealed up to position", state.sealed_to),
                Fact("Seals", state.seals),
                Fact("Events in them", state.events),
                Fact("Not sealed yet", state.unsealed),
            ),
            sound=sound,
            sealed=state.seals > 0,
        )

    @page(f"{ADDRESS}/{{event:str}}")
    def record_event(context: PageContext, event: str) -> Html:
        context.principal.require_reading()
        with context.database.reading() as reading:
            one = find(reading, event)
            if one is None or not context.principal.sight().covers(one):
                raise NotFound("There is no such event that you may see.", remedy="Look in the record.")
            (line,) = context.told(reading, (one,))
        kind = event_types().get(one.type)
        words = _first_sentence(kind.__doc__ or "") if kind else ""
        return context.page(
            "record/event.html",
            Page(
                title="Event",
                sentence=_said(line),
                lede=line.detail,
                crumbs=(_RECORD, Crumb(f"{one.position:,}", f"{ADDRESS}/{one.id}")),
            ),
            facts=(
                Fact("When", one.at),
                Fact("By", f"{line.actor} {line.how}".rstrip(), href=_by(one)),
                Fact("Recorded as", str(one.actor), mono=True),
                *((Fact("What that is", words),) if words else ()),
                Fact("About", one.subject, href=address({}, {"subject": one.subject}), mono=True, copy=True),
                *(
                    Fact(name.capitalize(), value, href=address({}, {name: value}), mono=name == "commit")
                    for name, value in one.facets.items()
                ),
                Fact("Type", one.type, href=address({}, {"type": one.type}), mono=True),
                *((Fact("CDEvents", one.cdevents, mono=True),) if one.cdevents else ()),
                Fact("Position", one.position),
                Fact("Id", one.id, mono=True, copy=True),
                Fact("Digest", one.digest, mono=True, copy=True),
            ),
            line=line,
            data=msgspec.json.format(one.data, indent=2).decode(),
        )

    return [record, record_lines, record_verify, record_event]


def _dead_letters() -> Handlers:
    @page("/dead-letters")
    def dead_letters(context: PageContext) -> Html:
        context.principal.require(Permission.ADMINISTER)
        with context.database.reading() as reading:
            found = failed_deliveries(reading)
            events = {one.position: _at(reading, one.position) for one in found}
        dead = sum(one.next_at is None for one in found)
        return context.page(
            "record/dead_letters.html",
            Page(
                title="Dead letters",
                sentence="Everything was delivered" if not found else f"{dead} given up, {len(found) - dead} retried",
                lede="What Andon should have done because something happened, and could not.",
                crumbs=(_RECORD,),
                state=State.BAD if dead else State.WARN if found else State.OK,
                word="dead letters" if dead else "retried" if found else "delivered",
            ),
            deliveries=[
                (
                    one,
                    events[one.position],
                    Action("Try again", f"/dead-letters/{one.reaction}/{one.position}/retry", icon="retry"),
                    Action(
                        "Discard",
                        f"/dead-letters/{one.reaction}/{one.position}/discard",
                        kind="danger",
                        confirm=one.reaction,
                        warning="The reaction will never see this event.",
                    ),
                )
                for one in found
            ],
        )

    @deed("/dead-letters/{reaction:str}/{position:int}/retry")
    def retry(context: PageContext, reaction: str, position: int) -> Html:
        context.principal.require(Permission.ADMINISTER)
        with context.database.transaction() as tx:
            retry_delivery(tx, reaction, position)
        return context.go("/dead-letters")

    @deed("/dead-letters/{reaction:str}/{position:int}/discard")
    def discard(context: PageContext, reaction: str, position: int) -> Html:
        context.principal.require(Permission.ADMINISTER)
        if context.required("confirm") != reaction:
            raise Invalid("The name typed is not the reaction's.", safe="Nothing was discarded.", remedy="Go back.")
        with context.database.transaction() as tx:
            discard_delivery(tx, reaction, position)
        return context.go("/dead-letters")

    return [dead_letters, retry, discard]


def _by(one: Envelope) -> str:
    return address({}, {"person": one.actor.person}) if one.actor.person else ""


def _first_sentence(text: str) -> str:
    """As a heading: without full stop, and without what follows a semicolon, which explains fields to programmers."""
    plain = " ".join(text.split()).replace("`", "")
    return plain.partition(". ")[0].partition(";")[0].rstrip(".")


def _at(reading: Reading, position: int) -> Envelope | None:
    return next(iter(page_of(reading, after=position - 1, limit=1)), None)


def _said(line: EventLine) -> str:
    """The sentence without its small print, as the page's first."""
    return text_of(replace(line, detail=""))


def _export(context: PageContext, since: datetime | None) -> str:
    """What is shown, for programs: the address names the moment, as the API knows no "last 7 days"."""
    found = address(context.query, {"when": None, "steps": None}, "/api/v1/events")
    return found if since is None else _with(found, urlencode({"since": since.isoformat(timespec="seconds")}))


def _drawn(context: PageContext, lines: tuple[EventLine, ...]) -> tuple[EventLine | Fold, ...]:
    """Small steps as one line, unless somebody wants each, or asked for events of one kind or of one thing."""
    narrow = context.query.get("type") or context.query.get("subject") or context.query.get("steps") == "all"
    return lines if narrow else folded(lines)


def _position(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else None


def _with(target: str, more: str) -> str:
    return f"{target}{'&' if '?' in target else '?'}{more}"
