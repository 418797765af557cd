"""Gives a document back as JSON."""

import base64
import json
import sys
from array import array
from collections.abc import Callable, Mapping
from typing import Optional, TypeVar

from andon_flags.document.model import Condition, Document, Flag, Hashed, Segment, Serve

_T = TypeVar("_T", Flag, Segment)


def write(document: Document) -> bytes:
    """The document as ``read`` takes it; equal documents give equal bytes."""
    return assemble(
        document,
        {name: flag_as_bytes(one) for name, one in document.flags.items()},
        {name: segment_as_bytes(one) for name, one in document.segments.items()},
    )


def assemble(document: Document, flags: "Mapping[str, bytes]", segments: "Mapping[str, bytes]") -> bytes:
    """What ``write`` gives, of flags and segments that were written before: of all that the document has."""
    head = {
        "format": 1,
        "service": document.service,
        "environment": document.environment,
        "revision": document.revision,
    }
    return b"".join([_json(head)[:-1], b',"segments":{', *_members(segments), b'},"flags":{', *_members(flags), b"}}"])


def flag_as_bytes(flag: Flag) -> bytes:
    """One flag of a document, for ``assemble``."""
    return _json(flag_as_json(flag))


def segment_as_bytes(segment: Segment) -> bytes:
    """One segment of a document, for ``assemble``."""
    return _json(segment_as_json(segment))


def write_change(old: Document, new: Document) -> bytes:
    """What makes ``new`` of ``old``, as ``changed`` takes it."""
    flags = {
        name: flag_as_json(new.flags[name]) if name in new.flags else None
        for name in sorted({*old.flags, *new.flags})
        if _differ(old.flags.get(name), new.flags.get(name), flag_as_json)
    }
    segments = {
        name: segment_as_json(new.segments[name]) if name in new.segments else None
        for name in sorted({*old.segments, *new.segments})
        if _differ(old.segments.get(name), new.segments.get(name), segment_as_json)
    }
    return _json({"from": old.revision, "revision": new.revision, "flags": flags, "segments": segments})


def flag_as_json(flag: Flag) -> "dict[str, object]":
    """One flag of a document."""
    said: dict[str, object] = {
        "kind": flag.kind.value,
        "variants": dict(flag.variants),
        "enabled": flag.enabled,
        "off": flag.off,
        "salt": flag.salt,
        "unit": flag.unit,
        "prerequisites": [{"flag": one.flag, "variants": list(one.variants)} for one in flag.prerequisites],
        "individuals": dict(flag.individuals),
        "rules": [
            {"id": rule.id, "when": [_condition(one) for one in rule.when], "serve": _serve(rule.serve)}
            for rule in flag.rules
        ],
        "default": _serve(flag.default),
    }
    if flag.begins is not None:
        said["from"] = flag.begins
    if flag.ends is not None:
        said["until"] = flag.ends
    if flag.watched:
        said["watched"] = True
    return said


def segment_as_json(segment: Segment) -> "dict[str, object]":
    """One segment of a document."""
    said: dict[str, object] = {"when": [[_condition(one) for one in every] for every in segment.when]}
    if isinstance(segment.members, Hashed):
        hashes = array("Q", segment.members.hashes)
        if sys.byteorder == "little":
            hashes.byteswap()
        said["hashed"] = base64.b64encode(hashes.tobytes()).decode("ascii")
    else:
        said["members"] = sorted(segment.members)
    return said


def _members(written: "Mapping[str, bytes]") -> "list[bytes]":
    found: list[bytes] = []
    for name, content in sorted(written.items()):
        found += [b"," if found else b"", _json(name), b":", content]
    return found


def _condition(condition: Condition) -> "dict[str, object]":
    return {"attribute": condition.attribute, "is": condition.operator.value, "values": list(condition.values)}


def _serve(serve: Serve) -> object:
    return serve if isinstance(serve, str) else [list(one) for one in serve]


def _differ(old: Optional[_T], new: Optional[_T], as_json: "Callable[[_T], dict[str, object]]") -> bool:
    if old is new:
        return False
    # 1 and true are equal in Python and not in JSON
    return old is None or new is None or _json(as_json(old)) != _json(as_json(new))


def _json(said: object) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
