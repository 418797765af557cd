"""What tools that speak CDEvents hear of a deployment's end."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest

from andon.flow.deployments.contract import DeploymentFinished, DeploymentId, DeploymentState, Kind
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.events import ANDON, Envelope
from andon.kernel.events.cloudevents import to_cloudevent

OWN = DeploymentFinished.type


def ended(kind: Kind, state: DeploymentState) -> str:
    happened = DeploymentFinished(
        deployment=DeploymentId("dep_1"),
        service=Service("store"),
        environment="production",
        kind=kind,
        commit=CommitHash("a" * 40),
        state=state,
        reason="",
        lead_time=None,
    )
    envelope = Envelope(
        position=1,
        id="ev_1",
        type=happened.type,
        at=datetime(2026, 1, 5, tzinfo=UTC),
        actor=ANDON,
        subject="deployment:dep_1",
        data=msgspec.json.encode(happened),
        digest="",
    )
    return str(json.loads(to_cloudevent(envelope, "https://andon.example"))["type"])


@pytest.mark.parametrize(
    ("kind", "heard"),
    [
        (Kind.DEPLOY, "dev.cdevents.service.deployed.0.3.0"),
        (Kind.REBUILD, "dev.cdevents.service.deployed.0.3.0"),
        (Kind.ROLL_BACK, "dev.cdevents.service.rolledback.0.3.0"),
        (Kind.CONTRACT, OWN),
    ],
)
def test_success_is_heard_as_what_it_was(kind: Kind, heard: str) -> None:
    assert ended(kind, DeploymentState.SUCCEEDED) == heard


@pytest.mark.parametrize("state", [one for one in DeploymentState if one is not DeploymentState.SUCCEEDED])
@pytest.mark.parametrize("kind", list(Kind))
def test_what_did_not_succeed_is_no_deployment_there(kind: Kind, state: DeploymentState) -> None:
    assert ended(kind, state) == OWN
