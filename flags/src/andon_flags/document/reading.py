"""Takes in a document or a change; whatever comes may have been written by anybody."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Union

from andon_flags.document.checking import Checks, DocumentError, Fault, TooManyFaults, quoted
from andon_flags.document.flags import flag_at
from andon_flags.document.limits import MOST_BYTES, MOST_FLAGS, MOST_SEGMENTS
from andon_flags.document.model import Document, Flag, Segment
from andon_flags.document.segments import segment_at
from andon_flags.document.whole import check_change, check_whole

__all__ = ["DocumentError", "Fault", "Outdated", "changed", "read"]

FORMAT = 1
_KEYS = ("format", "service", "environment", "revision", "segments", "flags")
_CHANGE_KEYS = ("from", "revision", "flags", "segments")

Source = Union[bytes, str, Mapping[str, object]]


class Outdated(Exception):
    """A change begins at another revision than the document has: the whole must be asked for anew."""

    def __init__(self, has: int, begins: int) -> None:
        super().__init__(f"The change begins at revision {begins}, and here is {has}.")
        self.has = has
        self.begins = begins


def read(source: Source, *, strict: bool = False) -> Document:
    """A document of format 1, from JSON or from what JSON became. Raises ``DocumentError`` with every fault.

    Keys that are not known are passed over, since a later Andon may send more; ``strict`` makes them faults, as it
    should be where people write the document.
    """
    checks = Checks(strict=strict)
    try:
        return _finished(checks, _document(checks, _parsed(source)))
    except TooManyFaults:
        raise DocumentError(checks.faults) from None


def changed(document: Document, change: Source, *, strict: bool = False) -> Document:
    """``document`` with a ``change`` applied: ``{"from", "revision", "flags": {name: flag or null}, "segments"}``.

    What the change does not name stays the very same object. Raises ``Outdated`` where the change begins at another
    revision, ``DocumentError`` where it is faulty or what it makes is: then the old document is still good.
    """
    checks = Checks(strict=strict)
    try:
        said = checks.object_at("", _parsed(change), _CHANGE_KEYS)
        begins, revision = (
            _revision(checks, "from", said.get("from")),
            _revision(checks, "revision", said.get("revision")),
        )
        if not checks.faults and begins != document.revision:
            raise Outdated(document.revision, begins)
        if revision <= begins:
            checks.fault("revision", f"{revision} does not follow {begins}")
        flags, segments = dict(document.flags), dict(document.segments)
        named: set[str] = set()
        for path, name, entry in checks.named("segments", said.get("segments", {}), MOST_SEGMENTS, "segments"):
            segment = None if entry is None else segment_at(checks, path, name, entry)
            _put(segments, name, segment)
        for path, name, entry in checks.named("flags", said.get("flags", {}), MOST_FLAGS, "flags"):
            flag = None if entry is None else flag_at(checks, path, name, entry)
            _put(flags, name, flag)
            named.add(name)
        new = replace(document, revision=revision, flags=flags, segments=segments)
        if not checks.faults:
            check_change(checks, document, new, named)
        return _whole(checks, new)
    except TooManyFaults:
        raise DocumentError(checks.faults) from None


# Inside


def _put(into: "Union[dict[str, Flag], dict[str, Segment]]", name: str, what: "Union[Flag, Segment, None]") -> None:
    if what is None:
        into.pop(name, None)
    else:
        into[name] = what  # type: ignore[assignment]  # a flag among flags, a segment among segments


def _parsed(source: Source) -> object:
    if not isinstance(source, (bytes, bytearray, str)):
        return source
    if len(source) > MOST_BYTES:
        raise DocumentError([Fault("", f"is larger than {MOST_BYTES // 2**20} MiB")])
    try:
        parsed: object = json.loads(source, parse_constant=_no_constant)
    except RecursionError:
        raise DocumentError([Fault("", "is nested too deep")]) from None
    except ValueError as error:  # also UnicodeDecodeError, and numbers with thousands of digits
        raise DocumentError([Fault("", f"is no JSON: {quoted(str(error), 120)}")]) from None
    return parsed


def _no_constant(said: str) -> None:
    raise ValueError(f"{said} is no number of JSON")


def _revision(checks: Checks, path: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    checks.fault(path, f"is {quoted(value)} and must be a whole number from 0 on")
    return 0


def _document(checks: Checks, source: object) -> Document:
    said = checks.object_at("", source, _KEYS)
    if said.get("format") != FORMAT or isinstance(said.get("format"), bool):
        checks.fault("format", f"is {quoted(said.get('format'))}; this version of andon-flags reads format {FORMAT}")
        raise TooManyFaults  # what the rest means is not known
    service = checks.name("service", said.get("service"))
    environment = checks.name("environment", said.get("environment"))
    revision = _revision(checks, "revision", said.get("revision"))
    segments: dict[str, Segment] = {}
    for path, name, entry in checks.named("segments", said.get("segments", {}), MOST_SEGMENTS, "segments"):
        segments[name] = segment_at(checks, path, name, entry)
    flags: dict[str, Flag] = {}
    for path, name, entry in checks.named("flags", said.get("flags"), MOST_FLAGS, "flags"):
        flags[name] = flag_at(checks, path, name, entry)
    return Document(service or "", environment or "", revision, flags, segments)


def _finished(checks: Checks, document: Document) -> Document:
    if not checks.faults:
        check_whole(checks, document)
    return _whole(checks, document)


def _whole(checks: Checks, document: Document) -> Document:
    if checks.faults:
        raise DocumentError(checks.faults)
    return document
