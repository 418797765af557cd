"""What the router is told, as values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import PARTS, Arm, Condition, Forwarding, Mirror, Plan, Sticky
from andon.flow.sources.contract import Service
from andon.kernel.errors import Conflict

Weights = tuple[tuple[SetId, int], ...]
"""Sets and their parts of :data:`PARTS`, in the order of the numbers that they serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A set of instances the router can send traffic to."""

    set: SetId
    endpoints: tuple[str, ...]
    """``unix:/path`` or ``host:port``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Requests that fit, and who serves them."""

    when: tuple[Condition, ...] = ()
    weights: Weights
    rescue: SetId
    """Who serves a request that the set it was meant for could not be reached for."""
    sticky: Sticky | None = None
    name: str = ""
    """By which the access log tells which requests it took; empty for one that nobody asks about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An environment's port and the sets that have its traffic."""

    service: Service
    environment: str
    host: str
    port: int
    set: SetId
    entry: str
    """Path of the Unix socket that serves the same, for what runs on this machine without its network."""
    rules: tuple[Rule, ...] = ()
    """The first that fits counts; what none fits goes to ``set``."""
    mirror: Mirror | None = None
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Who belongs to the segments that rules name; nobody to one that is not told."""
    dark: str = ""
    """Path of the Unix socket through which copies go; needed for a mirror."""

    @property
    def name(self) -> str:
        return f"{self.service}.{self.environment}"

    @property
    def sets(self) -> tuple[SetId, ...]:
        """Every one that a request may be sent to, copies included."""
        named = [self.set]
        for rule in self.rules:
            named += [one for one, _parts in rule.weights] + [rule.rescue]
        if self.mirror is not None:
            named.append(self.mirror.set)
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Everything the router should know."""

    listeners: tuple[Listener, ...]
    upstreams: tuple[Upstream, ...]


class Outdated(Conflict):
    """A deployment that no longer holds the environment's lock tried to move its traffic."""

    code = "routing.outdated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Who has an environment's traffic, as others see it that forward to it."""

    set: SetId
    plan: Plan | None


def weights_of(live: Live) -> Weights:
    """The canary from the lower end of the numbers, the baseline from the upper one, so that a share that grows keeps
    everybody it had."""
    if live.plan is None:
        return ((live.set, PARTS),)
    plan = live.plan
    place = {Arm.CANARY: 0, Arm.STABLE: 1, Arm.BASELINE: 2}
    shares = sorted(plan.shares, key=lambda one: place[plan.arms[one.set]])
    return tuple((one.set, one.parts) for one in shares if one.parts)


def rules_of(
    own: Live, forwarding: Forwarding, others: Mapping[tuple[Service, str], Live], name: str
) -> Sequence[Rule]:
    """The rules of the environment called ``name``: what it forwards to ``others``, then its plan's matches, then the
    shares. A forward to an environment that has no traffic is left out."""
    sticky = forwarding.sticky
    if sticky is not None and not sticky.salt:
        sticky = replace(sticky, salt=name)
    rules = []
    for one in forwarding.forwards:
        there = others.get((one.service, one.environment))
        if there is None or not one.parts:
            continue
        if one.parts == PARTS:
            held = sticky if there.plan is None else there.plan.sticky
            rules.append(Rule(when=one.when, weights=weights_of(there), rescue=there.set, sticky=held, name=one.rule))
        else:
            weights = (*scaled(weights_of(there), one.parts), *scaled(weights_of(own), PARTS - one.parts))
            rules.append(Rule(when=one.when, weights=weights, rescue=own.set, sticky=sticky, name=one.rule))
    if own.plan is not None:
        rules += [Rule(when=one.when, weights=((one.set, PARTS),), rescue=own.set) for one in own.plan.matches]
        rules.append(Rule(weights=weights_of(own), rescue=own.set, sticky=own.plan.sticky))
    return rules


def scaled(weights: Weights, parts: int) -> Weights:
    """The same proportions of ``parts`` instead of all, none lost by rounding."""
    made, below, given = [], 0, 0
    for one, weight in weights:
        below += weight
        upper = below * parts // PARTS
        made.append((one, upper - given))
        given = upper
    return tuple(made)


def reachable(rule: Rule, there: Collection[SetId]) -> Rule:
    """The rule without sets that have no instance to ask: their numbers go to the rescuing set."""
    moved: list[tuple[SetId, int]] = []
    for one, parts in rule.weights:
        target = one if one in there else rule.rescue
        if moved and moved[-1][0] == target:
            moved[-1] = (target, moved[-1][1] + parts)
        else:
            moved.append((target, parts))
    return replace(rule, weights=tuple(one for one in moved if one[1]))
