"""The flag document: what a service receives of its flags in one environment, format 1.

``read`` takes it in and says every fault with its path, ``changed`` applies a change, ``write`` gives it back as JSON
and ``write_change`` what is between two, ``allocate`` computes new ranges of a percentage from the old ones, and
``warnings`` says what is allowed and cannot have been meant.
"""

from andon_flags.document.doubts import Doubt, warnings, warnings_of
from andon_flags.document.limits import BUCKETS
from andon_flags.document.model import (
    Condition,
    Document,
    Flag,
    Hashed,
    Kind,
    Operator,
    Prerequisite,
    Range,
    Rule,
    Segment,
    Serve,
    Value,
)
from andon_flags.document.ranges import allocate, shares
from andon_flags.document.reading import DocumentError, Fault, Outdated, changed, read
from andon_flags.document.writing import flag_as_json, segment_as_json, write, write_change

__all__ = [
    "BUCKETS",
    "Condition",
    "Document",
    "DocumentError",
    "Doubt",
    "Fault",
    "Flag",
    "Hashed",
    "Kind",
    "Operator",
    "Outdated",
    "Prerequisite",
    "Range",
    "Rule",
    "Segment",
    "Serve",
    "Value",
    "allocate",
    "changed",
    "flag_as_json",
    "read",
    "segment_as_json",
    "shares",
    "warnings",
    "warnings_of",
    "write",
    "write_change",
]
