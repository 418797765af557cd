"""What comes of a flag for somebody, and why."""

from enum import Enum
from typing import NamedTuple, Optional

from andon_flags.document.limits import BUCKETS
from andon_flags.document.model import Flag, Range, Serve, Value
from andon_flags.document.ranges import joined


class Reason(str, Enum):
    """OpenFeature's reasons."""

    STATIC = "STATIC"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DEFAULT = "DEFAULT"
    DISABLED = "DISABLED"
    ERROR = "ERROR"


class ErrorCode(str, Enum):
    """OpenFeature's codes, where the reason is an error."""

    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    TARGETING_KEY_MISSING = "TARGETING_KEY_MISSING"
    PARSE_ERROR = "PARSE_ERROR"
    PROVIDER_NOT_READY = "PROVIDER_NOT_READY"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    GENERAL = "GENERAL"


class Outcome(NamedTuple):
    """A variant and why; of an error there is no variant. ``rule`` is the id of the rule that matched."""

    variant: Optional[str]
    reason: Reason
    rule: Optional[str] = None
    error: Optional[ErrorCode] = None


class Details(NamedTuple):
    """What a caller gets who asks for more than the value. Of an error, the value is the caller's default."""

    value: Value
    variant: Optional[str]
    reason: Reason
    rule: Optional[str] = None
    error: Optional[ErrorCode] = None
    says: str = ""


class TargetingKeyMissing(LookupError):
    """A percentage was reached, and the context has nothing to hash."""


NOT_HASHED = (TargetingKeyMissing, UnicodeEncodeError)
"""What functions of flags raise where a percentage is reached without a unit, or with half a character in it."""


def off(flag: Flag) -> Outcome:
    """While it is disabled, outside of its time, or where a prerequisite does not hold."""
    return Outcome(flag.off, Reason.DISABLED)


def individual(variant: str) -> Outcome:
    """Named by its own unit."""
    return Outcome(variant, Reason.TARGETING_MATCH)


def served(flag: Flag, rule: Optional[str], serve: Serve, variant: str) -> Outcome:
    """By a rule, or by the default."""
    if not isinstance(folded(serve), str):
        return Outcome(variant, Reason.SPLIT, rule)
    if rule is not None:
        return Outcome(variant, Reason.TARGETING_MATCH, rule)
    return Outcome(variant, Reason.DEFAULT if flag.rules or flag.individuals else Reason.STATIC)


MISSING = Outcome(None, Reason.ERROR, None, ErrorCode.TARGETING_KEY_MISSING)


def folded(serve: Serve) -> Serve:
    """Neighbours of one variant become one range; what is everybody's is no percentage any more."""
    if isinstance(serve, str):
        return serve
    ranges = joined(serve)
    if len(ranges) == 1 and ranges[0] == Range(0, BUCKETS, ranges[0].variant):
        return ranges[0].variant
    return ranges
