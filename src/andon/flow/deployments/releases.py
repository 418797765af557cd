"""The steps of a deployment in which others have a say: releasing in stages, and confirming by telemetry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from andon.flow.deployments.contract import Kind
from andon.flow.deployments.contract.release import Candidate, ReleaseEnd, ReleaseOutcome, Releasing
from andon.flow.deployments.model import Deployment, StepFailed, Undecided, is_rehearsal, is_same_again
from andon.flow.deployments.service.deployments import DeploymentService
from andon.flow.environments.contract import Environments, SetId, Standing
from andon.flow.routing.contract import Router, Served
from andon.kernel.db import Database, Reading, Transaction


class Releases:
    """Asks the room that releases, and keeps the instances of what it has refused."""

    def __init__(
        self,
        *,
        database: Database,
        service: DeploymentService,
        environments: Environments,
        router: Router,
        releasing: Releasing,
    ) -> None:
        self._database = database
        self._service = service
        self._environments = environments
        self._router = router
        self._releasing = releasing
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let steps that wait be interrupted; they run again at the next start."""
        self._stopping.set()

    def is_rehearsal(self, found: Deployment) -> bool:
        definition = self._service.definition(found.service, found.commit)
        return found.run is not None and is_rehearsal(definition, found.environment)

    def is_staged(self, reading: Reading, found: Deployment) -> bool:
        """Whether some customers come first."""
        candidate = self._candidate(reading, found)
        return candidate is not None and (bool(candidate.release.stages) or candidate.release.mirror is not None)

    def release(self, found: Deployment, cancelled: Callable[[], bool]) -> ReleaseOutcome:
        with self._database.reading() as reading:
            candidate = self._candidate(reading, found)
        if candidate is None:
            return ReleaseOutcome(end=ReleaseEnd.PASSED, reason="nothing to compare it with: all traffic at once")
        outcome = self._releasing.release(candidate, cancelled=cancelled, interrupted=self._stopping.is_set)
        if outcome.end is ReleaseEnd.FAILED:
            self._quarantine(candidate, outcome.reason)
        return outcome

    def confirm(self, found: Deployment, *, watched: float) -> str | Undecided:
        """Watch the set with all traffic on it for ``watched`` seconds, and then ask telemetry.

        Raises :class:`~andon.flow.deployments.model.StepFailed`.
        """
        assert found.set is not None  # noqa: S101 - what confirms is a set that has been given the traffic
        before = self._router.served(found.set)
        # The jobs of a rehearsal's stage wait for this step, and they look closer than it does.
        rehearsal = self.is_rehearsal(found)
        seconds = 0.0 if rehearsal else watched
        deadline = time.monotonic() + seconds
        while True:
            report = self._environments.probe(found.set)
            if not report.healthy:
                raise StepFailed(f"With traffic on it: {report.reason}")
            if time.monotonic() >= deadline:
                break
            time.sleep(0.2)
        after = self._router.served(found.set)
        if rehearsal:
            return "healthy; the jobs of its stage look closer"
        told = self._no_better(found, self._asked(found))
        said = f"{_watched(before, after, seconds)}{told.reason and f'; {told.reason}'}"
        match told.end:
            case ReleaseEnd.PASSED:
                return said
            case ReleaseEnd.INCONCLUSIVE:
                return Undecided(said)
            case _:
                raise StepFailed(told.reason)

    def _asked(self, found: Deployment) -> ReleaseOutcome:
        """What telemetry says of it; when that is harm, the traffic is back."""
        with self._database.reading() as reading:
            candidate = self._candidate(reading, found)
        if candidate is None and found.kind is Kind.DEPLOY and found.former_set is None:
            return ReleaseOutcome(end=ReleaseEnd.INCONCLUSIVE, reason="there was no version to compare it with")
        if candidate is None:
            return ReleaseOutcome(end=ReleaseEnd.PASSED, reason="")
        outcome = self._releasing.confirm(candidate, interrupted=self._stopping.is_set)
        if outcome.end is ReleaseEnd.FAILED:
            # Customers first: the way back is not to wait for the next step.
            with self._database.transaction() as tx:
                self.point_back(tx, found)
                self._environments.mark(tx, candidate.former, Standing.LIVE, reason="production took it back")
                self._mark(tx, candidate, outcome.reason)
            self._router.apply((candidate.service, candidate.environment))
            self._retire_older(candidate)
        return outcome

    def _no_better(self, found: Deployment, told: ReleaseOutcome) -> ReleaseOutcome:
        """A version that nobody has confirmed is not by being put into fresh instances, nor beside itself."""
        if found.former_set is None or told.end is not ReleaseEnd.PASSED:
            return told
        with self._database.reading() as reading:
            former = self._service.behind(reading, found.former_set)
        if former is None or former.unconfirmed is None or not is_same_again(found.kind, found.commit, former.commit):
            return told
        known = "telemetry has refuted this version" if former.refuted else "telemetry has not confirmed this version"
        reason = "; ".join(one for one in (told.reason, known) if one)
        return ReleaseOutcome(end=ReleaseEnd.INCONCLUSIVE, reason=reason)

    def relieve(self, tx: Transaction, found: Deployment, of: SetId) -> None:
        """Keep the set that has just lost the traffic: warm, or to be looked at when it is taken back for its harm."""
        before = self._service.behind(tx, of)
        if found.kind is Kind.ROLL_BACK and before is not None and before.refuted:
            self._environments.mark(tx, of, Standing.QUARANTINED, reason="telemetry found harm in it")
        else:
            self._environments.mark(tx, of, Standing.WARM, reason=f"{found.commit[:7]} took its traffic")

    def point_back(self, tx: Transaction, found: Deployment) -> None:
        """Record that all traffic belongs to the former set. The router is told by its ``apply``."""
        if found.former_set is not None:
            self._router.point(
                tx,
                found.service,
                found.environment,
                to=found.former_set,
                fence=found.fence,
                deployment=found.id,
            )

    def _candidate(self, reading: Reading, found: Deployment) -> Candidate | None:
        """``None`` for the first version of an environment, for one that was here before, and for a rehearsal."""
        if found.kind is not Kind.DEPLOY or found.set is None or found.former_set is None or self.is_rehearsal(found):
            return None
        definition = self._service.definition(found.service, found.commit)
        place = self._service.place(reading, found.service, found.environment, found.commit)
        if place is None:
            return None
        former = self._environments.set(reading, found.former_set)
        return Candidate(
            deployment=found.id,
            service=found.service,
            environment=found.environment,
            commit=found.commit,
            set=found.set,
            former=former.id,
            former_commit=former.commit,
            fence=found.fence,
            release=place.release,
            business=definition.telemetry.business,
        )

    def _quarantine(self, candidate: Candidate, reason: str) -> None:
        with self._database.transaction() as tx:
            self._mark(tx, candidate, reason)
        self._retire_older(candidate)

    def _mark(self, tx: Transaction, candidate: Candidate, reason: str) -> None:
        self._environments.mark(tx, candidate.set, Standing.QUARANTINED, reason=reason)

    def _retire_older(self, candidate: Candidate) -> None:
        # One is enough to look at; a row of bad versions must not fill the machine.
        with self._database.transaction() as tx:
            place = self._environments.find(tx, candidate.service, candidate.environment)
            older = [
                one.id
                for one in (place.sets if place else ())
                if one.standing is Standing.QUARANTINED and one.id != candidate.set
            ]
            for one in older:
                self._environments.mark(tx, one, Standing.RETIRED, reason="a newer version is kept for inspection")
        for one in older:
            self._environments.stop(one)


def _watched(before: Served | None, after: Served | None, seconds: float) -> str:
    if before is None or after is None:
        return f"healthy for {seconds:g} s; the router gave no counts"
    asked, failed = after.requests - before.requests, after.failed - before.failed
    if failed and failed * 2 >= asked:
        raise StepFailed(f"With traffic on it: {failed} of {asked} requests failed.")
    return f"healthy for {seconds:g} s, {asked} requests, {failed} failed"
