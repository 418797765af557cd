"""What the database reads in bulk is what the exact parser reads line by line."""

from __future__ import annotations

import random
import re
from collections import Counter

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.metrics import Kind, SeriesId
from andon.feedback.telemetry.store.schema import DAY_MS
from andon.feedback.telemetry.ways.statsd.flushing import AHEAD
from andon.feedback.telemetry.ways.statsd.lines import Refused, Type, number, read, series_of
from andon.feedback.telemetry.ways.statsd.origins import ANYONE
from tests.feedback.telemetry.ways.statsd.conftest import Stations
from tests.feedback.telemetry.ways.statsd.station import NOW, Station, until

SEED = 20_260_923
LINES = 12_000

NAMES = [
    "a.b",
    "login.success",
    "größe",
    "business.orders",
    "x" * 255,
    "x" * 256,
    "",
    "a b",
    "a-b",
    "a/b",
    "t\tab",
    "9",
]
TYPES = ["c", "c", "g", "ms", "ms", "h", "d", "s", "zz", "", "C", "sx"]
PLAIN = ["0", "1", "-1", "+2", "3.25", "0.1", "-0.75", "1e3", "17.123456", "9007199254740993", "1e-7", ".5", "5.", "00"]
ODD = [
    "", "nan", "NaN", "inf", "-inf", "+Infinity", "1e999",
    "-1e999", "1e-999", "x", "e5", ".", "-", "+", "1_0", " 1",
    "1 ", "0x10", "0e",
    "1e", "1e+", "--1", "+-1", "1,5", "0.1.2", "1d", "1f", "9" * 400, "0" * 20 + "1", "-0", "0.0", "user-ä",
]  # fmt: skip
FIELDS = [
    "|@0.5", "|@1", "|@0.25", "|@0", "|@2", "|@x", "|@", "|#", "|#a:b", "|#a:b,c", "|#c,a:b",
    "|#env:live,service:shop", "|#a:\x02",
    "|#a:" + "v" * 1025, "|c:ci-1", "|e:it-1", "|card:low", "|other", "|", "|T", "|T1",
    "|T9999999999", "|T1x", "|\r", "\r",
]  # fmt: skip


def made(chance: random.Random) -> bytes:
    values = [chance.choice(PLAIN if chance.random() < 0.8 else ODD) for _ in range(chance.choice([1, 1, 1, 1, 2, 3]))]
    fields = "".join(chance.choice(FIELDS) for _ in range(chance.choice([0, 0, 1, 1, 2, 3])))
    if chance.random() < 0.1:
        fields += f"|T{(NOW + chance.randrange(-2 * DAY_MS, 2 * AHEAD)) // 1000}"
    # a name of one kind only: which of two clients that disagree is right depends on who came first
    type_ = chance.choice(TYPES)
    line = f"{chance.choice(NAMES)}{'.' + type_ if type_ else ''}:{':'.join(values)}|{type_}{fields}".encode()
    turn = chance.random()
    if turn < 0.02:
        return line.replace(b":", b"", 1)
    if turn < 0.04:
        return line[: chance.randrange(len(line) + 1)]
    if turn < 0.06:
        place = chance.randrange(len(line))
        return line[:place] + bytes([chance.choice([0, 58, 124, 255, 35, 64])]) + line[place + 1 :]
    return line


class Reference:
    """The slow way: everything, line by line."""

    def __init__(self) -> None:
        self.samples: Counter[tuple[int, int, float]] = Counter()
        self.members: dict[tuple[SeriesId, int], set[bytes]] = {}
        self.standing: dict[SeriesId, float] = {}
        self.kinds: dict[SeriesId, Kind] = {}
        self.dropped: Counter[Dropped] = Counter()

    def take(self, sent: bytes) -> None:
        if sent.startswith((b"_e{", b"_sc|")) or not sent.strip(b"\r"):
            return
        try:
            line = read(sent)
            series = series_of(line, ANYONE)
        except Refused as refused:
            # each value of a line is counted for itself, where they can be told apart at all
            colon, bar = sent.find(b":"), sent.find(b"|")
            single = colon < 0 or bar < colon or re.match(rb"[|]s([|]|\r|$)", sent[bar:]) is not None
            self.dropped[refused.why] += 1 if single else sent[colon:bar].count(b":")
            return
        if self.kinds.setdefault(series.id, series.kind) is not series.kind:
            self.dropped[Dropped.KIND] += len(line.values)
            return
        time = NOW if line.time is None else line.time * 1000
        for value in line.values:
            if not NOW - DAY_MS <= time <= NOW + AHEAD:
                self.dropped[Dropped.TIME] += 1
            elif line.type is Type.SET:
                self.members.setdefault((series.id, time // 10_000), set()).add(value)
            else:
                self._value(series.id, line.type, value, line.rate, time)

    def _value(self, series: SeriesId, type_: Type, sent: bytes, rate: float, time: int) -> None:
        try:
            value = number(sent)
        except Refused as refused:
            self.dropped[refused.why] += 1
            return
        if type_ is Type.GAUGE:
            value += self.standing.get(series, 0.0) if sent[:1] in (b"+", b"-") else 0.0
            self.standing[series] = value
        copies = 1 / rate if type_.kind is Kind.OBSERVATION else 1
        self.samples[series, time, value / rate if type_ is Type.COUNTER else value] += int(copies)


def test_thousands_of_lines_are_read_as_the_exact_parser_reads_them(stations: Stations) -> None:
    station = stations.keep(Station(stations.engine, clock=NOW))
    chance = random.Random(SEED)
    lines = [made(chance) for _ in range(LINES)]
    reference = Reference()
    packet: list[bytes] = []
    for line in lines:
        reference.take(line)
        packet.append(line)
        if sum(map(len, packet)) > 10_000:
            before = station.way.statistics.packets
            station.send(*packet)
            until(lambda: station.way.statistics.packets > before)  # noqa: B023 - asked in this turn only
            packet = []
    station.send(*packet)
    kept = [line for line in lines if line.strip(b"\r")]
    until(lambda: station.way.statistics.lines >= len(kept))
    station.stop()

    for (series, window), members in reference.members.items():
        reference.samples[series, (window + 1) * 10_000, float(len(members))] += 1
    found: Counter[tuple[int, int, float]] = Counter()
    for id_, time, value, count in station.engine.rows(
        "SELECT series, time, value, count() FROM samples GROUP BY series, time, value"
    ):
        found[int(str(id_)), int(str(time)), float(str(value))] += int(str(count))
    assert found.total() > LINES / 4, "the lines that were made are not worth the while"
    assert found - reference.samples == Counter()
    assert reference.samples - found == Counter()
    assert station.dropped == dict(reference.dropped)


def test_a_key_is_not_judged_by_its_first_value(station: Station) -> None:
    station.sent("a:nonsense|g", "b:nan|c")
    station.sent("a:1|g", "b:2|c")
    assert station.values("a") + station.values("b") == [1.0, 2.0]
    assert station.dropped == {Dropped.MALFORMED: 1, Dropped.NOT_A_NUMBER: 1}
