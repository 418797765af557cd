"""Turns what the rules notice into findings: a rule's weight depends on the phase and on what the author accepts."""

from __future__ import annotations

from andon.flow.schema.contract import CONCERN, Concern, Finding, Phase, Rule, Source, Weight
from andon.flow.schema.statement import Cut

_STAYS_REFUSED = {Rule.OUTSIDE, Rule.UNPARSABLE, Rule.PHASE, Rule.UNBOUNDED, Rule.FAILS}
"""No comment makes these right."""
_REFUSED_IN_CONTRACT = {Rule.RENAME}
"""A rename takes the old name from the version that serves: no phase is late enough for it."""


class Collector:
    """Takes notes on one file's statements."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.findings: list[Finding] = []

    @property
    def phase(self) -> Phase:
        return self._source.phase

    def note(self, cut: Cut, rule: Rule, breaks: str, safe: str, example: str = "") -> None:
        if not self._source.judged:
            return
        weight = self._weight(rule)
        reason = ""
        if weight is Weight.REFUSED and rule in cut.accepts and rule not in _STAYS_REFUSED:
            weight, reason = Weight.ACCEPTED, cut.accepts[rule]
        found = Finding(
            rule=rule,
            weight=weight,
            file=self._source.file,
            line=cut.line,
            statement=cut.shown,
            breaks=breaks,
            safe=safe,
            example=example,
            reason=reason,
        )
        if found not in self.findings:
            self.findings.append(found)

    def _weight(self, rule: Rule) -> Weight:
        concern = CONCERN[rule]
        if concern is Concern.HINT:
            return Weight.HINT
        if self.phase is Phase.CONTRACT and concern is Concern.OLD_CODE and rule not in _REFUSED_IN_CONTRACT:
            return Weight.TOLD
        return Weight.REFUSED
