"""Documents: what services receive, built when something has changed and remembered until then."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
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
from andon_flags.document import Document, Flag, Segment, read, write
from andon_flags.document.model import SEGMENTAL
from andon_flags.document.writing import assemble, flag_as_bytes, segment_as_bytes

MOST_REMEMBERED = 256
_AT_ONCE = 500
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Built:
    """A document as values and as bytes."""

    document: Document
    told: FlagDocument
    pretended: bool = False
    """For tests: not what was set for the environment."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A flag as it was made of one version of its head and one of its setting."""

    versions: tuple[str, int, int, bool]
    """Its name, both versions, and whether it is watched."""
    flag: Flag
    segments: frozenset[str]
    """Those that it names."""
    content: bytes


@dataclass(frozen=True, slots=True)
class _Group:
    """A segment as it was made of one version."""

    versions: tuple[int, int]
    segment: Segment
    content: bytes


class Documents:
    """Safe to share between threads.

    What has not changed is not made again: of a thousand flags one change makes one. The others are the very same
    objects in the next document, by which whoever compares, compiles or sends them knows it.
    """

    def __init__(self) -> None:
        self._built: OrderedDict[tuple[Service, str], Built] = OrderedDict()
        self._made: OrderedDict[tuple[Service, str], Mapping[str, _Made]] = OrderedDict()
        self._groups: OrderedDict[str, _Group] = OrderedDict()
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
            document, content = self._whole(reading, service, environment, revision)
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
        self, reading: Reading, service: Service, environment: str, revision: int = 0, *, light: bool = False
    ) -> Document:
        """The document as ``reading`` sees it, whatever is pretended. ``light`` leaves the members of segments out,
        where only the form of the whole matters."""
        made = self._flags(reading, service, environment)
        names = {name for one in made.values() for name in one.segments}
        found = segment_storage.named(reading.connection, sorted(names)) if names else ()
        segments = {str(one.name): self.segment(reading, one, light=light) for one in found}
        flags = {one.flag.name: one.flag for one in made.values()}
        return Document(service=service, environment=environment, revision=revision, flags=flags, segments=segments)

    def around(
        self, reading: Reading, service: Service, environment: str, new: Flag
    ) -> tuple[Document, dict[str, Segment], int]:
        """What a new flag, or a new form of one, comes into: the document as it is, without the members of segments;
        segments that only the new one names; and the bytes of all other flags."""
        made = self._flags(reading, service, environment)
        names = {name for one in made.values() for name in one.segments}
        wanted = sorted(names | _named(new))
        found = segment_storage.named(reading.connection, wanted) if wanted else ()
        segments = {str(one.name): self.segment(reading, one, light=True) for one in found}
        there = Document(
            service=service,
            environment=environment,
            revision=0,
            flags={one.flag.name: one.flag for one in made.values()},
            segments={name: one for name, one in segments.items() if name in names},
        )
        more = {name: one for name, one in segments.items() if name not in names}
        return there, more, sum(len(one.content) for one in made.values() if one.flag.name != new.name)

    def segment(self, reading: Reading, one: StoredSegment, *, light: bool = False) -> Segment:
        if light:
            somebody = frozenset({"somebody"}) if one.size else frozenset()
            return Segment(name=one.name, members=somebody, when=one.when)
        return self._group(reading, one).segment

    def _whole(self, reading: Reading, service: Service, environment: str, revision: int) -> tuple[Document, bytes]:
        made = self._flags(reading, service, environment)
        names = sorted({name for one in made.values() for name in one.segments})
        found = segment_storage.named(reading.connection, names) if names else ()
        groups = {str(one.name): self._group(reading, one) for one in found}
        document = Document(
            service=service,
            environment=environment,
            revision=revision,
            flags={one.flag.name: one.flag for one in made.values()},
            segments={name: one.segment for name, one in groups.items()},
        )
        content = assemble(
            document,
            {one.flag.name: one.content for one in made.values()},
            {name: one.content for name, one in groups.items()},
        )
        return document, content

    def _flags(self, reading: Reading, service: Service, environment: str) -> Mapping[str, _Made]:
        """All that are not archived, by id, in the order of their names."""
        place = (service, environment)
        with self._guard:
            known = self._made.get(place, {})
        watched = ramp_storage.watched(reading.connection, service, environment)
        wanted = {
            one: (name, head, version, name in watched)
            for one, name, head, version in storage.outline(reading.connection, service, environment)
        }
        new = [one for one, versions in wanted.items() if one not in known or known[one].versions != versions]
        fresh: dict[str, _Made] = {}
        for begin in range(0, len(new), _AT_ONCE):
            some = new[begin : begin + _AT_ONCE]
            heads = storage.heads(reading.connection, some)
            settings = storage.settings_of_some(reading.connection, some, environment)
            for one in some:
                name, _, _, is_watched = wanted[one]
                setting = Setting.first(heads[one]) if one not in settings else settings[one].setting
                flag = compose(name, heads[one], setting, watched=is_watched)
                fresh[one] = _Made(wanted[one], flag, frozenset(_named(flag)), flag_as_bytes(flag))
        found = {one: fresh.get(one) or known[one] for one in wanted}
        # what is read in a transaction may yet be taken back, and its version be another's
        if not isinstance(reading, Transaction) and (fresh or len(found) != len(known)):
            with self._guard:
                self._made[place] = found
                self._made.move_to_end(place)
                while len(self._made) > MOST_REMEMBERED:
                    self._made.popitem(last=False)
        return found

    def _group(self, reading: Reading, one: StoredSegment) -> _Group:
        with self._guard:
            known = self._groups.get(one.name)
        if known is not None and known.versions == (one.version, one.edition):
            return known
        members = segment_storage.members_of(reading.connection, one.name, one.edition)
        segment = Segment(name=one.name, members=members, when=one.when)
        found = _Group((one.version, one.edition), segment, segment_as_bytes(segment))
        if isinstance(reading, Transaction):
            return found
        with self._guard:
            self._groups[one.name] = found
            self._groups.move_to_end(one.name)
            while len(self._groups) > MOST_REMEMBERED:
                self._groups.popitem(last=False)
        return found


def _named(flag: Flag) -> set[str]:
    """Segments that a flag's rules name."""
    return {
        str(value)
        for rule in flag.rules
        for condition in rule.when
        if condition.operator in SEGMENTAL
        for value in condition.values
    }
