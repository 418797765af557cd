"""Flags: what people change, who may, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from andon.flow.flags.contract import (
    FlagArchived,
    FlagChangeApproved,
    FlagChanged,
    FlagChangeProposed,
    FlagChangeRejected,
    FlagCreated,
    FlagKilled,
    FlagRevived,
)
from andon.flow.flags.model.flag import Head, Setting
from andon.flow.flags.model.outcomes import FlagChanged as ChangedMeanwhile
from andon.flow.flags.model.outcomes import FlagInvalid, Outcome
from andon.flow.flags.model.wishes import Wanted, WantedRule, percent_of, wanted_of
from andon.flow.flags.model.words import who_gets_what
from andon.flow.sources.contract import Service
from andon.kernel.access import Principal
from andon.kernel.errors import AndonError, Conflict, Forbidden, NotFound
from andon.kernel.events import Event, Facets, page
from andon_flags.document import Condition, Kind, Operator, Prerequisite, read
from tests.flow.flags.conftest import Flagged

STORE = Service("store")
SWITCH = Head(kind=Kind.BOOLEAN, variants={})
EMPLOYEES = Condition("email", Operator.ENDS_WITH, ("@parts.example",))

Changing = Callable[[Wanted], Wanted]


def create(place: Flagged, name: str = "new-checkout", head: Head = SWITCH) -> None:
    with place.installation.database.transaction() as tx:
        place.flags.create(tx, place.maxine, STORE, name, head)


def change(
    place: Flagged,
    changing: Changing,
    name: str = "new-checkout",
    *,
    by: Principal | None = None,
    base: int | None = None,
    environment: str = "production",
) -> Outcome:
    with place.installation.database.transaction() as tx:
        return place.flags.change(
            tx,
            by or place.maxine,
            STORE,
            environment,
            name,
            lambda head, setting: changing(wanted_of(setting)),
            base=base,
            why="a test",
        )


def share(percent: float) -> Changing:
    return lambda wanted: replace(wanted, default={"on": percent, "off": 100 - percent})


def setting(place: Flagged, name: str = "new-checkout", environment: str = "production") -> Setting:
    with place.installation.database.reading() as reading:
        flag = place.flags.get(reading, place.maxine, STORE, name)
        return place.flags.setting(reading, flag, environment).setting


def told(place: Flagged, kind: type[Event]) -> list[Event]:
    with place.installation.database.reading() as reading:
        found = [one.decode() for one in page(reading, Facets(type=kind.type), limit=50)]
    return [one for one in found if one is not None]


def test_a_new_flag_serves_everybody_what_it_serves_when_it_is_off(place: Flagged) -> None:
    create(place)
    with place.installation.database.reading() as reading:
        document = read(place.flags.document(reading, STORE, "production").content, strict=True)
        assert place.flags.environments(reading, STORE) == ("acceptance", "production")
    assert document.flags["new-checkout"].default == "off"
    assert document.flags["new-checkout"].variants == {"on": True, "off": False}
    assert document.revision == 1
    assert [type(one) for one in told(place, FlagCreated)] == [FlagCreated]


def test_raising_a_share_takes_nobody_out(place: Flagged) -> None:
    create(place)
    had: set[int] = set()
    outcome = Outcome(version=0)
    for percent in (0.001, 1, 5, 25, 100):
        outcome = change(place, share(percent))
        serve = setting(place).default
        now = {
            bucket
            for start, end, variant in ([(0, 100_000, serve)] if isinstance(serve, str) else serve)
            if variant == "on"
            for bucket in range(start, end)
        }
        assert len(now) == percent * 1000
        assert had <= now
        had = now
    assert outcome.sentence == "on for 100 % of everybody, was 25 %"


def test_a_change_is_a_version_an_event_and_a_revision(place: Flagged) -> None:
    create(place)
    change(place, share(1))
    change(place, share(5))
    with place.installation.database.reading() as reading:
        flag = place.flags.get(reading, place.maxine, STORE, "new-checkout")
        versions = place.flags.history(reading, flag, "production")
        assert place.flags.document(reading, STORE, "production").revision == 3
        assert place.flags.document(reading, STORE, "acceptance").revision == 1
    assert [(one.number, one.sentence, one.why) for one in versions] == [
        (2, "on for 5 % of everybody, was 1 %", "a test"),
        (1, "on for 1 % of everybody, was 0 %", "a test"),
    ]
    event = told(place, FlagChanged)[0]
    assert isinstance(event, FlagChanged)
    assert (event.version, event.sentence) == (2, "on for 5 % of everybody, was 1 %")


def test_a_change_that_changes_nothing_leaves_no_trace(here: Flagged) -> None:
    create(here)
    assert change(here, lambda wanted: wanted) == Outcome(version=0)
    assert told(here, FlagChanged) == []


def test_a_former_version_counts_again_to_the_last_bucket(here: Flagged) -> None:
    create(here)
    change(here, share(5))
    five = setting(here)
    change(here, share(50))
    with here.installation.database.transaction() as tx:
        here.flags.restore(tx, here.maxine, STORE, "production", "new-checkout", 1)
    assert setting(here) == five


def test_whoever_read_an_older_version_overwrites_nothing(here: Flagged) -> None:
    create(here)
    change(here, share(5), base=0)
    with pytest.raises(ChangedMeanwhile):
        change(here, share(10), base=0)
    assert percent_of(setting(here).default) == {"off": 95, "on": 5}


@pytest.mark.parametrize(
    ("changing", "says"),
    [
        (lambda w: replace(w, default={"on": 50, "off": 51}), "101 %"),
        (lambda w: replace(w, default={"on": 50}), "Say who gets the other 50 %"),
        (lambda w: replace(w, default={"on": 0.0001, "off": 99.9999}), "set to 0.001 %"),
        (lambda w: replace(w, default={"blue": 100}), "no variant 'blue'"),
        (lambda w: replace(w, default={"on": float("nan"), "off": 1}), "between 0 and 100 %"),
        (lambda w: replace(w, off="blue"), "blue"),
        (lambda w: replace(w, prerequisites=(Prerequisite("new-checkout", ("on",)),)), "circle"),
        (lambda w: replace(w, prerequisites=(Prerequisite("nothing", ("on",)),)), "no flag"),
        (
            lambda w: replace(w, rules=(WantedRule(when=(Condition("age", Operator.MORE, ("ten",)),), serve="on"),)),
            "number",
        ),
        (
            lambda w: replace(
                w, rules=(WantedRule(when=(Condition("user", Operator.IN_SEGMENT, ("friends",)),), serve="on"),)
            ),
            "no segment",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_changes_nothing(here: Flagged, changing: Changing, says: str) -> None:
    create(here)
    with pytest.raises(FlagInvalid) as refused:
        change(here, changing)
    assert says in str(refused.value)
    assert setting(here).default == "off"


def test_a_circle_through_other_flags_is_refused(here: Flagged) -> None:
    for name in ("a", "b", "c"):
        create(here, name)
    change(here, lambda w: replace(w, prerequisites=(Prerequisite("b", ("on",)),)), "a")
    change(here, lambda w: replace(w, prerequisites=(Prerequisite("c", ("on",)),)), "b")
    with pytest.raises(FlagInvalid, match="circle"):
        change(here, lambda w: replace(w, prerequisites=(Prerequisite("a", ("on",)),)), "c")


def test_a_rule_that_never_matches_is_told_when_it_is_saved(here: Flagged) -> None:
    create(here)
    rules = (
        WantedRule(when=(), serve="on"),
        WantedRule(when=(EMPLOYEES,), serve="off"),
    )
    outcome = change(here, lambda wanted: replace(wanted, rules=rules))
    assert outcome.version == 1
    assert any("rules[1]" in one for one in outcome.warnings)


def test_the_kill_switch_keeps_what_was_set(place: Flagged) -> None:
    create(place)
    change(place, share(30))
    with place.installation.database.transaction() as tx:
        place.flags.kill(tx, place.maxine, STORE, "production", "new-checkout", why="it burns")
        place.flags.kill(tx, place.maxine, STORE, "production", "new-checkout", why="again")
    assert not setting(place).enabled
    assert len(told(place, FlagKilled)) == 1
    with place.installation.database.transaction() as tx:
        place.flags.revive(tx, place.maxine, STORE, "production", "new-checkout")
    assert setting(place).enabled
    assert percent_of(setting(place).default) == {"off": 70, "on": 30}
    assert len(told(place, FlagRevived)) == 1


def test_whoever_may_only_look_changes_nothing(here: Flagged) -> None:
    create(here)
    for deed in (
        lambda: change(here, share(5), by=here.wes),
        lambda: _kill(here, here.wes),
    ):
        with pytest.raises(Forbidden):
            deed()


def _kill(place: Flagged, by: Principal) -> None:
    with place.installation.database.transaction() as tx:
        place.flags.kill(tx, by, STORE, "production", "new-checkout", why="")


def test_an_environment_that_there_is_not_is_a_slip_of_the_pen(here: Flagged) -> None:
    create(here)
    with pytest.raises(NotFound, match="acceptance, production"):
        change(here, share(5), environment="prodution")


def test_a_change_waits_for_a_second_person_where_the_environment_asks_for_one(guarded: Flagged) -> None:
    create(guarded)
    outcome = change(guarded, share(5))
    assert outcome.proposal is not None
    assert setting(guarded).default == "off"
    assert change(guarded, share(5), environment="acceptance").proposal is None
    with pytest.raises(Forbidden, match="yourself"), guarded.installation.database.transaction() as tx:
        guarded.flags.approve(tx, guarded.maxine, outcome.proposal)
    with guarded.installation.database.transaction() as tx:
        guarded.flags.approve(tx, guarded.patty, outcome.proposal)
    assert percent_of(setting(guarded).default) == {"off": 95, "on": 5}
    assert len(told(guarded, FlagChangeProposed)) == len(told(guarded, FlagChangeApproved)) == 1
    with pytest.raises(Conflict, match="approved"), guarded.installation.database.transaction() as tx:
        guarded.flags.approve(tx, guarded.patty, outcome.proposal)


def test_the_kill_switch_waits_for_nobody_and_overtakes_what_waits(guarded: Flagged) -> None:
    create(guarded)
    outcome = change(guarded, share(5))
    assert outcome.proposal is not None
    _kill(guarded, guarded.maxine)
    assert not setting(guarded).enabled
    with pytest.raises(Conflict, match="overtaken"), guarded.installation.database.transaction() as tx:
        guarded.flags.approve(tx, guarded.patty, outcome.proposal)
    assert len(told(guarded, FlagChangeRejected)) == 1


def test_a_flag_that_others_ask_for_stays_out_of_the_archive(here: Flagged) -> None:
    create(here, "payments")
    create(here)
    change(here, lambda w: replace(w, prerequisites=(Prerequisite("payments", ("on",)),)))
    with pytest.raises(Conflict, match="new-checkout"), here.installation.database.transaction() as tx:
        here.flags.archive(tx, here.maxine, STORE, "payments")
    with here.installation.database.transaction() as tx:
        here.flags.archive(tx, here.maxine, STORE, "new-checkout")
    with here.installation.database.reading() as reading:
        assert list(here.flags.built(reading, STORE, "production").document.flags) == ["payments"]
    assert len(told(here, FlagArchived)) == 1
    with here.installation.database.transaction() as tx:
        here.flags.unarchive(tx, here.maxine, STORE, "new-checkout")
    assert setting(here).prerequisites == (Prerequisite("payments", ("on",)),)


def test_a_variant_that_is_served_cannot_be_taken_away(here: Flagged) -> None:
    create(here, "size", Head(kind=Kind.NUMBER, variants={"small": 10, "large": 100}, off="small"))
    change(here, lambda w: replace(w, default={"large": 10, "small": 90}), "size")
    with pytest.raises(AndonError, match="large"), here.installation.database.transaction() as tx:
        here.flags.set_head(tx, here.maxine, STORE, "size", lambda head: replace(head, variants={"small": 10}))


def test_who_gets_what_is_one_sentence(here: Flagged) -> None:
    create(here)
    rule = WantedRule(when=(EMPLOYEES,), serve="on")
    change(here, lambda w: replace(w, rules=(rule,), default={"on": 5, "off": 95}))
    assert who_gets_what(setting(here)) == "email ends with @parts.example: on · 5 % of others: on · rest: off"
    _kill(here, here.maxine)
    assert who_gets_what(setting(here)) == "killed: everybody gets off"
