"""What was served of a flag, drawn: a bar for each part of a time, its variants upon each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from andon.flow.flags.contract import Served
from andon.flow.flags.desk import Desk
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import StoredFlag
from andon.kernel.errors import Unavailable
from andon.web.model import Choice

TIMES = {"1h": (timedelta(hours=1), 60), "24h": (timedelta(hours=24), 96), "7d": (timedelta(days=7), 84)}
"""How long, and in how many parts."""
USUAL = "24h"
_IN_WORDS = {"1h": "the last hour", "24h": "the last 24 hours", "7d": "the last 7 days"}
_HIGH = 100.0


@dataclass(frozen=True, slots=True)
class Layer:
    """All bars of a variant as one path; the picture is as wide as it has parts, and 100 high."""

    name: str
    colour: str
    path: str
    percent: str
    count: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedView:
    """``layers`` is empty where there is nothing to draw: then ``sentence`` says why."""

    environment: str
    address: str
    sentence: str
    layers: tuple[Layer, ...] = ()
    parts: int = 1
    total: float = 0.0
    most: float = 0.0
    """Evaluations in the highest bar."""
    each: str = ""
    """How long a bar stands for."""
    start: datetime | None = None
    more: str = ""
    choices: tuple[Choice, ...] = ()


def colours(flag: StoredFlag, off: str) -> dict[str, str]:
    """A variant's colour, the same wherever it is drawn."""
    others = [name for name in flag.head.variants if name != off]
    return {**{name: f"v-{number % 6 + 1}" for number, name in enumerate(others)}, off: "flag-off"}


def served_view(
    desk: Desk, flag: StoredFlag, environment: str, off: str, address: str, over: str, now: datetime
) -> ServedView:
    """Asks telemetry: no transaction is open meanwhile."""
    over = over if over in TIMES else USUAL
    length, parts = TIMES[over]
    each = length / parts
    # bars begin at whole ones of their length, so that they do not change while somebody looks
    end = datetime.fromtimestamp((now.timestamp() // each.total_seconds() + 1) * each.total_seconds(), tz=now.tzinfo)
    try:
        found = desk.seen().served(flag.service, environment, flag.name, start=end - length, end=end, parts=parts)
    except Unavailable:
        return ServedView(
            environment=environment, address=address, sentence="No data: telemetry does not answer. It is tried again."
        )
    if found is None:
        return ServedView(
            environment=environment, address=address, sentence="No data: telemetry is off, so nobody counts."
        )
    total = sum(sum(row) for row in found.counts.values())
    choices = tuple(
        Choice(
            name.replace("h", " h").replace("d", " d"),
            f"?{urlencode({'over': name})}#{environment}",
            current=name == over,
        )
        for name in TIMES
    )
    if not total:
        return ServedView(
            environment=environment,
            address=address,
            sentence=f"No data: no service counted an evaluation in {_IN_WORDS[over]}.",
            choices=choices,
        )
    layers = _layers(found, colours(flag, off))
    shares = ", ".join(f"{one.name} {one.percent}" for one in layers)
    return ServedView(
        environment=environment,
        address=address,
        sentence=f"Served in {_IN_WORDS[over]}: {shares}",
        layers=layers,
        parts=parts,
        total=total,
        most=max(sum(column) for column in zip(*found.counts.values(), strict=True)),
        each=_spoken(each),
        start=found.start,
        more=found.more,
        choices=choices,
    )


def _layers(found: Served, colour: dict[str, str]) -> tuple[Layer, ...]:
    rows = found.counts
    # what is off lies on top: a small share of the others is seen at the foot
    order = [*(name for name in colour if name in rows), *sorted(name for name in rows if name not in colour)]
    parts = len(next(iter(rows.values())))
    feet = [0.0] * parts
    top = max(sum(column) for column in zip(*rows.values(), strict=True))
    total = sum(sum(row) for row in rows.values())
    layers = []
    for name in order:
        drawn = []
        for place, count in enumerate(rows[name]):
            if count > 0:
                low, high = (round(_HIGH - part / top * _HIGH, 2) for part in (feet[place], feet[place] + count))
                drawn.append(f"M{place + 0.1:g},{low:g}V{high:g}H{place + 0.9:g}V{low:g}Z")
                feet[place] += count
        if drawn:
            count = sum(rows[name])
            percent = words.percent(round(count / total * 100, 1))
            layers.append(Layer(name, colour.get(name, "flag-gone"), "".join(drawn), percent, count))
    return tuple(layers)


def _spoken(length: timedelta) -> str:
    minutes = round(length.total_seconds() / 60)
    return f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min"
