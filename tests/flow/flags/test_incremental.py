"""A change of one flag makes that flag anew, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from andon.flow.flags.model.outcomes import FlagInvalid
from andon.flow.flags.model.wishes import WantedRule, wanted_of
from andon.flow.flags.service.documents import Built
from andon.flow.flags.serving.hub import Hub, Place
from andon_flags.document import Condition, Operator, Prerequisite, write
from tests.flow.flags.conftest import Flagged
from tests.flow.flags.test_service import EMPLOYEES, STORE, change, create, share

FRIENDS = (WantedRule(when=(Condition("targetingKey", Operator.IN_SEGMENT, ("friends",)),), serve="on"),)


def built(place: Flagged) -> Built:
    with place.installation.database.reading() as reading:
        return place.flags.built(reading, STORE, "production")


def befriend(place: Flagged, *members: str) -> None:
    with place.installation.database.transaction() as tx:
        place.segments.put(tx, place.maxine, STORE, "friends", when=((EMPLOYEES,),))
        place.segments.change_members(tx, place.maxine, "friends", add=members, remove=())


def test_flags_and_segments_that_did_not_change_are_the_very_same(here: Flagged) -> None:
    befriend(here, "u1")
    for name in ("one", "two", "three"):
        create(here, name)
    change(here, lambda wanted: replace(wanted, rules=FRIENDS), "one")
    before = built(here)
    change(here, share(5), "two")
    after = built(here)
    assert after.document.flags["one"] is before.document.flags["one"]
    assert after.document.flags["three"] is before.document.flags["three"]
    assert after.document.flags["two"] is not before.document.flags["two"]
    assert after.document.segments["friends"] is before.document.segments["friends"]
    assert after.told.content == write(after.document)
    befriend(here, "u2")
    newest = built(here)
    assert newest.document.segments["friends"] is not before.document.segments["friends"]
    assert newest.document.flags["one"] is before.document.flags["one"]
    assert newest.told.content == write(newest.document)


def test_functions_of_flags_that_did_not_change_are_kept(here: Flagged) -> None:
    create(here, "one")
    create(here, "two")
    hub = Hub(here.installation.database, here.installation.bell, here.flags)
    before = hub.load(Place(STORE, "production"))
    change(here, share(5), "two")
    after = hub.load(Place(STORE, "production"))
    assert after.compiled.outcomes["one"] is before.compiled.outcomes["one"]
    assert after.compiled.outcomes["two"] is not before.compiled.outcomes["two"]


def test_what_a_transaction_took_back_is_not_remembered(here: Flagged) -> None:
    create(here, "one")
    built(here)

    class _Regretted(Exception):
        pass

    with suppress(_Regretted), here.installation.database.transaction() as tx:
        here.flags.change(tx, here.maxine, STORE, "production", "one", lambda _, old: share(50)(wanted_of(old)))
        assert here.flags.built(tx, STORE, "production").document.flags["one"].default != "off"
        raise _Regretted
    assert built(here).document.flags["one"].default == "off"
    change(here, share(5), "one")  # the version that was taken back, with something else in it
    assert write(built(here).document) == built(here).told.content
    with here.installation.database.reading() as reading:
        assert here.flags.share(reading, STORE, "production", "one", "on") == 5


def test_a_flag_that_is_archived_leaves_and_comes_back(here: Flagged) -> None:
    create(here, "one")
    create(here, "two")
    assert set(built(here).document.flags) == {"one", "two"}
    with here.installation.database.transaction() as tx:
        here.flags.archive(tx, here.maxine, STORE, "one")
    assert set(built(here).document.flags) == {"two"}
    with here.installation.database.transaction() as tx:
        here.flags.unarchive(tx, here.maxine, STORE, "one")
    assert set(built(here).document.flags) == {"one", "two"}


def test_what_a_change_breaks_elsewhere_is_still_found(here: Flagged) -> None:
    for name in ("one", "two", "three"):
        create(here, name)
    change(here, lambda wanted: replace(wanted, prerequisites=(Prerequisite("one", ("on",)),)), "two")
    change(here, lambda wanted: replace(wanted, prerequisites=(Prerequisite("two", ("on",)),)), "three")
    with pytest.raises(FlagInvalid):  # a circle of three
        change(here, lambda wanted: replace(wanted, prerequisites=(Prerequisite("three", ("on",)),)), "one")
    with pytest.raises(FlagInvalid):
        change(here, lambda wanted: replace(wanted, prerequisites=(Prerequisite("nothing", ("on",)),)), "one")
    with pytest.raises(FlagInvalid):
        change(here, lambda wanted: replace(wanted, rules=FRIENDS), "one")  # no such segment
    befriend(here)
    change(here, lambda wanted: replace(wanted, rules=FRIENDS), "one")
