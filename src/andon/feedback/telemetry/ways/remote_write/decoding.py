"""Remote write 1.0 and 2.0 as series and samples.

A Prometheus sends the labels of a series with each of its samples: ten to twenty texts around one number. Of 1.0 they
are the same bytes each time, so a series is known by the bytes of its labels and these are read once. That this is
sound: bytes that were once read as nothing but whole labels are read so again, and what follows them begins a field.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

from andon.feedback.telemetry.contract.intake import Dropped, Way
from andon.feedback.telemetry.contract.metrics import (
    NAME,
    SERVICE,
    Exemplar,
    Kind,
    Series,
    SeriesId,
    canonical,
    label_name,
    metric_name,
)
from andon.feedback.telemetry.ways.gathering import Gathering, Origin, Window, make_series
from andon.feedback.telemetry.ways.kinds import kind_by_families, kind_by_type
from andon.feedback.telemetry.ways.known import Known
from andon.feedback.telemetry.ways.remote_write.wire import BYTES, FIXED64, VARINT, broken, double, fields, signed, text
from andon.feedback.telemetry.ways.remote_write.wire import varint as read_varint

_TYPES = ("unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset")
_MOST_FAMILIES = 100_000
_PACK = struct.Struct("<d").pack
_ZERO = bytes(8)
_MOST_LABELS = 128
_COST_OF_A_SERIES = 5
"""In samples that are not read for the first time."""
_MOST_PAIRS = 10_000
_label_name = lru_cache(maxsize=20_000)(label_name)


@dataclass(slots=True)
class Family:
    type: str
    help: str = ""
    unit: str = ""


Sample = tuple[int, float]
Ids = tuple[int, str]
"""A series' id and its service, which is told where a sample of it is dropped."""


class Reading:
    """One request as it is read."""

    def __init__(self, known: Known[Ids], window: Window, families: dict[str, Family], origin: Origin | None) -> None:
        self.gathering = Gathering(Way.REMOTE_WRITE, window)
        self.named: dict[int, Ids] = {}
        self.told: dict[str, Family] = {}
        """Families that the request tells of."""
        self._found = known.at(self.gathering.now)
        self._families = families
        self._origin = origin
        self._milliseconds: dict[bytes, int] = {}
        self._pairs: dict[bytes, tuple[str, str]] = {}

    def unnamed(self) -> list[int]:
        """Some of the series that were sent without being named to the store."""
        ids, named = self.gathering.ids, self.gathering.series
        return [one for one in ids[:: max(len(ids) // 64, 1)] if one not in named]

    # 1.0

    def first(self, body: bytes) -> None:
        """``prometheus.WriteRequest``. Raises ``Invalid``."""
        gathering, found = self.gathering, self._found
        ids, times, packed = gathering.ids, gathering.times, gathering.packed
        oldest, newest, milliseconds = gathering.oldest, gathering.newest, self._milliseconds
        place, size = 0, len(body)
        while place < size:
            tag = body[place]
            place += 1
            if tag != 0x0A:
                place = self._other(body, place - 1)
                continue
            length, place = read_varint(body, place, size)
            end = place + length
            if end > size:
                raise broken("it ends within a series")
            # the end of nearly every series: one sample of a double and a time of six bytes, or of a time alone,
            # since a zero is not sent
            mark = end - 18
            zero = False
            if mark < place or body[mark : mark + 3] != b"\x12\x10\x09" or body[end - 7] != 0x10:
                mark = end - 9
                zero = mark >= place and body[mark : mark + 3] == b"\x12\x07\x10"
                if not zero:
                    self._series(body, place, end)
                    place = end
                    continue
            one = found.get(hash(body[place:mark]))
            raw = body[end - 6 : end]
            time = milliseconds.get(raw)
            if time is None:
                time = self._time(raw)
            if one is None or time == 0:
                self._series(body, place, end)
            elif oldest <= time <= newest:
                ids.append(one[0])
                times.append(time)
                packed += _ZERO if zero else body[end - 15 : end - 7]
            else:
                gathering.drop(Dropped.TIME, service=one[1], example=f"{time} ms since 1970")
            place = end
        if len(ids) != len(times) or len(packed) != 8 * len(ids):
            raise broken("its samples do not add up")

    def _time(self, raw: bytes) -> int:
        """Of six bytes that should be one number; 0 if they are not."""
        if raw[5] > 127 or any(byte < 128 for byte in raw[:5]):
            return 0
        time, _ = read_varint(raw, 0, 6)
        if len(self._milliseconds) < 10_000:
            self._milliseconds[raw] = time
        return time

    def _other(self, body: bytes, place: int) -> int:
        """A field of the request that is no series; gives where it ends."""
        for number, wire, begin, end in fields(body, place, len(body)):
            if number == 3 and wire == BYTES:
                self.gathering.spend(1)
                self._metadata(body, begin, end)
            elif number == 1:
                raise broken("a series is of another type")
            return end
        raise broken("it ends within a field")

    def _series(self, body: bytes, place: int, end: int) -> None:
        self.gathering.spend(_COST_OF_A_SERIES)
        labels: list[tuple[str, str]] = []
        samples: list[Sample] = []
        exemplars: list[tuple[int, int]] = []
        histograms = 0
        after_labels, whole = self._leading_labels(body, place, end, labels), True
        for number, wire, begin, stop in fields(body, after_labels, end):
            if wire != BYTES:
                whole = False
                continue
            if number == 1:
                labels.append(_label(body, begin, stop))
                whole = whole and not samples and not exemplars and not histograms
                if whole:
                    after_labels = stop
            elif number == 2:
                self.gathering.spend(1)
                samples.append(_sample(body, begin, stop))
            elif number == 3:
                exemplars.append((begin, stop))
            elif number == 4:
                histograms += 1
        one = self._take(labels, samples, Family(""))
        if histograms:
            self._no_histograms(histograms)
        if one is None:
            return
        if whole:
            self.named[hash(body[place:after_labels])] = (one.id, one.label(SERVICE))
        for begin, stop in exemplars[:100]:
            self._exemplar(body, begin, stop, one.id)

    def _leading_labels(self, body: bytes, place: int, end: int, labels: list[tuple[str, str]]) -> int:
        """The labels with which a series begins, as far as they are shorter than 128 bytes; gives where they end."""
        pairs = self._pairs
        while place + 1 < end and body[place] == 0x0A and body[place + 1] < 128:
            begin = place + 2
            stop = begin + body[place + 1]
            if stop > end:
                break
            raw = body[begin:stop]
            pair = pairs.get(raw)
            if pair is None:
                pair = _label(body, begin, stop)
                if len(pairs) < _MOST_PAIRS:
                    pairs[raw] = pair
            labels.append(pair)
            place = stop
        return place

    def _metadata(self, body: bytes, place: int, end: int) -> None:
        family, name = Family(""), ""
        for number, wire, begin, stop in fields(body, place, end):
            if number == 1 and wire == VARINT:
                family.type = _TYPES[begin] if begin < len(_TYPES) else ""
            elif wire == BYTES and number == 2:
                name = text(body, begin, stop)
            elif wire == BYTES and number == 4:
                family.help = text(body, begin, stop)
            elif wire == BYTES and number == 5:
                family.unit = text(body, begin, stop)
        if 0 < len(name) <= 255 and len(self.told) < _MOST_FAMILIES:
            family.help, family.unit = family.help[:1024], family.unit[:63]
            self.told[name] = family

    # 2.0

    def second(self, body: bytes) -> None:
        """``io.prometheus.write.v2.Request``. Raises ``Invalid``."""
        symbols: list[str] = []
        series: list[tuple[int, int]] = []
        for number, wire, begin, end in fields(body, 0, len(body)):
            self.gathering.spend(1)
            if wire == BYTES and number == 4:
                symbols.append(text(body, begin, end))
            elif wire == BYTES and number == 5:
                series.append((begin, end))
        if symbols and symbols[0]:
            raise broken("the first symbol is not empty")
        for begin, end in series:
            self._second_series(body, begin, end, symbols)

    def _second_series(self, body: bytes, place: int, end: int, symbols: list[str]) -> None:
        self.gathering.spend(_COST_OF_A_SERIES)
        references: list[int] = []
        samples: list[Sample] = []
        exemplars: list[tuple[int, int]] = []
        family = Family("")
        histograms = 0
        for number, wire, begin, stop in fields(body, place, end):
            if number == 1:
                references += _packed(body, begin, stop) if wire == BYTES else [begin]
            elif wire != BYTES:
                continue
            elif number == 2:
                self.gathering.spend(1)
                samples.append(_sample(body, begin, stop))
            elif number == 3:
                histograms += 1
            elif number == 4:
                exemplars.append((begin, stop))
            elif number == 5:
                family = _second_metadata(body, begin, stop, symbols)
        if histograms:
            self._no_histograms(histograms)
        labels = _labels(references, symbols)
        told = hash(tuple(labels))
        known = self._found.get(told) or self.named.get(told)
        if known is not None:
            self._samples(known, samples)
            id_ = known[0]
        else:
            one = self._take(labels, samples, family)
            if one is None:
                return
            id_ = one.id
            self.named[told] = (one.id, one.label(SERVICE))
        for begin, stop in exemplars[:100]:
            self._second_exemplar(body, begin, stop, symbols, id_)

    # Both

    def _take(self, labels: list[tuple[str, str]], samples: list[Sample], family: Family) -> Series | None:
        told = dict(labels)
        name = told.pop(NAME, "")
        own = {_label_name(label): value for label, value in told.items()}
        if self._origin is not None:
            own = self._origin.over(own)
        kept = metric_name(name)
        one = None
        if len(told) + 1 == len(labels) and "" not in told and len(labels) <= _MOST_LABELS:
            known = self._families.get(name) or self.told.get(name) or family
            one = make_series(kept, own, self._kind(name, family), unit=known.unit, help=known.help, path=name)
        if one is None:
            self.gathering.drop(
                Dropped.NAME,
                max(len(samples), 1),
                service=own.get(SERVICE, ""),
                example=name or "a series without a name",
            )
            return None
        self.gathering.series.setdefault(one.id, one)
        self._samples((one.id, one.label(SERVICE)), samples)
        return one

    def _kind(self, name: str, family: Family) -> Kind:
        if family.type:
            return kind_by_type(family.type, name)
        if not self._families and not self.told:
            return kind_by_families({}, name)
        types = {
            known: found.type
            for known in _families_of(name)
            if (found := self.told.get(known) or self._families.get(known)) is not None
        }
        return kind_by_families(types, name)

    def _samples(self, one: Ids, samples: list[Sample]) -> None:
        gathering = self.gathering
        for time, value in samples:
            if gathering.full:
                gathering.drop(Dropped.TOO_LARGE, service=one[1])
            elif gathering.in_time(time):
                gathering.ids.append(one[0])
                gathering.times.append(time)
                gathering.packed += _PACK(value)
            else:
                gathering.drop(Dropped.TIME, service=one[1], example=f"{time} ms since 1970")

    def _no_histograms(self, count: int) -> None:
        self.gathering.drop(
            Dropped.MALFORMED, count, example="native histograms are not kept; send classic ones, they may go together"
        )

    def _exemplar(self, body: bytes, place: int, end: int, id_: int) -> None:
        labels: list[tuple[str, str]] = []
        value, time = 0.0, 0
        for number, wire, begin, stop in fields(body, place, end):
            if number == 1 and wire == BYTES:
                labels.append(_label(body, begin, stop))
            elif number == 2 and wire == FIXED64:
                value = double(body, begin)
            elif number == 3 and wire == VARINT:
                time = signed(begin)
        self._kept(labels, value, time, id_)

    def _second_exemplar(self, body: bytes, place: int, end: int, symbols: list[str], id_: int) -> None:
        references: list[int] = []
        value, time = 0.0, 0
        for number, wire, begin, stop in fields(body, place, end):
            if number == 1:
                references += _packed(body, begin, stop) if wire == BYTES else [begin]
            elif number == 2 and wire == FIXED64:
                value = double(body, begin)
            elif number == 3 and wire == VARINT:
                time = signed(begin)
        self._kept(_labels(references, symbols), value, time, id_)

    def _kept(self, labels: list[tuple[str, str]], value: float, time: int, id_: int) -> None:
        exemplar = exemplar_of(dict(labels[:16]), value, time, id_)
        if exemplar is not None and self.gathering.in_time(time):
            self.gathering.exemplars.append(exemplar)


def exemplar_of(labels: dict[str, str], value: float, time: int, series: int) -> Exemplar | None:
    """``None`` for one that names no trace."""
    trace, span = "", ""
    for name in ("trace_id", "traceID", "traceId"):
        trace = labels.pop(name, "") or trace
    for name in ("span_id", "spanID", "spanId"):
        span = labels.pop(name, "") or span
    if len(trace) == 16:  # 64 bits, as Zipkin and Jaeger had them
        trace = trace.rjust(32, "0")
    if len(trace) != 32 or not set(trace.lower()) <= set("0123456789abcdef"):
        return None
    return Exemplar(
        series=SeriesId(series),
        time=time,
        value=value,
        trace=trace.lower(),
        span=span.lower() if len(span) == 16 else "",
        labels=canonical({label_name(name): value[:256] for name, value in labels.items()}),
    )


def _families_of(name: str) -> tuple[str, ...]:
    base, _, _ = name.rpartition("_")
    return (name, base) if base else (name,)


def _label(body: bytes, place: int, end: int) -> tuple[str, str]:
    name = value = ""
    for number, wire, begin, stop in fields(body, place, end):
        if wire == BYTES and number == 1:
            name = text(body, begin, stop)
        elif wire == BYTES and number == 2:
            value = text(body, begin, stop)
    return name, value


def _sample(body: bytes, place: int, end: int) -> Sample:
    value, time = 0.0, 0
    for number, wire, begin, _ in fields(body, place, end):
        if number == 1 and wire == FIXED64:
            value = double(body, begin)
        elif number == 2 and wire == VARINT:
            time = signed(begin)
    return time, value


def _packed(body: bytes, place: int, end: int) -> list[int]:
    found = []
    while place < end:
        number, place = read_varint(body, place, end)
        found.append(number)
        if len(found) > 2 * _MOST_LABELS:
            raise broken("a series has too many labels")
    return found


def _labels(references: list[int], symbols: list[str]) -> list[tuple[str, str]]:
    if len(references) % 2:
        raise broken("a label has a name and no value")
    try:
        return [(symbols[references[index]], symbols[references[index + 1]]) for index in range(0, len(references), 2)]
    except IndexError as error:
        raise broken("a label refers to a symbol that is not there") from error


def _second_metadata(body: bytes, place: int, end: int, symbols: list[str]) -> Family:
    family = Family("")
    for number, wire, begin, _ in fields(body, place, end):
        if wire != VARINT:
            continue
        if number == 1:
            family.type = _TYPES[begin] if begin < len(_TYPES) else ""
        elif number in {3, 4} and begin >= len(symbols):
            raise broken("metadata refer to a symbol that is not there")
        elif number == 3:
            family.help = symbols[begin]
        elif number == 4:
            family.unit = symbols[begin]
    return family
