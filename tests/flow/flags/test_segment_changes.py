"""Changes of segments: each a version, and none that goes around the second person of a flag's environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from andon.flow.flags.contract import (
    SegmentChangeApproved,
    SegmentChanged,
    SegmentChangeProposed,
    SegmentChangeRejected,
)
from andon.flow.flags.model.outcomes import Outcome
from andon.flow.flags.model.segment import MOST_PROPOSED, MOST_WAITING
from andon.flow.flags.model.wishes import wanted_of
from andon.flow.flags.service.segments import SegmentService
from andon.flow.sources.contract import Service
from andon.kernel.access import Grant, Principal, Role
from andon.kernel.db import Transaction
from andon.kernel.errors import Conflict, Forbidden, NotFound
from andon_flags.document import Condition, read
from tests.flow.flags.conftest import SECOND_PERSON, Flagged, flagged
from tests.flow.flags.test_segments import FRIENDS, put, upload
from tests.flow.flags.test_service import EMPLOYEES, STORE, SWITCH, change, create, told
from tests.flow.installation import Installation

MAILER = Service("mailer")


@pytest.fixture
def named(installation: Installation) -> Flagged:
    """Production asks for a second person, and a flag names ``friends`` there; on SQLite and on PostgreSQL."""
    place = flagged(installation, SECOND_PERSON)
    put(place)
    name_it(place)
    return place


@pytest.fixture
def watched(guarded: Flagged) -> Flagged:
    """The same on SQLite only."""
    put(guarded)
    name_it(guarded)
    return guarded


def name_it(place: Flagged) -> None:
    create(place)
    waits = change(place, lambda wanted: replace(wanted, rules=FRIENDS))
    assert waits.proposal is not None
    with place.installation.database.transaction() as tx:
        place.flags.approve(tx, place.patty, waits.proposal)


def deed(place: Flagged, doing: Callable[[Transaction, SegmentService], Outcome]) -> Outcome:
    with place.installation.database.transaction() as tx:
        return doing(tx, place.segments)


def members(place: Flagged, *add: str, remove: tuple[str, ...] = (), by: Principal | None = None) -> Outcome:
    who = by or place.maxine
    return deed(
        place, lambda tx, segments: segments.change_members(tx, who, "friends", add=add, remove=remove, why="a test")
    )


def conditions(place: Flagged, *when: tuple[Condition, ...], description: str = "") -> Outcome:
    return deed(
        place, lambda tx, segments: segments.put(tx, place.maxine, STORE, "friends", when=when, description=description)
    )


def exchange(place: Flagged, *found: str) -> Outcome:
    def doing(tx: Transaction, segments: SegmentService) -> Outcome:
        number = segments.begin_upload(tx, place.maxine, "friends")
        segments.upload(tx, place.maxine, "friends", number, found)
        return segments.complete_upload(tx, place.maxine, "friends", number)

    return deed(place, doing)


def approve(place: Flagged, outcome: Outcome, by: Principal | None = None) -> Outcome:
    assert outcome.proposal is not None
    proposal = outcome.proposal
    return deed(place, lambda tx, segments: segments.changes.approve(tx, by or place.patty, proposal))


def served(place: Flagged, service: Service = STORE) -> frozenset[str]:
    """Members as services of production receive them."""
    with place.installation.database.reading() as reading:
        found = read(place.flags.document(reading, service, "production").content, strict=True)
    there = found.segments["friends"].members
    assert isinstance(there, frozenset)
    return there


def diffs(place: Flagged) -> list[tuple[int, tuple[str, ...]]]:
    with place.installation.database.reading() as reading:
        segment = place.segments.get(reading, place.maxine, "friends")
        return [(one.number, lines) for one, lines in place.segments.history(reading, segment)]


def waiting(place: Flagged, by: Principal) -> list[str]:
    with place.installation.database.reading() as reading:
        return [one.id for one in place.segments.changes.waiting(reading, by)]


def test_each_change_is_a_version_that_says_what_it_changed(place: Flagged) -> None:
    put(place)
    members(place, "u1", "u2")
    members(place, "u3", "u2", remove=("u1", "nobody"))
    members(place, "u3")  # nothing to change
    conditions(place, (Condition("country", EMPLOYEES.operator, ("CH",)),), description="Ours")
    exchange(place, "u3", "u9")
    assert diffs(place) == [
        (5, ("- u2", "+ u9")),
        (4, ("+ described as: Ours", "- email ends with @parts.example", "+ country ends with CH")),
        (3, ("- u1", "+ u3")),
        (2, ("+ u1", "+ u2")),
        (1, ("+ email ends with @parts.example",)),
    ]
    with place.installation.database.reading() as reading:
        (newest, _), *_, (third, _), _, _ = place.segments.history(
            reading, place.segments.get(reading, place.maxine, "friends")
        )
    assert (third.why, third.person, third.members.size) == ("a test", place.maxine.person, 2)
    assert newest.sentence.startswith(f"exchanged by the list {newest.members.digest}, 1 added and 1 removed")
    assert [event.version for event in told(place, SegmentChanged) if isinstance(event, SegmentChanged)] == [
        5, 4, 3, 2, 1,
    ]  # fmt: skip


def test_a_large_list_is_told_as_counts_and_a_digest(place: Flagged) -> None:
    put(place)
    members(place, "u7")
    everybody = [f"u{number}" for number in range(1500)]
    upload(place, everybody)
    members(place, "one-more", remove=("u1", "u2"))
    assert diffs(place)[:2] == [(4, ("- 2 members", "+ 1 member")), (3, ("+ 1,499 members",))]
    upload(place, list(reversed(everybody)))
    upload(place, everybody)  # the same once more changes nothing
    with place.installation.database.reading() as reading:
        segment = place.segments.get(reading, place.maxine, "friends")
        (fifth, _), _, (third, _), *_ = place.segments.history(reading, segment)
    assert fifth.members.digest == third.members.digest != ""
    assert (fifth.members.added, fifth.members.removed) == (2, 1)


def test_nothing_that_changes_who_belongs_to_it_counts_before_a_second_person_agrees(named: Flagged) -> None:
    changes = (
        members(named, "intruder"),
        conditions(named, (Condition("email", EMPLOYEES.operator, ("@intruder.example",)),)),
        exchange(named, "intruder", "another"),
    )
    assert served(named) == frozenset()
    assert all(one.proposal is not None for one in changes)
    assert len(told(named, SegmentChangeProposed)) == 3
    assert len(waiting(named, named.wes)) == 3
    with pytest.raises(Forbidden, match="yourself"):
        approve(named, changes[0], named.maxine)
    with pytest.raises(Forbidden, match="may not release"):
        approve(named, changes[0], named.wes)
    done = approve(named, changes[2])
    assert served(named) == {"intruder", "another"}
    assert (done.version, diffs(named)[0][1]) == (2, ("+ another", "+ intruder"))
    assert [type(one) for one in told(named, SegmentChangeApproved)] == [SegmentChangeApproved]
    # the others were made from what is no more
    assert [one.why for one in told(named, SegmentChangeRejected) if isinstance(one, SegmentChangeRejected)] == [
        "overtaken by another change"
    ] * 2
    with pytest.raises(Conflict, match="overtaken"):
        approve(named, changes[0])
    assert conditions(named, (EMPLOYEES,), description="Ours").proposal is None  # says nothing of who belongs to it


def test_a_list_that_waits_is_kept_as_it_was_proposed(watched: Flagged) -> None:
    proposed = exchange(watched, "u1")
    with watched.installation.database.reading() as reading:
        (waits,) = watched.segments.changes.waiting(reading, watched.patty)
    edition = waits.change.edition
    assert edition is not None
    with pytest.raises(Conflict, match="no more"):
        deed(watched, lambda tx, segments: segments.complete_upload(tx, watched.maxine, "friends", edition))
    with pytest.raises(Conflict, match="no more"), watched.installation.database.transaction() as tx:
        watched.segments.upload(tx, watched.maxine, "friends", edition, ["intruder"])
    with pytest.raises(Conflict, match="Another list"):
        exchange(watched, "u2")
    with watched.installation.database.transaction() as tx:  # drops what nobody completed, and nothing that waits
        assert watched.segments.begin_upload(tx, watched.maxine, "friends") != edition
    approve(watched, proposed)
    assert served(watched) == {"u1"}


def test_a_change_is_turned_down_or_taken_back_and_nothing_has_changed(watched: Flagged) -> None:
    for who in (watched.patty, watched.maxine):
        proposal = exchange(watched, "u1").proposal
        assert proposal is not None
        with pytest.raises(Forbidden), watched.installation.database.transaction() as tx:
            watched.segments.changes.reject(tx, watched.wes, proposal, "")
        with watched.installation.database.transaction() as tx:
            watched.segments.changes.reject(tx, who, proposal, "no")
        with pytest.raises(Conflict, match="rejected"), watched.installation.database.transaction() as tx:
            watched.segments.changes.approve(tx, watched.patty, proposal)
    assert (served(watched), waiting(watched, watched.patty)) == (frozenset(), [])


def test_what_waits_is_bounded(watched: Flagged) -> None:
    with pytest.raises(Conflict, match="at most 1,000") as refused:
        members(watched, *(f"u{number}" for number in range(MOST_PROPOSED + 1)))
    assert "andon flags upload friends" in refused.value.remedy
    for number in range(MOST_WAITING):
        members(watched, f"u{number}")
    with pytest.raises(Conflict, match="wait for a second person already"):
        members(watched, "one-too-many")


def test_no_archive_and_no_removal_leads_around_the_second_person(watched: Flagged) -> None:
    with watched.installation.database.transaction() as tx:
        waits = watched.flags.archive(tx, watched.maxine, STORE, "new-checkout").proposal
        watched.flags.approve(tx, watched.patty, str(waits))
    assert members(watched, "intruder").proposal is not None
    with pytest.raises(Conflict, match="archive"), watched.installation.database.transaction() as tx:
        watched.segments.remove(tx, watched.maxine, "friends")
    with watched.installation.database.transaction() as tx:
        waits = watched.flags.unarchive(tx, watched.maxine, STORE, "new-checkout").proposal
        watched.flags.approve(tx, watched.patty, str(waits))
    assert served(watched) == frozenset()


def test_what_somebody_is_about_to_agree_to_does_not_change_underneath(guarded: Flagged) -> None:
    put(guarded)
    create(guarded)
    change(guarded, lambda wanted: replace(wanted, rules=FRIENDS))  # waits, and names it
    assert members(guarded, "intruder").proposal is not None


def test_whoever_agrees_may_release_wherever_flags_name_it(local: Installation) -> None:
    local.create(MAILER)
    local.commit(MAILER, files={"andon.yaml": SECOND_PERSON.replace("store", "mailer")})
    place = flagged(local)  # nothing of store asks for anybody
    erik = local.sign_up("Erik", Grant(Role.DEVELOPER, "mailer"), Grant(Role.VIEWER, "store"))
    sarah = local.sign_up("Sarah", Grant(Role.DEVELOPER, "mailer"), Grant(Role.DEVELOPER, "store"))
    brent = local.sign_up("Brent", Grant(Role.DEVELOPER, "mailer", "acceptance"))
    put(place)
    with local.database.transaction() as tx:
        place.flags.create(tx, erik, MAILER, "new-checkout", SWITCH)
        waits = place.flags.change(
            tx, erik, MAILER, "production", "new-checkout", lambda _, old: replace(wanted_of(old), rules=FRIENDS)
        )
        assert waits.proposal is not None
        place.flags.approve(tx, sarah, waits.proposal)
    proposed = members(place, "u1")
    assert served(place, MAILER) == frozenset()
    with pytest.raises(Forbidden, match="1 place that you may not see") as refused:
        approve(place, proposed, place.patty)
    assert "mailer" not in str(refused.value)
    with pytest.raises(NotFound):
        approve(place, proposed, brent)
    approve(place, proposed, erik)
    assert served(place, MAILER) == {"u1"}


def test_a_name_that_is_used_again_starts_with_nothing_of_the_former(here: Flagged) -> None:
    put(here)
    create(here)
    members(here, "u1")
    change(here, lambda wanted: replace(wanted, rules=FRIENDS))
    assert served(here) == {"u1"}
    change(here, lambda wanted: replace(wanted, rules=()))
    with here.installation.database.transaction() as tx:
        here.segments.remove(tx, here.maxine, "friends")
    put(here)
    members(here, "u2")
    change(here, lambda wanted: replace(wanted, rules=FRIENDS))
    assert served(here) == {"u2"}  # and not what was remembered of the first version of that name
    assert diffs(here)[2:] == [(2, ("+ 1 member",)), (1, ("+ email ends with @parts.example",))]
