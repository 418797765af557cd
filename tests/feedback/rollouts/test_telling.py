"""What happened in rollouts, in sentences and as lines on graphs."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from andon.feedback.graphs.contract import CauseKind
from andon.feedback.graphs.model.causes import CAUSES, cause_of
from andon.feedback.rollouts.contract import (
    Hold,
    ReleaseRefuted,
    RolloutAborted,
    RolloutFailed,
    RolloutId,
    RolloutPassed,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
    RolloutWished,
    StageEntered,
    StageKind,
    StagePlan,
    Wish,
)
from andon.feedback.rollouts.telling import tell
from andon.flow.deployments.contract import DeploymentId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.events import ANDON, Envelope, Event

NEW, OLD = CommitHash("a" * 40), CommitHash("b" * 40)
PLAN = StagePlan(name="few", kind=StageKind.SHARE, parts=1_500, seconds=60, requests=100)


def of(told: type[Event], /, **more: object) -> Event:
    base: dict[str, object] = {
        "rollout": RolloutId("rol_1"),
        "deployment": DeploymentId("dep_1"),
        "service": Service("store"),
        "environment": "production",
        "commit": NEW,
    }
    if told is ReleaseRefuted:
        del base["rollout"]
    return told(**base, **more)


def entered(kind: StageKind = StageKind.SHARE, *, promoted: bool = False) -> Event:
    return of(StageEntered, stage="few", number=1, of=2, kind=kind, parts=1_500, promoted=promoted)


def failed(harmed: int | None) -> Event:
    why = {"stage": "few", "metric": "errors", "reason": "It fails.", "both": False}
    return of(RolloutFailed, former=OLD, harmed=harmed, seconds=9.0, **why)


TOLD: list[tuple[Event, str]] = [
    (
        of(RolloutStarted, former=OLD, stages=(PLAN,), smallest_harm="It sees much.", proposal=""),
        "began to release aaaaaaa in production (1 stage; It sees much.)",
    ),
    (entered(), "gave aaaaaaa to 1.5 % of all traffic in production (stage 1 of 2, “few”)"),
    (entered(StageKind.AUDIENCE), "gave aaaaaaa to its audience in production (stage 1 of 2, “few”)"),
    (
        entered(StageKind.MIRROR, promoted=True),
        "did not wait and gave aaaaaaa copies of 1.5 % of all requests in production (stage 1 of 2, “few”)",
    ),
    (
        of(RolloutPaused, hold=Hold.NO_DATA, reason="No telemetry."),
        "paused the release of aaaaaaa in production (No telemetry.)",
    ),
    (of(RolloutResumed, hold=Hold.NO_DATA), "went on with the release of aaaaaaa in production ()"),
    (of(RolloutWished, wish=Wish.FINISH), "asked to give everybody aaaaaaa in production ()"),
    (
        of(
            RolloutFailed, former=OLD, stage="few", metric="errors", reason="It fails.", both=False, harmed=3, seconds=9
        ),
        "took aaaaaaa back: bbbbbbb has all traffic in production again (It fails. It failed 3 requests.)",
    ),
    (
        of(RolloutPassed, reason="It is no worse.", seconds=9, requests=1),
        "released aaaaaaa to everybody in production (It is no worse. It served 1 request on the way.)",
    ),
    (
        of(RolloutAborted, former=OLD, reason="Somebody ended it."),
        "took aaaaaaa back before everybody had it in production (Somebody ended it.)",
    ),
    (
        of(ReleaseRefuted, former=OLD, metric="errors", reason="It fails.", harmed=1),
        "found aaaaaaa not confirmed in production; bbbbbbb is to serve again (It fails. It failed 1 request.)",
    ),
]


@pytest.mark.parametrize(("happened", "words"), TOLD)
def test_each_is_one_sentence(happened: Event, words: str) -> None:
    told = tell(happened, None)  # type: ignore[arg-type] # nobody's name is asked for
    assert told is not None
    assert f"{told.what} {told.about} {told.then} ({told.detail})" == words


def cause(happened: Event) -> tuple[CauseKind, str, bool, str]:
    made = cause_of(
        Envelope(
            position=1,
            id="evt_1",
            type=happened.type,
            at=datetime(2026, 1, 5, 9, tzinfo=UTC),
            actor=ANDON,
            subject="rollout:rol_1",
            data=msgspec.json.encode(happened),
            digest="",
            facets={"service": "store", "environment": "production"},
        )
    )
    assert made is not None
    return made.kind, made.title, made.failed, made.href


def test_stages_and_ways_back_are_lines_on_graphs() -> None:
    assert cause(entered()) == (CauseKind.DEPLOYMENT, "Gave 1.5 % of the traffic to aaaaaaa", False, "/rollouts/rol_1")
    assert cause(entered(StageKind.AUDIENCE))[1] == "Gave aaaaaaa to its audience"
    assert cause(entered(StageKind.MIRROR))[1] == "Copied 1.5 % of the requests to aaaaaaa"
    assert cause(failed(harmed=None)) == (CauseKind.ROLL_BACK, "Took aaaaaaa back", True, "/rollouts/rol_1")
    assert cause(of(RolloutAborted, former=OLD, reason=""))[1:3] == ("Took aaaaaaa back by hand", False)
    assert {RolloutFailed.type, StageEntered.type} <= set(CAUSES)
