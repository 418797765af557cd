"""Documents: what services receive, built when something has changed and remembered until then."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b

from andon.flow.flags.contract import FlagDocument
from andon.flow.flags.model.flag import Setting, StoredSegment, compose
from andon.flow.flags.storage import flags as storage
from andon.flow.flags.storage import pretences as pretence_storage
from andon.flow.flags.storage import ramps as ramp_storage
from andon.flow.flags.storage import segments as segment_storage
from andon.flow.sources.contract import Service
from andon.kernel.db import Reading, Transaction
from andon_flags.document import Document, Flag, Hashed, Segment, read, write

MOST_REMEMBERED = 256
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Built:
    """A document as values and as bytes."""

    document: Document
    told: FlagDocument
    pretended: bool = False
    """For tests: not what was set for the environment."""


class Documents:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self._built: OrderedDict[tuple[Service, str], Built] = OrderedDict()
        self._members: OrderedDict[str, tuple[int, int, frozenset[str] | Hashed]] = OrderedDict()
        self._guard = threading.Lock()

    def of(self, reading: Reading, service: Service, environment: str) -> Built:
        """The document as ``reading`` sees it; of an environment that pretends what it pretends."""
        found = storage.revision(reading.connection, service, environment)
        revision, changed_at = found or (0, _NEVER)
        place = (service, environment)
        with self._guard:
            known = self._built.get(place)
            if known is not None and known.told.revision == revision:
                self._built.move_to_end(place)
                return known
        pretended = pretence_storage.document(reading.connection, service, environment)
        if pretended is None:
            document = self.compose(reading, service, environment, revision)
        else:
            document = replace(read(pretended), revision=revision)
        content = write(document)
        told = FlagDocument(
            service=service,
            environment=environment,
            revision=revision,
            changed_at=changed_at,
            content=content,
            etag=f'"{revision}-{blake2b(content, digest_size=6).hexdigest()}"',
        )
        built = Built(document, told, pretended is not None)
        if isinstance(reading, Transaction):
            return built  # may yet be taken back, and its revision be another's
        with self._guard:
            newest = self._built.get(place)
            if newest is None or newest.told.revision <= revision:
                self._built[place] = built
                self._built.move_to_end(place)
                while len(self._built) > MOST_REMEMBERED:
                    self._built.popitem(last=False)
        return built

    def compose(
        self,
        reading: Reading,
        service: Service,
        environment: str,
        revision: int = 0,
        *,
        instead: Flag | None = None,
        without: str = "",
        light: bool = False,
    ) -> Document:
        """The document with one flag exchanged, or left out. ``light`` leaves the members of segments out, where only
        the form of the whole matters."""
        stored = storage.of_service(reading.connection, service)
        settings = storage.settings_at(reading.connection, service, environment)
        watched = ramp_storage.watched(reading.connection, service, environment)
        flags: dict[str, Flag] = {}
        for one in stored:
            if one.name == without:
                continue
            there = settings.get(one.id)
            setting = Setting.first(one.head) if there is None else there.setting
            flags[one.name] = compose(one.name, one.head, setting, watched=one.name in watched)
        if instead is not None:
            flags[instead.name] = instead
        names = {
            str(value)
            for flag in flags.values()
            for rule in flag.rules
            for condition in rule.when
            if condition.operator.value.endswith("in-segment")
            for value in condition.values
        }
        found = segment_storage.named(reading.connection, sorted(names)) if names else ()
        segments = {str(one.name): self.segment(reading, one, light=light) for one in found}
        return Document(service=service, environment=environment, revision=revision, flags=flags, segments=segments)

    def segment(self, reading: Reading, one: StoredSegment, *, light: bool = False) -> Segment:
        if light:
            somebody = frozenset({"somebody"}) if one.size else frozenset()
            return Segment(name=one.name, members=somebody, when=one.when)
        with self._guard:
            known = self._members.get(one.name)
        if known is not None and known[:2] == (one.version, one.edition):
            return Segment(name=one.name, members=known[2], when=one.when)
        members = segment_storage.members_of(reading.connection, one.name, one.edition)
        if isinstance(reading, Transaction):
            return Segment(name=one.name, members=members, when=one.when)
        with self._guard:
            self._members[one.name] = (one.version, one.edition, members)
            self._members.move_to_end(one.name)
            while len(self._members) > MOST_REMEMBERED:
                self._members.popitem(last=False)
        return Segment(name=one.name, members=members, when=one.when)
