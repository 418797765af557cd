"""Events for other tools: CloudEvents 1.0 in structured JSON, around a CDEvent where the vocabulary has one.

A tool that knows CDEvents 0.5 finds what it expects in ``context`` and ``subject``; everything the record holds goes
along as ``customData``. An event without a CDEvents type keeps its own type and has its fields as ``data``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

import msgspec

from andon.kernel.events.model import Envelope

SPECIFICATION = "0.5.0"
"""The version of CDEvents."""

# The subject's name within the type is written small; as a value it is not.
_SUBJECTS = {
    "pipelinerun": "pipelineRun",
    "taskrun": "taskRun",
    "testcaserun": "testCaseRun",
    "testsuiterun": "testSuiteRun",
    "testoutput": "testOutput",
}
# The field that identifies a CDEvents subject, where it is not the one our event is about.
_IDENTITIES = {"service": "service", "repository": "service", "change": "commit", "branch": "branch"}
_OUTCOMES = {"passed": "success", "succeeded": "success", "failed": "failure", "cancelled": "cancel"}

_Fields = Mapping[str, object]


def to_cloudevent(envelope: Envelope, source: str) -> bytes:
    """The event as ``application/cloudevents+json``; ``source`` is the installation's address."""
    cdevents = envelope.cdevents
    fields: dict[str, object] = msgspec.json.decode(envelope.data)
    time = envelope.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    subject = envelope.subject
    data: object = fields
    if cdevents is not None:
        subject = _identity(cdevents, envelope, fields)
        data = {
            "context": {
                "specversion": SPECIFICATION,
                "id": envelope.id,
                "source": source,
                "type": cdevents,
                "timestamp": time,
            },
            "subject": {
                "id": subject,
                "source": source,
                "type": _SUBJECTS.get(_word(cdevents), _word(cdevents)),
                "content": _content(cdevents, fields),
            },
            "customData": {"type": envelope.type, "actor": str(envelope.actor), "fields": fields},
            "customDataContentType": "application/json",
        }
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": envelope.id,
            "source": source,
            "type": cdevents or envelope.type,
            "subject": subject,
            "time": time,
            "datacontenttype": "application/json",
            "data": data,
            "andonposition": str(envelope.position),  # text: an integer of CloudEvents has 32 bits only
        }
    )


def _word(cdevents: str) -> str:
    """``service`` of ``dev.cdevents.service.deployed.0.3.0``."""
    return cdevents.split(".")[2]


def _identity(cdevents: str, envelope: Envelope, fields: _Fields) -> str:
    own = envelope.subject.partition(":")[2]
    found = fields.get(_IDENTITIES.get(_word(cdevents), ""))
    return own if found is None else str(found)


def _content(cdevents: str, fields: _Fields) -> dict[str, object]:
    """What CDEvents says of the subject, as far as the event tells it."""
    content: dict[str, object] = {}
    word, predicate = cdevents.split(".")[2:4]
    service = fields.get("service")
    match word:
        case "pipelinerun":
            content["pipelineName"] = service
        case "taskrun":
            content["taskName"] = fields.get("name")
            content["pipelineRun"] = _reference(fields.get("run"))
        case "service":
            content["environment"] = _reference(fields.get("environment"))
            content["artifactId"] = f"pkg:generic/{service}@{fields['commit']}" if fields.get("commit") else None
        case "change" | "branch":
            content["repository"] = _reference(service)
        case "environment":
            content["name"] = fields.get("environment")
        case "repository":
            content["name"] = service
    if predicate == "finished":
        content["outcome"] = _OUTCOMES.get(str(fields.get("outcome")), "error")
        content["errors"] = fields.get("reason") or None
    return {name: value for name, value in content.items() if value is not None}


def _reference(identity: object) -> dict[str, object] | None:
    return None if identity is None else {"id": identity}
