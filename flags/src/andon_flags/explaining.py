"""The same flags, step by step and in words: why did this user get this value?

Slow and plain on purpose. It shares no line with the compiled form but what reads attributes and hashes, so that a
test can set one against the other.
"""

import time
from collections.abc import Mapping
from datetime import datetime, timezone
from enum import Enum
from typing import NamedTuple, Optional

from andon_flags.buckets import bucket
from andon_flags.document.checking import quoted
from andon_flags.document.limits import BUCKETS
from andon_flags.document.model import Document, Flag, Rule, Serve, Value
from andon_flags.document.ranges import percent
from andon_flags.document.values import unit_of
from andon_flags.holding import Judge, listed
from andon_flags.outcomes import MISSING, ErrorCode, Outcome, Reason, folded, individual, off, served


class Asked(str, Enum):
    """What a step looked at."""

    FLAG = "flag"
    ENABLED = "enabled"
    TIME = "time"
    PREREQUISITE = "prerequisite"
    INDIVIDUAL = "individual"
    CONDITION = "condition"
    SEGMENT = "segment"
    SHARE = "share"
    DEFAULT = "default"


class Step(NamedTuple):
    """One thing that was looked at. ``held`` says whether it held; ``rule`` is the id of the rule it belongs to."""

    asked: Asked
    says: str
    held: bool
    rule: Optional[str] = None
    deep: int = 0
    """Of a prerequisite, and of a prerequisite's prerequisite."""

    def __str__(self) -> str:
        return "    " * self.deep + self.says


class Explanation(NamedTuple):
    """What comes of a flag for a context, and every step to it."""

    flag: str
    variant: Optional[str]
    value: Optional[Value]
    reason: Reason
    rule: Optional[str]
    error: Optional[ErrorCode]
    steps: "tuple[Step, ...]"
    revision: int

    def __str__(self) -> str:
        return "\n".join(str(step) for step in self.steps)


def explain(document: Document, name: str, context: "Mapping[str, object]", now: Optional[float] = None) -> Explanation:
    """Why ``context`` gets what it gets of the flag, at ``now`` (seconds since 1970; the machine's clock by default).

    Raises nothing for whatever is in the context.
    """
    interpreter = _Interpreter(document, context, time.time() if now is None else now)
    flag = document.flags.get(name)
    if flag is None:
        step = Step(
            Asked.FLAG, f"{quoted(name)} is no flag of revision {document.revision}: the default of the code", False
        )
        return Explanation(name, None, None, Reason.ERROR, None, ErrorCode.FLAG_NOT_FOUND, (step,), document.revision)
    outcome = interpreter.outcome(flag)
    value = None if outcome.variant is None else flag.variants[outcome.variant]
    return Explanation(
        name,
        outcome.variant,
        value,
        outcome.reason,
        outcome.rule,
        outcome.error,
        tuple(interpreter.steps),
        document.revision,
    )


class _Interpreter:
    def __init__(self, document: Document, context: "Mapping[str, object]", now: float) -> None:
        self.document = document
        self.context = context
        self.now = now
        self.steps: list[Step] = []
        self.deep = 0

    def say(self, asked: Asked, says: str, held: bool, rule: Optional[Rule] = None) -> bool:
        self.steps.append(Step(asked, says, held, rule.id if rule else None, self.deep))
        return held

    def outcome(self, flag: Flag) -> Outcome:
        if not flag.enabled:
            self.say(Asked.ENABLED, f"{flag.name} is disabled: “{flag.off}”, whoever asks", False)
            return off(flag)
        self.say(Asked.ENABLED, f"{flag.name} is enabled", True)
        if not self._in_time(flag) or not self._prerequisites(flag):
            return off(flag)
        unit = unit_of(self.context.get(flag.unit))
        if flag.individuals:
            chosen = flag.individuals.get(unit or "")
            who = f"{flag.unit} is {quoted(unit)}" if unit else f"there is no {flag.unit}"
            if chosen is not None:
                self.say(Asked.INDIVIDUAL, f"{who}, one of {len(flag.individuals):,} named: “{chosen}”", True)
                return individual(chosen)
            self.say(Asked.INDIVIDUAL, f"{who}, none of {len(flag.individuals):,} named", False)
        for number, rule in enumerate(flag.rules, 1):
            if not self._holds(number, rule):
                continue
            outcome = self._serve(flag, rule, f"rule {number} (“{rule.id}”)", rule.serve, unit)
            if outcome is not None:
                return outcome
        return self._serve(flag, None, "default", flag.default, unit) or MISSING

    def _in_time(self, flag: Flag) -> bool:
        if flag.begins is not None and self.now < flag.begins:
            says = f"from {_clock(flag.begins)}: not yet, it is {_clock(self.now)} here: “{flag.off}”"
            return self.say(Asked.TIME, says, False)
        if flag.ends is not None and self.now >= flag.ends:
            says = f"until {_clock(flag.ends)}: over, it is {_clock(self.now)} here: “{flag.off}”"
            return self.say(Asked.TIME, says, False)
        if flag.begins is not None or flag.ends is not None:
            self.say(Asked.TIME, f"within its time, it is {_clock(self.now)} here", True)
        return True

    def _prerequisites(self, flag: Flag) -> bool:
        for one in flag.prerequisites:
            self.deep += 1
            found = self.outcome(self.document.flags[one.flag]).variant
            self.deep -= 1
            has = f"{one.flag} serves “{found}”" if found else f"{one.flag} cannot be told"
            wanted = f"prerequisite: {has}, wants {listed(one.variants)}"
            if found not in one.variants:
                return self.say(Asked.PREREQUISITE, f"{wanted}: no, so “{flag.off}”", False)
            self.say(Asked.PREREQUISITE, f"{wanted}: yes", True)
        return True

    def _holds(self, number: int, rule: Rule) -> bool:
        judge = Judge(self.document, self.context)
        if not rule.when:
            self.say(Asked.CONDITION, f"rule {number} (“{rule.id}”): for everybody", True, rule)
        for condition in rule.when:
            held, says = judge.condition(condition)
            answer = "yes" if held else "no"
            self.say(Asked.CONDITION, f"rule {number} (“{rule.id}”): {says}: {answer}", held, rule)
            if not held:
                return False
        return True

    def _serve(
        self, flag: Flag, rule: Optional[Rule], whose: str, serve: Serve, unit: Optional[str]
    ) -> Optional[Outcome]:
        asked = Asked.SHARE if rule else Asked.DEFAULT
        serve = folded(serve)
        name = rule.id if rule else None
        if isinstance(serve, str):
            self.say(asked, f"{whose}: “{serve}”", True, rule)
            return served(flag, name, serve, serve)
        if not serve:
            self.say(asked, f"{whose}: a share of 0 %, on to the next", False, rule)
            return None
        try:
            place = None if unit is None else bucket(flag.salt, unit)
        except UnicodeEncodeError:
            place = None
        if place is None:
            self.say(
                asked, f"{whose}: a percentage, and no {flag.unit} to tell by: the default of the code", False, rule
            )
            return MISSING
        for start, end, variant in serve:
            if start <= place < end:
                says = f"{flag.unit} {quoted(unit)} is in bucket {place:,} of {BUCKETS:,}"
                self.say(asked, f"{whose}: {says}, and {start:,} to {end - 1:,} get “{variant}”", True, rule)
                return served(flag, name, serve, variant)
        covered = percent(sum(end - start for start, end, _ in serve))
        says = f"{flag.unit} {quoted(unit)} is in bucket {place:,} of {BUCKETS:,}, outside of the {covered} it serves"
        self.say(asked, f"{whose}: {says}, on to the next", False, rule)
        return None


def _clock(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f} s after 1970"
