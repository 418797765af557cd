"""Shapes of the record's API."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from andon.kernel.events.model import Envelope

if TYPE_CHECKING:  # the command line reads these shapes without loading what makes them
    from andon.kernel.events.reactions import Delivery
    from andon.kernel.events.seal import Seal, Verification


class CloudEvent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An event in a CloudEvents 1.0 envelope; what begins with ``andon`` are its extension attributes."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str
    data: msgspec.Raw
    andonposition: int
    andonactor: str
    andonperson: str | None = None
    andoncdevent: str | None = None
    andonservice: str | None = None
    andonenvironment: str | None = None
    andonrun: str | None = None
    andondeployment: str | None = None
    andoncommit: str | None = None
    andonsentence: str = ""

    @classmethod
    def of(cls, envelope: Envelope, source: str, sentence: str = "") -> CloudEvent:
        facets = envelope.facets
        return cls(
            specversion="1.0",
            id=envelope.id,
            source=source,
            type=envelope.type,
            subject=envelope.subject,
            time=envelope.at,
            datacontenttype="application/json",
            data=msgspec.Raw(envelope.data),
            andonposition=envelope.position,
            andonactor=str(envelope.actor),
            andonperson=envelope.actor.person,
            andoncdevent=envelope.cdevents,
            andonservice=facets.get("service"),
            andonenvironment=facets.get("environment"),
            andonrun=facets.get("run"),
            andondeployment=facets.get("deployment"),
            andoncommit=facets.get("commit"),
            andonsentence=sentence,
        )


class EventPage(msgspec.Struct, kw_only=True):
    """``next`` is the cursor of the page that follows: ``before`` it when newest come first, else ``after`` it."""

    events: list[CloudEvent]
    next: int | None


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
_Signature = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{128}$", max_length=128)]


class KeptSeal(msgspec.Struct, kw_only=True):
    """A seal as it is handed out to be kept elsewhere. ``last`` is the position up to which it vouches.

    ``signature`` is Ed25519 by ``key`` over the text of ``digest``, which follows from every event up to there;
    ``fingerprint`` is for a person to compare keys by. All hexadecimal.
    """

    format: Literal["andon.checkpoint.v1"] = "andon.checkpoint.v1"
    number: _Count
    first: _Count
    last: _Count
    count: _Count
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    previous: _Digest
    digest: _Digest
    key: _Digest
    fingerprint: str = ""
    signature: _Signature

    @classmethod
    def of(cls, seal: Seal, fingerprint: str) -> KeptSeal:
        return cls(
            number=seal.number,
            first=seal.first,
            last=seal.last,
            count=seal.count,
            at=seal.at,
            previous=seal.previous,
            digest=seal.digest,
            key=seal.key,
            fingerprint=fingerprint,
            signature=seal.signature,
        )

    def written(self) -> bytes:
        """As the small file that people keep."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


class SealRequest(KeptSeal, kw_only=True, forbid_unknown_fields=True):
    """A kept seal as it is sent; a file that is read may hold what a later Andon wrote beside it."""


class SealState(msgspec.Struct, kw_only=True):
    """The newest seal, if there is one yet, and how many events came after it."""

    seal: KeptSeal | None
    unsealed: int


class ChainState(msgspec.Struct, kw_only=True):
    """``sound`` when every seal fits; ``fault`` says what does not.

    ``checkpoint`` tells where a kept seal stands: ``holds``, ``rewritten``, ``missing``, ``unreached`` (the chain is
    broken before it), ``unknown-key``, ``foreign``; ``null`` when none was sent.
    """

    sound: bool
    sealed_to: int
    seals: int
    events: int
    unsealed: int
    fault: str | None
    checkpoint: str | None = None

    @classmethod
    def of(cls, found: Verification) -> ChainState:
        return cls(
            sound=found.fault is None,
            sealed_to=found.sealed_to,
            seals=found.seals,
            events=found.events,
            unsealed=found.unsealed,
            fault=found.fault,
            checkpoint=None if found.checkpoint is None else found.checkpoint.value,
        )


class DeliveryView(msgspec.Struct, kw_only=True):
    """A reaction that failed on an event; ``dead`` once nobody tries any more."""

    reaction: str
    position: int
    attempts: int
    dead: bool
    next_at: datetime | None
    since: datetime
    error: str

    @classmethod
    def of(cls, one: Delivery) -> DeliveryView:
        return cls(
            reaction=one.reaction,
            position=one.position,
            attempts=one.attempts,
            dead=one.next_at is None,
            next_at=one.next_at,
            since=one.since,
            error=one.error,
        )


class Deliveries(msgspec.Struct, kw_only=True):
    deliveries: list[DeliveryView]
