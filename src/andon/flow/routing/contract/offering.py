"""What other rooms have to offer on the page of an environment's traffic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from andon.flow.sources.contract import Service
from andon.kernel.access import Principal


@dataclass(frozen=True, slots=True)
class Offered:
    """A way to another page."""

    label: str
    href: str


Offer = Callable[[Principal, Service, str], Offered | None]
"""For somebody who looks at an environment of a service: ``None`` where it is not for them."""


@dataclass(frozen=True, slots=True)
class TrafficOffers:
    """Filled while rooms are built, and read from then on."""

    offers: list[Offer] = field(default_factory=list)

    def add(self, offer: Offer) -> None:
        self.offers.append(offer)

    def to(self, principal: Principal, service: Service, environment: str) -> tuple[Offered, ...]:
        found = (offer(principal, service, environment) for offer in self.offers)
        return tuple(one for one in found if one is not None)
