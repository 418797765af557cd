"""What others may know of Graphite's interface: its bounds, and how it refuses."""

from __future__ import annotations

from andon.kernel.errors import Invalid, Unavailable

VERSION = "1.1.8"
"""The Graphite whose functions and answers these are."""

MOST_TARGETS = 50
MOST_SERIES = 2_000
"""Series that one target may name or make."""
MOST_POINTS = 20_000_000
"""Points that the evaluation of one request may hold or make."""
MOST_CALLS = 5_000
"""Calls of functions in one request; those that look at more than the window evaluate what is inside them twice."""
LONGEST_TARGET = 16_384
DEEPEST = 48
PATIENCE = 60.0
"""Seconds that one request may take."""


class BadTarget(Invalid):
    """A target, a time or another parameter cannot be understood or asks for too much."""

    code = "andon.graphite.bad_target"


class TookTooLong(Unavailable):
    """The request takes longer than it may."""

    code = "andon.graphite.timeout"
