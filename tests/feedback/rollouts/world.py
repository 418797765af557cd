"""A First Way with customers who are imagined: their requests are counted as the router would count them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from andon.app.authority import GrantedAuthority, GrantedBacking
from andon.feedback.judge.contract import (
    Arms,
    Because,
    Counts,
    Effect,
    Expected,
    Foresight,
    Judge,
    Judgement,
    Look,
    MetricJudgement,
    Observation,
    Plan,
    Proposal,
    Verdict,
)
from andon.feedback.rollouts.belonging import Releases
from andon.feedback.rollouts.conducting import Conductor
from andon.feedback.rollouts.foretelling import Foretelling
from andon.feedback.rollouts.model.pacing import Rhythm
from andon.feedback.rollouts.model.records import LookRecord, Rollout, Watched
from andon.feedback.rollouts.ports import Measured, NoSignals, Side, Signals, Watchable
from andon.feedback.rollouts.service import RolloutService
from andon.feedback.rollouts.service.takeovers import TakeoverService
from andon.flow.definition.contract import Harm
from andon.flow.deployments.contract import DeploymentView
from andon.flow.deployments.execution import Execution
from andon.flow.deployments.workflows import deploy_workflow
from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import (
    PARTS,
    Access,
    AccessPage,
    AccessPosition,
    ComparisonPage,
    Pair,
    RouterStatistics,
    SetStatistics,
)
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.clock import SettableClock
from andon.kernel.errors import Unavailable
from tests.flow.installation import STORE, Installation, definition

BOUNDS = (5.0, 10.0, 50.0, 100.0, 500.0, 1000.0)
LONGEST = 4 * 3600.0
"""Seconds of imagined time after which nobody waits any more."""


def released(
    text: str = "{strategy: canary, stages: {few: {share: 5%, for: 20s}, half: {share: 50%, for: 20s}}}",
) -> str:
    return definition().replace("    keep_warm: 2\n", f"    keep_warm: 2\n    release: {text}\n")


@dataclass
class Behaviour:
    """How a version answers."""

    failing: float = 0.0
    """The share of requests that it fails."""
    slow: float = 0.0
    """The share that takes longer than any bound but the last."""
    gone: float = 0.0
    """The share of its requests that never reach it."""


class Answers:
    """Pairs of answers that are put here; each is read once."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []

    def read(self, after: AccessPosition | None = None, *, limit: int = 5000) -> ComparisonPage:
        start = 0 if after is None else after.offset
        found = self.pairs[start:]
        return ComparisonPage(pairs=tuple(found), position=AccessPosition(0, len(self.pairs)))


class Log:
    """The router's, in memory."""

    def __init__(self) -> None:
        self.lines: list[Access] = []
        self.broken = False

    def read(self, after: AccessPosition | None = None, *, limit: int = 5000) -> AccessPage:
        start = 0 if after is None else after.offset
        return AccessPage(requests=tuple(self.lines[start : start + limit]), position=self._place(start + limit))

    def end(self, *, before: int = 0) -> AccessPosition:
        return self._place(0 if before else len(self.lines))

    def _place(self, at: int) -> AccessPosition:
        if self.broken:
            raise OSError("the disk is gone")
        return AccessPosition(1, min(at, len(self.lines)))


class World:
    """``deploy`` versions and see what becomes of them; time passes only while somebody waits."""

    def __init__(
        self, local: Installation, clock: SettableClock, judge: Judge | None = None, signals: Signals | None = None
    ) -> None:
        self.local = local
        self.clock = clock
        self.rate = 50.0
        """Requests a second of all customers together."""
        self.asked: Callable[[Rollout], None] = lambda rollout: None
        """Called at each moment of a rollout that somebody waits for."""
        self.router_is_away = False
        self.behaviours: dict[CommitHash, Behaviour] = {}
        self.service = RolloutService()
        self.takeovers = TakeoverService(self.service, local.environments, local.router)
        self.log = Log()
        self.foretelling = Foretelling(
            database=local.database,
            environments=local.environments,
            router=local.router,
            judge=judge or Plain(),
            log=lambda: self.log,
        )
        local.audiences.used_by(Releases(self.service))
        self.answers = Answers()
        self.signals: Signals = signals or NoSignals()
        self._passed = 0.0
        self._interrupted = False
        self._served: dict[SetId, SetStatistics] = {}
        self._dark: dict[SetId, SetStatistics] = {}
        self._commits: dict[SetId, CommitHash] = {}
        self.conductor = Conductor(
            database=local.database,
            service=self.service,
            environments=local.environments,
            router=local.router,
            judge=judge or Plain(),
            signals=self.signals,
            comparisons=lambda: self.answers,
            segments=local.audiences,
            backing=GrantedBacking(GrantedAuthority(), local.deployments, local.pipelines),
            rhythm=Rhythm(slice=2.0),
            sleep=self.sleep,
        )
        self.execution = Execution(
            database=local.database,
            service=local.deployments,
            environments=local.environments,
            router=local.router,
            confirm_seconds=0,
            releasing=self.conductor,
        )
        local.execution = self.execution
        local.workflows.register(deploy_workflow(self.execution))

    # Versions

    def version(self, text: str | None = None, **behaviour: float) -> CommitHash:
        commit = self.local.built({"andon.yaml": text or released()})
        self.behaviours[commit] = Behaviour(**behaviour)
        return commit

    def deploy(self, text: str | None = None, **behaviour: float) -> DeploymentView:
        return self.local.deploy(self.version(text, **behaviour))

    def rollout(self, deployment: DeploymentView) -> Rollout:
        with self.local.database.reading() as reading:
            found = self.service.of_deployment(reading, deployment.id)
        assert found is not None
        return found

    def looks(self, rollout: Rollout) -> tuple[LookRecord, ...]:
        with self.local.database.reading() as reading:
            return self.service.looks(reading, rollout)

    def parts(self) -> Mapping[CommitHash, int]:
        """How the traffic of production is divided by now, by version."""
        found: dict[CommitHash, int] = {}
        for one, parts in self._shares().items():
            commit = self._commit(one)
            found[commit] = found.get(commit, 0) + parts
        return found

    # Time

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self._passed += seconds
        assert self._passed < LONGEST, "nothing ends any more"
        self.serve(seconds)
        with self.local.database.reading() as reading:
            running = self.service.running(reading)
            found = [self.service.get(reading, one.id) for one in running]
        for one in found:
            self.asked(one)

    def serve(self, seconds: float) -> None:
        with self.local.database.reading() as reading:
            plan = self.local.router.plan(reading, STORE, "production")
        for one, parts in self._shares().items():
            self._count(self._served, one, self.rate * seconds * parts / PARTS)
        if plan is not None and plan.matches:
            (known,) = [one for one in self.local.plane.table.listeners if one.environment == "production"]
            asking = sum(len(one) for one in known.members.values())  # each member once a second
            self._count(self._served, plan.matches[0].set, asking * seconds)
        if plan is not None and plan.mirror is not None:
            self._count(self._dark, plan.mirror.set, self.rate * seconds * plan.mirror.parts / PARTS)
        self._tell()

    def begin_counting_anew(self) -> None:
        """The router was killed and started again."""
        self._served.clear()
        self._dark.clear()
        self._tell()

    def _tell(self) -> None:
        whole = RouterStatistics(
            sets=tuple(_rounded(one) for one in self._served.values()),
            dark=tuple(_rounded(one) for one in self._dark.values()),
        )
        # what cannot be asked answers nothing
        self.local.plane.counted = None if self.router_is_away else whole  # type: ignore[assignment] # as statistics()

    def _shares(self) -> dict[SetId, int]:
        with self.local.database.reading() as reading:
            plan = self.local.router.plan(reading, STORE, "production")
            route = self.local.router.route(reading, STORE, "production")
        if plan is not None:
            return {one.set: one.parts for one in plan.shares}
        return {} if route is None else {route.set: PARTS}

    def _commit(self, name: SetId) -> CommitHash:
        if name not in self._commits:
            self._commits[name] = self.local.commit_of(name)
        return self._commits[name]

    def _count(self, among: dict[SetId, SetStatistics], name: SetId, requests: float) -> None:
        how = self.behaviours.get(self._commit(name), Behaviour())
        came = requests * (1 - how.gone)
        before = among.get(name, SetStatistics(set=name))
        answers = {
            2: before.answers.get(2, 0) + came * (1 - how.failing),
            5: before.answers.get(5, 0) + came * how.failing,
        }
        known = dict(before.times) or dict.fromkeys(BOUNDS, 0)
        times = tuple(
            (bound, known[bound] + (came if bound == BOUNDS[-1] else came * (1 - how.slow) if bound >= 10 else 0))
            for bound in BOUNDS
        )
        # fractions of requests until they are told
        among[name] = replace(before, requests=before.requests + came, answers=answers, times=times)  # type: ignore[arg-type] # rounded in _rounded


def _rounded(one: SetStatistics) -> SetStatistics:
    return replace(
        one,
        requests=int(one.requests),
        answers={kind: int(count) for kind, count in one.answers.items()},
        times=tuple((bound, int(count)) for bound, count in one.times),
    )


@dataclass
class Plain:
    """A judge who needs no statistics: ten points more of errors fail, a minute of looks is enough, silence pauses."""

    plans: list[Plan] = field(default_factory=list)
    histories: list[Sequence[Look]] = field(default_factory=list)

    def judge(self, plan: Plan, looks: Sequence[Look], *, history: Sequence[Look] = ()) -> Judgement:
        self.plans.append(plan)
        self.histories.append(history)
        found = tuple(self._one(plan, looks, history, one.name) for one in plan.metrics if one.name == "errors")
        worst = found[0]
        return Judgement(
            verdict=worst.verdict,
            because=worst.because,
            sentence=worst.reason,
            metrics=found,
            at=looks[-1].at,
            looks=len(looks),
        )

    def _one(self, plan: Plan, looks: Sequence[Look], history: Sequence[Look], name: str) -> MetricJudgement:
        new, old = _summed(looks, name, canary=True), _summed(looks, name, canary=False)
        if old is None:
            old = _summed(history, name, canary=False)
        verdict, because, reason = Verdict.PASS, Because.NOT_WORSE, "Errors are no more than before."
        quiet = [one for one in looks[-15:] if one.canary.get(name) is not None]
        if new is None or old is None or not quiet:
            verdict, because, reason = Verdict.INCONCLUSIVE, Because.NO_TELEMETRY, "Nobody counts the errors."
        elif new.events > 5 and new.events / new.exposure > (old.events / old.exposure if old.exposure else 0) + 0.1:
            share = new.events / new.exposure
            verdict, because, reason = Verdict.FAIL, Because.WORSE, f"{share:.0%} of its requests fail."
        elif looks[-1].at < (plan.until or 0):
            verdict, because, reason = Verdict.INCONCLUSIVE, Because.TOO_EARLY, "It is early."
        elif new.exposure < 10:
            verdict, because, reason = Verdict.INCONCLUSIVE, Because.TOO_FEW, "Too few requests."
        n = Arms(0 if new is None else new.exposure, 0 if old is None else old.exposure)
        effect = None
        if new is not None and old is not None and new.exposure and old.exposure:
            effect = Effect(
                canary=new.events / new.exposure, baseline=old.events / old.exposure, ratio=None, high=float("inf")
            )
        return MetricJudgement(
            metric=name, title="Errors", verdict=verdict, because=because, reason=reason, n=n, effect=effect
        )

    def smallest_harm(
        self, plan: Plan, shares: Sequence[tuple[float, float]], expected: Sequence[Expected], *, power: float = 0.9
    ) -> Foresight:
        said = f"It sees errors of {shares[0][0]:.0%} of the traffic."
        proposal = Proposal(share=0.5, horizon=60, metric="errors", harm=None, ratio=None, sentence="Take half.")
        return Foresight(power=power, visible=(), proposals=(proposal,), sentence=said)


def _summed(looks: Sequence[Look], name: str, *, canary: bool) -> Counts | None:
    seen = [(one.canary if canary else one.baseline).get(name) for one in looks]
    counted = [one for one in seen if isinstance(one, Counts)]
    return Counts(sum(one.events for one in counted), sum(one.exposure for one in counted)) if counted else None


class Telemetry:
    """Signals that say what they are told to, or nothing."""

    def __init__(self, watched: Sequence[Watched] = (), past: Sequence[LookRecord] = ()) -> None:
        self.watched = tuple(watched)
        self.past = tuple(past)
        self.away = False
        self.says: Callable[[Watched, Side, Side], tuple[Observation, Observation] | None] = lambda *_: None
        self.times: list[tuple[int, int]] = []

    def watchable(
        self,
        service: Service,
        environment: str,
        baseline: Side,
        *,
        business: Sequence[str],
        watch: Mapping[str, Harm],
        now: int,
    ) -> Watchable:
        self._answer()
        return Watchable(watched=self.watched)

    def measure(
        self,
        service: Service,
        environment: str,
        watched: Sequence[Watched],
        canary: Side,
        baseline: Side,
        start: int,
        end: int,
    ) -> Measured:
        self._answer()
        self.times.append((start, end))
        found = {one.name: pair for one in watched if (pair := self.says(one, canary, baseline)) is not None}
        return Measured(
            {name: one for name, (one, _) in found.items()}, {name: one for name, (_, one) in found.items()}
        )

    def history(
        self, service: Service, environment: str, set_id: SetId, *, before: int, minutes: int
    ) -> tuple[LookRecord, ...]:
        self._answer()
        return self.past

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("The store does not answer.")
