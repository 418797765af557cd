"""Flags as code: what a push of flags.yaml does, whole or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from andon.app.authority import GrantedAuthority
from andon.flow.flags.codefile import read_flags
from andon.flow.flags.contract import FLAGS_FILE, FlagHandedOver, FlagRampEnded, FlagsFileRefused, Origin
from andon.flow.flags.model.flag import Head, Step
from andon.flow.flags.model.outcomes import FlagInvalid, KeptInCode
from andon.flow.flags.model.wishes import percent_of
from andon.flow.flags.pushing import FlagsAnnouncer, FlagsAsCode
from andon.flow.flags.service.code import CodeService
from andon.flow.sources.contract import NO_COMMIT, BranchPushed, PushId
from andon.kernel.access import Grant, Principal, Role
from andon.kernel.clock import SettableClock
from andon.kernel.ids import new_id
from andon_flags.document import Kind
from tests.flow.flags.conftest import Flagged
from tests.flow.flags.test_service import STORE, change, create, setting, share, told

FILE = """
flags:
  new-checkout:
    description: The checkout of spring
    owner: team-store
    ends: 2027-03-01
    environments:
      production:
        default: { on: 5, off: 95 }
        rules:
          - when: [{ attribute: email, is: ends-with, values: ["@parts.example"] }]
            serve: on
        prerequisites: [{ flag: payments, variants: [on] }]
  payments:
    permanent: true
    environments:
      production: { default: on }
"""


def code(place: Flagged) -> FlagsAsCode:
    return FlagsAsCode(CodeService(place.flags), place.installation.sources, GrantedAuthority())


def push(place: Flagged, text: str | None, *, by: Principal | None = None) -> BranchPushed:
    """A commit with the file on the default branch, and the reaction to it."""
    files = {} if text is None else {FLAGS_FILE: text}
    commit = place.installation.commit(files=files)
    pushed = BranchPushed(
        push=PushId(new_id("push")), service=STORE, branch="main", before=NO_COMMIT, commit=commit, forced=False
    )
    with place.installation.database.transaction() as tx:
        code(place).react(tx, pushed, (by or place.maxine).actor)
    return pushed


def refused(place: Flagged) -> str:
    found = told(place, FlagsFileRefused)
    assert len(found) == 1
    assert isinstance(found[0], FlagsFileRefused)
    return " ".join(found[0].faults)


def test_what_the_file_says_becomes_so(place: Flagged) -> None:
    push(place, FILE)
    with place.installation.database.reading() as reading:
        flag = place.flags.get(reading, place.maxine, STORE, "new-checkout")
    assert (flag.origin, flag.head.owner, flag.head.kind) == (Origin.CODE, "team-store", Kind.BOOLEAN)
    assert percent_of(setting(place).default) == {"off": 95, "on": 5}
    assert setting(place).prerequisites[0].flag == "payments"
    assert told(place, FlagsFileRefused) == []
    push(place, FILE.replace("on: 5, off: 95", "on: 50, off: 50"))
    assert percent_of(setting(place).default) == {"off": 50, "on": 50}


def test_a_flag_of_the_file_is_changed_there_only_but_for_the_kill_switch(here: Flagged) -> None:
    push(here, FILE)
    with pytest.raises(KeptInCode, match=FLAGS_FILE):
        change(here, share(10))
    with here.installation.database.transaction() as tx:
        here.flags.kill(tx, here.maxine, STORE, "production", "new-checkout", why="")
    push(here, FILE.replace("on: 5, off: 95", "on: 6, off: 94"))
    assert not setting(here).enabled
    assert percent_of(setting(here).default)["on"] == 6
    with here.installation.database.transaction() as tx:
        here.flags.revive(tx, here.maxine, STORE, "production", "new-checkout")
    assert setting(here).enabled


def test_a_flag_that_leaves_the_file_is_the_consoles_as_it_is(here: Flagged) -> None:
    push(here, FILE)
    push(here, "flags: {}")
    assert percent_of(setting(here).default)["on"] == 5
    change(here, share(10))
    assert len(told(here, FlagHandedOver)) == 2


def test_a_flag_of_the_console_goes_over_to_the_file_that_names_it(here: Flagged) -> None:
    create(here)
    change(here, share(1))
    push(here, FILE)
    assert percent_of(setting(here).default)["on"] == 5
    with pytest.raises(KeptInCode):
        change(here, share(10))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("flags: [", "no YAML"),
        ("flags: {new-checkout: {colour: red}}", "colour"),
        ("flags: {new-checkout: {environments: {production: {default: {on: 50, off: 51}}}}}", "101 %"),
        ("flags: {new-checkout: {environments: {prodution: {default: on}}}}", "prodution"),
        ("flags: {new-checkout: {environments: {production: {default: on, enabled: false}}}}", "kill switch"),
        ("flags: {UPPER: {}}", "UPPER"),
        ("a: &a [x]\nflags: {b: *a}", "aliases"),
        ("flags: {a: {kind: string}}", "needs variants"),
    ],
)
def test_a_file_with_a_fault_changes_nothing_and_says_what_is_wrong(here: Flagged, text: str, says: str) -> None:
    push(here, FILE)
    push(here, text)
    assert says in refused(here)
    assert percent_of(setting(here).default)["on"] == 5


def test_a_circle_in_the_file_is_refused_as_a_whole(here: Flagged) -> None:
    one = "environments: {production: {default: on, prerequisites: [{flag: %s, variants: [on]}]}}"
    push(here, f"flags:\n  a: {{ {one % 'b'} }}\n  b: {{ {one % 'a'} }}\n")
    assert "circle" in refused(here)
    with here.installation.database.reading() as reading:
        assert here.flags.all(reading, here.maxine, STORE) == ()


def test_whoever_may_push_but_not_release_changes_no_flag(here: Flagged) -> None:
    contributor = here.installation.sign_up("Erik", Grant(Role.CONTRIBUTOR, "store"))
    push(here, FILE, by=contributor)
    assert "release" in refused(here)


def test_a_change_from_the_file_waits_for_a_second_person_too(guarded: Flagged) -> None:
    push(guarded, FILE)
    assert setting(guarded).default == "off"
    with guarded.installation.database.reading() as reading:
        waiting = guarded.flags.proposals(reading, guarded.patty, service=STORE)
    for one in sorted(waiting, key=lambda it: it.flag, reverse=True):
        with guarded.installation.database.transaction() as tx:
            guarded.flags.approve(tx, guarded.patty, one.id)
    assert percent_of(setting(guarded).default)["on"] == 5


def test_a_switch_of_the_file_that_is_on_when_it_is_off_begins_off_and_waits(guarded: Flagged) -> None:
    push(guarded, "flags: {legacy: {variants: {active: true, none: false}, off: active}}")
    assert told(guarded, FlagsFileRefused) == []
    with guarded.installation.database.reading() as reading:
        flag = guarded.flags.get(reading, guarded.maxine, STORE, "legacy")
        (waits,) = guarded.flags.proposals(reading, guarded.patty, service=STORE)
    assert flag.head.off == "none"
    with guarded.installation.database.transaction() as tx:
        guarded.flags.approve(tx, guarded.patty, waits.id)
    with guarded.installation.database.reading() as reading:
        assert guarded.flags.get(reading, guarded.maxine, STORE, "legacy").head.off == "active"


def test_a_new_switch_is_not_on_at_once_where_a_second_person_is_asked_for(guarded: Flagged) -> None:
    on = Head(kind=Kind.BOOLEAN, variants={"on": True, "off": False}, off="on")
    database = guarded.installation.database
    with pytest.raises(FlagInvalid, match="A new switch starts off"), database.transaction() as tx:
        guarded.flags.create(tx, guarded.maxine, STORE, "legacy", on)
    with database.transaction() as tx:
        guarded.flags.create(tx, guarded.maxine, STORE, "legacy", replace(on, off="off"))
        waits = guarded.flags.set_head(tx, guarded.maxine, STORE, "legacy", lambda head: replace(head, off="on"))
    assert waits.proposal is not None


def test_the_pusher_is_told_at_once_and_nothing_has_changed_by_that(here: Flagged) -> None:
    announcer = FlagsAnnouncer(here.installation.database, code(here))
    commit = here.installation.commit(files={FLAGS_FILE: FILE})
    pushed = BranchPushed(
        push=PushId(new_id("push")), service=STORE, branch="main", before=NO_COMMIT, commit=commit, forced=False
    )
    assert announcer.announce([pushed]) == [f"{FLAGS_FILE}: 2 flags, 4 changes"]
    with here.installation.database.reading() as reading:
        assert here.flags.all(reading, here.maxine, STORE) == ()
        assert here.flags.document(reading, STORE, "production").revision == 0
    faulty = here.installation.commit(files={FLAGS_FILE: "flags: {a: {b: c}}"})
    again = BranchPushed(
        push=PushId(new_id("push")), service=STORE, branch="main", before=NO_COMMIT, commit=faulty, forced=False
    )
    lines = announcer.announce([again])
    assert lines[0] == f"{FLAGS_FILE} is not applied:"
    assert "`b`" in lines[1]


def test_a_file_larger_than_anybody_reads_is_refused() -> None:
    with pytest.raises(FlagInvalid, match="KiB"):
        read_flags(b"flags: {}\n#" + b"x" * 600_000)
    with pytest.raises(FlagInvalid):
        read_flags(b"[" * 5000)
    with pytest.raises(FlagInvalid, match="more than anybody reads"):
        read_flags(b"flags: [" + b"a," * 60_000 + b"a]")


@pytest.mark.parametrize(
    "text",
    [
        "flags: !!bool perhaps",
        'flags: !!int ""',
        'flags: {a: {description: "\\ud800"}}',
        "%YAML 1.1\n---\nflags: 1" + ":1" * 200_000,
    ],
    ids=["truth", "number", "half a character", "to the base of sixty"],
)
def test_what_ends_or_holds_up_a_parser_is_refused_like_any_other_fault(text: str) -> None:
    with pytest.raises(FlagInvalid):
        read_flags(text.encode())


def test_a_ramp_does_not_go_on_with_a_flag_that_the_file_has_taken_over(here: Flagged, clock: SettableClock) -> None:
    create(here)
    with here.installation.database.transaction() as tx:
        here.flags.ramp(
            tx,
            here.maxine,
            STORE,
            "production",
            "new-checkout",
            variant="on",
            steps=(Step(percent=5), Step(percent=100, after=60)),
        )
    push(here, FILE)
    clock.advance(3600)
    here.flags.ramping.turn(here.installation.database)
    assert percent_of(setting(here).default)["on"] == 5
    ended = told(here, FlagRampEnded)[0]
    assert isinstance(ended, FlagRampEnded)
    assert ended.why == f"the flag is kept in {FLAGS_FILE} now"


def test_whoever_may_not_release_pushes_what_is_no_flag_without_a_word(here: Flagged) -> None:
    contributor = here.installation.sign_up("Erik", Grant(Role.CONTRIBUTOR, "store"))
    push(here, None, by=contributor)
    assert told(here, FlagsFileRefused) == []
