"""How the traffic of one environment is divided among sets of instances that run at the same time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from andon.flow.definition.contract import PARTS, Ignored
from andon.flow.environments.contract import SetId
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid
from andon.kernel.events import Event, event

COPIED_BYTES = 256 * 1024
"""The longest body of a request that is mirrored."""
MOST_SETS = 8
MOST_MATCHES = 32
MOST_CONDITIONS = 8
MOST_IGNORED = 20
_LONGEST_VALUE = 256
_LONGEST_PATH = 1024
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110, 5.6.2: names of headers, cookies and methods
_QUERY = re.compile(r"[A-Za-z0-9._~-]{1,100}")
_TEXT = re.compile(r"[\x20-\x7e]*")
_JSON = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_METHOD = re.compile(r"[A-Z]{1,16}")
_SEGMENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_OURS = ("andon-", "x-envoy-", "x-request-id", "x-forwarded-")


class PlanInvalid(Invalid):
    """A plan that cannot be: shares that are no whole, a set without a part, a name that is none."""

    code = "routing.plan_invalid"


class Arm(StrEnum):
    """What a set of instances is for while traffic is divided."""

    STABLE = "stable"
    """The version that customers had before; it takes over whatever another set cannot."""
    CANARY = "canary"
    """The new version."""
    BASELINE = "baseline"
    """Fresh instances of the old version, as young as the canary's: what the canary is compared with."""
    DARK = "dark"
    """Gets copies of requests; its answers are thrown away."""


class Where(StrEnum):
    HEADER = "header"
    COOKIE = "cookie"
    QUERY = "query"
    PATH = "path"


class Comparison(StrEnum):
    IS = "is"
    PREFIX = "prefix"
    """For a path in whole segments: ``/api`` is a prefix of ``/api`` and ``/api/v1``, not of ``/apiary``."""
    PRESENT = "present"
    MEMBER = "member-of"
    """What a header or cookie holds is, to the letter, a member of the segment of flags that ``value`` names."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a request must have. Raises :class:`PlanInvalid`."""

    where: Where
    name: str = ""
    """Of the header (any case), cookie or query parameter; empty for the path."""
    how: Comparison = Comparison.IS
    value: str = ""
    """Compared with case, at most 256 printable ASCII characters; a path without its query, at most 1024."""

    def __post_init__(self) -> None:
        if self.where is Where.PATH:
            if self.name or self.how in {Comparison.PRESENT, Comparison.MEMBER}:
                raise PlanInvalid("A path has no name, and is always present.")
            if not self.value.startswith("/") or re.search(r"[?#\s]", self.value):
                raise PlanInvalid(f"{self.value!r} is no path: it begins with a slash and has no query.")
        else:
            names = _QUERY if self.where is Where.QUERY else _TOKEN
            if names.fullmatch(self.name) is None:
                raise PlanInvalid(f"{self.name!r} is no name of a {self.where.value}.")
            if self.where is Where.HEADER and self.name.lower() == "cookie":
                raise PlanInvalid("A cookie is looked for by its own name, not in the header.")
            if self.where in {Where.HEADER, Where.COOKIE} and self.name.lower().startswith(_OURS):
                raise PlanInvalid(f"The {self.where.value} {self.name} is the router's own.")
            is_named = self.where is not Where.QUERY and _SEGMENT.fullmatch(self.value) is not None
            if self.how is Comparison.MEMBER and not is_named:
                raise PlanInvalid("Members of a segment are known by a header or a cookie, and it has a name.")
            if (self.how is Comparison.PRESENT) == bool(self.value):
                raise PlanInvalid(f"The {self.where.value} {self.name} needs a value, or is only to be present.")
        longest = _LONGEST_PATH if self.where is Where.PATH else _LONGEST_VALUE
        if len(self.value) > longest or _TEXT.fullmatch(self.value) is None:
            raise PlanInvalid(f"A value to compare with has at most {longest} printable ASCII characters.")

    def fits(self, path: str) -> bool:
        """Of a condition on the path: whether one without its query fits."""
        if self.how is Comparison.IS:
            return path == self.value
        return f"{path}/".startswith(self.value.rstrip("/") + "/")


def checked_conditions(when: tuple[Condition, ...]) -> None:
    """Raises :class:`PlanInvalid` when there are too many, or more than one path."""
    if len(when) > MOST_CONDITIONS:
        raise PlanInvalid(f"More than {MOST_CONDITIONS} conditions in one rule.")
    if sum(one.where is Where.PATH for one in when) > 1:
        raise PlanInvalid("A rule compares the path once.")


@dataclass(frozen=True, slots=True)
class Share:
    """A part of all traffic that no :class:`Match` takes."""

    set: SetId
    parts: int
    """Of :data:`PARTS`."""

    def __post_init__(self) -> None:
        if not 0 <= self.parts <= PARTS:
            raise PlanInvalid(f"A share of {self.parts} parts: there are 0 to {PARTS:,}.")


@dataclass(frozen=True, slots=True)
class Match:
    """Requests that get a set whatever the shares. All of ``when`` hold; the first match of a plan counts.

    What a request says of itself is the client's word: whoever knows the header or cookie can send it.
    """

    when: tuple[Condition, ...]
    set: SetId

    def __post_init__(self) -> None:
        if not self.when:
            raise PlanInvalid("A match without a condition would take all traffic: give the set all parts instead.")
        checked_conditions(self.when)


def segments_named(matches: Iterable[Match]) -> frozenset[str]:
    """Segments of flags that matches look for members of."""
    return frozenset(one.value for match in matches for one in match.when if one.how is Comparison.MEMBER)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Copies of a share of all requests to a set that serves nobody. Never copied: upgrades such as WebSockets, bodies
    longer than :data:`COPIED_BYTES` or of a length that is not told before, and what has come through this environment
    before."""

    set: SetId
    parts: int
    methods: tuple[str, ...] = ("GET", "HEAD")
    """What else is copied is done twice: only for a service whose dark version knows not to act."""
    ignore: Ignored = field(default_factory=Ignored)
    """Answers are compared without it."""

    def __post_init__(self) -> None:
        if not 0 <= self.parts <= PARTS:
            raise PlanInvalid(f"A mirror of {self.parts} parts: there are 0 to {PARTS:,}.")
        if not self.methods or len(self.methods) > 16:
            raise PlanInvalid("A mirror copies requests of one to sixteen methods.")
        if any(_METHOD.fullmatch(one) is None or one == "CONNECT" for one in self.methods):
            raise PlanInvalid("A method to mirror has up to 16 capital letters, and is not CONNECT.")
        if len(self.ignore.fields) > MOST_IGNORED or any(_JSON.fullmatch(one) is None for one in self.ignore.fields):
            raise PlanInvalid(f"At most {MOST_IGNORED} fields are ignored: letters, digits, _, dashes and dots.")


class StickyBy(StrEnum):
    """By what a customer is known again."""

    VISITOR = "visitor"
    """A cookie of the router's own. It holds a number from 0 to 99,999 and nothing else; many customers share one."""
    COOKIE = "cookie"
    """A cookie of the service's."""
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Sticky:
    """A customer stays on their side while shares grow. Requests without the cookie or header are drawn one by one."""

    by: StickyBy = StickyBy.VISITOR
    name: str = ""
    """Of the cookie or header; empty for :attr:`StickyBy.VISITOR`."""
    salt: str = ""
    """Who is drawn first follows from it; the same one for all steps of a release. Empty: the deployment's id."""

    def __post_init__(self) -> None:
        if (self.by is StickyBy.VISITOR) == bool(self.name) or (self.name and _TOKEN.fullmatch(self.name) is None):
            raise PlanInvalid(f"{self.name!r} is no name to stick by {self.by.value} with.")
        if self.name.lower() == "cookie" or self.name.lower().startswith(_OURS):
            raise PlanInvalid(f"Nobody is known by {self.name}.")
        if len(self.salt) > 100 or _TEXT.fullmatch(self.salt) is None:
            raise PlanInvalid("A salt has at most 100 printable ASCII characters.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUse:
    """A segment of flags by which traffic is divided. Who belongs to it is read where the router is told, never kept
    with the plan."""

    name: str
    version: int
    """0 when there was no such segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who gets what. Raises :class:`PlanInvalid` for one that cannot be.

    A customer who sticks has a number, and shares are stretches of all numbers: the canary's from the lower end, the
    baseline's from the upper one. While a share grows it keeps everybody it had.
    """

    shares: tuple[Share, ...]
    """They make :data:`PARTS` together. A set that only a match leads to may be left out."""
    arms: Mapping[SetId, Arm]
    """What each set of the plan is for, one of them :attr:`Arm.STABLE`."""
    matches: tuple[Match, ...] = ()
    mirror: Mirror | None = None
    sticky: Sticky | None = field(default_factory=Sticky)
    """``None``: each request is drawn for itself."""
    segments: tuple[SegmentUse, ...] = ()
    """Each that a match names, as it was when this was decided. The router follows it beyond that."""

    def __post_init__(self) -> None:
        if sorted(one.name for one in self.segments) != sorted(segments_named(self.matches)):
            raise PlanInvalid("A plan tells the version of each segment that its matches name, once.")
        serving = [one.set for one in self.shares]
        if len(set(serving)) != len(serving):
            raise PlanInvalid("A set has one share.")
        total = sum(one.parts for one in self.shares)
        if total != PARTS:
            raise PlanInvalid(f"Shares of {total:,} parts together: they must make {PARTS:,}.")
        if len(self.matches) > MOST_MATCHES:
            raise PlanInvalid(f"More than {MOST_MATCHES} matches.")
        reached = {*serving, *(one.set for one in self.matches)}
        if len(reached) > MOST_SETS:
            raise PlanInvalid(f"More than {MOST_SETS} sets.")
        named = {one for one, arm in self.arms.items() if arm is not Arm.DARK}
        if reached != named:
            raise PlanInvalid("Each set that serves customers has an arm that is not dark, and there are no others.")
        for arm in (Arm.STABLE, Arm.CANARY, Arm.BASELINE):
            if sum(one is arm for one in self.arms.values()) > 1:
                raise PlanInvalid(f"There is one set at most for {arm.value}.")
        if Arm.STABLE not in self.arms.values():
            raise PlanInvalid("No set is the stable one, which takes over what another cannot serve.")
        dark = {one for one, arm in self.arms.items() if arm is Arm.DARK}
        if dark != ({self.mirror.set} if self.mirror is not None else set()):
            raise PlanInvalid("The dark set is the one that requests are mirrored to, and serves nobody.")

    @property
    def stable(self) -> SetId:
        return self.of(Arm.STABLE) or self.shares[0].set

    def of(self, arm: Arm) -> SetId | None:
        return next((one for one, known in self.arms.items() if known is arm), None)

    def parts(self, set_id: SetId) -> int:
        """Of all traffic that no match takes."""
        return sum(one.parts for one in self.shares if one.set == set_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmShare:
    """A line in a graph of who gets what."""

    set: SetId
    arm: Arm
    parts: int
    """For :attr:`Arm.DARK`, how many requests are copied."""


def arm_shares(plan: Plan) -> tuple[ArmShare, ...]:
    def parts(one: SetId, arm: Arm) -> int:
        return plan.mirror.parts if arm is Arm.DARK and plan.mirror is not None else plan.parts(one)

    order = list(Arm)
    known: Iterable[tuple[SetId, Arm]] = sorted(plan.arms.items(), key=lambda one: order.index(one[1]))
    return tuple(ArmShare(set=one, arm=arm, parts=parts(one, arm)) for one, arm in known)


@event("dev.andon.traffic.divided.v1", subject="environment")
@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficDivided(Event):
    """The traffic of an environment is divided among sets in another way from now on; the router is told at once."""

    environment: str
    service: Service
    deployment: str
    shares: tuple[ArmShare, ...]
    matches: int
    """How many rules lead requests to a set whatever the shares."""
    sticky: bool
    segments: tuple[SegmentUse, ...] = ()
    """Segments of flags whose members are led so, and which version of each."""
