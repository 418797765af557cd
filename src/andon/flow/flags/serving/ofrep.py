"""OpenFeature's Remote Evaluation Protocol, version 0.3: from a request's body to an answer, without the network.

The specification: https://github.com/open-feature/protocol (``service/openapi.yaml``); event streams: its ADR 0008.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from andon.flow.flags.serving.hub import Served
from andon_flags.outcomes import ErrorCode, Outcome

LARGEST_BODY = 256 * 1024
LONGEST_KEY = 100

Json = bool | int | float | str | list[object] | dict[str, object] | None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Misunderstood(Exception):
    """A request that cannot be answered; ``code`` is one of OpenFeature's."""

    def __init__(self, code: ErrorCode, says: str) -> None:
        super().__init__(says)
        self.code = code
        self.says = says


def context_of(body: bytes) -> dict[str, object]:
    """The evaluation context in a request. Raises :class:`Misunderstood`."""
    if not body:
        return {}
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Misunderstood(ErrorCode.PARSE_ERROR, f"The body is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise Misunderstood(ErrorCode.PARSE_ERROR, "The body is no object.")
    context = found.get("context", {})
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise Misunderstood(ErrorCode.INVALID_CONTEXT, "The context is no object.")
    key = context.get("targetingKey")
    if key is not None and not isinstance(key, str):
        raise Misunderstood(ErrorCode.INVALID_CONTEXT, "The targetingKey is no text.")
    return context


def evaluated(served: Served, key: str, body: bytes) -> Answer:
    """One flag."""
    try:
        context = context_of(body)
    except Misunderstood as error:
        return failed(400, error.code, error.says, key)
    document = served.built.document
    if key not in document.flags:
        return failed(404, ErrorCode.FLAG_NOT_FOUND, _not_found(served, key), key)
    outcome = served.compiled.outcome(key, context)
    if outcome.variant is None:
        return failed(400, outcome.error or ErrorCode.GENERAL, _missing(served, key), key)
    return Answer(200, msgspec.json.encode(_success(served, key, outcome)))


def bulk(served: Served, body: bytes, if_none_match: str, streams: list[dict[str, object]]) -> Answer:
    """All flags. The entity tag is that of what comes of them for this context: another revision that changes nothing
    for it is not modified."""
    try:
        context = context_of(body)
    except Misunderstood as error:
        return failed(400, error.code, error.says)
    flags: list[dict[str, object]] = []
    for key in served.built.document.flags:
        outcome = served.compiled.outcome(key, context)
        if outcome.variant is None:
            code = (outcome.error or ErrorCode.GENERAL).value
            flags.append({"key": key, "errorCode": code, "errorDetails": _missing(served, key)})
        else:
            flags.append(_success(served, key, outcome, revision=False))
    found = msgspec.json.encode(flags)
    etag = f'"{blake2b(found, digest_size=12).hexdigest()}"'
    headers = {"etag": etag, "cache-control": "no-cache"}
    if _matches(if_none_match, etag):
        return Answer(304, b"", headers)
    told = served.built.told
    rest = {
        "eventStreams": streams,
        "metadata": {"revision": told.revision, "service": told.service, "environment": told.environment},
    }
    return Answer(200, b'{"flags":' + found + b"," + msgspec.json.encode(rest)[1:], headers)


def failed(status: int, code: ErrorCode, says: str, key: str = "") -> Answer:
    said: dict[str, object] = {"errorCode": code.value, "errorDetails": says}
    if key:
        said = {"key": key, **said}
    return Answer(status, msgspec.json.encode(said))


def refetch(served: Served) -> bytes:
    """The event of a change, for those who keep what was evaluated for them."""
    told = served.built.told
    data = msgspec.json.encode(
        {"type": "refetchEvaluation", "etag": told.etag, "lastModified": int(told.changed_at.timestamp())}
    )
    return b"id: %d\nevent: message\ndata: %s\n\n" % (told.revision, data)


def _success(served: Served, key: str, outcome: Outcome, *, revision: bool = True) -> dict[str, object]:
    variant = outcome.variant or ""
    said: dict[str, object] = {
        "key": key,
        "value": served.built.document.flags[key].variants[variant],
        "reason": outcome.reason.value,
        "variant": variant,
    }
    metadata: dict[str, object] = {"revision": served.revision} if revision else {}
    if outcome.rule is not None:
        metadata["rule"] = outcome.rule
    if metadata:
        said["metadata"] = metadata
    return said


def _not_found(served: Served, key: str) -> str:
    told = served.built.told
    return f"{told.service} has no flag {key[:LONGEST_KEY]!r} in {told.environment}: the default of the code counts."


def _missing(served: Served, key: str) -> str:
    unit = served.built.document.flags[key].unit
    return f"{key} is served to a percentage, and the context has no {unit} to tell by."


def _matches(header: str, etag: str) -> bool:
    given = [one.strip().removeprefix("W/") for one in header.split(",")] if header else []
    return "*" in given or etag in given or etag.strip('"') in given
