"""What other tools get to read."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec
import pytest

from andon.kernel.events import ANDON, Envelope, Event, event, model
from andon.kernel.events.cloudevents import to_cloudevent
from tests.kernel.events.declared import Ended, Happened, declared

SOURCE = "https://andon.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Event):
    """Of no room: with the fields that CDEvents asks for."""

    run: str = "run_1"
    service: str | None = "store"
    environment: str | None = None
    commit: str | None = None
    branch: str | None = None
    name: str | None = None
    outcome: str | None = None
    reason: str | None = None


def enveloped(happened: Event) -> Envelope:
    return Envelope(
        position=1 << 40,
        id="ev_1",
        type=happened.type,
        at=datetime(2026, 1, 5, 9, 0, tzinfo=UTC),
        actor=ANDON,
        subject=f"{happened.subject_field}:{getattr(happened, happened.subject_field)}",
        data=msgspec.json.encode(happened),
        digest="",
    )


def rendered(happened: Event) -> dict[str, object]:
    decoded: dict[str, object] = json.loads(to_cloudevent(enveloped(happened), SOURCE))
    return decoded


def test_an_event_without_a_cdevents_type_is_a_plain_cloudevent() -> None:
    assert rendered(Happened(thing="a", service="shop")) == {
        "specversion": "1.0",
        "id": "ev_1",
        "source": SOURCE,
        "type": "test.thing.happened.v1",
        "subject": "thing:a",
        "time": "2026-01-05T09:00:00Z",
        "datacontenttype": "application/json",
        "data": {"thing": "a", "service": "shop", "commit": None, "run": None},
        "andonposition": "1099511627776",
    }


def test_an_event_with_one_carries_a_cdevent() -> None:
    found = rendered(Ended(thing="a", number=7))
    assert found["type"] == "dev.cdevents.pipelinerun.finished.0.2.0"
    assert found["subject"] == "a"
    assert found["data"] == {
        "context": {
            "specversion": "0.5.0",
            "id": "ev_1",
            "source": SOURCE,
            "type": "dev.cdevents.pipelinerun.finished.0.2.0",
            "timestamp": "2026-01-05T09:00:00Z",
        },
        "subject": {"id": "a", "source": SOURCE, "type": "pipelineRun", "content": {"outcome": "error"}},
        "customData": {
            "type": "test.thing.ended.v1",
            "actor": "system:andon",
            "fields": {"thing": "a", "number": 7, "note": ""},
        },
        "customDataContentType": "application/json",
    }


@pytest.mark.parametrize(
    ("cdevents", "happened", "identity", "kind", "content"),
    [
        ("pipelinerun.started", {}, "run_1", "pipelineRun", {"pipelineName": "store"}),
        (
            "pipelinerun.finished",
            {"outcome": "failed", "reason": "A test failed."},
            "run_1",
            "pipelineRun",
            {"pipelineName": "store", "outcome": "failure", "errors": "A test failed."},
        ),
        (
            "taskrun.finished",
            {"outcome": "passed", "name": "unit"},
            "run_1",
            "taskRun",
            {"taskName": "unit", "pipelineRun": {"id": "run_1"}, "outcome": "success"},
        ),
        (
            "service.deployed",
            {"environment": "production", "commit": "abc"},
            "store",
            "service",
            {"environment": {"id": "production"}, "artifactId": "pkg:generic/store@abc"},
        ),
        ("change.merged", {"commit": "abc"}, "abc", "change", {"repository": {"id": "store"}}),
        ("branch.deleted", {"branch": "main"}, "main", "branch", {"repository": {"id": "store"}}),
        ("repository.created", {}, "store", "repository", {"name": "store"}),
        ("environment.created", {"environment": "qa"}, "run_1", "environment", {"name": "qa"}),
        ("artifact.published", {}, "run_1", "artifact", {}),
    ],
)
def test_subjects_say_what_cdevents_asks_for(
    cdevents: str, happened: dict[str, str], identity: str, kind: str, content: dict[str, object]
) -> None:
    event("test.told.v1", subject="run", cdevents=f"dev.cdevents.{cdevents}.0.3.0")(Told)
    try:
        data = rendered(Told(**happened))["data"]
    finally:
        model._types.pop("test.told.v1")
    assert isinstance(data, dict)
    assert data["subject"] == {"id": identity, "source": SOURCE, "type": kind, "content": content}


def test_what_cannot_be_read_claims_nothing() -> None:
    with declared():
        envelope = enveloped(Ended(thing="a"))
        damaged = replace(envelope, data=b'{"thing": 1}')
        assert envelope.cdevents == "dev.cdevents.pipelinerun.finished.0.2.0"
        assert damaged.cdevents is None
        assert json.loads(to_cloudevent(damaged, SOURCE))["type"] == "test.thing.ended.v1"
