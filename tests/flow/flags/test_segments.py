"""Segments: who belongs to them, whom a change concerns, and a million members."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from andon.flow.flags.contract import SegmentChanged
from andon.flow.flags.model.flag import SHOWN_MEMBERS
from andon.flow.flags.model.outcomes import FlagInvalid
from andon.flow.flags.model.wishes import Wanted, WantedRule
from andon.flow.sources.contract import Service
from andon.kernel.access import Grant, Role
from andon.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from andon_flags.document import Condition, Hashed, Operator, read
from tests.flow.flags.conftest import Flagged
from tests.flow.flags.test_service import EMPLOYEES, STORE, change, create, told

FRIENDS = (WantedRule(when=(Condition("targetingKey", Operator.IN_SEGMENT, ("friends",)),), serve="on"),)


def put(place: Flagged, name: str = "friends", when: tuple[tuple[Condition, ...], ...] = ((EMPLOYEES,),)) -> None:
    with place.installation.database.transaction() as tx:
        place.segments.put(tx, place.maxine, STORE, name, when=when)


def test_nobody_reads_the_members_of_a_segment_by_naming_it_in_a_flag_of_their_own(here: Flagged) -> None:
    here.installation.create(Service("payroll"))
    erik = here.installation.sign_up("Erik", Grant(Role.DEVELOPER, "payroll"))
    with here.installation.database.transaction() as tx:
        here.segments.put(tx, erik, Service("payroll"), "leaving", when=())
        here.segments.change_members(tx, erik, "leaving", add=("bob@parts.example",), remove=())
    create(here)

    def naming(segment: str) -> Callable[[Wanted], Wanted]:
        when = (Condition("targetingKey", Operator.IN_SEGMENT, (segment,)),)
        return lambda wanted: replace(wanted, rules=(WantedRule(id="r1", when=when, serve="on"),))

    says = []
    for segment in ("leaving", "missing"):
        with pytest.raises(FlagInvalid) as refused:
            change(here, naming(segment))
        says.append(str(refused.value).replace(segment, "NAME"))
    assert says[0] == says[1], "whether there is one is nobody's business either"
    with here.installation.database.reading() as reading:
        assert b"bob@" not in here.flags.built(reading, STORE, "production").told.content


def members(place: Flagged, *add: str, remove: tuple[str, ...] = ()) -> int:
    with place.installation.database.transaction() as tx:
        place.segments.change_members(tx, place.maxine, "friends", add=add, remove=remove)
        return place.segments.get(tx, place.maxine, "friends").size


def upload(place: Flagged, *parts: list[str]) -> int:
    with place.installation.database.transaction() as tx:
        number = place.segments.begin_upload(tx, place.maxine, "friends")
    for part in parts:
        with place.installation.database.transaction() as tx:
            place.segments.upload(tx, place.maxine, "friends", number, part)
    with place.installation.database.transaction() as tx:
        place.segments.complete_upload(tx, place.maxine, "friends", number)
        return place.segments.get(tx, place.maxine, "friends").size


def revision(place: Flagged, environment: str = "production") -> int:
    with place.installation.database.reading() as reading:
        return place.flags.document(reading, STORE, environment).revision


def test_a_segment_goes_into_the_documents_of_the_flags_that_name_it(place: Flagged) -> None:
    put(place)
    members(place, "u1", "u2")
    create(place)
    change(place, lambda wanted: replace(wanted, rules=FRIENDS))
    with place.installation.database.reading() as reading:
        there = read(place.flags.document(reading, STORE, "production").content, strict=True)
        elsewhere = read(place.flags.document(reading, STORE, "acceptance").content, strict=True)
    assert there.segments["friends"].members == {"u1", "u2"}
    assert there.segments["friends"].when == ((EMPLOYEES,),)
    assert elsewhere.segments == {}


def test_a_change_of_a_segment_is_a_revision_where_it_is_used_only(place: Flagged) -> None:
    put(place)
    create(place)
    change(place, lambda wanted: replace(wanted, rules=FRIENDS))
    before = revision(place), revision(place, "acceptance")
    members(place, "u1")
    assert (revision(place), revision(place, "acceptance")) == (before[0] + 1, before[1])
    event = told(place, SegmentChanged)[0]
    assert isinstance(event, SegmentChanged)
    assert event.sentence == "1 added: 1 member, was 0"
    assert "u1" not in str(event)


def test_members_come_and_go(place: Flagged) -> None:
    put(place)
    assert members(place, "u1", "u2", "u2") == 2
    assert members(place, "u3", remove=("u1", "nobody")) == 2
    with place.installation.database.reading() as reading:
        found = place.segments.get(reading, place.maxine, "friends")
        assert place.segments.members(reading, found) == ("u2", "u3")


def test_a_large_segment_keeps_hashes_only_and_still_knows_its_members(place: Flagged) -> None:
    put(place, when=())
    members(place, "somebody-else")
    everybody = [f"user-{number}" for number in range(SHOWN_MEMBERS * 3)]
    assert upload(place, everybody[:1500], everybody[1500:]) == 3000
    create(place)
    change(place, lambda wanted: replace(wanted, rules=FRIENDS))
    with place.installation.database.reading() as reading:
        document = read(place.flags.document(reading, STORE, "production").content, strict=True)
        found = place.segments.get(reading, place.maxine, "friends")
        assert place.segments.members(reading, found) is None
        assert place.segments.has(reading, found, "user-2999")
        assert not place.segments.has(reading, found, "somebody-else")
    there = document.segments["friends"].members
    assert isinstance(there, Hashed)
    assert all(one in there for one in everybody)
    assert "user-3000" not in there


def test_nobody_belongs_to_an_upload_before_it_is_complete(here: Flagged) -> None:
    put(here)
    members(here, "u1")
    with here.installation.database.transaction() as tx:
        number = here.segments.begin_upload(tx, here.maxine, "friends")
        here.segments.upload(tx, here.maxine, "friends", number, ["u2"])
    with here.installation.database.reading() as reading:
        assert here.segments.members(reading, here.segments.get(reading, here.maxine, "friends")) == ("u1",)
    assert upload(here, ["u3"]) == 1
    with pytest.raises(Conflict, match="no more"), here.installation.database.transaction() as tx:
        here.segments.complete_upload(tx, here.maxine, "friends", number)


@pytest.mark.parametrize("member", ["", "x" * 1001, "nul\0", "half \ud800"])
def test_what_cannot_be_a_member_is_refused(here: Flagged, member: str) -> None:
    put(here)
    with pytest.raises(Invalid, match="cannot be a member"):
        members(here, member)


def test_a_segment_that_a_flag_names_cannot_be_removed(here: Flagged) -> None:
    put(here)
    create(here)
    change(here, lambda wanted: replace(wanted, rules=FRIENDS))
    with pytest.raises(Conflict, match="new-checkout"), here.installation.database.transaction() as tx:
        here.segments.remove(tx, here.maxine, "friends")
    change(here, lambda wanted: replace(wanted, rules=()))
    with here.installation.database.transaction() as tx:
        here.segments.remove(tx, here.maxine, "friends")
    with pytest.raises(NotFound), here.installation.database.reading() as reading:
        here.segments.get(reading, here.maxine, "friends")


def test_a_segment_belongs_to_its_service(here: Flagged) -> None:
    put(here)
    with pytest.raises(Forbidden), here.installation.database.transaction() as tx:
        here.segments.change_members(tx, here.wes, "friends", add=["u1"], remove=[])
    with pytest.raises(NotFound), here.installation.database.transaction() as tx:
        here.segments.put(tx, here.maxine, Service("mailer"), "others", when=())


def test_a_segment_is_not_made_of_segments(here: Flagged) -> None:
    with pytest.raises(FlagInvalid, match="made of segments"):
        put(here, when=((Condition("x", Operator.IN_SEGMENT, ("friends",)),),))
