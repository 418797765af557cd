"""Segments and their members."""

from __future__ import annotations

from typing import Annotated

from litestar.params import Parameter

from andon.flow.flags.desk import Desk
from andon.flow.flags.model.outcomes import Outcome
from andon.flow.flags.views.segments import (
    MembersChange,
    MembersPart,
    SegmentDetails,
    SegmentDone,
    SegmentHistory,
    SegmentList,
    SegmentPut,
    SegmentShape,
    SegmentUse,
    SegmentVersionShape,
    Upload,
)
from andon.flow.sources.contract import Service
from andon.kernel.access import Principal
from andon.kernel.db import Reading
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_Limit = Annotated[int, Parameter(ge=1, le=500)]


def segment_routes(desk: Desk) -> Handlers:
    segments = desk.segments

    def details(reading: Reading, principal: Principal, name: str, outcome: Outcome | None = None) -> SegmentDetails:
        found = segments.get(reading, principal, name)
        members = segments.members(reading, found)
        visible = principal.visible_services()
        return SegmentDetails(
            segment=SegmentShape.of(found),
            members=None if members is None else list(members),
            uses=[
                SegmentUse(service=one.service, environment=one.environment, flag=one.flag)
                for one in segments.uses(reading, name)
                if visible is None or one.service in visible
            ],
            releases=[
                f"{service}/{environment}"
                for service, environment in segments.changes.releases(reading, name)
                if visible is None or service in visible
            ],
            warnings=[] if outcome is None else list(outcome.warnings),
            waiting=[shape for _, shape in desk.segment_proposals(reading, principal, segment=found)],
            proposal=None if outcome is None else outcome.proposal,
        )

    @api.get("/segments")
    def list_segments(call: Call) -> SegmentList:
        """Segments of the services that you may see; every service's flags may name each."""
        call.principal.require_reading()
        with call.database.reading() as reading:
            return SegmentList(segments=[SegmentShape.of(one) for one in segments.all(reading, call.principal)])

    @api.get("/segments/{segment:str}")
    def show_segment(call: Call, segment: str) -> SegmentDetails:
        """Who belongs to it, and which flags name it."""
        with call.database.reading() as reading:
            return details(reading, call.principal, segment)

    @api.get("/segments/{segment:str}/history")
    def segment_history(call: Call, segment: str, limit: _Limit = 100) -> SegmentHistory:
        """Every version, newest first: what has changed, by whom, why."""
        with call.database.reading() as reading:
            found = segments.get(reading, call.principal, segment)
            versions = desk.segment_history(reading, found, limit=limit)
            return SegmentHistory(versions=[SegmentVersionShape.of(*one) for one in versions])

    @api.put("/segments/{segment:str}")
    def put_segment(call: Call, segment: str, data: SegmentPut) -> SegmentDetails:
        """Make a segment of a service, or change its conditions; its members stay."""
        with call.database.transaction() as tx:
            outcome = segments.put(
                tx,
                call.principal,
                Service(data.service),
                segment,
                when=tuple(tuple(one.meant() for one in every) for every in data.when),
                description=data.description,
                why=data.why,
            )
            return details(tx, call.principal, segment, outcome)

    @api.delete("/segments/{segment:str}")
    def remove_segment(call: Call, segment: str) -> None:
        """Remove a segment that no flag names."""
        with call.database.transaction() as tx:
            segments.remove(tx, call.principal, segment)

    @api.post("/segments/{segment:str}/members")
    def change_members(call: Call, segment: str, data: MembersChange) -> SegmentDone:
        """Add and remove some members."""
        with call.database.transaction() as tx:
            outcome = segments.change_members(
                tx, call.principal, segment, add=data.add, remove=data.remove, why=data.why
            )
            return SegmentDone.after(segments.get(tx, call.principal, segment), outcome)

    @api.post("/segments/{segment:str}/uploads", status=201)
    def begin_upload(call: Call, segment: str) -> Upload:
        """Begin a new list of up to a million members, sent in parts; it counts once it is complete."""
        with call.database.transaction() as tx:
            return Upload(upload=segments.begin_upload(tx, call.principal, segment), size=0)

    @api.post("/segments/{segment:str}/uploads/{upload:str}")
    def upload_members(call: Call, segment: str, upload: str, data: MembersPart) -> Upload:
        """A part of the new list, of up to 50,000 members; safe to repeat."""
        with call.database.transaction() as tx:
            size = segments.upload(tx, call.principal, segment, _number(upload), data.members)
            return Upload(upload=_number(upload), size=size)

    @api.post("/segments/{segment:str}/uploads/{upload:str}/complete")
    def complete_upload(
        call: Call, segment: str, upload: str, why: Annotated[str, Parameter(max_length=500)] = ""
    ) -> SegmentDone:
        """The new list counts instead of the old one, at once; or waits as a whole for a second person."""
        with call.database.transaction() as tx:
            outcome = segments.complete_upload(tx, call.principal, segment, _number(upload), why=why)
            return SegmentDone.after(segments.get(tx, call.principal, segment), outcome)

    return [
        list_segments,
        show_segment,
        segment_history,
        put_segment,
        remove_segment,
        change_members,
        begin_upload,
        upload_members,
        complete_upload,
    ]


def _number(upload: str) -> int:
    """Of an upload; 0 is none."""
    return int(upload) if upload.isascii() and upload.isdigit() and len(upload) < 10 else 0
