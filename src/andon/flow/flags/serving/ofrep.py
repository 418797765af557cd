"""OpenFeature's Remote Evaluation Protocol, version 0.3: from a request's body to an answer, without the network.

The specification: https://github.com/open-feature/protocol (``service/openapi.yaml``); event streams: its ADR 0008.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from andon.flow.flags.serving.hub import Served
from andon_flags.document.model import Flag, Value
from andon_flags.outcomes import ErrorCode, Outcome

LARGEST_BODY = 256 * 1024
LONGEST_KEY = 100
INACTIVITY = 120
"""Seconds after which a page that nobody looks at may close its event stream."""
SINCE = "since"
"""Of an event stream's query: the revision that whoever opens it has."""
EXACT = 2**53
"""Whole numbers up to here are the same as fractions."""

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
    revision = {"revision": served.revision}
    if key not in document.flags:
        return failed(404, ErrorCode.FLAG_NOT_FOUND, _not_found(served, key), key, revision)
    outcome = served.compiled.outcome(key, context)
    if outcome.variant is None:
        return failed(400, outcome.error or ErrorCode.GENERAL, _missing(served, key), key, revision)
    return Answer(200, msgspec.json.encode(_success(served, key, outcome)))


def bulk(served: Served, body: bytes, if_none_match: str, stream: str) -> Answer:
    """All flags, and ``stream``, where their changes are told. The entity tag is that of what comes of the flags for
    this context, and of that address: another revision that changes nothing for it is not modified, but whoever holds
    the address of a stream that is no more gets the new one, which a 304 could not say."""
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
    etag = f'"{blake2b(found + stream.encode(), digest_size=12).hexdigest()}"'
    headers = {"etag": etag, "cache-control": "no-cache"}
    if _matches(if_none_match, etag):
        return Answer(304, b"", headers)
    told = served.built.told
    # whoever connects says what it has: a change between this answer and then is told at once
    uri = f"{stream}{'&' if '?' in stream else '?'}{SINCE}={told.revision}"
    rest = {
        "eventStreams": [{"type": "sse", "endpoint": {"requestUri": uri}, "inactivityDelaySec": INACTIVITY}],
        "metadata": {"revision": told.revision, "service": told.service, "environment": told.environment},
    }
    return Answer(200, b'{"flags":' + found + b"," + msgspec.json.encode(rest)[1:], headers)


def failed(
    status: int, code: ErrorCode, says: str, key: str = "", metadata: Mapping[str, object] | None = None
) -> Answer:
    said: dict[str, object] = {"errorCode": code.value, "errorDetails": says}
    if key:
        # Java's provider takes an answer without metadata, even where there is nothing to tell, for a fault of its own
        said = {"key": key, **said, "metadata": metadata or {}}
    return Answer(status, msgspec.json.encode(said))


def refused(status: int, says: str, key: str = "") -> Answer:
    """What is not evaluated at all, in words that providers look for. ``key`` is the flag, where one was asked for: an
    answer without it they take for no answer of OFREP, and what it says is lost."""
    if status == 404 and key:
        return failed(status, ErrorCode.FLAG_NOT_FOUND, says, key)
    return failed(status, ErrorCode.INVALID_CONTEXT if status == 400 else ErrorCode.GENERAL, says, key)


def here(served: Served) -> bytes:
    """The beginning of an event stream. Its id is what a browser comes back with, should the connection break off
    before anything has changed; it is no event of its own."""
    return b"retry: 2000\n: here\nid: %d\n\n" % served.revision


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
        "value": _sent(served.built.document.flags[key], variant),
        "reason": outcome.reason.value,
        "variant": variant,
    }
    metadata: dict[str, object] = {"revision": served.revision} if revision else {}
    if outcome.rule is not None:
        metadata["rule"] = outcome.rule
    if metadata:
        said["metadata"] = metadata
    return said


def _sent(flag: Flag, variant: str) -> Value:
    """A number of a flag that also has fractions is sent as a fraction, 10 as 10.0: languages that tell them apart ask
    for one or the other, and cannot know which variant comes."""
    value = flag.variants[variant]
    if type(value) is int and abs(value) <= EXACT and any(type(one) is float for one in flag.variants.values()):
        return float(value)
    return value


def _not_found(served: Served, key: str) -> str:
    told = served.built.told
    return f"{told.service} has no flag {key[:LONGEST_KEY]!r} in {told.environment}: the default of the code counts."


def _missing(served: Served, key: str) -> str:
    unit = served.built.document.flags[key].unit
    return f"{key} is served to a percentage, and the context has no {unit} to tell by."


def _matches(header: str, etag: str) -> bool:
    given = [one.strip().removeprefix("W/") for one in header.split(",")] if header else []
    return "*" in given or etag in given or etag.strip('"') in given
