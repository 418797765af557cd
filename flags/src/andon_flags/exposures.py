"""Who was served what: counted in the process, told every ten seconds, and of a sample recorded one by one."""

import itertools
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Optional, Union

from andon_flags.buckets import spread
from andon_flags.document import Flag
from andon_flags.document.values import unit_of
from andon_flags.outcomes import Outcome
from andon_flags.watching import Outcomes

EVERY = 10.0
"""Seconds between two tellings."""
METRIC = "flags.evaluated"
MOST_OTHERS = 1_000
MOST_RECORDS = 10_000
"""Records between two tellings; what comes on top is dropped and counted."""
PACKET = 1432
"""Bytes of a datagram that no network cuts in two."""
_SAMPLE = "andon-flags: exposures"
"""One salt for all flags: who is in the sample is in it with everything that was served."""

Teller = Callable[[str], object]


class Exposures:
    """Counts for any number of threads. ``share`` of the units are recorded, by ``tell``, one line of JSON each."""

    def __init__(
        self,
        environment: "Mapping[str, str]" = os.environ,
        *,
        share: float = 0.0,
        tell: "Optional[Teller]" = None,
    ) -> None:
        self._counts: dict[tuple[str, str], itertools.count[int]] = {}
        self._told: dict[tuple[str, str], int] = {}
        self._tags = _tags(environment)
        self._to = address(environment)
        self._below = int(min(max(share, 0.0), 1.0) * 2**64)
        self._tell = tell or _to_stdout
        self._records: set[tuple[str, str, str]] = set()
        self._others: dict[str, itertools.count[int]] = {}
        self.dropped = 0
        self.outcomes = Outcomes()

    def noting(self, flag: Flag, outcome: Outcome) -> "Callable[[], None]":
        """What a watched flag's function calls when it serves ``outcome``."""
        return self.outcomes.noting(flag, outcome)

    def told(
        self, flag: Flag, variant: str
    ) -> "tuple[Optional[Callable[[], object]], Optional[Callable[[Mapping[str, object]], object]]]":
        """What a flag's function calls when it serves the variant."""
        # setdefault: of two threads that come at once, both get the same. `__next__` counts without a lock: it is one
        # step of C.
        count = self._counts.setdefault((flag.name, variant), itertools.count())
        return count.__next__, self._recorder(flag, variant) if self._below else None

    def note(self, flag: Flag, variant: str, context: "Mapping[str, object]") -> None:
        """Count what was served otherwise than by a function."""
        plainly, with_context = self.told(flag, variant)
        if plainly is not None:
            plainly()
        if with_context is not None:
            with_context(context)

    def add(self, metric: str, tags: "Mapping[str, str]") -> None:
        """Count one of something else, sent with the rest."""
        told = ",".join(f"{tag}:{_plain(value)}" for tag, value in tags.items())
        count = self._others.get(f"{metric}|{told}")
        if count is None:
            if len(self._others) >= MOST_OTHERS:
                self.dropped += 1
                return
            count = self._others.setdefault(f"{metric}|{told}", itertools.count())
        next(count)

    def counted(self) -> "dict[tuple[str, str], int]":
        """What was served since the last time somebody asked."""
        found = {}
        for key, count in self._counts.copy().items():
            reached = next(count)
            new = reached - self._told.get(key, 0)
            self._told[key] = reached + 1  # asking counts as well
            if new:
                found[key] = new
        return found

    def send(self) -> None:
        """Tell what was counted and recorded. Raises nothing: nobody may be listening."""
        lines = [
            f"{METRIC}:{count}|c|#flag:{flag},variant:{variant}{self._tags}"
            for (flag, variant), count in self.counted().items()
        ]
        others, self._others = self._others, {}
        for key, count in others.items():
            metric, _, told = key.partition("|")
            lines.append(f"{metric}:{next(count)}|c|#{told}{self._tags}")
        lines += [*self.outcomes.signs(self._tags), *self.outcomes.lines(self._tags)]
        if lines:
            self._send(lines)
        records, self._records = self._records, set()
        now = time.time()
        for flag, variant, unit in sorted(records):
            said = {"time": now, "severity": "INFO", "message": "flag served", "event": "flags.exposure"}
            try:
                self._tell(json.dumps({**said, "flag": flag, "variant": variant, "unit": unit}, ensure_ascii=False))
            except Exception:  # noqa: BLE001 - whatever it is that takes records, the program goes on
                self.dropped += 1

    def send_outcomes(self) -> None:
        """Tell how requests ended. Raises nothing."""
        lines = self.outcomes.lines(self._tags)
        if lines:
            self._send(lines)

    def after_fork(self) -> None:
        """In the child: what the parent has counted is the parent's to tell."""
        self.counted()
        self.outcomes.after_fork()
        self._others = {}
        self._records = set()

    # Inside

    def _recorder(self, flag: Flag, variant: str) -> "Callable[[Mapping[str, object]], None]":
        name, attribute, below = flag.name, flag.unit, self._below

        def record(context: "Mapping[str, object]") -> None:
            unit = unit_of(context.get(attribute))
            try:
                if unit is None or spread(_SAMPLE, unit) >= below:
                    return
            except UnicodeEncodeError:
                return
            records = self._records
            if len(records) < MOST_RECORDS:
                records.add((name, variant, unit))
            else:
                self.dropped += 1

        return record

    def _send(self, lines: "list[str]") -> None:
        family = socket.AF_UNIX if isinstance(self._to, str) else socket.AF_INET
        if not isinstance(self._to, str) and ":" in self._to[0]:
            family = socket.AF_INET6
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sending:
                sending.settimeout(0.5)
                sending.connect(self._to)
                packet: list[str] = []
                size = 0
                for line in [*lines, ""]:
                    if packet and (not line or size + len(line) > PACKET):
                        sending.send("\n".join(packet).encode())
                        packet, size = [], 0
                    packet.append(line)
                    size += len(line) + 1
        except (OSError, ValueError):
            self.dropped += len(lines)


def address(environment: "Mapping[str, str]") -> "Union[str, tuple[str, int]]":
    """Where metrics go: as andon-client has it, so that one variable says it for both."""
    path = environment.get("ANDON_TELEMETRY", "")
    if path:
        return path
    port = environment.get("STATSD_PORT", "")
    return environment.get("STATSD_HOST") or "127.0.0.1", int(port) if port.isdecimal() and len(port) < 6 else 8125


def _tags(environment: "Mapping[str, str]") -> str:
    """What is told with every line. Who listens on Andon's own socket knows the service and the environment."""
    told = {"version": environment.get("ANDON_VERSION", ""), "instance": environment.get("ANDON_INSTANCE", "")}
    if not environment.get("ANDON_TELEMETRY"):
        told["service"] = environment.get("ANDON_SERVICE", "")
        told["environment"] = environment.get("ANDON_ENVIRONMENT", "")
    return "".join(f",{tag}:{_plain(value)}" for tag, value in told.items() if value)


def _plain(value: str) -> str:
    return "".join(mark if mark.isalnum() or mark in "._-/" else "_" for mark in value[:200])


def _to_stdout(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
