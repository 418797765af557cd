"""A bucket is a matter of salt and unit alone, and as good as drawn by lot."""

from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest

import andon_flags
from andon_flags.buckets import bucket, least, spread
from andon_flags.document import BUCKETS

COUNT = 20_000
SALTS = [f"flag-{at}" for at in range(12)]
LOT = random.Random(20261123)
UNITS = {
    "sequential": [str(at) for at in range(COUNT)],
    "prefixed": [f"user-{at:07}" for at in range(COUNT)],
    "e-mails": [f"{LOT.choice('abcdefgh')}.{LOT.choice(['lee', 'ngo', 'roy'])}{at}@example.com" for at in range(COUNT)],
    "uuids": [str(uuid.UUID(int=LOT.getrandbits(128))) for _ in range(COUNT)],
    "sequential uuids": [str(uuid.UUID(int=(0x12345 << 100) + at)) for at in range(COUNT)],
}


def unlikely(counts: np.ndarray, expected: float) -> float:
    """How many standard deviations chi-square is above what it is by lot."""
    freedom = counts.size - 1
    return float((((counts - expected) ** 2 / expected).sum() - freedom) / math.sqrt(2 * freedom))


@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
def test_units_fall_evenly_and_flags_know_nothing_of_one_another(units: list[str]) -> None:
    tables = {salt: np.array([bucket(salt, unit) for unit in units]) for salt in SALTS}
    for table in tables.values():
        assert unlikely(np.bincount(table // 200, minlength=500), COUNT / 500) < 6
        for share in (1_000, 10_000, 50_000):  # 1 %, 10 %, 50 %
            part = share / BUCKETS
            assert abs((table < share).sum() - COUNT * part) < 5 * math.sqrt(COUNT * part * (1 - part))
    for one, other in itertools.combinations(SALTS, 2):
        both = np.bincount(tables[one] // 5_000 * 20 + tables[other] // 5_000, minlength=400)
        assert unlikely(both, COUNT / 400) < 6
        assert abs(np.corrcoef(tables[one], tables[other])[0, 1]) < 5 / math.sqrt(COUNT)


def test_the_same_in_every_process_and_for_ever() -> None:
    """These numbers are part of the format."""
    asked = [("new-checkout", "u1"), ("new-checkout", "u2"), ("salt", "müller@example.com"), ("s", "x" * 1000)]
    here = [bucket(salt, unit) for salt, unit in asked]
    program = f"from andon_flags.buckets import bucket; print([bucket(*one) for one in {asked!r}])"
    source = str(Path(andon_flags.__file__).parents[1])
    environment = {"PYTHONPATH": source, "PYTHONHASHSEED": "7", "PYTHONIOENCODING": "utf-8"}
    there = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == str(here) == "[29284, 67203, 36074, 10192]"


def test_comparing_the_spread_is_comparing_the_bucket() -> None:
    for unit in UNITS["prefixed"][:2000]:
        whole, place = spread("s", unit), bucket("s", unit)
        assert least(place) <= whole < least(place + 1)
    assert least(0) == 0
    assert least(BUCKETS) == 2**64
