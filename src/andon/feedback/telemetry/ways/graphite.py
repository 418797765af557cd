"""Graphite's plaintext: ``path value time``, with tags as ``path;name=value``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from andon.feedback.telemetry.contract.intake import Dropped, Intake, Way
from andon.feedback.telemetry.contract.metrics import (
    SERVICE,
    Kind,
    Series,
    canonical,
    label_name,
    metric_name,
    series_id,
)
from andon.feedback.telemetry.ways.doors.lines import LONGEST_LINE, Overlong, by_newline
from andon.feedback.telemetry.ways.gathering import Gathering, Origin, Window, fits
from andon.feedback.telemetry.ways.known import Known
from andon.feedback.telemetry.ways.levels import level_of


class Graphite:
    """Reads lines for a :class:`~andon.feedback.telemetry.ways.doors.lines.LineDoor`.

    Two paths that PromQL's letters make the same name of (``a.b``, ``a_b``) stay two series.
    """

    way = Way.GRAPHITE

    def __init__(self, intake: Intake, window: Window) -> None:
        self._window = window
        self._known: Known[tuple[int, str]] = Known(intake.knows)

    def split(self, waiting: bytearray) -> list[bytes]:
        return by_newline(waiting)

    def datagram(self, raw: bytes) -> list[bytes]:
        return raw.split(b"\n")

    def read(self, lines: Sequence[bytes], client: str, origin: Origin | None) -> Gathering:
        while True:
            gathering = Gathering(self.way, self._window)
            named: dict[int, tuple[int, str]] = {}
            for line in lines:
                if line is Overlong or len(line) > LONGEST_LINE:
                    gathering.drop(Dropped.NAME, example="a line is too long")
                elif line.strip():
                    self._line(line, origin, gathering, named)
            if self._known.still(
                [one for one in gathering.ids[:: len(lines) // 64 + 1] if one not in gathering.series]
            ):
                gathering.learned = partial(self._known.learn, named)
                return gathering

    def _line(
        self, line: bytes, origin: Origin | None, gathering: Gathering, named: dict[int, tuple[int, str]]
    ) -> None:
        parts = line.split()
        if not 2 <= len(parts) <= 3:
            gathering.drop(Dropped.MALFORMED, example="a line is not `path value time`")
            return
        try:
            value = float(parts[1])
            stamp = parts[2] if len(parts) == 3 else b"N"
            seconds = -1.0 if stamp in {b"N", b"n"} else float(stamp)
        except ValueError:
            gathering.drop(Dropped.MALFORMED, example="a value or time is no number")
            return
        if not (math.isfinite(value) and math.isfinite(seconds)):
            gathering.drop(Dropped.NOT_A_NUMBER)
            return
        told = hash((parts[0], origin))
        one = self._known.at(gathering.now).get(told) or named.get(told)
        if one is None:
            series = _series(parts[0], origin)
            if series is None:
                gathering.drop(Dropped.NAME, example="a path is too long or not text")
                return
            one = named[told] = (series.id, series.label(SERVICE))
            gathering.series[series.id] = series
        moment = gathering.now if seconds == -1 else seconds * 1000
        if not gathering.oldest <= moment <= gathering.newest:  # before it is rounded: it may be infinite by now
            gathering.drop(Dropped.TIME, service=one[1])
            return
        gathering.ids.append(one[0])
        gathering.times.append(round(moment))
        gathering.values.append(value)


def _series(raw: bytes, origin: Origin | None) -> Series | None:
    try:
        path, *tags = raw.decode().split(";")
    except UnicodeDecodeError:
        return None
    told = {}
    for tag in tags:
        name, equals, value = tag.partition("=")
        if not equals or not name:
            return None
        told[label_name(name)] = value
    if origin is not None:
        told = origin.over(told)
    name, labels = metric_name(path), canonical(told)
    if not fits(name, labels):
        return None
    return Series(
        id=series_id(path, labels), name=name, labels=labels, kind=Kind.GAUGE, level=level_of(name, told), path=path
    )
