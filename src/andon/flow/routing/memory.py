"""A data plane that carries nothing; ships for tests and for looking at what would be routed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import PARTS, Comparison, Condition, RouterStatistics, Served, Where
from andon.flow.routing.model import Listener, Rule, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Imagined:
    """A request that is only thought of."""

    path: str = "/"
    """With its query."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The cookies among them."""
    number: int = 0
    """Where it comes to lie among all numbers, for what is divided by shares."""


class InMemoryDataPlane:
    def __init__(self) -> None:
        self.table = Table(listeners=(), upstreams=())
        self.counts: dict[SetId, Served] = {}
        self.counted = RouterStatistics()
        self.closed: frozenset[str] = frozenset()
        """Names of listeners that cannot be opened."""

    def start(self) -> None:
        return

    def stop(self) -> None:
        return

    def follow(self, table: Table) -> frozenset[str]:
        self.table = table
        return self.closed

    def entry(self, name: str) -> Path:
        return Path("/nowhere") / name

    def served(self, set_id: SetId) -> Served | None:
        return self.counts.get(set_id)

    def statistics(self) -> RouterStatistics | None:
        return self.counted

    def rotate(self) -> None:
        return

    def serves(self, name: str, asked: Imagined) -> SetId | None:
        """Which set a request to a listener would be given; ``None`` where there is no such listener."""
        listener = next((one for one in self.table.listeners if one.name == name), None)
        if listener is None:
            return None
        rule = _rule_for(listener, asked)
        below = 0
        for one, parts in rule.weights:
            below += parts
            if asked.number < below:
                return one
        return rule.rescue


def _rule_for(listener: Listener, asked: Imagined) -> Rule:
    everything = Rule(weights=((listener.set, PARTS),), rescue=listener.set)
    members = listener.members
    return next((one for one in listener.rules if all(_holds(named, asked, members) for named in one.when)), everything)


def _holds(condition: Condition, asked: Imagined, members: Mapping[str, frozenset[str]]) -> bool:
    path, _, query = asked.path.partition("?")
    headers = {name.lower(): value for name, value in asked.headers.items()}
    if condition.where is Where.PATH:
        return condition.fits(path)
    found: str | None
    match condition.where:
        case Where.HEADER:
            found = headers.get(condition.name.lower())
        case Where.COOKIE:
            parts = (one.strip().partition("=") for one in headers.get("cookie", "").split(";"))
            found = next((value for name, _, value in parts if name == condition.name), None)
        case Where.QUERY:
            found = next(iter(parse_qs(query, keep_blank_values=True).get(condition.name, ())), None)
    match condition.how:
        case Comparison.PRESENT:
            return found is not None
        case Comparison.IS:
            return found == condition.value
        case Comparison.PREFIX:
            return found is not None and found.startswith(condition.value)
        case Comparison.MEMBER:
            return found in members.get(condition.value, ())
