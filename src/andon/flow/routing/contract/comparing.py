"""What two versions answered to the same request: one to the customer, the other to nobody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from andon.flow.environments.contract import SetId
from andon.flow.sources.contract import Service

if TYPE_CHECKING:
    from andon.flow.routing.contract import AccessPosition

DIGESTED_BYTES = 64 * 1024
"""How much of an answer's body is looked at; of a longer one, this much is compared."""


class Differing(StrEnum):
    STATUS = "status"
    CONTENT_TYPE = "content type"
    SIZE = "size"
    BODY = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One side's answer. The content type is the service's word, at most 100 bytes."""

    set: SetId | None
    """``None`` when nobody served it."""
    status: int
    """0 when the answer did not come before the client had left."""
    duration: int
    """Microseconds to the last byte."""
    sent: int
    """Bytes of the body."""
    content_type: str
    digest: str
    """Of the body's first :data:`DIGESTED_BYTES`; equal for equal bodies. Empty when it was not taken. It tells
    versions of one service apart, and does not withstand somebody who wants two bodies to look the same."""
    masked: int | None = None
    """Bytes of the whole body without what is ignored, which the digest then is of; ``None`` where nothing is to be
    ignored, and of a body that is compressed or longer than :data:`DIGESTED_BYTES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The same request, answered twice. Method, path and id are the client's words."""

    time: int
    """When the customer's began, in microseconds since 1970."""
    service: Service
    environment: str
    request: str
    """``x-request-id``, the same for both."""
    method: str
    path: str
    """Without its query, at most 512 bytes."""
    served: Answer
    """What the customer got."""
    dark: Answer
    """What was thrown away."""

    @property
    def differing(self) -> tuple[Differing, ...]:
        """In which ways the answers differ; durations never count."""
        one, other = self.served, self.dark
        found = []
        if one.status != other.status:
            found.append(Differing.STATUS)
        if one.content_type != other.content_type:
            found.append(Differing.CONTENT_TYPE)
        masked = one.masked is not None and other.masked is not None
        if one.masked != other.masked if masked else one.sent != other.sent:
            found.append(Differing.SIZE)
        if one.digest and other.digest and one.digest != other.digest:
            found.append(Differing.BODY)
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPage:
    pairs: tuple[Pair, ...]
    position: AccessPosition
    """Where to go on. Halves that still wait for the other one are kept by the reader."""
    unpaired: int = 0
    """Halves that were given up since the last page: the other one was never told."""
    missed: bool = False
    """What followed the position asked for is not kept any more; this is the oldest there is."""


class Comparisons(Protocol):
    """Pairs of answers, read from the access log. One reader at a time: it remembers halves between pages."""

    def read(self, after: AccessPosition | None = None, *, limit: int = 5000) -> ComparisonPage:
        """The pairs among the next ``limit`` requests. An empty page at the same position when there are no more by
        now. Raises ``OSError`` when the disk does.
        """
        ...
