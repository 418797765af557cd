"""The page of an environment's traffic: who gets which requests, and how two versions answered the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from andon.flow.definition.contract import share_text
from andon.flow.environments.contract import SetId, SetState
from andon.flow.routing.contract import COPIED_BYTES, PARTS, Arm, Comparison, Condition, Forward, Where
from andon.flow.routing.contract.offering import TrafficOffers
from andon.flow.routing.differences import Differences, RecentDifferences
from andon.flow.routing.seeing import Seen, TrafficSight
from andon.web.charts import version_series
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import Share, State
from andon.web.shell import Crumb, Page

_ARMS = {
    Arm.STABLE: "the stable version: it takes over what another one cannot serve",
    Arm.CANARY: "the canary: the new version",
    Arm.BASELINE: "the baseline: fresh instances of the old version, to compare the new one with",
    Arm.DARK: "dark: it gets copies, and its answers are thrown away",
}
_HEALTH = {
    SetState.STARTING: State.RUN,
    SetState.HEALTHY: State.OK,
    SetState.DEGRADED: State.WARN,
    SetState.FAILED: State.BAD,
    SetState.STOPPED: State.NONE,
}


@dataclass(frozen=True, slots=True)
class Ruled:
    """A rule that comes before the shares."""

    requests: str
    share: str
    served_by: str
    href: str = ""


def traffic_pages(sight: TrafficSight, recent: RecentDifferences, offers: TrafficOffers) -> Handlers:
    @page("/services/{service:str}/environments/{environment:str}/traffic")
    def show_traffic(context: PageContext, service: str, environment: str) -> Html:
        with context.database.reading() as reading:
            seen = sight.traffic(reading, context.principal, service, environment)
        compared = recent.of(seen.service, environment)
        home = f"/services/{quote(service, safe='')}"
        crumbs = (Crumb(service, home), Crumb(environment, f"{home}/environments/{quote(environment, safe='')}"))
        return context.page(
            "routing/traffic.html",
            Page(title=f"Traffic of {service} {environment}", sentence=sentence_of(seen), crumbs=crumbs),
            shares=shares_of(seen),
            rules=rules_of(seen),
            mirror=_mirror(seen),
            sticky=seen.plan.sticky is not None and len(seen.plan.shares) > 1,
            compared=compared,
            concluded=concluded(compared),
            offered=offers.to(context.principal, seen.service, environment),
        )

    return [show_traffic]


def sentence_of(seen: Seen) -> str:
    place = f"{seen.service} {seen.environment}"
    serving = [one for one in seen.plan.shares if one.parts]
    what = f"the requests of {place} that no rule takes" if rules_of(seen) else f"all requests of {place}"
    if len(serving) == 1:
        return f"{_version(seen, serving[0].set)} serves {what}"
    parts = [
        f"{share_text(one.parts)} by {_version(seen, one.set)}" for one in sorted(serving, key=lambda one: -one.parts)
    ]
    return f"{what[0].upper()}{what[1:]} are served {', '.join(parts[:-1])} and {parts[-1]}"


def shares_of(seen: Seen) -> tuple[Share, ...]:
    series = version_series(one.commit for one in seen.sets.values())
    return tuple(
        Share(
            name=_version(seen, one),
            share=seen.plan.parts(one) / PARTS,
            series=series[seen.sets[one].commit],
            state=_HEALTH[seen.sets[one].condition],
            word=seen.sets[one].says,
            note=_note(seen, one, arm),
        )
        for one, arm in sorted(seen.plan.arms.items(), key=lambda known: list(Arm).index(known[1]))
    )


def rules_of(seen: Seen) -> tuple[Ruled, ...]:
    rules = [_forwarded(one) for one in seen.forwarding.forwards]
    rules += [Ruled(told(one.when), "all", _version(seen, one.set)) for one in seen.plan.matches]
    return tuple(rules)


def concluded(found: Differences) -> str:
    if not found.pairs:
        return ""
    if not found.differing:
        return f"None of {found.pairs:,} pairs of answers differ."
    return f"{found.differing:,} of {found.pairs:,} pairs of answers differ."


def told(when: tuple[Condition, ...]) -> str:
    return " and ".join(map(_condition, when)) or "all requests"


def _forwarded(one: Forward) -> Ruled:
    href = f"/services/{quote(one.service, safe='')}/environments/{quote(one.environment, safe='')}"
    return Ruled(told(one.when), share_text(one.parts), f"{one.service} {one.environment}", href)


def _condition(one: Condition) -> str:
    if one.where is Where.PATH:
        return f"{one.value.rstrip('/')}/…" if one.how is Comparison.PREFIX else one.value
    words = {Comparison.IS: f" {one.value}", Comparison.PREFIX: f" {one.value}…", Comparison.PRESENT: ""}
    if one.how is Comparison.MEMBER:
        return f"members of {one.value} by {one.where.value} {one.name}"
    return f"{one.where.value} {one.name}{words[one.how]}"


def _mirror(seen: Seen) -> str:
    mirror = seen.plan.mirror
    if mirror is None:
        return ""
    copied = f"{share_text(mirror.parts)} of {', '.join(mirror.methods)} are copied to {_version(seen, mirror.set)}."
    return f"{copied} Not copied are bodies over {COPIED_BYTES // 1024} kB, or of a length that is not told before."


def _note(seen: Seen, one: SetId, arm: Arm) -> str:
    """What a rounded share does not say."""
    exact = "" if arm is Arm.DARK else f"{share_text(seen.plan.parts(one))} of the shares; "
    return exact + _ARMS[arm] if len(seen.plan.arms) > 1 else ""


def _version(seen: Seen, one: SetId) -> str:
    return seen.sets[one].commit[:7]
