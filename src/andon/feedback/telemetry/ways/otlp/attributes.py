"""Attributes as text, and what a resource says of itself."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from andon.feedback.telemetry.contract.metrics import ENVIRONMENT, INSTANCE, LONGEST_VALUE, SERVICE, VERSION
from andon.feedback.telemetry.ways.gathering import Origin
from andon.feedback.telemetry.ways.texts import Fields, sound

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

DEEPEST = 6
"""Levels of lists and maps within a value; what lies deeper is an ellipsis."""
_MOST_ELEMENTS = 128
_MOST_LOOKED_AT = 512
"""Attributes of one thing; far fewer are kept."""
_COMMIT = re.compile(r"[0-9a-f]{40}")

Plain = str | bool | int | float | None | list["Plain"] | dict[str, "Plain"]


def text(value: AnyValue) -> str:
    """As a label or field: text as it is, lists and maps as JSON, bytes in base 64."""
    if words := value.string_value:  # nearly all of them, and twice as fast so
        return words
    match value.WhichOneof("value"):
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "int_value":
            return str(value.int_value)
        case "double_value":
            return repr(value.double_value)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "string_value" | None:
            return ""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def plain(value: AnyValue, depth: int = 0) -> Plain:
    match value.WhichOneof("value"):
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case "array_value":
            if depth >= DEEPEST:
                return "…"
            return [plain(one, depth + 1) for one in value.array_value.values[:_MOST_ELEMENTS]]
        case "kvlist_value":
            if depth >= DEEPEST:
                return "…"
            return {one.key: plain(one.value, depth + 1) for one in value.kvlist_value.values[:_MOST_ELEMENTS]}
        case None:
            return None
    return text(value)


def fields(attributes: Sequence[KeyValue], into: Fields | None = None) -> dict[str, str]:
    """Of a line or a span: bounded in number and length."""
    found = into or Fields()
    for one in attributes[:_MOST_LOOKED_AT]:
        found.add(one.key, text(one.value))
    return found.kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What sends, in Andon's own four labels; ``others`` are the rest of its attributes."""

    service: str = ""
    environment: str = ""
    version: str = ""
    instance: str = ""
    others: Mapping[str, str]

    @property
    def labels(self) -> dict[str, str]:
        """Those of the four that are known."""
        found = {SERVICE: self.service, ENVIRONMENT: self.environment, VERSION: self.version, INSTANCE: self.instance}
        return {name: value for name, value in found.items() if value}


_OWN = {
    "service.name": SERVICE,
    "deployment.environment.name": ENVIRONMENT,
    "deployment.environment": ENVIRONMENT,  # its name before version 1.27 of the conventions
    "service.version": VERSION,
    "service.instance.id": INSTANCE,
}


def short(version: str) -> str:
    """A commit is called by its first seven digits everywhere."""
    return version[:7] if _COMMIT.fullmatch(version) else version


def resource_of(message: ResourceMessage, origin: Origin | None) -> Resource:
    """The origin of the listening place is believed, not what the sender claims to be."""
    own: dict[str, str] = {}
    others: dict[str, str] = {}
    for one in message.attributes[:_MOST_LOOKED_AT]:
        value = sound(text(one.value))[:LONGEST_VALUE]
        name = _OWN.get(one.key)
        if name is None:
            others[one.key] = value
        elif value and (name not in own or one.key == "deployment.environment.name"):
            own[name] = value
    if origin is not None:
        own = origin.over(own)
    if own.get(SERVICE, "").startswith("unknown_service"):  # what SDKs say for "nobody told me"
        own[SERVICE] = ""
    return Resource(
        service=own.get(SERVICE, ""),
        environment=own.get(ENVIRONMENT, ""),
        version=short(own.get(VERSION, "")),
        instance=own.get(INSTANCE, ""),
        others=others,
    )
