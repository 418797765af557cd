"""When somebody was last seen: by a session or token still open, or by the record of their coming and going."""

from __future__ import annotations

from datetime import datetime

from andon.kernel.access.roster import Member
from andon.kernel.db import Reading
from andon.kernel.events import Facets, page


def last_seen(reading: Reading, one: Member) -> datetime | None:
    """``None`` is not known.

    Of the record only what they did to their own account counts (signing in and out, a new password): what Andon does
    by somebody's authority happens while they sleep.
    """
    wanted = Facets(type="dev.andon.person.*", subject=f"person:{one.person.id}", person=one.person.id)
    known = [event.at for event in page(reading, wanted, limit=1)]
    return max([*known, *([one.seen_at] if one.seen_at else [])], default=None)
