"""Asking for deployments, queueing, locking and refusing, on both databases."""

from __future__ import annotations

import pytest

from andon.flow.deployments.contract import (
    DeploymentRequested,
    DeploymentState,
    Kind,
    RollbackGivenUp,
)
from andon.flow.deployments.model import (
    AlreadyEnded,
    BuildNotPassed,
    ContractRefused,
    EnvironmentBusy,
    EnvironmentExists,
    NoSuchEnvironment,
    NothingToRollBackTo,
    RollbackRefused,
    SecretsMissing,
)
from andon.flow.environments.contract import Standing
from andon.flow.environments.memory import Behaviour
from andon.flow.routing.model import Outdated
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM, Grant, Role
from andon.kernel.clock import SettableClock
from andon.kernel.errors import Forbidden, Invalid, NotFound
from tests.flow.installation import STORE, Installation, definition

SECRET = definition().replace("    keep_warm: 2", "    keep_warm: 2\n    secrets: [PAYMENT_KEY]")


# The queue and the lock


def test_the_first_in_the_queue_gets_the_lock_and_the_others_wait_in_order(installation: Installation) -> None:
    first, second, third = (installation.built() for _ in range(3))
    asked = [installation.request(commit) for commit in (first, second, third)]
    with installation.database.transaction() as tx:
        assert installation.deployments.dispatch(tx, STORE, "production") == asked[0]
        assert installation.deployments.dispatch(tx, STORE, "production") is None
    with installation.database.reading() as reading:
        lock = installation.deployments.lock(reading, STORE, "production")
    assert lock.holder == asked[0]
    assert lock.queue == (asked[1], asked[2])
    assert [installation.state(one) for one in asked] == [
        DeploymentState.RUNNING,
        DeploymentState.QUEUED,
        DeploymentState.QUEUED,
    ]


def test_the_end_of_one_begins_the_next_with_a_greater_fence(installation: Installation) -> None:
    asked = [installation.request(installation.built()) for _ in range(2)]
    fences = []
    for one in asked:
        with installation.database.transaction() as tx:
            installation.deployments.dispatch(tx, STORE, "production")
            lock = installation.deployments.lock(tx, STORE, "production")
            assert lock.holder == one
            fences.append(lock.fence)
            installation.deployments.finish(tx, one, DeploymentState.FAILED, "it was told to")
    assert fences[0] < fences[1]
    with installation.database.reading() as reading:
        lock = installation.deployments.lock(reading, STORE, "production")
    assert (lock.holder, lock.queue) == (None, ())


def test_two_people_who_deploy_at_once_both_get_their_turn(installation: Installation) -> None:
    maxine = installation.sign_up("Maxine", Grant(Role.DEVELOPER, "store"))
    brent = installation.sign_up("Brent", Grant(Role.DEVELOPER, "store"))
    one, other = installation.built(), installation.built()
    first = installation.request(one, by=maxine)
    second = installation.request(other, by=brent)
    installation.settle()
    assert installation.state(first) is installation.state(second) is DeploymentState.SUCCEEDED
    assert installation.live() == other
    assert [installation.view(asked).number for asked in (first, second)] == [1, 2]


def test_environments_do_not_wait_for_each_other(installation: Installation) -> None:
    commit = installation.built()
    asked = [installation.request(commit, place) for place in ("acceptance", "production")]
    with installation.database.transaction() as tx:
        assert [installation.deployments.dispatch(tx, STORE, place) for place in ("acceptance", "production")] == asked


def test_the_same_key_is_the_same_deployment(installation: Installation) -> None:
    commit = installation.built()
    assert installation.request(commit, key="run 1, stage 2") == installation.request(commit, key="run 1, stage 2")
    assert len(installation.events(DeploymentRequested)) == 1


def test_a_holder_with_an_old_fence_cannot_move_the_traffic(installation: Installation) -> None:
    commit = installation.built()
    ended = installation.deploy(commit)
    assert ended.set is not None
    installation.deploy(installation.built())
    with pytest.raises(Outdated), installation.database.transaction() as tx:
        installation.router.point(tx, STORE, "production", to=ended.set, fence=1, deployment=ended.id)


def test_cancelling_what_waits_ends_it_at_once(installation: Installation) -> None:
    first, second = installation.request(installation.built()), installation.request(installation.built())
    with installation.database.transaction() as tx:
        installation.deployments.dispatch(tx, STORE, "production")
        installation.deployments.cancel(tx, SYSTEM, second)
    assert installation.state(second) is DeploymentState.CANCELLED
    assert installation.state(first) is DeploymentState.RUNNING
    with pytest.raises(AlreadyEnded), installation.database.transaction() as tx:
        installation.deployments.cancel(tx, SYSTEM, second)


# What is refused


def test_a_build_that_failed_is_refused_and_who_may_overrides_with_a_reason(installation: Installation) -> None:
    commit = installation.built(through="commit", failed="acceptance")
    developer = installation.sign_up("Shannon", Grant(Role.DEVELOPER))
    administrator = installation.sign_up("Patty", Grant(Role.ADMINISTRATOR))
    with pytest.raises(BuildNotPassed, match="failed in acceptance"):
        installation.request(commit, by=developer)
    with pytest.raises(Forbidden):
        installation.request(commit, by=developer, override="it is urgent")
    made = installation.request(commit, by=administrator, override="the test is wrong, see #12")
    assert installation.view(made).override == "the test is wrong, see #12"
    (event,) = installation.events(DeploymentRequested)
    assert isinstance(event, DeploymentRequested)
    assert event.override == "the test is wrong, see #12"


@pytest.mark.parametrize("reason", ["", "  ", "\n\t"])
def test_an_override_without_a_reason_is_refused(installation: Installation, reason: str) -> None:
    commit = installation.built(through="commit", failed="acceptance")
    with pytest.raises(Invalid, match="needs a reason"):
        installation.request(commit, override=reason)
    assert installation.events(DeploymentRequested) == []


def test_an_override_that_was_not_needed_is_not_recorded(installation: Installation) -> None:
    made = installation.request(installation.built(), override="to be sure")
    assert installation.view(made).override is None


def test_a_build_under_way_is_refused_for_later_environments_only(installation: Installation) -> None:
    commit = installation.built(through="commit")
    with pytest.raises(BuildNotPassed, match="still being tested"):
        installation.request(commit, "production")
    installation.request(commit, "acceptance")


def test_a_commit_without_a_package_is_not_found(installation: Installation) -> None:
    commit = installation.commit()
    installation.push(commit)
    with pytest.raises(NotFound, match="no package"):
        installation.request(commit)


def test_missing_secrets_are_named_before_anything_begins(installation: Installation) -> None:
    commit = installation.built({"andon.yaml": SECRET})
    with pytest.raises(SecretsMissing, match="PAYMENT_KEY") as refused:
        installation.request(commit)
    assert "andon secret set store production PAYMENT_KEY" in refused.value.remedy
    assert f"andon deploy store production {commit[:7]}" in refused.value.remedy
    with installation.database.transaction() as tx:
        installation.configuration.set(tx, SYSTEM, STORE, "production", "PAYMENT_KEY", "s3cret", secret=True)
    assert installation.state(installation.request(commit)) is DeploymentState.QUEUED


def test_an_environment_that_andon_yaml_does_not_name_is_refused(installation: Installation) -> None:
    commit = installation.built()
    with pytest.raises(NoSuchEnvironment, match="'staging'"):
        installation.request(commit, "staging")


def test_roles_on_one_environment_open_no_other(installation: Installation) -> None:
    commit = installation.built()
    tester = installation.sign_up("Wes", Grant(Role.DEVELOPER, "store", "acceptance"))
    installation.request(commit, "acceptance", by=tester)
    with pytest.raises(Forbidden):
        installation.request(commit, "production", by=tester)


# Lead time


def test_lead_time_is_from_push_to_traffic_of_the_first_success_only(
    installation: Installation, clock: SettableClock
) -> None:
    commit = installation.commit()
    run = installation.push(commit)
    clock.advance(600)
    installation.build(run, through="production")
    clock.advance(60)
    assert installation.deploy(commit).lead_time == 660
    clock.advance(3600)
    assert installation.deploy(commit).lead_time is None
    with installation.database.transaction() as tx:
        again = installation.deployments.rebuild(tx, SYSTEM, STORE, "production")
    installation.settle()
    assert installation.view(again).lead_time is None


def test_a_failed_deployment_has_no_lead_time_and_the_next_success_has(
    installation: Installation, clock: SettableClock
) -> None:
    commit = installation.built()
    installation.environments.imagine(commit, Behaviour(never_healthy="web 1 never listened"))
    assert installation.deploy(commit).lead_time is None
    clock.advance(90)
    installation.environments.imagine(commit, Behaviour())
    assert installation.deploy(commit).lead_time == 90


# Rolling back


def test_rolling_back_to_a_warm_version_starts_nothing(installation: Installation) -> None:
    old, new = installation.built(), installation.built()
    installation.deploy(old)
    installation.deploy(new)
    started = list(installation.environments.started)
    with installation.database.transaction() as tx:
        (target,) = installation.deployments.rollback_targets(tx, STORE, "production")
        assert target.commit == old
        assert target.set is not None
        made = installation.deployments.roll_back(tx, SYSTEM, STORE, "production")
    installation.settle()
    assert installation.state(made) is DeploymentState.SUCCEEDED
    assert installation.live() == old
    assert installation.environments.started == started
    with installation.database.reading() as reading:
        live = installation.deployments.live(reading, STORE, "production")
        (serving,) = installation.deployments.serving(reading)
    assert live is not None
    assert live.id == serving.id == made


def test_rolling_back_to_a_cold_version_starts_and_tests_it_first(installation: Installation) -> None:
    commits = [installation.built() for _ in range(4)]
    for commit in commits:
        installation.deploy(commit)
    with installation.database.transaction() as tx:
        targets = installation.deployments.rollback_targets(tx, STORE, "production")
        assert [(one.commit, one.set is not None) for one in targets] == [
            (commits[2], True),
            (commits[1], True),
            (commits[0], False),
        ]
        made = installation.deployments.roll_back(tx, SYSTEM, STORE, "production", to=commits[0])
    count = len(installation.environments.started)
    installation.settle()
    assert installation.live() == commits[0]
    assert len(installation.environments.started) == count + 1
    steps = [step.name.value for step in installation.view(made).steps]
    assert steps == ["start", "health", "smoke", "switch", "confirm", "retire"]


def test_whoever_rolls_back_second_does_not_return_to_what_was_taken_back(installation: Installation) -> None:
    commits = [installation.built() for _ in range(3)]
    for commit in commits:
        installation.deploy(commit)
    for former in (commits[1], commits[0]):
        with installation.database.transaction() as tx:
            installation.deployments.roll_back(tx, SYSTEM, STORE, "production")
        installation.settle()
        assert installation.live() == former
    with pytest.raises(NothingToRollBackTo), installation.database.transaction() as tx:
        installation.deployments.roll_back(tx, SYSTEM, STORE, "production")


def test_there_is_nothing_to_roll_back_to_after_the_first_deployment(installation: Installation) -> None:
    commit = installation.built()
    installation.deploy(commit)
    with pytest.raises(NothingToRollBackTo), installation.database.transaction() as tx:
        installation.deployments.roll_back(tx, SYSTEM, STORE, "production")
    with pytest.raises(NothingToRollBackTo), installation.database.transaction() as tx:
        installation.deployments.roll_back(tx, SYSTEM, STORE, "production", to=commit)


def test_a_version_that_failed_is_no_way_back(installation: Installation) -> None:
    good, bad, newest = (installation.built() for _ in range(3))
    installation.deploy(good)
    installation.environments.imagine(bad, Behaviour(unhealthy_with_traffic="web 2 answers 500"))
    assert installation.deploy(bad).state is DeploymentState.ROLLED_BACK
    installation.deploy(newest)
    with installation.database.reading() as reading:
        targets = installation.deployments.rollback_targets(reading, STORE, "production")
    assert [one.commit for one in targets] == [good]


# Contract


def test_contract_is_refused_while_an_older_version_could_be_needed(installation: Installation) -> None:
    old, new = installation.built(), installation.built()
    installation.deploy(old)
    installation.deploy(new)
    with pytest.raises(ContractRefused, match=old[:7]), installation.database.transaction() as tx:
        installation.deployments.contract(tx, SYSTEM, STORE, "production")
    assert installation.place().sets[1].standing is Standing.WARM


def test_giving_rollbacks_up_ends_them_for_good(installation: Installation) -> None:
    old, new = installation.built(), installation.built()
    installation.deploy(old)
    installation.deploy(new)
    warm = installation.place().sets[1].id
    with installation.database.transaction() as tx:
        made = installation.deployments.contract(tx, SYSTEM, STORE, "production", give_up_rollback=True)
    installation.settle()
    view = installation.view(made)
    assert (view.kind, view.state) == (Kind.CONTRACT, DeploymentState.SUCCEEDED)
    assert installation.environments.commands[-1].command == "python3 -m migrate contract"
    assert warm in installation.environments.stopped
    (event,) = installation.events(RollbackGivenUp)
    assert isinstance(event, RollbackGivenUp)
    assert event.commits == (old,)
    with pytest.raises(RollbackRefused, match="given up"), installation.database.transaction() as tx:
        installation.deployments.roll_back(tx, SYSTEM, STORE, "production", to=old)
    assert installation.live() == new


def test_many_contracts_do_not_hide_who_has_the_traffic(installation: Installation) -> None:
    commit = installation.built()
    deployed = installation.deploy(commit)
    for _ in range(6):
        with installation.database.transaction() as tx:
            installation.deployments.contract(tx, SYSTEM, STORE, "production")
        installation.settle()
    with installation.database.reading() as reading:
        live = installation.deployments.live(reading, STORE, "production")
    assert live is not None
    assert live.id == deployed.id


def test_a_version_deployed_again_after_a_contract_is_a_way_back_again(installation: Installation) -> None:
    old, new = installation.built(), installation.built()
    for commit in (old, new):
        installation.deploy(commit)
    with installation.database.transaction() as tx:
        installation.deployments.contract(tx, SYSTEM, STORE, "production", give_up_rollback=True)
    installation.settle()
    installation.deploy(old)
    installation.deploy(new)
    with installation.database.reading() as reading:
        (target,) = installation.deployments.rollback_targets(reading, STORE, "production")
    assert (target.commit, target.refusal) == (old, None)


# Environments of one's own


def test_anyone_may_make_an_environment_and_its_end_takes_everything(installation: Installation) -> None:
    commit = installation.built(through="commit")
    contributor = installation.sign_up("Wes", Grant(Role.CONTRIBUTOR, "store"))
    with installation.database.transaction() as tx:
        made = installation.deployments.create_environment(
            tx, contributor, STORE, commit, name="wes-try", like="acceptance", time_to_live=3600
        )
    installation.settle()
    assert installation.state(made) is DeploymentState.SUCCEEDED
    assert installation.place("wes-try").expires_at is not None
    assert installation.live("wes-try") == commit
    with pytest.raises(Forbidden), installation.database.transaction() as tx:
        installation.deployments.destroy(tx, contributor, STORE, "wes-try", reason="done")
    with installation.database.transaction() as tx:
        installation.deployments.destroy(tx, SYSTEM, STORE, "wes-try", reason="done")
    installation.settle()
    assert installation.live("wes-try") is None
    with installation.database.reading() as reading:
        assert installation.environments.find(reading, STORE, "wes-try") is None
        assert installation.deployments.live(reading, STORE, "wes-try") is None


def test_names_that_are_taken_or_unknown_are_refused(installation: Installation) -> None:
    commit = installation.built()
    for name, like, error in (
        ("production", "acceptance", EnvironmentExists),
        ("mine", "staging", NoSuchEnvironment),
    ):
        with pytest.raises(error), installation.database.transaction() as tx:
            installation.deployments.create_environment(
                tx, SYSTEM, STORE, commit, name=name, like=like, time_to_live=None
            )


MINE = (
    definition()
    .replace("  production:\n    environment: production\n", "  later:\n    environment: mine\n")
    .replace("  production:\n    instances: 3", "  mine:\n    secrets: [PAYMENT_KEY]\n    instances: 1")
)
"""What somebody may write on a branch of their own."""


def test_a_contributor_cannot_take_a_name_that_secrets_are_kept_for(installation: Installation) -> None:
    """They are set before the first deployment, and stay when an environment goes: whoever made it would have them."""
    contributor = installation.sign_up("Wes", Grant(Role.CONTRIBUTOR, "store"))
    commit = installation.built({"andon.yaml": MINE}, through="commit")
    with installation.database.transaction() as tx:
        installation.configuration.set(tx, SYSTEM, STORE, "staging", "PAYMENT_KEY", "the real one", secret=True)
    with pytest.raises(Forbidden), installation.database.transaction() as tx:
        installation.deployments.create_environment(
            tx, contributor, STORE, commit, name="staging", like="mine", time_to_live=None
        )
    with installation.database.reading() as reading:
        assert installation.environments.find(reading, STORE, "staging") is None


def test_nobody_takes_the_name_of_an_environment_the_default_branch_has(installation: Installation) -> None:
    """Made like another one, it would be deployed by that other one's definition from then on."""
    installation.built(through="commit")
    own = installation.commit(files={"andon.yaml": MINE}, branch="wes")
    installation.build(installation.push(own, branch="wes"), through="commit")
    with pytest.raises(EnvironmentExists), installation.database.transaction() as tx:
        installation.deployments.create_environment(
            tx, SYSTEM, STORE, own, name="production", like="mine", time_to_live=None
        )


def declaring(name: str) -> str:
    """The definition with one more environment, which its last stage goes to."""
    return (
        definition()
        .replace("  production:\n    environment: production\n", f"  production:\n    environment: {name}\n")
        .replace("  production:\n    instances: 3", f"  {name}:\n    instances: 2\n  production:\n    instances: 3")
    )


def test_an_environment_made_by_hand_is_not_taken_for_one_declared_later(installation: Installation) -> None:
    """It would run as the one it is like, and end with its time to live."""
    commit = installation.built(through="commit")
    with installation.database.transaction() as tx:
        installation.deployments.create_environment(
            tx, SYSTEM, STORE, commit, name="staging", like="acceptance", time_to_live=3600
        )
    installation.settle()
    declared = installation.built({"andon.yaml": declaring("staging")}, through="acceptance")
    with pytest.raises(EnvironmentExists, match="made by hand"):
        installation.request(declared, "staging")
    assert installation.live("staging") == commit
    with installation.database.transaction() as tx:
        installation.configuration.set(tx, SYSTEM, STORE, "staging", "KEY", "horse", secret=True)
        installation.deployments.destroy(tx, SYSTEM, STORE, "staging", reason="the name is needed")
        kept = installation.configuration.shown(tx, SYSTEM, STORE, "staging")
    assert [one.name for one in kept] == ["KEY"]
    installation.deploy(declared, "staging")
    assert installation.live("staging") == declared
    assert not installation.place("staging").by_hand


def test_an_environment_made_like_one_with_a_port_has_its_own(installation: Installation) -> None:
    port = 47_801
    with_port = definition().replace("  acceptance:\n    instances", f"  acceptance:\n    port: {port}\n    instances")
    commit = installation.built({"andon.yaml": with_port}, through="commit")
    with installation.database.transaction() as tx:
        installation.deployments.create_environment(
            tx, SYSTEM, STORE, commit, name="mine", like="acceptance", time_to_live=None
        )
    installation.settle()
    assert installation.live("mine") == commit
    assert installation.place("mine").port != port


def test_an_environment_with_a_deployment_under_way_is_not_destroyed(installation: Installation) -> None:
    asked = installation.request(installation.built())
    for _ in range(2):
        with pytest.raises(EnvironmentBusy), installation.database.transaction() as tx:
            installation.deployments.destroy(tx, SYSTEM, STORE, "production", reason="on request")
        with installation.database.transaction() as tx:
            installation.deployments.dispatch(tx, STORE, "production")
    with installation.database.transaction() as tx:
        installation.deployments.finish(tx, asked, DeploymentState.FAILED, "it was told to")
        installation.deployments.destroy(tx, SYSTEM, STORE, "production", reason="on request")


# Over all services


def test_the_survey_sees_what_serves_waits_and_has_ended(installation: Installation, clock: SettableClock) -> None:
    began = clock.now()
    old, new = installation.built(), installation.built()
    first = installation.deploy(old)
    installation.environments.imagine(new, Behaviour(unhealthy_with_traffic="web 1 answers 500"))
    clock.advance(60)
    installation.deploy(new)
    waiting = installation.request(old)
    with installation.database.reading() as reading:
        serving = installation.deployments.serving(reading)
        under_way = installation.deployments.under_way(reading)
        outcomes = installation.deployments.outcomes(reading, since=began)
        elsewhere = installation.deployments.outcomes(reading, since=began, service=Service("mailer"))
        later = installation.deployments.outcomes(reading, since=clock.now())
    assert [one.id for one in serving] == [first.id]
    assert [one.id for one in under_way] == [waiting]
    assert [one.state for one in outcomes] == [DeploymentState.SUCCEEDED, DeploymentState.ROLLED_BACK]
    assert elsewhere == ()
    assert len(later) == 1


def test_history_pages_over_services_and_shows_only_what_one_may_see(installation: Installation) -> None:
    mailer = Service("mailer")
    installation.create(mailer)
    made = [installation.request(installation.built()) for _ in range(3)]
    other = installation.request(installation.built(service=mailer), service=mailer)
    with installation.database.reading() as reading:
        ask = installation.deployments.history
        assert [one.id for one in ask(reading, limit=2)] == [other, made[2]]
        assert [one.id for one in ask(reading, older_than=made[2])] == [made[1], made[0]]
        assert [one.id for one in ask(reading, services=["mailer"])] == [other]
        assert ask(reading, states=[DeploymentState.SUCCEEDED]) == ()
