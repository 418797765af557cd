"""Which events a reader may see: the one rule behind every page, answer and feed that shows the record."""

from __future__ import annotations

from dataclasses import dataclass

from andon.kernel.events.model import Envelope

ABOUT_TOKENS = "dev.andon.token."
ABOUT_ACCOUNTS = ("dev.andon.person.", "dev.andon.role.", ABOUT_TOKENS)
"""How the types of events begin that tell of somebody's account: coming and going, passwords, roles, tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a reader may see: events about services on which they have a role, and events about their own account."""

    services: frozenset[str] | None = None
    """Events about these services, or about none. ``None`` is every service."""
    accounts: bool = True
    """Whether events about everybody's accounts are seen."""
    account: str | None = None
    """The person whose account's events are seen in any case."""

    def covers(self, one: Envelope) -> bool:
        if one.type.startswith(ABOUT_ACCOUNTS):
            return self.accounts or self._is_own(one)
        service = one.facets.get("service")
        return self.services is None or service is None or service in self.services

    def _is_own(self, one: Envelope) -> bool:
        if self.account is None:
            return False
        if one.type.startswith(ABOUT_TOKENS):
            return owner_in_data(self.account).encode() in one.data
        return one.subject == f"person:{self.account}"


def owner_in_data(account: str) -> str:
    """What stands in the data of an event about a token of this person's."""
    return f'"person":"{account}"'
