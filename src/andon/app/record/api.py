"""The API of the record."""

from __future__ import annotations

import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

from anyio import to_thread
from litestar.params import PathParameter, QueryParameter
from litestar.response import Response

from andon.app.record.views import (
    ChainState,
    CloudEvent,
    Deliveries,
    DeliveryView,
    EventPage,
    KeptSeal,
    SealRequest,
    SealState,
)
from andon.kernel.access import Permission
from andon.kernel.db import Database, Reading
from andon.kernel.errors import Invalid, NotFound
from andon.kernel.events import Facets, page
from andon.kernel.events.checkpoint import fingerprint, verify_against
from andon.kernel.events.reactions import discard_delivery, failed_deliveries, retry_delivery
from andon.kernel.events.record import find
from andon.kernel.events.seal import Seal, newest_seal, trusted_keys, unsealed_after, verify
from andon.web.http import api
from andon.web.http.api import Call, Handlers
from andon.web.http.live import LiveFeed
from andon.web.telling import Teller, text_of

MOST = 500
_SOURCE = "/andon"

_Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="Events at most.")]
_Position = Annotated[int | None, QueryParameter(ge=0, le=2**63 - 1)]
_Where = Annotated[int, PathParameter(ge=0, le=2**63 - 1, description="The event's position.")]
_Sentences = Annotated[
    bool, QueryParameter(description="With `andonsentence`: who did what, in words. It names people, and so do copies.")
]
_Wait = Annotated[float, QueryParameter(ge=0, le=30, description="Seconds to wait for news (with `after`).")]


def record_routes(key: Path) -> Handlers:
    @api.get("/events")
    async def list_events(
        call: Call,
        feed: LiveFeed,
        teller: Teller,
        type: str | None = None,
        subject: str | None = None,
        actor: str | None = None,
        person: str | None = None,
        service: str | None = None,
        environment: str | None = None,
        run: str | None = None,
        deployment: str | None = None,
        commit: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: _Position = None,
        after: _Position = None,
        limit: _Limit = 100,
        wait: _Wait = 0,
        sentences: _Sentences = False,
    ) -> EventPage:
        """Events newest first, or with `after` those behind that position, oldest first.

        `type` may end in `*`; `commit` takes four characters or more; moments need a time zone.
        """
        call.principal.require_reading()
        facets = Facets(
            type=type,
            subject=subject,
            actor=actor,
            person=person,
            service=service,
            environment=environment,
            run=run,
            deployment=deployment,
            commit=_commit(commit),
            since=_moment(since),
            until=_moment(until),
            sight=call.principal.sight(),
        )
        read = partial(_read, teller=teller if sentences else None)
        end = time.monotonic() + wait
        while True:
            # Events that do not match, or may not be seen, lie behind `after` for good: it is waited for what comes
            # after them, or whoever follows would ask again without a pause.
            known = feed.position
            found = await to_thread.run_sync(read, call.database, facets, before, after, limit)
            left = end - time.monotonic()
            if found.events or after is None or left <= 0 or not await feed.grown(call.caller, known, left):
                return found

    @api.get("/events/verify")
    def verify_record(call: Call) -> ChainState:
        """Check every event, seal and signature of the record."""
        call.principal.require_reading()
        with call.database.reading() as reading:
            return ChainState.of(verify(reading, trusted=trusted_keys(key)))

    @api.post("/events/verify")
    def verify_record_against(call: Call, data: SealRequest) -> ChainState:
        """Check the whole record as above, and that a seal which was kept elsewhere lies on its chain."""
        call.principal.require_reading()
        kept = Seal(**{name: getattr(data, name) for name in Seal.__slots__})
        with call.database.reading() as reading:
            return ChainState.of(verify_against(reading, kept, trusted=trusted_keys(key)))

    @api.get("/events/seal")
    def show_newest_seal(call: Call) -> SealState:
        """The newest seal, to be kept elsewhere, and how many events are not sealed yet."""
        call.principal.require_reading()
        with call.database.reading() as reading:
            return _newest(reading)

    @api.get("/events/seal/file")
    def download_newest_seal(call: Call) -> Response[bytes]:
        """The newest seal as a small file, as `andon events verify --checkpoint` takes it."""
        call.principal.require_reading()
        with call.database.reading() as reading:
            found = _newest(reading).seal
        if found is None:
            raise NotFound("Nothing has been sealed yet.", remedy="A worker seals every two seconds; see: andon status")
        return Response(
            found.written(),
            media_type="application/json",
            headers={"content-disposition": f'attachment; filename="andon-checkpoint-{found.number}.json"'},
        )

    @api.get("/events/{event:str}")
    def show_event(call: Call, event: str) -> CloudEvent:
        """One event by its id."""
        call.principal.require_reading()
        with call.database.reading() as reading:
            found = find(reading, event)
        if found is None or not call.principal.sight().covers(found):
            raise NotFound("There is no such event that you may see.", remedy="Look at the id.")
        return CloudEvent.of(found, _SOURCE)

    @api.get("/dead-letters")
    def list_dead_letters(call: Call) -> Deliveries:
        """Reactions that failed: those still being retried, and those given up."""
        call.principal.require(Permission.ADMINISTER)
        with call.database.reading() as reading:
            return Deliveries(deliveries=[DeliveryView.of(one) for one in failed_deliveries(reading)])

    @api.post("/dead-letters/{reaction:str}/{position:int}/retry", status=202)
    def retry_dead_letter(call: Call, reaction: str, position: _Where) -> Deliveries:
        """Try a failed reaction again now."""
        call.principal.require(Permission.ADMINISTER)
        with call.database.transaction() as tx:
            retry_delivery(tx, reaction, position)
            return Deliveries(deliveries=[DeliveryView.of(one) for one in failed_deliveries(tx)])

    @api.post("/dead-letters/{reaction:str}/{position:int}/discard")
    def discard_dead_letter(call: Call, reaction: str, position: _Where) -> Deliveries:
        """Give a failed reaction up for good."""
        call.principal.require(Permission.ADMINISTER)
        with call.database.transaction() as tx:
            discard_delivery(tx, reaction, position)
            return Deliveries(deliveries=[DeliveryView.of(one) for one in failed_deliveries(tx)])

    return [
        list_events,
        verify_record,
        verify_record_against,
        show_newest_seal,
        download_newest_seal,
        show_event,
        list_dead_letters,
        retry_dead_letter,
        discard_dead_letter,
    ]


def _newest(reading: Reading) -> SealState:
    found = newest_seal(reading)
    return SealState(
        seal=None if found is None else KeptSeal.of(found, fingerprint(found.key)),
        unsealed=unsealed_after(reading, found.last if found else 0),
    )


def _read(
    database: Database, facets: Facets, before: int | None, after: int | None, limit: int, *, teller: Teller | None
) -> EventPage:
    with database.reading() as reading:
        found = page(reading, facets, before=before, after=after, limit=limit)
        told = [""] * len(found) if teller is None else [text_of(one) for one in teller.lines(reading, found)]
    return EventPage(
        events=[CloudEvent.of(one, _SOURCE, sentence) for one, sentence in zip(found, told, strict=True)],
        next=found[-1].position if len(found) == limit else None,
    )


def _commit(text: str | None) -> str | None:
    if text is not None and len(text) < 4:
        raise Invalid("A commit needs at least four characters.", remedy="Write more of it.")
    return text


def _moment(at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise Invalid("A moment needs a time zone.", remedy="Add Z for UTC, or an offset such as +02:00.")
    return at
