"""The shapes of OFREP 0.3's answers, as facts in JSON Schema, and whether Andon's are of them.

From https://github.com/open-feature/protocol (``service/openapi.yaml`` and ``service/event-streams.yaml``, 0.3.0),
where they stand as properties of answers by status. Stricter where providers read what there may be missing: an
evaluation has its key, value, reason and variant, and whatever is said of one flag its key and metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpx
import msgspec
from jsonschema import Draft202012Validator

from benchmarks.sdks.corpus import A_LIST

Schema = Mapping[str, object]

_METADATA: Schema = {"type": "object", "additionalProperties": {"type": ["boolean", "string", "number"]}}
_ERROR: Schema = {"type": "string"}
SUCCESS: Schema = {
    "type": "object",
    "required": ["key", "value", "reason", "variant"],
    "properties": {
        "key": {"type": "string"},
        "value": {"type": ["boolean", "string", "number", "object"]},
        "reason": {"type": "string"},
        "variant": {"type": "string"},
        "metadata": _METADATA,
    },
}
FAILURE: Schema = {
    "type": "object",
    "required": ["key", "errorCode"],
    "properties": {
        "key": {"type": "string"},
        "errorCode": {"enum": ["PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "GENERAL"]},
        "errorDetails": _ERROR,
        "metadata": _METADATA,
    },
}
NOT_FOUND: Schema = {
    "type": "object",
    "required": ["key", "errorCode"],
    "properties": {"key": {"type": "string"}, "errorCode": {"const": "FLAG_NOT_FOUND"}, "errorDetails": _ERROR},
}
REFUSED: Schema = {"type": "object", "required": ["key", "errorCode", "metadata"]}
"""401, 403 and 429 of one flag; there they have no shape."""
BULK_FAILURE: Schema = {
    "type": "object",
    "required": ["errorCode"],
    "properties": {"errorCode": {"type": "string"}, "errorDetails": _ERROR},
}
_STREAM: Schema = {
    "type": "object",
    "required": ["type"],
    "oneOf": [{"required": ["url"]}, {"required": ["endpoint"]}],
    "properties": {
        "type": {"type": "string"},
        "url": {"type": "string", "format": "uri"},
        "endpoint": {
            "type": "object",
            "required": ["requestUri"],
            "properties": {"origin": {"type": "string"}, "requestUri": {"type": "string", "pattern": "^/"}},
        },
        "inactivityDelaySec": {"type": "integer", "minimum": 1},
    },
}
BULK: Schema = {
    "type": "object",
    "required": ["flags"],
    "properties": {
        "flags": {"type": "array", "items": {"oneOf": [SUCCESS, FAILURE, NOT_FOUND]}},
        "metadata": _METADATA,
        "eventStreams": {"type": "array", "items": _STREAM},
    },
}
EVENT: Schema = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"const": "refetchEvaluation"},
        "etag": {"type": "string"},
        "lastModified": {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "format": "date-time"}]},
    },
}
ANY: Schema = {}

EVALUATE = "/ofrep/v1/evaluate/flags"
MOST_STRANGERS = 600


@dataclass(frozen=True, slots=True)
class Secrets:
    good: str
    """It may evaluate, and sees one service."""
    pushing: str
    """It may push, and nothing else."""
    over: str
    """It is good no more."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """``key`` is the flag; without one, all are asked for."""

    says: str
    status: int
    shape: Schema
    key: str = ""
    body: bytes = b'{"context":{"targetingKey":"u1"}}'
    secret: str = ""
    environment: str = "production"
    headers: Mapping[str, str] = field(default_factory=dict)


def exchanges(secrets: Secrets, etag: str) -> Iterator[Exchange]:
    good = secrets.good
    for key in ("static", "banner", "ratio", "layout", "rolled", "disabled"):
        yield Exchange(f"200 for {key}", 200, SUCCESS, key, secret=good)
    for says, body in (("broken", b"{"), ("a list", b"[1]"), ("too long", b" " * 300_000)):
        yield Exchange(f"400 for a body that is {says}", 400, FAILURE, "static", body=body, secret=good)
        yield Exchange(f"400 for a body that is {says}, all flags", 400, BULK_FAILURE, body=body, secret=good)
    for says, body in (("no object", b'{"context":[]}'), ("with a number as key", b'{"context":{"targetingKey":7}}')):
        yield Exchange(f"400 for a context that is {says}", 400, FAILURE, "static", body=body, secret=good)
        yield Exchange(f"400 for a context that is {says}, all flags", 400, BULK_FAILURE, body=body, secret=good)
    yield Exchange("400 for no targeting key", 400, FAILURE, "rolled", body=b"{}", secret=good)
    yield Exchange("404 for a flag that is not there", 404, NOT_FOUND, "nothing", secret=good)
    for key in ("static", ""):
        all_flags = "" if key else ", all flags"
        shape = SUCCESS if key else BULK
        yield Exchange(f"200 without a body{all_flags}", 200, shape, key, body=b"", secret=good)
        yield Exchange(f"200 without a targeting key{all_flags}", 200, shape, key, body=b'{"context":{}}', secret=good)
        yield Exchange(f"401 without a token{all_flags}", 401, ANY, key)
        yield Exchange(f"401 with a wrong one{all_flags}", 401, ANY, key, secret="andon_wrong")
        yield Exchange(f"401 with one that is over{all_flags}", 401, ANY, key, secret=secrets.over)
        yield Exchange(f"403 with one that may not{all_flags}", 403, ANY, key, secret=secrets.pushing)
        missing = NOT_FOUND if key else BULK_FAILURE
        yield Exchange(
            f"404 for an unknown environment{all_flags}", 404, missing, key, secret=good, environment="prodution"
        )
        unnamed = FAILURE if key else BULK_FAILURE
        yield Exchange(f"400 where none is named{all_flags}", 400, unnamed, key, secret=good, environment="")
    yield Exchange("200 for all flags", 200, BULK, secret=good)
    for says, known in (("", etag), (", weak", f"W/{etag}"), (", among others", f'"other", {etag}')):
        yield Exchange(f"304{says}", 304, ANY, secret=good, headers={"if-none-match": known})
    yield Exchange("200 for another tag", 200, BULK, secret=good, headers={"if-none-match": '"other"'})


def faults(address: str, secrets: Secrets) -> Iterator[tuple[str, str]]:
    """What was asked, and what is wrong with the answer; empty where nothing is."""
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        every = _ask(client, Exchange("", 200, BULK, secret=secrets.good))
        for one in exchanges(secrets, every.headers.get("etag", "")):
            yield one.says, _fault(one, _ask(client, one))
        yield "the event of a change", _event_fault(client, every)
        yield "429 for many unknown tokens", _flooded(client)


def _event_fault(client: httpx.Client, every: httpx.Response) -> str:
    """What a stream says to somebody who has missed something."""
    found = every.json()
    uri = found["eventStreams"][0]["endpoint"]["requestUri"]
    with client.stream("GET", uri, headers={"last-event-id": str(found["metadata"]["revision"] - 1)}) as events:
        if events.headers.get("content-type") != "text/event-stream":
            return f"it is {events.headers.get('content-type')}"
        data = next((line for line in events.iter_lines() if line.startswith("data: ")), "")
    return _against(EVENT, data.removeprefix("data: ").encode()) if data else "there is none"


def _ask(client: httpx.Client, one: Exchange) -> httpx.Response:
    headers = {"content-type": "application/json", "x-andon-service": "store", **one.headers}
    if one.environment:
        headers["x-andon-environment"] = one.environment
    if one.secret:
        headers["authorization"] = f"Bearer {one.secret}"
    return client.post(f"{EVALUATE}/{one.key}" if one.key else EVALUATE, content=one.body, headers=headers)


def _fault(one: Exchange, answer: httpx.Response) -> str:
    if answer.status_code != one.status:
        return f"{answer.status_code}: {answer.text[:200]}"
    if answer.headers.get("access-control-allow-origin") != "*":
        return "a page of another origin may not read it"
    if one.status == 304:
        return "it has a body" if answer.content else "" if "etag" in answer.headers else "it has no tag"
    if one.status == 401 and not _is_time(answer.headers.get("retry-after", "")):
        return "it does not say when to come back"
    if answer.headers.get("content-type") != "application/json":
        return f"it is {answer.headers.get('content-type')}"
    if one.shape is BULK and "etag" not in answer.headers:
        return "it has no tag"
    return _against(one.shape, answer.content)


def _against(shape: Schema, content: bytes) -> str:
    found = msgspec.json.decode(content)
    if shape is BULK:
        found["flags"] = [one for one in found["flags"] if one["key"] != A_LIST]
    errors = Draft202012Validator(shape).iter_errors(found)
    return "; ".join(f"{error.json_path}: {error.message[:200]}" for error in errors)


def _flooded(client: httpx.Client) -> str:
    def ask(number: int) -> httpx.Response:
        return _ask(client, Exchange("", 401, ANY, "static", secret=f"andon_unknown_{number}"))

    with ThreadPoolExecutor(16) as many:
        found = [answer for answer in many.map(ask, range(MOST_STRANGERS)) if answer.status_code == 429]
    if not found:
        return f"{MOST_STRANGERS} of them were not too many"
    return "" if _is_time(found[0].headers.get("retry-after", "")) else "it does not say when to come back"


def _is_time(text: str) -> bool:
    """Seconds or a date, as HTTP has it."""
    if text.isdecimal():
        return True
    try:
        parsedate_to_datetime(text)
    except ValueError:
        return False
    return True
