"""Other times, drawn over this one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.registry import SERIES, Asked, Function, Given, Type, declare, needs, takes
from andon.feedback.graphite.rows import Row
from andon.feedback.graphite.times import seconds_of

KNOWN: dict[str, Function] = {}
_MOST_SHIFTS = 100


def _backwards(shift: str) -> str:
    return f"-{shift}" if shift[:1].isdigit() else shift


def _summer(asked: Asked, at: int) -> bool:
    return bool(datetime.fromtimestamp(at, UTC).astimezone(asked.zone).dst())


def _summer_time(asked: Asked, delta: int) -> int:
    """The seconds by which a window is moved so that the same hours of the day lie over each other."""
    here = {_summer(asked, asked.start), _summer(asked, asked.end)}
    there = {_summer(asked, asked.start + delta), _summer(asked, asked.end + delta)}
    if here == {True} and there == {False}:
        return 3_600
    return -3_600 if here == {False} and there == {True} else 0


@declare(
    KNOWN,
    "Transform",
    "timeShift",
    SERIES,
    needs("timeShift", Type.INTERVAL),
    takes("resetEnd", Type.BOOLEAN, True),
    takes("alignDST", Type.BOOLEAN, False),
)
def time_shift(given: Given) -> list[Row]:
    """The same series at another time: ``1d`` and ``-1d`` are yesterday's."""
    shift = _backwards(given.text("timeShift"))
    rows = given.rows()
    if not rows:
        return []
    asked, delta = given.asked, seconds_of(shift)
    if given.flag("alignDST"):
        delta += _summer_time(asked, delta)
    found = []
    for row in given.wider(asked.start + delta, asked.end + delta):
        end = rows[0].end if given.flag("resetEnd") else row.end - row.start + rows[0].start
        found.append(replace(row, name=f'timeShift({row.name}, "{shift}")', start=rows[0].start, end=end))
    return found


@declare(
    KNOWN,
    "Transform",
    "timeStack",
    SERIES,
    takes("timeShiftUnit", Type.INTERVAL, "1d"),
    takes("timeShiftStart", Type.INTEGER, 0),
    takes("timeShiftEnd", Type.INTEGER, 7),
)
def time_stack(given: Given) -> list[Row]:
    """The same series at several times, over each other."""
    unit = _backwards(given.text("timeShiftUnit"))
    rows, first, last = given.rows(), given.whole("timeShiftStart"), given.whole("timeShiftEnd")
    if last - first > _MOST_SHIFTS:
        raise BadTarget(f"timeStack may shift {_MOST_SHIFTS} times at most.", remedy="Use a smaller range.")
    if not rows:
        return []
    found = []
    for number in range(first, last):
        delta = seconds_of(unit) * number
        for row in given.wider(given.asked.start + delta, given.asked.end + delta):
            made = row.as_is(f"timeShift({row.name}, {unit}, {number})")
            found.append(replace(made, start=rows[0].start, end=rows[0].end))
    return found


@declare(
    KNOWN,
    "Transform",
    "timeSlice",
    SERIES,
    needs("startSliceAt", Type.DATE),
    takes("endSliceAt", Type.DATE, "now"),
)
def time_slice(given: Given) -> list[Row]:
    """Only the values between two times."""
    start, end = given.asked.moment(given.text("startSliceAt")), given.asked.moment(given.text("endSliceAt"))
    found = []
    for row in given.rows():
        times = given.asked.start + np.arange(len(row), dtype=np.int64) * row.step
        values = np.where((times < start) | (times > end), np.nan, row.values)
        found.append(replace(row, name=f"timeSlice({row.name}, {start}, {end})", values=values))
    return found
