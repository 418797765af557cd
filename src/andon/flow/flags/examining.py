"""What is amiss with flags on this machine, for ``andon doctor``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from andon.flow.flags.contract import FLAGS_FILE, FlagsFileRefused
from andon.flow.flags.equipping import FILE, FlagFolders
from andon.flow.flags.files import revision_in
from andon.flow.flags.service.flags import FlagService
from andon.flow.flags.service.segments import SegmentService
from andon.flow.sources.contract import Service, Sources
from andon.kernel.access import SYSTEM
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound
from andon.kernel.events import Facets, page

LATE = timedelta(minutes=1)
"""How long a file may be behind: it is written within seconds."""
LARGE = 200_000
"""Members of a segment from which each document that it is in has megabytes."""
_BYTES = 32 / 3
"""Of a hashed member, as base64."""


@dataclass(frozen=True, slots=True)
class Finding:
    found: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Examination:
    """What is looked at; nothing is changed."""

    flags: FlagService
    segments: SegmentService
    sources: Sources
    folders: FlagFolders

    def findings(self, reading: Reading, running: Iterable[tuple[Service, str]]) -> Iterator[Finding]:
        """``running`` are the environments that sandboxes run in."""
        for service, environment in running:
            path = self.folders.folder(service, environment) / FILE
            yield from self._file(reading, service, environment, path)
        for service in self.sources.services(reading):
            yield from self._code(reading, service)
        for one in self.segments.all(reading, SYSTEM):
            if one.size >= LARGE:
                yield Finding(
                    f"The segment {one.name} has {one.size:,} members: whoever follows flags that name it is sent "
                    f"{one.size * _BYTES / 2**20:.0f} MiB.",
                    "Let the service send an attribute, and make a condition of it.",
                )

    def _file(self, reading: Reading, service: Service, environment: str, path: Path) -> Iterator[Finding]:
        wanted = self.flags.document(reading, service, environment)
        if not wanted.revision or reading.now - wanted.changed_at < LATE:
            return
        there = revision_in(path)
        if there is None:
            said = "has no flags on the disk: a service that starts while Andon's web process is down gets the defaults"
            yield Finding(f"{service}/{environment} {said} of its code.", f"See why the worker writes no {path}.")
        elif there != wanted.revision:
            yield Finding(
                f"{service}/{environment} has revision {there} of its flags on the disk, "
                f"the newest is {wanted.revision}.",
                f"See why the worker does not write {path}.",
            )

    def _code(self, reading: Reading, service: Service) -> Iterator[Finding]:
        """What is at the head of the default branch was refused when it came."""
        newest = page(reading, Facets(type=FlagsFileRefused.type, service=service), limit=1)
        refused = newest[0].decode() if newest else None
        if not isinstance(refused, FlagsFileRefused):
            return
        try:
            head = self.sources.resolve(service, self.sources.default_branch(reading, service))
        except NotFound:  # the branch is gone
            return
        if refused.commit == head:
            first = refused.faults[0] if refused.faults else "it has faults"
            yield Finding(
                f"{FLAGS_FILE} of {service} is not applied: {first}", "Mend it and push; flags are as they were before."
            )
