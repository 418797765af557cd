"""A version goes to the members of a segment of flags first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from andon.feedback.rollouts.contract import (
    Hold,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
    RolloutState,
    StageEntered,
    StageKind,
)
from andon.feedback.rollouts.model.records import Rollout
from andon.flow.deployments.contract import DeploymentState, DeploymentView
from andon.flow.flags.contract import ProposalId
from andon.flow.flags.model.outcomes import Outcome
from andon.flow.routing.contract import Comparison, SegmentUse, TrafficDivided, Where
from andon.flow.routing.contract import Condition as Asked
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM, Grant, Principal, Role
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.errors import Conflict
from andon.kernel.events import Facets, page
from andon.kernel.workflows import Interrupted
from andon_flags.document import Condition, Operator
from tests.feedback.rollouts.world import Behaviour, World, released
from tests.flow.installation import STORE, Installation

STAGES = "{ours: {to: {segment: employees}, for: 6s, requests: 4}, few: {share: 5%, for: 4s, requests: 8}}"
RELEASED = released(f"{{strategy: canary, unit: {{cookie: user}}, stages: {STAGES}}}")
GUARDED = RELEASED.replace("for: 4s", "for: 20s").replace(
    "    keep_warm: 2\n", "    keep_warm: 2\n    flags: {second_person: true}\n"
)
PEOPLE = Service("people")
MEMBERS = Asked(Where.COOKIE, "user", Comparison.MEMBER, "employees")
NO_CONDITIONS: tuple[tuple[Condition, ...], ...] = ()


@pytest.fixture
def world(sqlite_database: Database, clock: SettableClock, tmp_path: Path) -> World:
    local = Installation(sqlite_database, tmp_path)
    local.create()
    made = World(local, clock)
    made.deploy()
    return made


def put(world: World, *members: str, when: tuple[tuple[Condition, ...], ...] = NO_CONDITIONS) -> None:
    with world.local.database.transaction() as tx:
        world.local.segments.put(tx, SYSTEM, STORE, "employees", when=when)
    change(world, add=members)


def change(world: World, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> Outcome:
    with world.local.database.transaction() as tx:
        return world.local.segments.change_members(tx, SYSTEM, "employees", add=add, remove=remove)


def upload(world: World, members: list[str]) -> None:
    database, segments = world.local.database, world.local.segments
    with database.transaction() as tx:
        number = segments.begin_upload(tx, SYSTEM, "employees")
    with database.transaction() as tx:
        segments.upload(tx, SYSTEM, "employees", number, members)
    with database.transaction() as tx:
        segments.complete_upload(tx, SYSTEM, "employees", number)


def remove(world: World) -> None:
    with world.local.database.transaction() as tx:
        world.local.segments.remove(tx, SYSTEM, "employees")


def version(world: World) -> int:
    with world.local.database.reading() as reading:
        found = world.local.audiences.audience(reading, "employees")
    return 0 if found is None else found.version


def serves(world: World, user: str) -> bool:
    """Whether the router was told to give the new version to somebody with this cookie."""
    (known,) = [one for one in world.local.plane.table.listeners if one.environment == "production"]
    asked = {one.value for rule in known.rules for one in rule.when if one == MEMBERS}
    return any(user in known.members.get(name, ()) for name in asked)


def told(world: World) -> list[SegmentUse]:
    found = [one for one in world.local.events() if isinstance(one, TrafficDivided)]
    return [use for one in found for use in one.segments]


def test_members_get_the_new_version_first_and_keep_it_in_the_stages_behind(world: World) -> None:
    put(world, "maxine", "brent")
    seen: set[tuple[int, bool, bool]] = set()
    world.asked = lambda rollout: seen.add((rollout.stage, serves(world, "maxine"), serves(world, "sarah")))
    ended = world.deploy(RELEASED)
    assert ended.state is DeploymentState.SUCCEEDED
    assert seen == {(0, True, False), (1, True, False)}
    stages = [one for one in world.local.events(StageEntered) if isinstance(one, StageEntered)]
    assert [one.kind for one in stages] == [StageKind.AUDIENCE, StageKind.SHARE]
    served = [one for one in world.looks(world.rollout(ended)) if one.stage == 0]
    assert sum(one.canary.traffic or 0 for one in served) >= 4, "two members, each once a second"


def test_a_change_of_the_segment_is_followed_and_told_by_its_version_alone(world: World) -> None:
    put(world, "maxine")
    first = version(world)
    seen: list[tuple[bool, bool]] = []

    def ask(rollout: Rollout) -> None:
        if rollout.stage == 0 and rollout.counters is not None:
            if not seen:
                change(world, add=("brent",), remove=("maxine",))
            seen.append((serves(world, "maxine"), serves(world, "brent")))

    world.asked = ask
    assert world.deploy(RELEASED).state is DeploymentState.SUCCEEDED
    assert seen[0] == (True, False)
    assert seen[-1] == (False, True)
    assert told(world) == [SegmentUse(name="employees", version=one) for one in (first, first + 1, first + 1)]
    with world.local.database.reading() as reading:
        record = str([one.decode() for one in page(reading, Facets(), after=0, limit=10_000)])
        plan = str(world.local.router.plan(reading, STORE, "production"))
    assert "employees" in record
    assert "maxine" not in record.replace("Maxine", "")
    assert "brent" not in record + plan


def test_while_a_release_names_it_a_change_waits_for_the_second_person_that_its_environment_asks_for(
    world: World,
) -> None:
    put(world, "maxine")
    patty = world.local.sign_up("Patty", Grant(Role.DEVELOPER))
    waits: list[ProposalId] = []
    seen: list[tuple[bool, bool]] = []

    def ask(rollout: Rollout) -> None:
        if rollout.stage == 1 and rollout.counters is not None:  # behind the stage that names it: they keep the version
            seen.append((serves(world, "maxine"), serves(world, "brent")))
            if not waits:
                proposal = change(world, add=("brent",), remove=("maxine",)).proposal
                assert proposal is not None
                waits.append(proposal)
                with pytest.raises(Conflict, match="a release under way names employees"):
                    remove(world)
            elif len(seen) == 3:
                with world.local.database.transaction() as tx:
                    world.local.segments.changes.approve(tx, patty, waits[0])

    world.asked = ask
    assert world.deploy(GUARDED).state is DeploymentState.SUCCEEDED
    assert seen[:3] == [(True, False)] * 3, "nobody has agreed"
    assert seen[-1] == (False, True)
    assert change(world, add=("sarah",)).proposal is None, "nothing names it any more"


def test_who_names_a_segment_anew_may_look_at_the_service_whose_it_is(world: World) -> None:
    local = world.local
    local.create(PEOPLE)
    with local.database.transaction() as tx:
        local.segments.put(tx, SYSTEM, PEOPLE, "employees", when=NO_CONDITIONS)
    change(world, add=("maxine",))
    erik = local.sign_up("Erik", Grant(Role.DEVELOPER, STORE))
    sarah = local.sign_up("Sarah", Grant(Role.DEVELOPER, STORE), Grant(Role.VIEWER, PEOPLE))

    def deploy(pushed: Principal, asked: Principal, message: str) -> DeploymentView:
        commit = local.built({"andon.yaml": f"{RELEASED}# {message}\n"}, by=pushed, message=message)
        world.behaviours[commit] = Behaviour()
        return local.deploy(commit, by=asked)

    for pushed, asked in ((erik, erik), (erik, sarah), (sarah, erik)):
        refused = deploy(pushed, asked, f"{pushed.person} {asked.person}")
        assert refused.state is DeploymentState.FAILED
        assert "There is no segment employees, or whoever pushed or deployed this may not look" in refused.reason
        assert "No customer was given the new version." in refused.reason
    assert told(world) == []
    assert deploy(sarah, sarah, "together").state is DeploymentState.SUCCEEDED
    assert deploy(erik, erik, "the next").state is DeploymentState.SUCCEEDED, "it was named already"


def pausing(world: World, harm: Callable[[], object], mend: Callable[[], object]) -> list[str]:
    """Do something to the segment in the first stage, mend it once the rollout has paused, and say why it had."""
    reasons: list[str] = []
    done: list[str] = []

    def ask(rollout: Rollout) -> None:
        if rollout.stage == 0 and rollout.counters is not None and not done:
            done.append("harm")
            harm()
        elif rollout.state is RolloutState.PAUSED:
            assert rollout.stage == 0
            reasons.append(rollout.reason)
            if len(reasons) == 8 * 4:  # longer than the stage lasts
                mend()

    world.asked = ask
    ended = world.deploy(RELEASED)
    assert ended.state is DeploymentState.SUCCEEDED
    kinds = [type(one) for one in world.local.events(RolloutPaused, RolloutResumed)]
    assert kinds == [RolloutPaused, RolloutResumed]
    assert world.rollout(ended).hold is None
    return sorted(set(reasons))


def test_a_segment_that_is_gone_or_empty_pauses_the_stage_and_never_passes_it(world: World) -> None:
    put(world, "maxine")
    gone = pausing(world, lambda: remove(world), lambda: put(world, "maxine"))
    assert gone == ["The segment employees is gone: nobody gets the new version by it."]
    assert SegmentUse(name="employees", version=0) in told(world)


def test_an_empty_segment_waits_for_somebody(world: World) -> None:
    put(world)
    reasons = pausing(world, lambda: None, lambda: change(world, add=("maxine",)))
    assert reasons == ["The segment employees is empty: nobody gets the new version by it."]
    (paused,) = world.local.events(RolloutPaused)
    assert isinstance(paused, RolloutPaused)
    assert paused.hold is Hold.NO_DATA


def test_conditions_that_come_to_a_segment_pause_the_stage_and_members_keep_what_they_have(world: World) -> None:
    put(world, "maxine")
    seen: set[bool] = set()

    def harm() -> None:
        put(world, when=((Condition("country", Operator.IN, ("DE",)),),))

    def mend() -> None:
        seen.add(serves(world, "maxine"))
        put(world)

    (reason,) = pausing(world, harm, mend)
    assert "has conditions" in reason
    assert seen == {True}


def test_a_segment_that_was_emptied_holds_up_no_stage_that_has_a_share(world: World) -> None:
    put(world, "maxine")

    def ask(rollout: Rollout) -> None:
        if rollout.stage == 1 and rollout.counters is not None:
            change(world, remove=("maxine",))

    world.asked = ask
    assert world.deploy(RELEASED).state is DeploymentState.SUCCEEDED
    assert world.local.events(RolloutPaused) == []


def test_what_was_begun_is_not_refused_after_a_crash_but_waits_for_its_segment(world: World) -> None:
    put(world, "maxine")

    def crash(rollout: Rollout) -> None:
        if rollout.counters is not None:
            remove(world)
            raise Interrupted

    world.asked = crash
    second = world.version(RELEASED.replace("canary,", "canary, baseline: true,"))
    made = world.local.request(second)
    with pytest.raises(Interrupted):
        world.local.settle()
    after = World(world.local, world.clock)
    after._served, after.behaviours = world._served, world.behaviours
    world.local.workflows._errors.clear()
    reasons: set[str] = set()

    def mend(rollout: Rollout) -> None:
        if rollout.state is RolloutState.PAUSED and not reasons:
            reasons.add(rollout.reason)
            put(world, "maxine")

    after.asked = mend
    deploy = next(iter(world.local.workflows._workflows.values()))
    deploy.run(lambda _name, action: action(), made)
    assert world.local.state(made) is DeploymentState.SUCCEEDED
    assert reasons == {"The segment employees is gone: nobody gets the new version by it."}
    assert after.rollout(world.local.view(made)).baseline is not None


def test_what_the_router_cannot_know_is_refused_before_anybody_gets_anything(world: World) -> None:
    former = world.local.live()
    second = world.version(RELEASED)

    def refused() -> str:
        ended = world.local.deploy(second)
        assert ended.state is DeploymentState.FAILED
        assert "No customer was given the new version." in ended.reason
        assert "andon.yaml" in ended.reason
        return ended.reason

    assert "There is no segment employees, or " in refused()
    put(world, "maxine", when=((Condition("country", Operator.IN, ("DE",)),),))
    assert "has conditions" in refused()
    put(world)
    upload(world, [f"u{one}" for one in range(1_001)])
    assert "has 1,001 members" in refused()
    assert world.local.events(RolloutStarted, TrafficDivided) == []
    assert world.local.live() == former
