"""The beginning of a ramp: checked, proposed where a second person has to agree, and stored."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from andon.flow.flags.contract import FlagScheduled, Judging, Origin, RampId, RampState
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import Ramp, Step, StoredFlag
from andon.flow.flags.model.outcomes import Author, Outcome
from andon.flow.flags.model.ramping import RampInvalid, agreed, faults_of, next_at, whom
from andon.flow.flags.model.wishes import reached
from andon.flow.flags.service.changing import kept_in_code
from andon.flow.flags.service.ramps.stepping import Stepping
from andon.flow.flags.storage import ramps as ramp_storage
from andon.kernel.db import Transaction
from andon.kernel.errors import Conflict
from andon.kernel.events import append
from andon.kernel.ids import new_id


class Beginning(Stepping):
    def start(
        self,
        tx: Transaction,
        author: Author,
        flag: StoredFlag,
        environment: str,
        *,
        rule: str,
        variant: str,
        steps: tuple[Step, ...],
        why: str,
        judging: Judging = Judging.AUTO,
        proposed_at: datetime | None = None,
        second_person: bool = False,
    ) -> tuple[RampId | None, Outcome]:
        """Begin a ramp, or propose it; its first step is made at once when nothing is to be waited for. ``proposed_at``
        is when one was proposed that a second person has agreed to.

        Raises :class:`FlagInvalid`, ``Conflict`` when one is under way for the same audience.
        """
        if proposed_at is not None:
            steps = agreed(steps, proposed_at, tx.now)
        current = self._changes.current(tx, flag, environment)
        faults = faults_of(flag.head, current.setting, rule, variant, steps, tx.now)
        if faults:
            raise RampInvalid(f"This is no ramp for {flag.name}", faults)
        who = whom(current.setting, rule)
        sentence = words.ramp(variant, who, steps)
        if flag.origin is Origin.CODE:
            raise kept_in_code(flag)
        if any(one.rule == rule for one in ramp_storage.running(tx.connection, flag=flag.id, environment=environment)):
            raise Conflict(
                f"A ramp for {who} is under way already.",
                safe="It stays as it is.",
                remedy=f"Stop it first: andon flags ramp {flag.service} {flag.name} {environment} --stop",
            )
        if second_person and proposed_at is None:
            plan = msgspec.json.encode((rule, variant, steps, judging)).decode()
            outcome = self._changes.propose(tx, author, flag, current, current.setting, sentence, why, ramp=plan)
            return None, outcome
        can = any(gate.watches(tx, flag.service, environment) for gate in self._gates)
        # one step is all of it: there is nothing to go on to
        judged = len(steps) > 1 and (judging is Judging.JUDGED or (judging is Judging.AUTO and can))
        ramp = Ramp(
            id=RampId(new_id("ramp")),
            service=flag.service,
            flag=flag.name,
            environment=environment,
            rule=rule,
            variant=variant,
            steps=steps,
            done=0,
            percent=reached(current.setting, rule, variant) or 0.0,
            state=RampState.RUNNING,
            why=why,
            person=author.person,
            began_at=tx.now,
            next_at=next_at(steps[0], tx.now),
            ended_at=None,
            judged=judged,
        )
        ramp_storage.insert(tx.connection, flag.id, ramp)
        append(
            tx,
            FlagScheduled(
                flag=flag.name, service=flag.service, environment=environment, ramp=ramp.id, sentence=sentence
            ),
            by=author.actor,
        )
        if ramp.next_at is not None and ramp.next_at <= tx.now:
            self._step(tx, author, flag, ramp, timedelta())
        told = words.judging(flag.service, environment, judging, judged=judged, can=can) if len(steps) > 1 else ()
        return ramp.id, Outcome(version=current.version, sentence=sentence, warnings=told)

    def start_planned(
        self,
        tx: Transaction,
        author: Author,
        flag: StoredFlag,
        environment: str,
        plan: str,
        why: str,
        proposed_at: datetime,
    ) -> tuple[RampId | None, Outcome]:
        """Begin a ramp that was proposed then and is agreed to now."""
        rule, variant, steps, judging = msgspec.json.decode(plan, type=tuple[str, str, tuple[Step, ...], Judging])
        return self.start(
            tx,
            author,
            flag,
            environment,
            rule=rule,
            variant=variant,
            steps=steps,
            why=why,
            judging=judging,
            proposed_at=proposed_at,
        )
