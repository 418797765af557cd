"""What each step of a deployment does. Every step may run again after a crash and must then do no harm.

A step's beginning and end are transactions of their own, with events; its effect lies between. What can go
wrong with a version is an outcome, kept with its reason; only what Andon itself cannot do is raised.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from andon.flow.definition.contract import SmokeTest
from andon.flow.deployments.coexistence import EXPAND, Coexistence
from andon.flow.deployments.contract import DeploymentId, DeploymentState, Kind, StepName, StepState
from andon.flow.deployments.contract.release import AtOnce, ReleaseEnd, Releasing
from andon.flow.deployments.model import STEPS, Course, Deployment, StepFailed, StepOutcome, Undecided
from andon.flow.deployments.releases import Releases
from andon.flow.deployments.service.contracting import require_no_objections
from andon.flow.deployments.service.deployments import DeploymentService
from andon.flow.deployments.service.steps import StepRecord, actor_of
from andon.flow.deployments.smoke import ask
from andon.flow.environments.contract import Environments, SetId, SetSpec, Standing
from andon.flow.routing.contract import Router
from andon.kernel.db import Database, Reading
from andon.kernel.errors import AndonError
from andon.kernel.logs.reader import LogReader
from andon.kernel.logs.text import plain

CONFIRM_SECONDS = 2.0
"""How long a version must answer with traffic on it before the deployment counts as done."""
_KEPT_OUTPUT = 16_000
_HALF_WAY_SAFE = "The version that serves has the traffic as before, and whatever was added stays: it does not notice."
_HALF_WAY_REMEDY = "Mend the migration and deploy again: expand begins anew and does what is missing."

_log = logging.getLogger(__name__)


class _Cancelled(Exception):
    """Somebody asked for the end before the switch."""


class Execution:
    """The bodies of the steps of :mod:`andon.flow.deployments.workflows`."""

    def __init__(
        self,
        *,
        database: Database,
        service: DeploymentService,
        environments: Environments,
        router: Router,
        confirm_seconds: float = CONFIRM_SECONDS,
        releasing: Releasing | None = None,
    ) -> None:
        """``releasing`` is whoever brings versions to customers a few at a time; ``None`` is nobody."""
        self._database = database
        self._service = service
        self._record = StepRecord()
        self._environments = environments
        self._router = router
        self._confirm_seconds = confirm_seconds
        self._coexistence = Coexistence(database=database, service=service, environments=environments)
        self._releases = Releases(
            database=database,
            service=service,
            environments=environments,
            router=router,
            releasing=AtOnce() if releasing is None else releasing,
        )

    def close(self) -> None:
        """Interrupt what waits: it goes on at the next start."""
        self._releases.stop()

    def plan(self, deployment: DeploymentId) -> Course:
        """Which steps it takes; prepares the set they work on."""
        with self._database.transaction() as tx:
            found = self._record.load(tx, deployment)
            if found.course is Course.WARM and not self._is_warm(tx, found):
                # What went before in the queue has put the set away: it starts again instead.
                found = self._record.go_cold(tx, deployment)
            course = found.course
            place = self._environments.find(tx, found.service, found.environment)
            live = place.live.id if place is not None and place.live is not None else None
            if course in {Course.FULL, Course.COLD}:
                chosen = self._environments.prepare(
                    tx,
                    SetSpec(
                        service=found.service,
                        environment=found.environment,
                        deployment=deployment,
                        commit=found.commit,
                        digest=found.digest,
                        config_version=found.config_version,
                    ),
                )
            else:
                assert found.warm_set is not None  # noqa: S101 - these courses are only taken with a set
                chosen = found.warm_set
            self._record.choose_set(tx, deployment, chosen, live)
            if course is Course.FULL and self._releases.is_staged(tx, self._record.load(tx, deployment)):
                course = Course.STAGED
        return course

    def perform(self, deployment: DeploymentId, step: StepName) -> StepOutcome:
        """Do one step; its outcome is in the record when this returns."""
        with self._database.transaction() as tx:
            found = self._record.load(tx, deployment)
            if self._record.passed(tx, deployment, step):
                return StepOutcome.PASSED
            self._record.begin(tx, found, step)
        try:
            if self._cancelled(deployment) and self._may_still_end(found, step):
                raise _Cancelled
            told = self._do(found, step)
        except _Cancelled:
            self._end(found, step, StepState.FAILED, "cancelled on request")
            return StepOutcome.CANCELLED
        except AndonError as error:
            # Of a version or of Andon: either way the step did not happen as it should, and the reader is told.
            self._end(found, step, StepState.FAILED, str(error))
            return StepOutcome.FAILED
        except Exception as error:  # noqa: BLE001 - a fault of our own must not hold the environment's lock for ever
            _log.exception("step %s of deployment %s broke", step.value, deployment)
            self._end(found, step, StepState.FAILED, f"Andon itself failed ({type(error).__name__}); its log says how")
            return StepOutcome.FAILED
        match told:
            case Undecided(why=why):
                self._end(found, step, StepState.INCONCLUSIVE, why)
            case note:
                self._end(found, step, StepState.PASSED, note)
        return StepOutcome.PASSED

    def discard(self, deployment: DeploymentId) -> bool:
        """End a candidate set that did not make it."""
        with self._database.transaction() as tx:
            found = self._record.load(tx, deployment)
            if found.set is None or found.course in {Course.WARM, Course.CONTRACT}:
                return False
            released = self._record.began(tx, deployment, StepName.RELEASE)
            if released:
                # whoever released it has brought the traffic back; this is for when it broke over it
                self._releases.point_back(tx, found)
            kept = self._environments.set(tx, found.set).standing is Standing.QUARANTINED
            if not kept:
                reason = "its deployment ended before the switch"
                self._environments.mark(tx, found.set, Standing.RETIRED, reason=reason)
        if released:
            self._router.apply((found.service, found.environment))
        if not kept:
            self._environments.stop(found.set)
        return True

    def finish(self, deployment: DeploymentId, state: DeploymentState) -> bool:
        """Record the end, free the lock, start the next."""
        with self._database.transaction() as tx:
            found = self._record.load(tx, deployment)
            reason = "" if state is DeploymentState.SUCCEEDED else self._record.why_failed(tx, deployment)
            self._service.finish(tx, deployment, state, reason, by=actor_of(found))
        return True

    # The steps

    def _do(self, found: Deployment, step: StepName) -> str | Undecided:
        match step:
            case StepName.EXPAND:
                return self._expand(found)
            case StepName.START:
                self._environments.start(self._set(found))
                return ""
            case StepName.HEALTH:
                report = self._environments.await_healthy(self._set(found), lambda: self._cancelled(found.id))
                if not report.healthy:
                    if self._cancelled(found.id):
                        raise _Cancelled
                    raise StepFailed(report.reason)
                return ""
            case StepName.SMOKE:
                return self._smoke(found)
            case StepName.RELEASE:
                return self._release(found)
            case StepName.SWITCH:
                self._switch(found, self._set(found))
                return ""
            case StepName.CONFIRM:
                return self._releases.confirm(found, watched=self._confirm_seconds)
            case StepName.RETIRE:
                return self._retire(found)
            case StepName.CONTRACT:
                return self._contract(found)
            case StepName.RESTORE:
                return self._restore(found)

    def _expand(self, found: Deployment) -> str:
        if found.kind is Kind.REBUILD:
            self._require_live(found, by_set=False)
        migrations = self._service.definition(found.service, found.commit).migrations
        if migrations.expand is None:
            return "no migration declared"
        run = partial(self._run_expand, found, migrations.expand, migrations.timeout)
        return self._coexistence.around(found, run, self._smoke_all, lambda: self._cancelled(found.id))

    def _run_expand(self, found: Deployment, command: str, timeout: float) -> None:
        try:
            self._command(found, StepName.EXPAND, EXPAND, command, timeout, {})
        except StepFailed as error:
            raise StepFailed(error.message, safe=_HALF_WAY_SAFE, remedy=_HALF_WAY_REMEDY) from None

    def _contract(self, found: Deployment) -> str:
        migrations = self._service.definition(found.service, found.commit).migrations
        if migrations.contract is None:
            raise StepFailed("The contract migration is gone from andon.yaml.")
        self._require_live(found, by_set=True)
        # Asked again: it may have waited in the queue, and a flag is turned in a second.
        with self._database.reading() as reading:
            objections = self._service.contract_objections(reading, found.service, found.environment, found.commit)
        require_no_objections(objections)
        self._stop_retired(found)
        self._command(found, StepName.CONTRACT, "contract", migrations.contract, migrations.timeout, {})
        return ""

    def _smoke(self, found: Deployment) -> str:
        tests = self._service.definition(found.service, found.commit).smoke_tests
        if not tests:
            return "no smoke test declared"
        self._smoke_all(found, tests)
        return f"{len(tests)} passed"

    def _smoke_all(self, found: Deployment, tests: Sequence[SmokeTest]) -> None:
        for test in tests:
            if test.command is not None:
                self._smoke_command(found, test)
            else:
                self._smoke_request(found, test)

    def _smoke_command(self, found: Deployment, test: SmokeTest) -> None:
        assert test.command is not None  # noqa: S101 - the caller chose by it
        # A marked identity, so that what the test leaves can be found and is never taken for a customer's.
        marked = {"ANDON_SMOKE_IDENTITY": f"smoke-{found.id}@andon.invalid"}
        failure: StepFailed | None = None
        try:
            self._command(found, StepName.SMOKE, test.name, test.command, test.timeout, marked)
        except StepFailed as error:
            failure = error
        finally:
            # Whatever the outcome, a cancellation among them: the test may have left something.
            if test.cleanup is not None:
                try:
                    name = f"{test.name} (clean-up)"
                    self._command(
                        found, StepName.SMOKE, name, test.cleanup, test.timeout, marked, may_be_cancelled=False
                    )
                except StepFailed as error:
                    # The test's own failure says more than what followed from it.
                    failure = failure or error
        if failure is not None:
            raise failure

    def _smoke_request(self, found: Deployment, test: SmokeTest) -> None:
        with self._database.reading() as reading:
            view = self._environments.set(reading, self._set(found))
        reached = [one.endpoint for one in view.instances if one.endpoint]
        if not reached:
            raise StepFailed(f"Smoke test {test.name!r}: the version has no routed instance to ask.")
        for endpoint in reached:
            problem = ask(endpoint, test)
            if problem is not None:
                raise StepFailed(f"Smoke test {test.name!r}: {problem}")

    def _release(self, found: Deployment) -> str:
        outcome = self._releases.release(found, lambda: self._cancelled(found.id))
        match outcome.end:
            case ReleaseEnd.CANCELLED:
                raise _Cancelled
            case ReleaseEnd.FAILED:
                raise StepFailed(outcome.reason)
            case ReleaseEnd.PASSED | ReleaseEnd.INCONCLUSIVE:
                return outcome.reason

    def _switch(self, found: Deployment, to: SetId) -> None:
        with self._database.transaction() as tx:
            before = self._router.point(
                tx, found.service, found.environment, to=to, fence=found.fence, deployment=found.id
            )
            if before is not None and before != to:
                self._releases.relieve(tx, found, before)
            self._environments.mark(tx, to, Standing.LIVE, reason="it was given the traffic")
        self._router.apply((found.service, found.environment))
        with self._database.transaction() as tx:
            self._record.note_switched(tx, found.id)

    def _retire(self, found: Deployment) -> str:
        keep = self._keep_warm(found)
        with self._database.transaction() as tx:
            place = self._environments.find(tx, found.service, found.environment)
            sets = place.sets if place else ()
            warm = [one for one in sets if one.standing is Standing.WARM]
            own = {found.set, found.former_set}
            inspected = [one.id for one in sets if one.standing is Standing.QUARANTINED and one.id not in own]
            # The set this deployment took the traffic from is the nearest way back, whatever its age.
            warm.sort(key=lambda one: (one.id == found.former_set, one.created_at, one.id), reverse=True)
            # A second set of a version, or one of the version that has the traffic, is no further way back.
            kept = {one.commit: one.id for one in reversed(warm) if one.commit != found.commit}
            staying = [one.id for one in warm if kept.get(one.commit) == one.id][:keep]
            leaving = [one.id for one in warm if one.id not in staying]
            for one in leaving:
                self._environments.mark(tx, one, Standing.RETIRED, reason=f"{keep} former versions stay warm")
            for one in inspected:
                self._environments.mark(tx, one, Standing.RETIRED, reason=f"{found.commit[:7]} has the traffic now")
        for one in (*leaving, *inspected):
            self._environments.stop(one)
        return f"{len(staying)} kept warm, {len(leaving)} retired"

    def _restore(self, found: Deployment) -> str:
        chosen = self._set(found)
        if found.former_set is None:
            with self._database.transaction() as tx:
                self._router.withdraw(tx, found.service, found.environment)
                self._environments.mark(tx, chosen, Standing.RETIRED, reason="it failed with traffic on it")
            self._router.apply()
            self._environments.stop(chosen)
            return "no former version: the environment has no traffic now"
        with self._database.reading() as reading:
            if self._environments.set(reading, chosen).standing is Standing.QUARANTINED:
                return "traffic is back on the former version; the instances are kept to be looked at"
        self._switch(found, found.former_set)
        with self._database.transaction() as tx:
            self._environments.mark(tx, chosen, Standing.RETIRED, reason="it failed with traffic on it")
        self._environments.stop(chosen)
        return "traffic is back on the former version"

    # Inside

    def _command(
        self,
        found: Deployment,
        step: StepName,
        name: str,
        command: str,
        timeout: float,
        variables: Mapping[str, str],
        *,
        may_be_cancelled: bool = True,
    ) -> None:
        stoppable = may_be_cancelled and self._may_still_cancel(step)
        with self._database.reading() as reading:
            started_at = reading.now
        outcome = self._environments.run_command(
            self._set(found),
            key=f"{step.value}-{name}",
            command=command,
            timeout=timeout,
            variables=variables,
            stopping=lambda: stoppable and self._cancelled(found.id),
        )
        lines = LogReader(outcome.log).tail(200).lines
        output = "\n".join(plain(line.text) for line in lines)[-_KEPT_OUTPUT:]
        with self._database.transaction() as tx:
            self._record.add_command(
                tx, found, step, name=name, command=command, outcome=outcome, output=output, started_at=started_at
            )
        if outcome.passed:
            return
        if stoppable and self._cancelled(found.id):
            raise _Cancelled
        told = "ran out of time" if outcome.timed_out else f"ended with {outcome.exit_code}"
        if outcome.exit_code is None and not outcome.timed_out:
            told = "was ended by a signal"
        last = output.strip().rsplit("\n", 1)[-1]
        raise StepFailed(f"{name} {told} after {outcome.seconds:.1f} s" + (f": {last}" if last else "."))

    def _require_live(self, found: Deployment, *, by_set: bool) -> None:
        # What was asked for was about what ran then; something else may have come before it in the queue.
        with self._database.reading() as reading:
            place = self._environments.find(reading, found.service, found.environment)
        live = None if place is None else place.live
        if live is None or live.commit != found.commit or (by_set and live.id != found.set):
            raise StepFailed(f"{found.commit[:7]} is not what runs in {found.environment} any more: ask for it again.")

    def _is_warm(self, reading: Reading, found: Deployment) -> bool:
        assert found.warm_set is not None  # noqa: S101 - that is what makes the course a warm one
        return self._environments.set(reading, found.warm_set).standing in {Standing.WARM, Standing.LIVE}

    def _stop_retired(self, found: Deployment) -> None:
        # Sets given up for a contract migration must be gone before the shape they need is.
        with self._database.reading() as reading:
            gone = self._environments.retired_running(reading, found.service, found.environment)
        for one in gone:
            self._environments.stop(one)

    def _keep_warm(self, found: Deployment) -> int:
        with self._database.reading() as reading:
            place = self._service.place(reading, found.service, found.environment, found.commit)
        return 0 if place is None else place.keep_warm

    def _end(self, found: Deployment, step: StepName, state: StepState, reason: str) -> None:
        with self._database.transaction() as tx:
            self._record.end(tx, found, step, state, reason)

    def _cancelled(self, deployment: DeploymentId) -> bool:
        with self._database.reading() as reading:
            return self._record.load(reading, deployment).cancel_requested

    def _may_still_end(self, found: Deployment, step: StepName) -> bool:
        """Whether a deployment may end here: as long as it has not been given the traffic."""
        if step is not StepName.SWITCH:
            return self._may_still_cancel(step)
        with self._database.reading() as reading:
            route = self._router.route(reading, found.service, found.environment)
        return route is None or route.set != found.set

    @staticmethod
    def _may_still_cancel(step: StepName) -> bool:
        every = STEPS[Course.STAGED]
        return step in every and every.index(step) < every.index(StepName.SWITCH)

    @staticmethod
    def _set(found: Deployment) -> SetId:
        assert found.set is not None  # noqa: S101 - plan() has chosen it
        return found.set
