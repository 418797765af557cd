"""What is refused for good, and so is lost: it is counted once for each request, whatever the request held.

A request that may be sent again is not lost: whoever sent it was told when to come back.
"""

from __future__ import annotations

from typing import ClassVar

from andon.feedback.telemetry.contract.intake import Dropped
from andon.kernel.errors import AndonError, Invalid


class Refused(Invalid):
    """Something that cannot be taken in, however often it is sent."""

    why: ClassVar[Dropped] = Dropped.MALFORMED


def why_lost(error: AndonError) -> Dropped | None:
    """``None`` for what may be sent again, and for whoever may not send at all."""
    if isinstance(error, Refused):
        return error.why
    return Dropped.MALFORMED if isinstance(error, Invalid) else None
