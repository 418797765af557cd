"""Use cases of deployments: asking for one, queueing, locking, ending. Transactions come from outside."""

from __future__ import annotations

from dataclasses import replace

from andon.flow.artifacts.contract import Digest
from andon.flow.configuration.contract import ConfigVersion
from andon.flow.definition.contract import DEFINITION_FILE
from andon.flow.deployments import storage
from andon.flow.deployments.contract import (
    DeploymentCancelRequested,
    DeploymentFinished,
    DeploymentId,
    DeploymentRequested,
    DeploymentStarted,
    DeploymentState,
    Kind,
    RollbackGivenUp,
)
from andon.flow.deployments.model import (
    TRANSITIONS,
    AlreadyEnded,
    BuildNotPassed,
    ContractRefused,
    EnvironmentExists,
    NoSuchEnvironment,
    NothingToRollBackTo,
    RollbackRefused,
    SecretsMissing,
)
from andon.flow.deployments.service.contracting import DeploymentContracting, require_no_objections
from andon.flow.deployments.service.doubts import follow
from andon.flow.deployments.service.ending import EnvironmentEnding
from andon.flow.deployments.service.questions import see
from andon.flow.environments.contract import SetId, Standing
from andon.flow.pipelines.contract import Build, RunId, Verdict
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import Grant, Permission, Principal, Role
from andon.kernel.clock import seconds_between
from andon.kernel.db import Transaction
from andon.kernel.errors import Invalid, NotFound
from andon.kernel.events import ANDON, Actor, append
from andon.kernel.ids import new_id


class DeploymentService(DeploymentContracting, EnvironmentEnding):
    """Implements :class:`andon.flow.deployments.contract.Deployments`."""

    # What people and pipelines ask for

    def request(
        self,
        tx: Transaction,
        principal: Principal,
        *,
        service: Service,
        environment: str,
        commit: CommitHash,
        run: RunId | None = None,
        override: str | None = None,
        key: str | None = None,
    ) -> DeploymentId:
        principal.require(Permission.DEPLOY, service, environment)
        if override is not None and not (override := override.strip()):
            raise Invalid("An override needs a reason.", safe="Nothing was changed.", remedy="Say why, in a sentence.")
        if key is not None and (known := storage.by_key(tx.connection, key)) is not None:
            return known
        build = self._pipelines.build_of(tx, service, commit, environment=environment)
        if build is None:
            raise NotFound(
                f"There is no package of {commit[:7]}.",
                safe="Nothing was changed.",
                remedy="Push the commit and let its pipeline build one, or choose one from `andon deploy --list`.",
            )
        if build.verdict is not Verdict.PASSED:
            self._require_override(principal, build, environment, override)
        config_version = self._prepare(tx, principal, service, environment, commit)
        return self._insert(
            tx,
            principal,
            kind=Kind.DEPLOY,
            service=service,
            environment=environment,
            commit=commit,
            digest=build.digest,
            config_version=config_version,
            run=run or build.run,
            override=override if build.verdict is not Verdict.PASSED else None,
            key=key,
            pushed_at=build.pushed_at,
        )

    def rebuild(self, tx: Transaction, principal: Principal, service: Service, environment: str) -> DeploymentId:
        """Put what runs there into fresh instances. Raises ``NotFound`` when nothing runs."""
        principal.require(Permission.DEPLOY, service, environment)
        live = self._require_live(tx, service, environment)
        config_version = self._prepare(tx, principal, service, environment, live.commit)
        return self._insert(
            tx,
            principal,
            kind=Kind.REBUILD,
            service=service,
            environment=environment,
            commit=live.commit,
            digest=live.digest,
            config_version=config_version,
            run=live.run,
        )

    def roll_back(
        self, tx: Transaction, principal: Principal, service: Service, environment: str, *, to: CommitHash | None = None
    ) -> DeploymentId:
        principal.require(Permission.ROLL_BACK, service, environment)
        targets = self.rollback_targets(tx, service, environment)
        # Without a word it goes back only: whoever asks second would else return to what was just taken back.
        chosen = next((one for one in targets if (not one.newer if to is None else one.commit == to)), None)
        if chosen is None:
            raise NothingToRollBackTo(
                f"{service} has no former version in {environment}" + (f" that was {to[:7]}." if to else "."),
                safe="Nothing was changed.",
                remedy=f"See what has run there: andon deployments {service} {environment}",
            )
        if chosen.refusal is not None:
            raise RollbackRefused(
                f"{chosen.commit[:7]} cannot be rolled back to: {chosen.refusal}",
                safe="Nothing was changed.",
                remedy="Deploy a new change that brings the wanted behaviour back.",
            )
        former = storage.load(tx.connection, chosen.deployment)
        assert former is not None  # noqa: S101 - the target was read in this transaction
        return self._insert(
            tx,
            principal,
            kind=Kind.ROLL_BACK,
            service=service,
            environment=environment,
            commit=chosen.commit,
            digest=chosen.digest,
            config_version=former.config_version,
            run=former.run,
            warm_set=chosen.set,
        )

    def contract(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        environment: str,
        *,
        give_up_rollback: bool = False,
    ) -> DeploymentId:
        """Run the contract migration of what is live.

        Refused with :class:`ContractRefused` while an older version could still be rolled back to, unless
        the asker gives that up for good with ``give_up_rollback``. Nobody is asked to give it up for a contract
        that has run already.
        """
        principal.require(Permission.CONTRACT, service, environment)
        live = self._require_live(tx, service, environment)
        if self.definition(service, live.commit).migrations.contract is None:
            raise NotFound(
                f"{live.commit[:7]} has no contract migration.",
                remedy="Name its command under migrations.contract in andon.yaml and deploy that first.",
            )
        targets = [one for one in self.rollback_targets(tx, service, environment) if one.refusal is None]
        if targets and not give_up_rollback:
            if self.left_to_contract(tx, service, environment, live.commit) == ():
                raise ContractRefused(
                    f"Nothing is left to contract: {environment} has run every contract migration "
                    f"of {live.commit[:7]}.",
                    safe="Nothing was changed, and every rollback is still possible.",
                    remedy="If the database is an older one that was restored, run them again: "
                    f"andon contract {service} {environment} --give-up-rollback",
                )
            versions = ", ".join(one.commit[:7] for one in targets)
            raise ContractRefused(
                f"A contract migration removes what {versions} may need, "
                "and these versions can still be rolled back to.",
                safe="Nothing was changed.",
                remedy="Once you are sure, give these rollbacks up: "
                f"andon contract {service} {environment} --give-up-rollback",
            )
        require_no_objections(self.contract_objections(tx, service, environment, live.commit))
        if targets:
            reason = f"given up for the contract migration of {live.commit[:7]}"
            storage.give_up(tx.connection, service, environment, reason, but=live.commit)
            append(
                tx,
                RollbackGivenUp(
                    service=service,
                    environment=environment,
                    commits=tuple(one.commit for one in targets),
                ),
                by=principal.actor,
            )
            for one in targets:
                if one.set is not None:
                    self._environments.mark(tx, one.set, Standing.RETIRED, reason=reason)
        return self._insert(
            tx,
            principal,
            kind=Kind.CONTRACT,
            service=service,
            environment=environment,
            commit=live.commit,
            digest=live.digest,
            config_version=live.config_version,
            run=live.run,
            warm_set=live.set,
        )

    def cancel(self, tx: Transaction, principal: Principal, deployment: DeploymentId) -> None:
        found = self._require(tx, deployment)
        see(principal, found.service)
        principal.require(Permission.DEPLOY, found.service, found.environment)
        if found.state.ended:
            raise AlreadyEnded("This deployment has already ended.", remedy="To undo it, roll back: andon rollback")
        append(
            tx,
            DeploymentCancelRequested(deployment=deployment, service=found.service, environment=found.environment),
            by=principal.actor,
        )
        storage.update(tx.connection, deployment, cancel_requested=True)
        if found.state is DeploymentState.QUEUED:
            self.finish(tx, deployment, DeploymentState.CANCELLED, "cancelled while it waited", by=principal.actor)

    # Environments made by hand

    def create_environment(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        commit: CommitHash,
        *,
        name: str,
        like: str,
        time_to_live: float | None,
    ) -> DeploymentId:
        """Make an environment of one's own, like one of the commit's ``andon.yaml``, and deploy the commit there.

        ``time_to_live`` is in seconds. Raises as :meth:`request` does, and :class:`EnvironmentExists`.
        """
        principal.require(Permission.CREATE_ENVIRONMENT, service)
        definition = self.definition(service, commit)
        model = definition.environment(like)
        if model is None:
            known = ", ".join(one.name for one in definition.environments) or "none"
            raise NoSuchEnvironment(
                f"{DEFINITION_FILE} at {commit[:7]} has no environment called {like!r}.",
                safe="Nothing was changed.",
                remedy=f"Choose one of those it has: {known}.",
            )
        taken = self._environments.find(tx, service, name) is not None
        if taken or definition.environment(name) is not None or self.is_meant(tx, service, name):
            raise EnvironmentExists(
                f"{service} has an environment called {name} already.",
                safe="Nothing was changed.",
                remedy="Choose another name.",
            )
        if self._configuration.current_version(tx, service, name):
            # Values are kept by name, also before an environment is made and after it has gone: whoever fills it
            # with a commit of their own is handed them.
            principal.require(Permission.DEPLOY, service, name)
        own = replace(model, name=name, port=None, keep_warm=0, time_to_live=time_to_live)
        self._environments.ensure(tx, principal, service, own, like=like)
        # Whoever may make an environment may fill the one just made.
        allowed = replace(principal, grants=(*principal.grants, Grant(Role.DEVELOPER, service, name)))
        return self.request(tx, allowed, service=service, environment=name, commit=commit)

    # The queue and the lock

    def dispatch(self, tx: Transaction, service: Service, environment: str) -> DeploymentId | None:
        """Give the environment's lock to the next in the queue, if it is free; who got it."""
        row = storage.lock_row(tx.connection, service, environment)._mapping
        holder = row["holder"]
        if holder is not None:
            held = storage.load(tx.connection, DeploymentId(str(holder)))
            if held is not None and not held.state.ended:
                return None
        waiting = storage.queue(tx.connection, service, environment)
        if not waiting:
            if holder is not None:
                storage.hold(tx.connection, service, environment, holder=None, since=None, fence=int(str(row["fence"])))
            return None
        chosen = waiting[0]
        fence = int(str(row["fence"])) + 1
        storage.hold(tx.connection, service, environment, holder=chosen, since=tx.now, fence=fence)
        storage.update(tx.connection, chosen, state=DeploymentState.RUNNING, started_at=tx.now, fence=fence)
        append(
            tx,
            DeploymentStarted(deployment=chosen, service=service, environment=environment, fence=fence),
            by=ANDON,
        )
        return chosen

    def finish(
        self,
        tx: Transaction,
        deployment: DeploymentId,
        state: DeploymentState,
        reason: str,
        *,
        by: Actor = ANDON,
    ) -> None:
        """End a deployment, free the lock and let the next one begin. Does nothing when it has ended."""
        found = self._require(tx, deployment)
        if found.state.ended:
            return
        if state not in TRANSITIONS[found.state]:
            raise AlreadyEnded(f"A {found.state.value} deployment cannot become {state.value}.")
        view = storage.views(tx.connection, deployment=deployment)[0]
        lead_time: float | None = None
        if (
            state is DeploymentState.SUCCEEDED
            and found.kind is Kind.DEPLOY
            and not storage.succeeded_before(tx.connection, found.service, found.environment, found.commit)
        ):
            pushed_at = storage.pushed_at(tx.connection, deployment)
            lead_time = seconds_between(pushed_at, view.switched_at or tx.now)
        follow(tx, found, state, reason, by=by)
        storage.update(tx.connection, deployment, state=state, reason=reason, ended_at=tx.now, lead_time=lead_time)
        append(
            tx,
            DeploymentFinished(
                deployment=deployment,
                service=found.service,
                environment=found.environment,
                kind=found.kind,
                commit=found.commit,
                state=state,
                reason=reason,
                lead_time=lead_time,
            ),
            by=by,
        )
        self.dispatch(tx, found.service, found.environment)

    # Inside

    def _prepare(
        self, tx: Transaction, principal: Principal, service: Service, environment: str, commit: CommitHash
    ) -> ConfigVersion:
        place = self.place(tx, service, environment, commit)
        if place is None:
            raise NoSuchEnvironment(
                f"{DEFINITION_FILE} at {commit[:7]} has no environment called {environment!r}.",
                safe="Nothing was changed.",
                remedy=f"Add it under environments in {DEFINITION_FILE}.",
            )
        self._require_declared(tx, service, environment, commit)
        version = self._configuration.current_version(tx, service, environment)
        missing = self._configuration.missing_secrets(tx, service, place, version)
        if missing:
            declared = self.definition(service, commit).environment(environment) is not None
            again = f"deploy: `andon deploy {service} {environment} {commit[:7]}`" if declared else "ask again."
            raise SecretsMissing(
                f"{environment} has no value for {', '.join(missing)}.",
                safe="Nothing was changed.",
                remedy=f"Set it: `andon secret set {service} {environment} {missing[0]}`; then {again}",
            )
        self._environments.ensure(tx, principal, service, place)
        return version

    def _require_declared(self, tx: Transaction, service: Service, environment: str, commit: CommitHash) -> None:
        """Refuse to fill an environment made by hand with what was declared under its name later.

        It would run as the one it is like, and be taken away when its time is over.
        """
        known = self._environments.find(tx, service, environment)
        if known is None or not known.by_hand or self.definition(service, commit).environment(environment) is None:
            return
        raise EnvironmentExists(
            f"{environment} of {service} was made by hand, like {known.like}, before {DEFINITION_FILE} declared one.",
            safe="Nothing was changed.",
            remedy=f"Destroy it, or declare another name: andon env destroy {service} {environment}",
        )

    def _require_override(self, principal: Principal, build: Build, environment: str, override: str | None) -> None:
        told = {
            Verdict.UNDER_WAY: "is still being tested",
            Verdict.FAILED: f"failed in {build.failed_stage}",
            Verdict.UNKNOWN: "has no finished pipeline",
        }[build.verdict]
        if override is None:
            raise BuildNotPassed(
                f"{build.commit[:7]} {told}; it does not go to {environment}.",
                safe="Nothing was changed.",
                remedy="Deploy a build that has passed. Who may override gives a reason: --override REASON",
            )
        principal.require(Permission.OVERRIDE, build.service, environment)

    def _insert(
        self,
        tx: Transaction,
        principal: Principal,
        *,
        kind: Kind,
        service: Service,
        environment: str,
        commit: CommitHash,
        digest: Digest,
        config_version: ConfigVersion,
        run: RunId | None,
        override: str | None = None,
        key: str | None = None,
        warm_set: SetId | None = None,
        pushed_at: object = None,
    ) -> DeploymentId:
        identity = DeploymentId(new_id("dep"))
        # The lock's row orders requests of one environment on PostgreSQL, so that numbers do not collide.
        storage.lock_row(tx.connection, service, environment)
        storage.insert(
            tx.connection,
            id=identity,
            number=storage.next_number(tx.connection, service),
            service=service,
            environment=environment,
            kind=kind,
            state=DeploymentState.QUEUED,
            commit=commit,
            digest=digest,
            config_version=config_version,
            run=run,
            person=principal.person,
            override=override,
            request_key=key,
            requested_at=tx.now,
            pushed_at=pushed_at,
            warm_set=warm_set,
        )
        append(
            tx,
            DeploymentRequested(
                deployment=identity,
                service=service,
                environment=environment,
                kind=kind,
                commit=commit,
                digest=digest,
                run=run,
                override=override,
            ),
            by=principal.actor,
        )
        return identity
