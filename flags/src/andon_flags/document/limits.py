"""Bounds of a document. What is larger is refused: a service must not fall over what it is sent."""

BUCKETS = 100_000
"""A unit falls into one of these, so a share is set to 0.001 %."""

MOST_BYTES = 64 * 2**20
MOST_FLAGS = 10_000
MOST_SEGMENTS = 1_000
MOST_MEMBERS = 1_000_000  # of a segment; from some thousand on, hashes take a fifth of the room
MOST_VARIANTS = 100
MOST_RULES = 200
MOST_CONDITIONS = 50
MOST_VALUES = 10_000
MOST_ALTERNATIVES = 50  # lists of conditions of a segment
MOST_SEGMENTS_NAMED = 20
MOST_INDIVIDUALS = 10_000
MOST_RANGES = 1_000
MOST_PREREQUISITES = 20
DEEPEST_PREREQUISITES = 20
MOST_ASKED = 1_000
"""Flags that one evaluation may look at: prerequisites of prerequisites multiply."""

LONGEST_TEXT = 1_000
LONGEST_SALT = 200
LONGEST_ATTRIBUTE = 100
LONGEST_VARIANT = 64 * 1024  # characters of JSON
DEEPEST_VARIANT = 20
LATEST_TIME = 1e11
MOST_FAULTS = 100
